/* holdings.c - descriptors, output, and room on the disk. */
#include "server/doctor/look.h"

#include "logs/inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

/* ---- descriptors ---------------------------------------------------------------------- */

/* What each may hold for its work, with room for what comes and goes. */
#define KEEPER_FDS_EACH	    6 /* pidfd, notification socket, watch of the set, three held */
#define KEEPER_FDS_MORE	    64
#define SERVER_PIPES_EACH   2 /* a readiness pipe, and what a command aside says */
#define SERVER_PIPES_MORE   32
#define SERVER_SOCKETS_EACH 8		/* connections of probes and gates */
#define SERVER_SOCKETS_MORE (1024 + 64) /* clients: LIMIT_CONNECTIONS */
#define SERVER_FILES_MORE   1024 /* open segments and indexes: logs/thread.c closes what is idle */
#define NEAR_PERCENT	    90

static size_t count_links(pid_t pid, const char *prefix)
{
	struct strv links = {0};

	process_links(pid, prefix, &links);
	size_t n = links.n;
	strv_release(&links);
	return n;
}

static void add_leak(
    struct look *l, pid_t pid, const char *who, const char *what, size_t n, size_t most)
{
	if (n <= most)
		return;
	struct finding *f = look_add(l, CHECK_DESCRIPTORS, SEVERITY_ERROR, "%s %s", who, what);
	f->pid = pid;
	f->ours = text_fmt("the %s needs at most %zu %s", who, most, what);
	f->kernel = text_fmt("it holds %zu", n);
	f->repair = NULL;
}

static void judge_limit(struct look *l, pid_t pid, const char *who, size_t n)
{
	struct rlimit most;

	if (prlimit(pid, RLIMIT_NOFILE, NULL, &most) < 0 || n * 100 < most.rlim_cur * NEAR_PERCENT)
		return;
	struct finding *f = look_add(l, CHECK_DESCRIPTORS, SEVERITY_WARN, "%s limit", who);
	f->pid = pid;
	f->ours = text_fmt("the %s needs more for each further service", who);
	f->kernel = text_fmt(
	    "it holds %zu descriptors, its limit is %llu", n, (unsigned long long)most.rlim_cur);
}

void look_descriptors(struct look *l)
{
	const struct belief *b = &l->belief;
	size_t attempts = b->claims.n + b->aside.n;
	size_t keeper = count_links(b->keeper, ""), server = count_links(b->server, "");

	add_leak(l, b->keeper, "keeper", "descriptors", keeper,
	    (attempts + b->unacked) * KEEPER_FDS_EACH + b->pipes + KEEPER_FDS_MORE);
	add_leak(l, b->server, "server", "pipes", count_links(b->server, "pipe:"),
	    b->pipes + attempts * SERVER_PIPES_EACH + SERVER_PIPES_MORE);
	add_leak(l, b->server, "server", "sockets", count_links(b->server, "socket:"),
	    attempts * SERVER_SOCKETS_EACH + SERVER_SOCKETS_MORE);
	add_leak(l, b->server, "server", "files", count_links(b->server, "/"),
	    SERVER_FILES_MORE + attempts);
	judge_limit(l, b->keeper, "keeper", keeper);
	judge_limit(l, b->server, "server", server);
}

/* ---- output ----------------------------------------------------------------------------- */

