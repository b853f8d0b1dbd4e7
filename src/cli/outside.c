#include "cli/outside.h"

#include "client/state_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>

#define ROOM_BYTES (64ull << 20)
#define FILES_FEW  1024 /* some five descriptors a service */
#define TASKS_FEW  256

static void add(json_t *rows, const char *name, bool ok, const char *hint, const char *fmt, ...)
    attr_fmt(5, 6);
static void add(json_t *rows, const char *name, bool ok, const char *hint, const char *fmt, ...)
{
	auto_str says = {0};
	va_list ap;

	va_start(ap, fmt);
	str_vfmt(&says, fmt, ap);
	va_end(ap);
	json_array_append_new(rows, json_pack("{s:s, s:b, s:s, s:s?}", "name", name, "ok", ok,
					"says", str_text(&says), "try", hint));
}

/* ---- the door ------------------------------------------------------------------------ */

static void look_at_socket(json_t *rows, const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct stat st;

	if (lstat(path, &st) < 0) {
		add(rows, "socket", false, "hero_proc up", "%s: %s", path, strerrordesc_np(errno));
		return;
	}
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0 || errno == EAGAIN)
		add(rows, "socket", false, NULL, "%s is listened on, and nobody answers", path);
	else if (errno == ECONNREFUSED)
		add(rows, "socket", false, "hero_proc up (it takes the file over)",
		    "%s is there, nobody listens on it: the daemon was killed", path);
	else
		add(rows, "socket", false, NULL, "%s: %s", path, strerrordesc_np(errno));
}

/* Where `hero_proc up` lets a daemon that it starts write. */
static void look_at_words(json_t *rows, const char *state)
{
	auto_free char *path = text_fmt("%s/supervisor.log", state);
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	char tail[1024];

	if (fd < 0)
		return;
	off_t size = lseek(fd, 0, SEEK_END);
	ssize_t n = pread(fd, tail, sizeof(tail) - 1,
	    size > (off_t)sizeof(tail) ? size - (off_t)sizeof(tail) : 0);
	while (n > 0 && tail[n - 1] == '\n')
		n--;
	tail[n > 0 ? n : 0] = '\0';
	const char *line = strrchr(tail, '\n');
	json_t *said = json_string(line ? line + 1 : tail); /* NULL: no UTF-8 */
	if (n > 0 && said)
		add(rows, "said", !strstr(json_string_value(said), " error "), path, "last: %s",
		    json_string_value(said));
	json_decref(said);
}

/* ---- the state folder ---------------------------------------------------------------- */

static bool read_line(const char *path, char *out, size_t size)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);

	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, "\n")] = '\0';
	return n >= 0;
}

static void look_at_folder(json_t *rows, const char *state)
{
	struct stat st;

	if (stat(state, &st) < 0)
		add(rows, "state", errno == ENOENT, NULL, "%s: %s%s", state, strerrordesc_np(errno),
		    errno == ENOENT ? ": no daemon ever ran there; the first one makes it" : "");
	else if (st.st_uid != geteuid())
		add(rows, "state", geteuid() == 0, NULL, "%s belongs to uid %u, this is uid %u",
		    state, st.st_uid, geteuid());
	else if (st.st_mode & 077)
		add(rows, "state", false, "chmod 0700 on it",
		    "%s: others may look into it (mode %04o)", state, st.st_mode & 07777);
	else if (faccessat(AT_FDCWD, state, W_OK | X_OK, AT_EACCESS) < 0)
		add(rows, "state", false, NULL, "%s: %s", state, strerrordesc_np(errno));
	else
		add(rows, "state", true, NULL, "%s can be written", state);
}

/* The lock goes with its process: who holds it lives. */
static void look_at_lock(json_t *rows, const char *state)
{
	char stat_path[64], line[512];
	const pid_t holder = state_folder_holder(state);

	if (!holder) {
		add(rows, "keeper", true, "hero_proc up",
		    "no keeper holds the lock of the state folder");
		return;
	}
	snprintf(stat_path, sizeof(stat_path), "/proc/%d/stat", (int)holder);
	read_line(stat_path, line, sizeof(line));
	const char *after = strrchr(line, ')');
	if (after && after[1] && after[2] == 'T')
		add(rows, "keeper", false, "send it SIGCONT", "the keeper, pid %d, is stopped",
		    (int)holder);
	else
		add(rows, "keeper", false,
		    "what it said: hero_proc logs --supervisor; another --socket?",
		    "the keeper, pid %d, holds %s, and its server does not answer here",
		    (int)holder, state);
}

