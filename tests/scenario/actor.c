/*
 * actor.c - the process of a scenario's service: it does what it was cast for, and what it is told.
 *
 *	actor SERVICE ACTION [kind=log] [socket=NAME] [ready=MS] ... (making.c writes this)
 *
 * $STAGE is the scenario's folder.  It writes a line "SERVICE ACTION PID MOMENT NS"
 * (CLOCK_MONOTONIC) to $STAGE/diary for each moment, and takes orders as datagrams on
 * $STAGE/SERVICE.ACTION: `ready`, `open`, `close`, `fail`, `hang`, `exit N`, `signal N`.
 * One loop, one poll(2): nothing here can race with itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define NEVER INT64_MAX

static const char *service, *action, *kind = "", *socket_name, *stage;
static long long ready = -1, opens = -1, stops, times, ends = -1, code, signo, oneshot, ignores,
		 child;
static int64_t ready_at = NEVER, open_at = NEVER, end_at = NEVER;
static int listener = -1;

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void in_stage(char *out, size_t n, const char *name)
{
	snprintf(out, n, "%s/%s", stage, name);
}

static void note(const char *moment)
{
	char path[4096], line[512];
	in_stage(path, sizeof(path), "diary");
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	int n = snprintf(line, sizeof(line), "%s %s %d %s %lld\n", service, action, (int)getpid(),
	    moment, (long long)now_ns());

	if (fd < 0 || write(fd, line, (size_t)n) != n)
		_exit(99);
	close(fd);
}

static long long executions_before(void)
{
	char path[4096], line[512], a[256], b[256], moment[64];
	long long n = 0;
	int pid;
	in_stage(path, sizeof(path), "diary");
	FILE *f = fopen(path, "re");

	while (f && fgets(line, sizeof(line), f))
		n += sscanf(line, "%255s %255s %d %63s", a, b, &pid, moment) == 4 &&
		     strcmp(a, service) == 0 && strcmp(b, action) == 0 &&
		     strcmp(moment, "executed") == 0;
	if (f)
		fclose(f);
	return n;
}

static int bound(const char *path, int type)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	unlink(path);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
		perror(path);
		_exit(98);
	}
	return fd;
}

static void own_socket(char *out, size_t n)
{
	const char *dir = getenv("HERO_SOCKET_DIR");

	snprintf(out, n, "%s/%s/%s", dir ? dir : ".", service, socket_name);
}

static void open_socket(void)
{
	char path[4096];

	open_at = NEVER;
	if (!socket_name || listener >= 0)
		return;
	own_socket(path, sizeof(path));
	listener = bound(path, SOCK_STREAM);
	if (strcmp(kind, "sockets") == 0)
		note("ready");
	listen(listener, 16);
}

static void close_socket(void)
{
	char path[4096];

	if (listener < 0)
		return;
	own_socket(path, sizeof(path));
	close(listener);
	unlink(path);
	listener = -1;
}

static void say_notify(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (!path)
		_exit(97);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (*path == '@')
		a.sun_path[0] = '\0';
	if (sendto(fd, "READY=1", 7, 0, (struct sockaddr *)&a,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))) != 7)
		perror("notify");
	close(fd);
}

static void become_ready(void)
{
	ready_at = NEVER;
	if (opens == -1)
		open_socket();
	if (strcmp(kind, "sockets") == 0 || strcmp(kind, "after_ms") == 0 || !*kind)
		return;
	note("ready"); /* before it is said: nobody can act on it earlier */
	if (strcmp(kind, "notify") == 0)
		say_notify();
	else if (strcmp(kind, "log") == 0)
		dprintf(1, "ready\n");
	else if (strcmp(kind, "fd") == 0 && write(3, "\n", 1) != 1)
		perror("fd 3");
}

static void leave_child(void)
{
	if (fork() != 0)
		return;
	signal(SIGTERM, child == 2 ? SIG_IGN : SIG_DFL);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (;;)
		pause();
}

static void end(void)
{
	note("end");
	if (signo) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		signal((int)signo, SIG_DFL);
		raise((int)signo);
	}
	_exit((int)code);
}

