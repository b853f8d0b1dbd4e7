#include "spawn/spawner.h"

#include "base/str.h"
#include "keeper/channel.h"
#include "sys/memfd.h"
#include "sys/urgent.h"

#include <event2/event.h>
#include <sys/time.h>

/* When the user's descriptors in flight are used up (ETOOMANYREFS) the socket is
 * still writable, so the queue is tried again after a pause, not on EPOLLOUT. */
#define RETRY_US  2000
#define LET_GO_US 20000 /* an acknowledgement is mostly sooner */
#define READ_MAX  16	/* messages a pass, then others have their turn */

struct spawner {
	struct channel channel;
	const struct spawner_events *on;
	void *ctx;
	struct urgent_watch readable;
	struct event *retry, *let_go;
	struct str released; /* names, each with its NUL: they go with the next message that can
				take them */
	struct channel_in in;
};

static void give_fd(struct channel_in *in, void (*fn)(void *, const char *, int), void *ctx)
{
	if (fn)
		fn(ctx, in->text, channel_in_take(in, 0));
}

static void on_token(struct spawner *s, struct channel_in *in)
{
	const struct keeper_msg *m = &in->msg;
	struct spawn_listed l = {
	    .token = m->token,
	    .pid = m->pid,
	    .start_ticks = m->start_ticks,
	    .exited = m->flags & KEEPER_IS_EXITED,
	    .acked = m->flags & KEEPER_IS_ACKED,
	    .empty = m->flags & KEEPER_IS_EMPTY,
	    .lost = m->flags & KEEPER_IS_LOST,
	    .asked = m->flags & KEEPER_IS_ASKED,
	    .starting = m->flags & KEEPER_IS_STARTING,
	    .step = (enum keeper_step)m->what,
	    .exit = &m->exit,
	    .label = in->text,
	    .label_bytes = m->text_bytes,
	};
	if (s->on->listed)
		s->on->listed(s->ctx, &l, channel_in_take(in, 0));
}

static void send_plain(
    struct spawner *s, enum keeper_kind kind, uint64_t token, int value, enum keeper_scope scope);

/* clang-format off */
#define CALL(fn, ...) do { if (on->fn) on->fn(s->ctx, __VA_ARGS__); } while (0)
/* clang-format on */
static void dispatch(struct spawner *s, struct channel_in *in)
{
	const struct spawner_events *on = s->on;
	const struct keeper_msg *m = &in->msg;
	switch ((enum keeper_kind)m->kind) {
	case KEEPER_SPAWNED: CALL(spawned, m->token, m->pid); break;
	case KEEPER_SPAWN_FAILED:
		CALL(failed, m->token, (enum keeper_step)m->what, m->value);
		break;
	case KEEPER_HANGS: CALL(hangs, m->token, (enum keeper_step)m->what); break;
	case KEEPER_EXITED: CALL(exited, m->token, &m->exit, m->flags & KEEPER_IS_EMPTY); break;
	case KEEPER_SET_EMPTY: CALL(set_empty, m->token); break;
	case KEEPER_NOTIFY: CALL(notified, m->token, in->text); break;
	case KEEPER_TOKEN: on_token(s, in); break;
	case KEEPER_HELD: give_fd(in, on->held, s->ctx); break;
	case KEEPER_LIST_MORE: send_plain(s, KEEPER_LIST_NEXT, 0, 0, KEEPER_SCOPE_LEADER); break;
	case KEEPER_LIST_END:
		if (on->listed_all)
			on->listed_all(s->ctx);
		break;
	case KEEPER_SHUTDOWN_ASKED: CALL(shutdown_asked, m->value); break;
	case KEEPER_HELLO: CALL(hello, m->pid, m->value != 0, m->token); break;
	case KEEPER_PONG: CALL(pong, m->token, m->value); break;
	case KEEPER_SPAWN:
	case KEEPER_SIGNAL:
	case KEEPER_HOLD:
	case KEEPER_RELEASE:
	case KEEPER_ACK:
	case KEEPER_LIST:
	case KEEPER_LIST_NEXT:
	case KEEPER_SHUTDOWN:
	case KEEPER_PING:
	case KEEPER_UPGRADE:
	case KEEPER_SERVING:
	case KEEPER_FOLDER:
	case KEEPER_KIND_COUNT: break; /* requests: never sent by a keeper */
	}
}

