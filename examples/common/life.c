#include "life.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void life_write(const struct life *l, const char *fact)
{
	uint64_t when = now_ns();
	const char *diary = getenv("HERO_TRACE");
	char line[256];

	if (!diary || !*diary)
		return;
	int n = snprintf(line, sizeof(line), "%s %d %s %llu\n", l->name, (int)getpid(), fact,
	    (unsigned long long)when);
	int fd = open(diary, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, line, (size_t)n) != n)
		fprintf(stderr, "%s: %s: %s\n", l->name, diary, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* HERO_<what>_<NAME>, or NULL. */
static const char *asked(const struct life *l, const char *what)
{
	char key[128];
	int n = snprintf(key, sizeof(key), "HERO_%s_%s", what, l->name);

	for (int i = 5; i < n && i < (int)sizeof(key) - 1; i++)
		key[i] =
		    (char)(isalnum((unsigned char)key[i]) ? toupper((unsigned char)key[i]) : '_');
	return getenv(key);
}

static int asked_ms(const struct life *l, const char *what)
{
	const char *v = asked(l, what);
	return v ? atoi(v) : 0;
}

static bool is_there(const char *path)
{
	return path && access(path, F_OK) == 0;
}

/* How often has a program of this name begun?  Read from the diary. */
static int count_begins(const struct life *l)
{
	const char *diary = getenv("HERO_TRACE");
	FILE *f = diary ? fopen(diary, "re") : NULL;
	char line[256], name[128], fact[32];
	int n = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%127s %*d %31s", name, fact) == 2 && strcmp(name, l->name) == 0 &&
		    strcmp(fact, "main") == 0)
			n++;
	if (f)
		fclose(f);
	return n;
}

void life_begin(struct life *l, const char *name)
{
	sigset_t go;

	l->name = name;
	life_write(l, "main");
	sigemptyset(&go);
	sigaddset(&go, SIGTERM);
	sigaddset(&go, SIGINT);
	sigprocmask(SIG_BLOCK, &go, NULL);
	l->signals = signalfd(-1, &go, SFD_CLOEXEC | SFD_NONBLOCK);
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("%s: here I am\n", name);
}

/* A request to go was read.  False: there was none, or it is to be ignored. */
static bool take_request(struct life *l)
{
	struct signalfd_siginfo s;

	if (read(l->signals, &s, sizeof(s)) != sizeof(s))
		return false;
	if (asked_ms(l, "STOP") < 0) {
		printf("%s: asked to go, and will not\n", l->name);
		return false;
	}
	life_write(l, "stop");
	return true;
}

bool life_wait(struct life *l, int ms)
{
	uint64_t end = now_ns() + (uint64_t)(ms < 0 ? 0 : ms) * 1000000u;

	for (;;) {
		uint64_t now = now_ns();
		int left = ms < 0 ? -1 : now >= end ? 0 : (int)((end - now + 999999u) / 1000000u);
		struct pollfd p = {.fd = l->signals, .events = POLLIN};

		if (poll(&p, 1, left) > 0 && take_request(l))
			return true;
		if (left == 0)
			return false;
	}
}

bool life_prepare(struct life *l)
{
	const char *crashes = asked(l, "CRASH"), *common = getenv("HERO_DELAY_MS");
	const char *own = asked(l, "DELAY"), *hold = asked(l, "HOLD");

	if (crashes && count_begins(l) <= atoi(crashes)) {
		fprintf(stderr, "%s: giving up, as I was told\n", l->name);
		exit(3);
	}
	if (life_wait(l, own ? atoi(own) : common ? atoi(common) : 0))
		return false;
	while (is_there(hold))
		if (life_wait(l, 5))
			return false;
	return true;
}

void life_end(struct life *l)
{
	int ms = asked_ms(l, "STOP");
	struct timespec pause = {ms / 1000, (long)(ms % 1000) * 1000000};

	if (ms > 0)
		nanosleep(&pause, NULL);
	life_write(l, "end");
}

const char *life_socket_path(const char *folder, const char *socket)
{
	static char path[512];
	const char *dir = getenv("HERO_SOCKET_DIR");
	char parent[400];

	snprintf(parent, sizeof(parent), "%s/%s", dir ? dir : "/tmp", folder);
	if (mkdir(parent, 0755) < 0 && errno != EEXIST)
		fprintf(stderr, "%s: %s\n", parent, strerror(errno));
	snprintf(path, sizeof(path), "%s/%s", parent, socket);
	return path;
}

/* Bound, but not listening: connect(2) is refused until life_answer listens. */
static int bind_socket(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (strlen(path) >= sizeof(a.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(a.sun_path, path, strlen(path) + 1);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -1;
	return fd;
}

static const char *answer_for(const char *request, bool sick)
{
	if (strncmp(request, "GET /health ", 12) != 0)
		return "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
	if (sick)
		return "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: "
		       "close\r\n\r\n";
	return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n"
	       "Connection: close\r\n\r\n{\"status\":\"ok\"}";
}

/* One request per connection; a client that says nothing for a second is hung up on. */
static void serve_one(int client, bool sick)
{
	char request[4096] = "";
	size_t n = 0;
	struct pollfd p = {.fd = client, .events = POLLIN};

	while (n < sizeof(request) - 1 && !strstr(request, "\r\n\r\n") && poll(&p, 1, 1000) > 0) {
		ssize_t got = read(client, request + n, sizeof(request) - 1 - n);
		if (got <= 0)
			break;
		n += (size_t)got;
		request[n] = 0;
	}
	if (n) {
		const char *answer = answer_for(request, sick);
		if (write(client, answer, strlen(answer)) < 0)
			perror("write");
	}
	close(client);
}

int life_answer(struct life *l, const char *path)
{
	const char *illness = asked(l, "SICK");
	bool ready = false;
	int fd = bind_socket(path);

	if (fd < 0) {
		fprintf(stderr, "%s: %s: %s\n", l->name, path, strerror(errno));
		return 1;
	}
	if (!is_there(illness)) {
		life_write(l, "ready");
		ready = true;
	}
	if (listen(fd, 64) < 0) {
		fprintf(stderr, "%s: %s: %s\n", l->name, path, strerror(errno));
		return 1;
	}
	printf("%s: listening on %s\n", l->name, path);
	for (;;) {
		struct pollfd p[2] = {
		    {.fd = fd, .events = POLLIN}, {.fd = l->signals, .events = POLLIN}};

		poll(p, 2, -1);
		if (p[1].revents && take_request(l))
			break;
		int client = p[0].revents ? accept4(fd, NULL, NULL, SOCK_CLOEXEC) : -1;
		if (client < 0)
			continue;
		bool sick = is_there(illness);
		if (!sick && !ready) {
			life_write(l, "ready");
			ready = true;
		}
		serve_one(client, sick);
	}
	unlink(path);
	life_end(l);
	return 0;
}