static void take_order(int fd)
{
	char order[64] = {0};

	if (recv(fd, order, sizeof(order) - 1, 0) <= 0)
		return;
	if (strcmp(order, "ready") == 0)
		become_ready();
	else if (strcmp(order, "open") == 0)
		open_socket();
	else if (strcmp(order, "close") == 0)
		close_socket();
	else if (strcmp(order, "fail") == 0)
		dprintf(2, "failed as told\n");
	else if (strcmp(order, "hang") == 0)
		ignores = 1;
	else if (sscanf(order, "exit %lld", &code) == 1 ||
		 sscanf(order, "signal %lld", &signo) == 1)
		end();
}

static void take_signal(int fd)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof(info)) != sizeof(info))
		return;
	note("stop");
	if (ignores)
		return;
	code = signo = 0;
	if (!stops)
		end();
	end_at = now_ns() + stops * 1000000;
}

/* Health is answered so that rpc.sock opens as a gate. */
static void take_client(void)
{
	char request[2048];
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	struct pollfd p = {fd, POLLIN, 0};

	if (fd >= 0 && poll(&p, 1, 50) == 1 && recv(fd, request, sizeof(request), MSG_DONTWAIT) > 0)
		dprintf(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
	if (fd >= 0)
		close(fd);
}

static void read_words(int argc, char **argv)
{
	static const struct {
		const char *word;
		long long *into;
	} words[] = {{"ready=%lld", &ready}, {"opens=%lld", &opens}, {"stops=%lld", &stops},
	    {"times=%lld", &times}, {"ends=%lld", &ends}, {"code=%lld", &code},
	    {"signal=%lld", &signo}, {"ignores=%lld", &ignores}, {"child=%lld", &child},
	    {"oneshot=%lld", &oneshot}};

	for (int i = 3; i < argc; i++) {
		for (size_t k = 0; k < sizeof(words) / sizeof(words[0]); k++)
			if (strncmp(argv[i], words[k].word, strcspn(words[k].word, "=") + 1) == 0)
				*words[k].into = atoll(strchr(argv[i], '=') + 1);
		if (strncmp(argv[i], "kind=", 5) == 0)
			kind = argv[i] + 5;
		if (strncmp(argv[i], "socket=", 7) == 0)
			socket_name = argv[i] + 7;
	}
}

static int64_t in(long long ms)
{
	return ms < 0 ? NEVER : now_ns() + ms * 1000000;
}

static void begin(void)
{
	bool declared = *kind && strcmp(kind, "after_ms") != 0;

	bool as_said = !times || executions_before() <= times;

	if (!as_said)
		code = signo = 0;
	if (ends >= 0 && (as_said || oneshot))
		end_at = in(ends);
	ready_at = strcmp(kind, "after_ms") == 0 ? in(ready) : declared ? in(ready) : now_ns();
	open_at = opens >= 0 ? in(opens) : NEVER;
}

static int wait_ms(void)
{
	int64_t at = ready_at < open_at ? ready_at : open_at;

	at = end_at < at ? end_at : at;
	if (at == NEVER)
		return -1;
	int64_t left = at - now_ns();
	return left <= 0 ? 0 : (int)(left / 1000000) + 1;
}

int main(int argc, char **argv)
{
	char path[4096], name[600];
	sigset_t term;

	if (argc < 3 || !(stage = getenv("STAGE")))
		return 96;
	service = argv[1];
	action = argv[2];
	read_words(argc, argv);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	int signals = signalfd(-1, &term, SFD_CLOEXEC);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	snprintf(name, sizeof(name), "%s.%s", service, action);
	in_stage(path, sizeof(path), name);
	int orders = bound(path, SOCK_DGRAM);
	note("executed");
	if (child)
		leave_child();
	begin();
	for (;;) {
		struct pollfd p[] = {
		    {signals, POLLIN, 0}, {orders, POLLIN, 0}, {listener, POLLIN, 0}};

		poll(p, 3, wait_ms());
		if (ready_at <= now_ns())
			become_ready();
		if (open_at <= now_ns())
			open_socket();
		if (end_at <= now_ns())
			end();
		if (p[1].revents) /* what was said before a signal counts before it */
			take_order(orders);
		if (p[0].revents)
			take_signal(signals);
		if (p[2].revents & POLLIN)
			take_client();
	}
}