static void lose_keeper(struct spawner *s)
{
	urgent_remove(&s->readable);
	event_del(s->retry);
	event_del(s->let_go);
	channel_release(&s->channel);
	if (s->on->lost_keeper)
		s->on->lost_keeper(s->ctx);
}

static void flush(struct spawner *s)
{
	if (!channel_flush(&s->channel))
		event_add(s->retry, &(struct timeval){.tv_usec = RETRY_US});
	else if (s->on->room)
		s->on->room(s->ctx);
}

static void on_retry(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what;
	flush(ctx);
}

static void on_readable(void *ctx)
{
	struct spawner *s = ctx;
	int rc = 1;
	for (int i = 0; i < READ_MAX && (rc = channel_receive(&s->channel, &s->in)) > 0; i++) {
		dispatch(s, &s->in);
		channel_in_close(&s->in);
	}
	if (rc < 0)
		lose_keeper(s);
	else
		flush(s);
}

static void send_message(struct spawner *s, struct keeper_msg *m, const char *text, size_t n,
    const int *fds, size_t n_fds)
{
	channel_send(&s->channel, m, text, n, fds, n_fds);
	if (!channel_is_idle(&s->channel) && !evtimer_pending(s->retry, NULL))
		event_add(s->retry, &(struct timeval){.tv_usec = RETRY_US});
}

/* With the names that were released. */
static void send_names(struct spawner *s, enum keeper_kind kind, uint64_t token)
{
	struct keeper_msg m = {.kind = (uint16_t)kind, .token = token};
	send_message(s, &m, s->released.s, s->released.n, NULL, 0);
	str_clear(&s->released);
}

static void let_go(struct spawner *s)
{
	if (s->released.n)
		send_names(s, KEEPER_RELEASE, 0);
}

static void on_let_go(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what;
	let_go(ctx);
}

int spawner_fd_from_env(void)
{
	const char *text = getenv(KEEPER_FD_ENV);
	char *end = NULL;
	long fd = text ? strtol(text, &end, 10) : -1;
	bool ok = text && *text && !*end && fd > 2 && fd < 1024;
	unsetenv(KEEPER_FD_ENV);
	return ok ? (int)fd : -1;
}

enum err spawner_new(struct event_base *base, struct urgent *urgent, int take_fd,
    const struct spawner_events *events, void *ctx, struct spawner **out, struct error *e)
{
	struct spawner *s = mem_new(sizeof(*s));
	channel_init(&s->channel, take_fd);
	s->on = events;
	s->ctx = ctx;
	s->retry = event_new(base, -1, 0, on_retry, s);
	s->let_go = event_new(base, -1, 0, on_let_go, s);
	if (urgent_add(urgent, &s->readable, take_fd, on_readable, s, e)) {
		spawner_free(s);
		return e->code;
	}
	*out = s;
	return ERR_OK;
}

void spawner_free(struct spawner *s)
{
	if (!s)
		return;
	urgent_remove(&s->readable);
	event_free(s->retry);
	event_free(s->let_go);
	str_release(&s->released);
	channel_release(&s->channel);
	free(s);
}

static void send_plain(
    struct spawner *s, enum keeper_kind kind, uint64_t token, int value, enum keeper_scope scope)
{
	struct keeper_msg m = {
	    .kind = (uint16_t)kind, .token = token, .value = value, .what = scope};
	send_message(s, &m, NULL, 0, NULL, 0);
}

/* The descriptors of a SPAWN, all borrowed, and what the child calls the first of them. */
struct parcel {
	int fds[KEEPER_FDS_MAX];
	uint32_t numbers[KEEPER_FDS_MAX];
	size_t n;
};

static void parcel_add(struct parcel *p, int fd, int number)
{
	p->fds[p->n] = fd;
	p->numbers[p->n++] = (uint32_t)number;
}

static enum err send_spawn(struct spawner *s, struct keeper_msg *m, const struct str *packed,
    struct parcel *p, struct error *e)
{
	auto_fd int memfd = -1;
	bool fits = packed->n <= KEEPER_SPEC_TEXT_MAX;

