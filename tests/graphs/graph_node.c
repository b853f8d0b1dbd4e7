/*
 * graph_node.c - a node of a graph: writes down when it begins, can be used, is asked to
 * go, and ends.
 *
 *   graph_node NAME once MS          ends well after MS
 *   graph_node NAME fd MS            ready after MS, by a newline on descriptor 3
 *   graph_node NAME socket MS PATH   ready after MS, when PATH listens
 *
 * One line per fact in $HERO_TRACE: NAME PID main|ready|stop|end CLOCK_MONOTONIC-ns.
 * `ready` and `end` are written before anybody could notice them, so whoever has a
 * `main` before them came too early beyond doubt.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static void note(const char *name, const char *fact)
{
	struct timespec t;
	char line[400];

	clock_gettime(CLOCK_MONOTONIC, &t);
	int n = snprintf(line, sizeof(line), "%s %d %s %lld\n", name, (int)getpid(), fact,
	    (long long)t.tv_sec * 1000000000 + t.tv_nsec);
	int fd = open(getenv("HERO_TRACE"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, line, (size_t)n) != n)
		_exit(9);
	close(fd);
}

/* Leaves when it was asked to go. */
static void wait_for(const char *name, const sigset_t *go, long ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	if ((ms < 0 ? sigwaitinfo(go, NULL) : sigtimedwait(go, NULL, &t)) <= 0)
		return;
	note(name, "stop");
	note(name, "end");
	_exit(0);
}

static void listen_on(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char *slash = strrchr(path, '/');
	char folder[sizeof(a.sun_path)];

	if (!slash || strlen(path) >= sizeof(a.sun_path))
		_exit(8);
	snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
	mkdir(folder, 0755);
	memcpy(a.sun_path, path, strlen(path) + 1);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 64) < 0)
		_exit(7);
}

int main(int argc, char **argv)
{
	sigset_t go;

	if (argc < 4)
		return 2;
	const char *name = argv[1], *kind = argv[2];
	sigemptyset(&go);
	sigaddset(&go, SIGTERM);
	sigprocmask(SIG_BLOCK, &go, NULL);
	note(name, "main");
	wait_for(name, &go, atol(argv[3]));
	if (strcmp(kind, "once") == 0) {
		note(name, "end");
		return 0;
	}
	note(name, "ready");
	if (strcmp(kind, "fd") == 0 && write(3, "\n", 1) != 1)
		return 6;
	if (strcmp(kind, "socket") == 0)
		listen_on(argv[4]);
	for (;;)
		wait_for(name, &go, -1);
}
