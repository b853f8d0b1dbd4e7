#include "server/host/background.h"

#include "base/str.h"

#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>

#define STACK_BYTES (256u << 10)

struct background {
	int pipe[2]; /* pointers to finished tasks */
	struct event *news;
};

struct task {
	background_fn work, done;
	void *ctx;
	int tell; /* a duplicate of the pipe's end: it outlives the daemon's */
};

static void on_news(evutil_socket_t fd, short what, void *ctx)
{
	struct task *t;
	(void)what, (void)ctx;

	while (read(fd, &t, sizeof(t)) == (ssize_t)sizeof(t)) {
		t->done(t->ctx);
		free(t);
	}
}

static void *run(void *arg)
{
	struct task *t = arg;
	int tell = t->tell;

	t->work(t->ctx);
	if (write(tell, &t, sizeof(t)) != (ssize_t)sizeof(t))
		abort(); /* a pipe takes a pointer whole, or its reader is gone with the process */
	close(tell);
	return NULL;
}

struct background *background_new(struct event_base *base)
{
	struct background *b = mem_new(sizeof(*b));

	if (pipe2(b->pipe, O_CLOEXEC) < 0)
		abort();
	fcntl(b->pipe[0], F_SETFL, O_NONBLOCK);
	b->news = event_new(base, b->pipe[0], EV_READ | EV_PERSIST, on_news, b);
	event_add(b->news, NULL);
	return b;
}

void background_free(struct background *b)
{
	if (!b)
		return;
	event_free(b->news);
	close(b->pipe[1]); /* the reading end stays: late tasks may still write */
	free(b);
}

void background_run(struct background *b, background_fn work, background_fn done, void *ctx)
{
	struct task *t = mem_new(sizeof(*t));
	pthread_attr_t attr;
	pthread_t thread;

	*t = (struct task){work, done, ctx, fcntl(b->pipe[1], F_DUPFD_CLOEXEC, 3)};
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (t->tell < 0 || pthread_create(&thread, &attr, run, t) != 0) {
		if (t->tell >= 0)
			close(t->tell);
		free(t);
		work(ctx);
		done(ctx);
	}
	pthread_attr_destroy(&attr);
}
