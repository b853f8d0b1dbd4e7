#include "http/door.h"

#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <sys/socket.h>
#include <sys/un.h>

#define LOOK_MS 100 /* how often a closed door looks whether somebody left */

struct door {
	struct event_base *base;
	struct evconnlistener *listener;
	int fd; /* the listener's, borrowed */
	struct sockaddr_un name;
	socklen_t name_bytes;
	size_t limit;
	size_t room;	      /* how many may come before the next look */
	struct event *refuse; /* pending while closed: somebody is at the door */
	struct event *look;   /* pending while closed */
	struct door *next;
};

/* Every door: libevent gives the callback of a failed accept nothing of ours to go by. */
static struct door *doors;

static bool came_through(const struct door *d, int fd)
{
	struct sockaddr_un un;
	socklen_t n = sizeof(un);

	return fd != d->fd && getsockname(fd, (struct sockaddr *)&un, &n) == 0 &&
	       n == d->name_bytes && memcmp(&un, &d->name, n) == 0;
}

/* Without a look (no descriptor left for it) there is no room either. */
static size_t count_clients(const struct door *d)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	size_t n = 0;

	if (!dir)
		return d->limit;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			n += came_through(d, (int)strtol(entry->d_name, NULL, 10));
	closedir(dir);
	return n;
}

static void close_door(struct door *d)
{
	evconnlistener_disable(d->listener);
	event_add(d->refuse, NULL);
	event_add(d->look, &(struct timeval){.tv_usec = LOOK_MS * 1000});
}

static void look(struct door *d)
{
	size_t n = count_clients(d);

	d->room = n < d->limit ? d->limit - n : 0;
}

static void on_look(evutil_socket_t fd, short what, void *ctx)
{
	struct door *d = ctx;

	(void)fd;
	(void)what;
	look(d);
	if (!d->room)
		return;
	event_del(d->refuse);
	event_del(d->look);
	evconnlistener_enable(d->listener);
}

/* No descriptor is to be had for who is at the door, and it waits there for a while: the
 * listener stays readable, and the loop would turn on it without end. */
static void on_accept_error(struct evconnlistener *listener, void *of_evhttp)
{
	(void)of_evhttp;
	for (struct door *d = doors; d; d = d->next)
		if (d->listener == listener) {
			evconnlistener_disable(listener);
			event_add(d->look, &(struct timeval){.tv_usec = LOOK_MS * 1000});
		}
}

static void on_refuse(evutil_socket_t fd, short what, void *ctx)
{
	static const char answer[] =
	    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
	    "Content-Length: 32\r\nConnection: close\r\n\r\n"
	    "{\"error\":\"too many connections\"}";
	auto_fd int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)what;
	(void)ctx;
	if (client >= 0)
		send(client, answer, sizeof(answer) - 1, MSG_NOSIGNAL); /* it may be gone already */
}

void door_came_in(struct door *d)
{
	if (d->room)
		d->room--;
	if (d->room)
		return;
	look(d);
	if (!d->room)
		close_door(d);
}

void door_lock(struct door *d)
{
	evconnlistener_disable(d->listener);
	event_del(d->refuse);
	event_del(d->look);
}

enum err door_listen(struct door *d, struct evconnlistener *listener, struct error *e)
{
	const int fd = evconnlistener_get_fd(listener);
	struct event *refuse = event_new(d->base, fd, EV_READ | EV_PERSIST, on_refuse, d);

	d->name_bytes = sizeof(d->name);
	if (!refuse || getsockname(fd, (struct sockaddr *)&d->name, &d->name_bytes) != 0) {
		const int sys = refuse ? errno : ENOMEM;

		if (refuse)
			event_free(refuse);
		return error_sys(e, sys, "listener");
	}
	if (d->refuse)
		event_free(d->refuse);
	event_del(d->look);
	d->refuse = refuse;
	d->listener = listener;
	d->fd = fd;
	d->room = 0; /* the next one looks */
	evconnlistener_set_error_cb(listener, on_accept_error);
	return ERR_OK;
}

enum err door_new(struct event_base *base, struct evconnlistener *listener, size_t limit,
    struct door **out, struct error *e)
{
	struct door *d = mem_new(sizeof(*d));

	*d = (struct door){.base = base, .limit = limit};
	d->look = event_new(base, -1, EV_PERSIST, on_look, d);
	if (!d->look || door_listen(d, listener, e)) {
		if (!d->look)
			error_sys(e, ENOMEM, "listener");
		door_free(d);
		return e->code;
	}
	d->room = limit;
	d->next = doors;
	doors = d;
	*out = d;
	return ERR_OK;
}

void door_free(struct door *d)
{
	if (!d)
		return;
	for (struct door **at = &doors; *at; at = &(*at)->next)
		if (*at == d) {
			*at = d->next;
			break;
		}
	if (d->refuse)
		event_free(d->refuse);
	if (d->look)
		event_free(d->look);
	free(d);
}