static bool read_link(pid_t pid, int fd, char *out, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
	ssize_t n = readlink(path, out, size - 1);
	out[n > 0 ? n : 0] = '\0';
	return n > 0 && strncmp(out, "pipe:", 5) == 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_in(const struct strv *sorted, const char *text)
{
	return sorted->n && bsearch(&text, sorted->v, sorted->n, sizeof(char *), by_text);
}

static void take_pipes(pid_t pid, struct strv *out)
{
	process_links(pid, "pipe:", out);
	if (out->n)
		qsort(out->v, out->n, sizeof(char *), by_text);
}

/* A pipe that the keeper holds and a leader writes into is one that the server gave to both:
 * then the server must read it. */
void look_capture(struct look *l)
{
	static const char *const streams[] = {NULL, "stdout", "stderr"};
	struct strv ours = {0}, keepers = {0};
	char link[64];

	take_pipes(l->belief.server, &ours);
	take_pipes(l->belief.keeper, &keepers);
	for (size_t i = 0; i < l->belief.claims.n; i++) {
		const struct claim *c = &l->belief.claims.v[i];

		for (int fd = 1; c->executed && !c->exited && c->pid && fd <= 2; fd++) {
			if (!read_link(c->pid, fd, link, sizeof(link)) || !is_in(&keepers, link) ||
			    is_in(&ours, link))
				continue;
			struct finding *f = look_add(l, CHECK_CAPTURE, SEVERITY_ERROR, "%016llx %d",
			    (unsigned long long)c->token, fd);
			finding_of(f, c->service, c->action, c->pid);
			f->ours = text_fmt("its %s is captured", streams[fd]);
			f->kernel =
			    text_fmt("the keeper holds %s, the server does not read it", link);
		}
	}
	strv_release(&ours);
	strv_release(&keepers);
}

/* ---- logs ------------------------------------------------------------------------------- */

#define QUOTA_BYTES (1ull << 30) /* logs_options.total_bytes */

static void try_to_write(struct look *l)
{
	auto_free char *path = text_fmt("%s/.doctor", l->belief.logs);
	auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	int sys = errno;

	if (fd >= 0) {
		unlink(path);
		return;
	}
	struct finding *f = look_add(l, CHECK_LOGS, SEVERITY_ERROR, "folder");
	text_set(&f->path, l->belief.logs);
	f->ours = text_dup("output is stored there");
	f->kernel = text_fmt("no file can be made in it: %s", strerrordesc_np(sys));
}

void look_logs(struct look *l)
{
	struct strv wrong = {0};

	try_to_write(l);
	logs_inspect(l->belief.logs, &wrong);
	for (size_t i = 0; i < wrong.n; i++) {
		char *says = strchr(wrong.v[i], '\n');

		*says++ = '\0';
		struct finding *f = look_add(l, CHECK_LOGS, SEVERITY_ERROR, "%s", wrong.v[i]);
		f->path = text_fmt("%s/%s", l->belief.logs, wrong.v[i]);
		f->ours = text_dup("it can be read, and its index fits its bytes");
		f->kernel = text_dup(says);
	}
	if (l->belief.stored > QUOTA_BYTES + QUOTA_BYTES / 4) {
		struct finding *f = look_add(l, CHECK_LOGS, SEVERITY_WARN, "quota");
		f->ours = text_fmt("all of them take at most %llu MiB", QUOTA_BYTES >> 20);
		f->kernel =
		    text_fmt("they take %llu MiB", (unsigned long long)(l->belief.stored >> 20));
	}
	strv_release(&wrong);
}

/* ---- room ------------------------------------------------------------------------------- */

#define ROOM_BYTES (64ull << 20)
#define ROOM_FILES 1000

static void judge_room(struct look *l, const char *path)
{
	struct statvfs v;

	if (statvfs(path, &v) < 0)
		return;
	unsigned long long room = (unsigned long long)v.f_bavail * v.f_frsize;
	bool few_files = v.f_files && v.f_favail < ROOM_FILES;

	if (room >= ROOM_BYTES && !few_files)
		return;
	struct finding *f = look_add(l, CHECK_DISK, SEVERITY_WARN, "%s", path);
	text_set(&f->path, path);
	f->ours =
	    text_fmt("it needs %llu MiB and %d files to be free", ROOM_BYTES >> 20, ROOM_FILES);
	f->kernel =
	    text_fmt("%llu MiB and %llu files are", room >> 20, (unsigned long long)v.f_favail);
}

void look_disk(struct look *l)
{
	struct stat state, sockets;

	judge_room(l, l->belief.state);
	if (stat(l->belief.state, &state) == 0 && stat(l->belief.sockets, &sockets) == 0 &&
	    state.st_dev != sockets.st_dev)
		judge_room(l, l->belief.sockets);
}
