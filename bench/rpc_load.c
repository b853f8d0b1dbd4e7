/*
 * rpc_load.c - requests per second of a JSON-RPC socket over keep-alive connections.
 *
 *	rpc_load SOCKET [CONNECTIONS [SECONDS [METHOD [PARAMS]]]]
 *
 * Each connection has one request under way, as a client that waits for its answer has.
 * Prints one line of JSON; exit 1 when an answer was an error or a connection ended.
 */
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#define ROOM	(256u << 10)
#define SAMPLES (4u << 20)

struct link {
	int fd;
	size_t got;
	double sent;
	char in[ROOM + 1];
};

struct load {
	int epoll;
	const char *request;
	size_t request_bytes, done, failed;
	float *took_us;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "rpc_load: %s: %s\n", what, strerrordesc_np(errno));
	exit(1);
}

static int dial(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(at.sun_path)) {
		errno = ENAMETOOLONG;
		die(path);
	}
	memcpy(at.sun_path, path, strlen(path) + 1);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&at, sizeof(at)) != 0)
		die(path);
	return fd;
}

static void ask(struct load *l, struct link *k)
{
	k->got = 0;
	k->sent = now();
	if (send(k->fd, l->request, l->request_bytes, MSG_NOSIGNAL) != (ssize_t)l->request_bytes)
		die("send");
}

/* The whole answer is there when its Content-Length is. */
static bool is_whole(const struct link *k)
{
	const char *body = strstr(k->in, "\r\n\r\n"),
		   *length = strcasestr(k->in, "Content-Length:");

	return body && length && length < body &&
	       k->got >= (size_t)(body + 4 - k->in) + strtoul(length + 15, NULL, 10);
}

static void hear(struct load *l, struct link *k)
{
	ssize_t n = recv(k->fd, k->in + k->got, ROOM - k->got, 0);

	if (n <= 0)
		die("the connection ended");
	k->got += (size_t)n;
	k->in[k->got] = '\0';
	if (!is_whole(k))
		return;
	if (strncmp(k->in, "HTTP/1.1 200", 12) != 0 || !strstr(k->in, "\"result\":"))
		l->failed++;
	l->took_us[l->done++ % SAMPLES] = (float)((now() - k->sent) * 1e6);
	ask(l, k);
}

static int by_time(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static void print(struct load *l, size_t links, double seconds)
{
	size_t n = l->done < SAMPLES ? l->done : SAMPLES;

	qsort(l->took_us, n, sizeof(*l->took_us), by_time);
	printf(
	    "{\"connections\": %zu, \"seconds\": %.2f, \"requests\": %zu, \"failed\": %zu, "
	    "\"per_second\": %.0f, \"p50_us\": %.0f, \"p99_us\": %.0f}\n",
	    links, seconds, l->done, l->failed, (double)l->done / seconds,
	    n ? (double)l->took_us[n / 2] : 0.0, n ? (double)l->took_us[n * 99 / 100] : 0.0);
}

static void turn(struct load *l, double until)
{
	struct epoll_event ready[256];

	while (now() < until) {
		int n = epoll_wait(l->epoll, ready, countof(ready), 100);

		for (int i = 0; i < n; i++)
			hear(l, ready[i].data.ptr);
	}
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(
		    stderr, "usage: rpc_load SOCKET [CONNECTIONS [SECONDS [METHOD [PARAMS]]]]\n");
		return 2;
	}
	size_t links = argc > 2 ? strtoul(argv[2], NULL, 10) : 64;
	double seconds = argc > 3 ? strtod(argv[3], NULL) : 3;
	auto_free char *body =
	    text_fmt("{\"jsonrpc\":\"2.0\",\"method\":\"%s\",\"params\":%s,\"id\":1}",
		argc > 4 ? argv[4] : "system.ping", argc > 5 ? argv[5] : "{}");
	auto_free char *request = text_fmt(
	    "POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	    "Content-Length: %zu\r\n\r\n%s",
	    strlen(body), body);
	struct load l = {.epoll = epoll_create1(EPOLL_CLOEXEC),
	    .request = request,
	    .request_bytes = strlen(request)};
	auto_free struct link *all = mem_new(links * sizeof(*all));

	l.took_us = mem_new(SAMPLES * sizeof(*l.took_us));
	for (size_t i = 0; i < links; i++) {
		all[i].fd = dial(argv[1]);
		struct epoll_event want = {.events = EPOLLIN, .data.ptr = &all[i]};
		if (epoll_ctl(l.epoll, EPOLL_CTL_ADD, all[i].fd, &want) != 0)
			die("epoll");
	}
	double began = now();
	for (size_t i = 0; i < links; i++)
		ask(&l, &all[i]);
	turn(&l, began + seconds);
	print(&l, links, now() - began);
	free(l.took_us);
	return l.failed ? 1 : 0;
}
