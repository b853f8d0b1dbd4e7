#include "keeper/keeper.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void pids_release(struct pids *p)
{
	free(p->v);
	*p = (struct pids){0};
}

bool pids_add(struct pids *p, pid_t pid)
{
	if (p->n == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 64;
		pid_t *v = realloc(p->v, cap * sizeof(*v));
		if (!v)
			return false;
		p->v = v;
		p->cap = cap;
	}
	p->v[p->n++] = pid;
	return true;
}

static bool children_of_thread(pid_t pid, const char *tid, struct pids *out)
{
	char path[96];
	snprintf(path, sizeof(path), "/proc/%d/task/%.20s/children", (int)pid, tid);
	FILE *f = fopen(path, "re");
	if (!f)
		return false;
	int child;
	bool ok = true;
	while (ok && fscanf(f, "%d", &child) == 1)
		ok = pids_add(out, child);
	fclose(f);
	return ok;
}

bool children_of(pid_t pid, struct pids *out)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	DIR *d = opendir(path);
	bool ok = d != NULL;
	for (struct dirent *e; d && (e = readdir(d));) {
		if (e->d_name[0] != '.')
			ok &= children_of_thread(pid, e->d_name, out);
	}
	if (d)
		closedir(d);
	return ok;
}

/* Kernel threads have none, and are many; nor have zombies. */
static bool has_program(const char *pid)
{
	char path[64], to[8];
	snprintf(path, sizeof(path), "/proc/%.20s/exe", pid);
	return readlink(path, to, sizeof(to)) > 0;
}

bool processes(struct pids *out)
{
	DIR *d = opendir("/proc");
	bool ok = d != NULL;
	for (struct dirent *e; d && (e = readdir(d));) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
		if (pid > 0 && has_program(e->d_name))
			ok &= pids_add(out, pid);
	}
	if (d)
		closedir(d);
	return ok;
}

uid_t process_uid(pid_t pid)
{
	char path[64];
	struct stat st;
	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	return stat(path, &st) == 0 ? st.st_uid : (uid_t)-1;
}

void token_hex(char out[17], uint64_t token)
{
	snprintf(out, 17, "%016llx", (unsigned long long)token);
}

uint64_t folder_id(const char *dir)
{
	char *full = realpath(dir, NULL);
	uint64_t id = 14695981039346656037u; /* FNV-1a */
	for (const char *s = full; s && *s; s++)
		id = (id ^ (unsigned char)*s) * 1099511628211u;
	bool is_there = full != NULL;
	free(full);
	return is_there ? id : 0;
}

static size_t read_file(const char *path, char *buf, size_t size)
{
	size_t n = 0;
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		while (n < size - 1 && (got = read(fd, buf + n, size - 1 - n)) > 0)
			n += (size_t)got;
		close(fd);
	}
	buf[n] = '\0';
	return n;
}

#define FORKED_ONLY 0x40u /* PF_FORKNOEXEC in Linux */

/* proc(5).  The name, field 2, may hold anything, so fields count from its last `)`. */
bool process_stat(pid_t pid, struct process_stat *out)
{
	char path[64], text[1024];
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	read_file(path, text, sizeof(text));
	char *at = strrchr(text, ')');
	if (!at)
		return false;
	for (int field = 3; (at = strchr(at, ' ')); field++) {
		at++;
		if (field == 3)
			out->state = *at;
		else if (field == 4)
			out->parent = (pid_t)strtol(at, NULL, 10);
		else if (field == 9)
			out->forked_only = strtoul(at, NULL, 10) & FORKED_ONLY;
		else if (field == 22)
			out->start_ticks = strtoull(at, NULL, 10);
		else if (field == 51)
			out->executing = strtoull(at, NULL, 10) == 0 && out->state != 'Z';
		else if (field == 52)
			out->exit_code = (int)strtol(at, NULL, 10);
	}
	return true;
}

static bool is_executing(pid_t pid)
{
	struct process_stat st = {0};
	return process_stat(pid, &st) && st.executing;
}

/* Inside execve(2) there is none for a moment: an empty one counts only if the process was
 * not there before the reading and is not after it.  false: it is there all the time. */
static bool read_environment(pid_t pid, char *text, size_t size, size_t *n)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	for (int i = 0; i < 20; i++) {
		bool executing = is_executing(pid);
		*n = read_file(path, text, size);
		if (*n || (!executing && !is_executing(pid)))
			return true;
		nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
	}
	return false;
}

/* The keeper puts the token first, but a shell may have sorted its environment. */
uint64_t process_number(pid_t pid, const char *key)
{
	static char text[256 * 1024];
	size_t n, bytes = strlen(key);
	if (!read_environment(pid, text, sizeof(text), &n))
		return PROCESS_UNSURE;
	for (size_t at = 0; at < n; at += strlen(text + at) + 1) {
		if (strncmp(text + at, key, bytes) == 0 && text[at + bytes] == '=')
			return strtoull(text + at + bytes + 1, NULL, 16);
	}
	return 0;
}

/* `--state DIR` in its command line. */
bool process_keeps(pid_t pid, uint64_t id)
{
	char path[64], text[8192];
	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	size_t n = read_file(path, text, sizeof(text));
	for (size_t at = 0; at < n; at += strlen(text + at) + 1) {
		if (strcmp(text + at, "--") == 0)
			return false;
		if (strcmp(text + at, "--state") == 0 && at + sizeof("--state") < n)
			return folder_id(text + at + sizeof("--state")) == id;
	}
	return false;
}

uint64_t process_token(const struct keeper *k, pid_t pid)
{
	const uint64_t token = process_number(pid, KEEPER_TOKEN_ENV);
	if (token == 0 || token == PROCESS_UNSURE)
		return token;
	const uint64_t id = process_number(pid, KEEPER_ID_ENV);
	return id == PROCESS_UNSURE ? id : id == k->id ? token : 0;
}
