#include "sys/cgroups.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#define CGROUPS_DEPTH 8

static void find_mount(char mount[4096])
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[8192];

	while (f && !*mount && fgets(line, sizeof(line), f)) {
		const char *type = strstr(line, " - ");

		if (type && strncmp(type + 3, "cgroup2 ", 8) == 0)
			sscanf(line, "%*s %*s %*s %*s %4095s", mount);
	}
	if (f)
		fclose(f);
}

static void find_own(pid_t keeper, char own[4096])
{
	auto_free char *path = text_fmt("/proc/%d/cgroup", (int)keeper);
	FILE *f = fopen(path, "re");
	char line[8192];

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "0::/", 4) == 0)
			sscanf(line + 3, "%4095s", own);
	if (f)
		fclose(f);
}

char *cgroups_find(pid_t keeper, uint64_t keeper_id)
{
	char mount[4096] = "", own[4096] = "";

	find_mount(mount);
	find_own(keeper, own);
	for (int i = 0; *mount && i < 2; i++) { /* its own, or the top: keeper/cgroup.c */
		char *path = text_fmt("%s%s/hero_proc-%016" PRIx64, mount,
		    i || strcmp(own, "/") == 0 ? "" : own, keeper_id);

		if (access(path, F_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

static void read_procs(int folder, struct proc_pids *out)
{
	int fd = openat(folder, "cgroup.procs", O_RDONLY | O_CLOEXEC), pid;
	FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;

	while (f && fscanf(f, "%d", &pid) == 1)
		*vec_push(out) = pid;
	if (f)
		fclose(f);
}

/* And of what the job made below it. */
static bool read_folder(int take_folder, struct proc_pids *out, int depth)
{
	DIR *d = take_folder >= 0 ? fdopendir(take_folder) : NULL;

	if (!d)
		return false;
	read_procs(dirfd(d), out);
	for (struct dirent *e; depth < CGROUPS_DEPTH && (e = readdir(d));)
		if (e->d_type == DT_DIR && *e->d_name != '.')
			read_folder(openat(dirfd(d), e->d_name,
					O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW),
			    out, depth + 1);
	closedir(d);
	return true;
}

bool cgroups_read(const char *folder, struct proc_pids *out)
{
	return read_folder(open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), out, 0);
}