	if (!fits) {
		if (memfd_sealed("spec", packed->s, packed->n, &memfd, e))
			return e->code;
		memmove(p->fds + 1, p->fds, p->n++ * sizeof(p->fds[0]));
		p->fds[0] = memfd;
		m->flags |= KEEPER_SPAWN_MEMFD;
	}
	send_message(s, m, packed->s, fits ? packed->n : 0, p->fds, p->n);
	return ERR_OK;
}

enum err spawner_spawn(struct spawner *s, const struct spawn_spec *spec, struct error *e)
{
	struct parcel p = {0};
	auto_fd int script = -1;
	auto_str packed = {0};
	struct keeper_msg m = {.kind = KEEPER_SPAWN, .token = spec->token};
	if (spec->n_fds + spec->n_hold + 2 > KEEPER_FDS_MAX)
		return error_set(e, ERR_LIMIT, "descriptors: more than %d", KEEPER_FDS_MAX - 2);
	for (size_t i = 0; i < spec->n_fds; i++)
		parcel_add(&p, spec->fds[i].fd, spec->fds[i].number);
	if (spec->script) {
		if (memfd_sealed("script", spec->script, strlen(spec->script), &script, e))
			return e->code;
		parcel_add(&p, script, SPAWN_SCRIPT_FD);
	}
	if (spawn_spec_pack(spec, p.numbers, p.n, &packed, e))
		return e->code;
	for (size_t i = 0; i < spec->n_hold; i++)
		p.fds[p.n++] = spec->hold[i].fd;
	m.flags =
	    (spec->notify ? KEEPER_SPAWN_NOTIFY : 0) | (spec->watchdog ? KEEPER_SPAWN_WATCHDOG : 0);
	return send_spawn(s, &m, &packed, &p, e);
}

void spawner_signal(struct spawner *s, uint64_t token, int signo, enum keeper_scope scope)
{
	send_plain(s, KEEPER_SIGNAL, token, signo, scope);
}

void spawner_stop(struct spawner *s, uint64_t token, int signo, enum keeper_scope scope)
{
	struct keeper_msg m = {.kind = KEEPER_SIGNAL,
	    .token = token,
	    .value = signo,
	    .what = scope,
	    .flags = KEEPER_SIGNAL_STOP};
	send_message(s, &m, NULL, 0, NULL, 0);
}

void spawner_ack(struct spawner *s, uint64_t token)
{
	send_names(s, KEEPER_ACK, token);
}

void spawner_hold(struct spawner *s, const char *name, int fd)
{
	struct keeper_msg m = {.kind = KEEPER_HOLD};
	let_go(s); /* it may be one of those */
	send_message(s, &m, name, strlen(name), &fd, 1);
}

void spawner_release(struct spawner *s, const char *name)
{
	size_t n = strlen(name) + 1;
	if (s->released.n + n > KEEPER_TEXT_MAX)
		let_go(s);
	str_add_n(&s->released, name, n);
	if (!evtimer_pending(s->let_go, NULL))
		event_add(s->let_go, &(struct timeval){.tv_usec = LET_GO_US});
}

void spawner_list(struct spawner *s)
{
	send_plain(s, KEEPER_LIST, 0, 0, KEEPER_SCOPE_LEADER);
}

void spawner_shutdown(struct spawner *s)
{
	send_plain(s, KEEPER_SHUTDOWN, 0, 0, KEEPER_SCOPE_LEADER);
}

void spawner_upgrade(struct spawner *s, const char *path, uint64_t operation, int trial_ms)
{
	struct keeper_msg m = {.kind = KEEPER_UPGRADE, .token = operation, .value = trial_ms};
	send_message(s, &m, path, strlen(path), NULL, 0);
}

void spawner_serving(struct spawner *s)
{
	send_plain(s, KEEPER_SERVING, 0, 0, KEEPER_SCOPE_LEADER);
}

void spawner_look_at_folder(struct spawner *s)
{
	send_plain(s, KEEPER_FOLDER, 0, 0, KEEPER_SCOPE_LEADER);
}

void spawner_ping(struct spawner *s, uint64_t token, int value)
{
	send_plain(s, KEEPER_PING, token, value, KEEPER_SCOPE_LEADER);
}

bool spawner_is_idle(const struct spawner *s)
{
	return channel_is_idle(&s->channel);
}
