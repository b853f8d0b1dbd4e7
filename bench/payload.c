/*
 * payload.c - the service that is measured: the least that can tell the time.
 *
 *	payload TRACE ID [FD|notify]
 *
 * Appends one record to TRACE when it has begun (main() and the moment before its
 * newline on FD, or READY=1 on $NOTIFY_SOCKET), and one when it is told to stop; then it ends.  The
 *clock is CLOCK_MONOTONIC in nanoseconds.  Nothing that is measured comes from a supervisor.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { BEGUN = 1, TOLD_TO_STOP = 2 };

struct record { /* bench/harness.py reads it */
	uint32_t id, kind;
	int64_t main_ns, ready_ns;
	int64_t pid;
};

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* After the newline: the next service does not wait for it. */
static void append(const char *path, struct record r)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);

	r.pid = getpid();
	if (fd < 0 || write(fd, &r, sizeof(r)) != (ssize_t)sizeof(r))
		_exit(3);
	close(fd);
}

static bool notify(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (!path || fd < 0)
		return false;
	strncpy(to.sun_path, path, sizeof(to.sun_path) - 1);
	if (to.sun_path[0] == '@')
		to.sun_path[0] = 0;
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	bool sent = sendto(fd, "READY=1", 7, 0, (struct sockaddr *)&to, size) == 7;
	close(fd);
	return sent;
}

static bool tell_ready(const char *how)
{
	if (strcmp(how, "notify") == 0)
		return notify();
	int fd = (int)strtol(how, NULL, 10);
	bool sent = write(fd, "\n", 1) == 1;
	close(fd);
	return sent;
}

int main(int argc, char **argv)
{
	struct record r = {.kind = BEGUN, .main_ns = now()};
	sigset_t stop;
	int signo;

	if (argc < 3)
		return 2;
	r.id = (uint32_t)strtoul(argv[2], NULL, 10);
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGHUP);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	r.ready_ns = now();
	if (argc > 3 && !tell_ready(argv[3]))
		return 4;
	append(argv[1], r);
	sigwait(&stop, &signo);
	r.kind = TOLD_TO_STOP;
	r.main_ns = now();
	append(argv[1], r);
	return 0;
}