/* Without a keeper nobody is their parent. */
static void look_for_survivors(json_t *rows, const char *state)
{
	uint64_t id = 14695981039346656037u; /* FNV-1a, keeper_protocol.h: KEEPER_ID_ENV */
	auto_free char *full = realpath(state, NULL), *text = mem_new(128u << 10);
	DIR *d = full ? opendir("/proc") : NULL;
	size_t n = 0;
	char first[32] = "";

	for (const char *s = full ? full : ""; *s; s++)
		id = (id ^ (unsigned char)*s) * 1099511628211u;
	auto_free char *mark = text_fmt("HERO_PROC_KEEPER=%016llx", (unsigned long long)id);
	for (struct dirent *e; d && (e = readdir(d));) {
		auto_free char *path = text_fmt("/proc/%s/environ", e->d_name);
		auto_fd int fd =
		    *e->d_name < '1' || *e->d_name > '9' ? -1 : open(path, O_RDONLY | O_CLOEXEC);
		ssize_t got = fd < 0 ? -1 : read(fd, text, (128u << 10) - 1);

		if (got > 0 && atoi(e->d_name) != getpid() &&
		    memmem(text, (size_t)got, mark, strlen(mark)) && n++ == 0)
			snprintf(first, sizeof(first), "%.31s", e->d_name);
	}
	if (d)
		closedir(d);
	if (n)
		add(rows, "services", false,
		    "hero_proc up (a new keeper ends them first, or hands them on)",
		    "%zu processes of its services live, pid %s among them", n, first);
	else
		add(rows, "services", true, NULL, "no process of its services lives");
}

/* ---- the machine --------------------------------------------------------------------- */

static void look_at_room(json_t *rows, const char *state)
{
	auto_free char *path = text_dup(state);
	struct statvfs v;

	while (statvfs(path, &v) < 0) { /* it may not exist yet */
		char *slash = strrchr(path, '/');

		if (!slash || slash == path)
			return;
		*slash = '\0';
	}
	unsigned long long room = (unsigned long long)v.f_bavail * v.f_frsize;
	bool writable = !(v.f_flag & ST_RDONLY);
	add(rows, "disk", room >= ROOM_BYTES && writable, NULL, "%s: %llu MiB free%s", path,
	    room >> 20, writable ? "" : ", mounted read-only");
}

static void look_at_limits(json_t *rows)
{
	struct rlimit files = {0}, tasks = {0};
	char text[32];

	getrlimit(RLIMIT_NOFILE, &files);
	getrlimit(RLIMIT_NPROC, &tasks);
	add(rows, "files", files.rlim_max >= FILES_FEW, "ulimit -Hn",
	    "at most %llu descriptors: some %llu services", (unsigned long long)files.rlim_max,
	    (unsigned long long)files.rlim_max / 6);
	if (tasks.rlim_cur == RLIM_INFINITY)
		snprintf(text, sizeof(text), "without limit");
	else
		snprintf(text, sizeof(text), "at most %llu", (unsigned long long)tasks.rlim_cur);
	add(rows, "tasks", tasks.rlim_cur >= TASKS_FEW, "ulimit -u", "processes of this user: %s",
	    text);
}

static void look_at_cgroups(json_t *rows)
{
	char line[8192], point[4096] = "";
	FILE *f = fopen("/proc/self/mountinfo", "re");

	while (f && !*point && fgets(line, sizeof(line), f)) {
		const char *type = strstr(line, " - ");

		if (type && strncmp(type + 3, "cgroup2 ", 8) == 0)
			sscanf(line, "%*s %*s %*s %*s %4095s", point);
	}
	if (f)
		fclose(f);
	if (!*point)
		add(rows, "cgroups", true, NULL,
		    "there is no cgroup v2: sets are held by session and token");
	else
		add(rows, "cgroups", true, NULL, "%s is %s", point,
		    access(point, W_OK) == 0
			? "there, and can be written"
			: "not to be written: sets are held by session and token");
}

json_t *outside_look(const char *socket_path)
{
	auto_free char *state = state_folder_default();
	json_t *rows = json_array();

	look_at_socket(rows, socket_path);
	look_at_words(rows, state);
	look_at_folder(rows, state);
	look_at_lock(rows, state);
	look_for_survivors(rows, state);
	look_at_room(rows, state);
	look_at_limits(rows);
	look_at_cgroups(rows);
	return rows;
}
