#include "server/supervise/readiness.h"
#include "server/history/events.h"
#include "server/supervise/claim.h"
#include "server/supervise/supervision_state.h"

#include "probe/gate.h"
#include "server/supervise/gates.h"
#include "server/supervise/perform.h"
#include "server/supervise/port_watch.h"
#include "server/supervise/probes.h"
#include "sys/urgent.h"

#include <event2/event.h>
#include <fcntl.h>

struct readiness {
	struct attempt *at;
	enum readiness_kind kind;
	size_t n, open; /* gates: how many, how many of all answered */
	size_t wanted;	/* so many must answer */
	struct gate_watch **gates;
	size_t n_ports; /* without a host; they are counted in `wanted`, too */
	struct port_watch **ports;
	struct event *time; /* NULL: it is no time that makes ready */
	struct urgent_watch readable;
	int fd;
	bool told;
};

static struct readiness *readiness_of_attempt(struct attempt *at)
{
	if (!at->readiness) {
		at->readiness = mem_new(sizeof(*at->readiness));
		*at->readiness = (struct readiness){.at = at, .fd = -1};
	}
	return at->readiness;
}

static void release(struct readiness *r)
{
	for (size_t i = 0; i < r->n; i++)
		gate_watch_free(r->gates[i]);
	free(r->gates);
	for (size_t i = 0; i < r->n_ports; i++)
		port_watch_free(r->ports[i]);
	free(r->ports);
	if (r->time)
		event_free(r->time);
	urgent_remove(&r->readable);
	if (r->fd >= 0)
		close(r->fd);
	free(r);
}

static void on_line(uint64_t token, const char *line, size_t n, void *ctx);

void readiness_forget(struct supervision *d, uint64_t token)
{
	logs_unwatch(d->logs, token, on_line);
}

int readiness_give_fd(struct attempt *at)
{
	struct readiness *r = at->readiness;

	if (!r)
		return -1;
	urgent_remove(&r->readable);
	return fd_take(&r->fd);
}

void readiness_end(struct attempt *at)
{
	struct readiness *r = take(at->readiness);

	if (r)
		release(r);
	readiness_forget(at->d, at->token);
}

struct said {
	struct supervision *d;
	uint64_t token;
};

/* A later server reads it from the row. */
static void recorded(bool durable, void *ctx)
{
	struct said *s = ctx;
	struct attempt *at = durable ? attempt_find(s->d, s->token) : NULL;

	if (at)
		attempt_let_ready_go(at);
	free(s);
}

/* The watch is gone when this returns. */
static void ready(struct attempt *at)
{
	struct supervision *d = at->d;
	uint64_t token = at->token;
	bool held = at->holds_ready;

	readiness_end(at);
	if (probes_hold_ready(at))
		return;
	engine_ready(d->engine, clock_mono(), token);
	perform_effects(d);
	if (!held)
		return;
	struct said *s = mem_new(sizeof(*s));
	*s = (struct said){d, token};
	store_barrier_later(d->store, recorded, s);
}

/* ---- sockets and ports ---------------------------------------------------------- */

static void on_gate(void *ctx)
{
	struct readiness *r = ctx;

	if (++r->open == r->wanted)
		ready(r->at);
}

static void on_news(void *ctx, const char *text)
{
	const struct readiness *r = ctx;
	struct job_view j;
	unit_id unit;

	if (engine_job(r->at->d->engine, r->at->job, &j, &unit))
		events_note(r->at->d->history, unit, j.name, NULL, text);
	engine_waits(r->at->d->engine, r->at->token, text);
}

static void watch_gate(struct readiness *r, char *take_text)
{
	auto_free char *text = take_text;
	struct error e = {0};

	r->wanted++; /* one that can not be watched is one that does not answer */
	if (gate_watch_new(gates_hub(r->at->d), text, on_gate, r, &r->gates[r->n], &e))
		report(REPORT_ERROR, "readiness: %s: %s", text, e.msg);
	else
		gate_watch_on_event(r->gates[r->n++], on_news, r);
}

/* With a host whatever answers there counts: the door of a container, another machine. */
static void watch_port(struct readiness *r, const struct tcp_def *t)
{
	if (t->host) {
		watch_gate(r, text_fmt("tcp:%s:%lld", t->host, (long long)t->port));
		return;
	}
	r->wanted++;
	r->ports[r->n_ports++] = port_watch_new(r->at, (unsigned)t->port, on_gate, on_news, r);
}

static bool wants_health(const struct socket_def *s)
{
	if (s->probe != GATE_PROBE_AUTO)
		return s->probe == GATE_PROBE_HEALTH;
	return text_eq(s->name, "rpc.sock") || text_eq(s->name, "admin.sock");
}

static void watch_sockets(
    struct attempt *at, const struct service_def *s, const struct action_def *a)
{
	struct readiness *r = readiness_of_attempt(at);

	r->gates = mem_new((a->sockets.n + a->tcp.n + 1) * sizeof(struct gate_watch *));
	for (size_t i = 0; i < a->sockets.n; i++) {
		auto_free char *path = claim_socket_path(at->d->paths, s, &a->sockets.v[i]);

		watch_gate(r, text_fmt("unix:%s %s", path,
				  wants_health(&a->sockets.v[i]) ? "health" : "connect"));
	}
	r->ports = mem_new((a->tcp.n + 1) * sizeof(struct port_watch *));
	for (size_t i = 0; i < a->tcp.n; i++)
		watch_port(r, &a->tcp.v[i]);
	if (r->wanted == 0)
		ready(at); /* nothing was declared that could answer */
}

/* ---- a descriptor, a time -------------------------------------------------------- */

void readiness_take_fd(struct attempt *at, int take_fd)
{
	struct readiness *r = readiness_of_attempt(at);

	fcntl(take_fd, F_SETFL, O_NONBLOCK);
	if (r->fd >= 0)
		close(r->fd);
	r->fd = take_fd;
}

/* A copy of what waits in a pipe, which keeps it; as read(2). */
static ssize_t look(struct supervision *d, int fd, char *buf, size_t size)
{
	if (d->copy[1] < 0 && pipe2(d->copy, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	ssize_t n = tee(fd, d->copy[1], size, SPLICE_F_NONBLOCK);
	return n > 0 ? read(d->copy[0], buf, size) : n;
}

/* Looked at, not taken: the newline stays in the pipe that the keeper holds.  A server that
 * is killed before the readiness was recorded leaves it to the next one. */
static void on_fd(void *ctx)
{
	struct readiness *r = ctx;
	char buf[4096];
	ssize_t n = look(r->at->d, r->fd, buf, sizeof(buf));

	if (n > 0 && memchr(buf, '\n', (size_t)n))
		ready(r->at);
	else if (n == 0 || (n > 0 && read(r->fd, buf, (size_t)n) <= 0))
		urgent_remove(
		    &r->readable); /* closed without a word: its exit or time-out will tell */
}

static void watch_fd(struct attempt *at)
{
	struct readiness *r = readiness_of_attempt(at);
	struct error e = {0};

	if (r->fd >= 0 && urgent_add(at->d->urgent, &r->readable, r->fd, on_fd, r, &e))
		report(REPORT_ERROR, "readiness: %s", e.msg);
}

static void on_time(evutil_socket_t fd, short what, void *ctx)
{
	struct readiness *r = ctx;
	(void)fd, (void)what;

	ready(r->at);
}

/* What has passed while a former server watched counts.  Both times are cut to whole ms. */
static void watch_time(struct attempt *at, msec since, msec after)
{
	struct readiness *r = readiness_of_attempt(at);
	msec passed = clock_mono() - since;

	after = passed <= 0 ? after : passed <= after ? after - passed + 1 : 0;
	r->time = evtimer_new(at->d->base, on_time, r);
	event_base_update_cache_time(at->d->base); /* a turn of the loop may have begun long ago */
	event_add(
	    r->time, &(struct timeval){.tv_sec = after / 1000, .tv_usec = after % 1000 * 1000});
}

/* ---- a line of output ------------------------------------------------------------- */

static void on_line(uint64_t token, const char *line, size_t n, void *ctx)
{
	struct supervision *d = ctx;
	(void)line, (void)n;
	struct attempt *at = attempt_find(d, token);

	logs_unwatch(d->logs, token, on_line);
	if (at && at->executed && !at->exited)
		ready(at);
	else if (at)
		readiness_of_attempt(at)->told =
		    true; /* faster than the word that it was executed */
}

enum err readiness_prepare(
    struct supervision *d, const struct action_def *a, uint64_t token, struct error *e)
{
	if (!a->is_process || action_readiness(a) != READY_LOG)
		return ERR_OK;
	return logs_watch(d->logs, token, a->readiness.log, on_line, d, e);
}

static void watch_log(struct attempt *at)
{
	if (at->readiness && at->readiness->told)
		ready(at);
}

/* ---- the declaration --------------------------------------------------------------- */

void readiness_begin(struct attempt *at)
{
	const struct service_def *s = NULL;
	struct job_view j;
	unit_id unit;

	if (!engine_job(at->d->engine, at->job, &j, &unit) || j.core.state != JOB_RUNNING)
		return;
	const struct action_def *a = supervision_action(at->d, unit, j.name, &s);
	if (!a || !a->is_process)
		return;
	auto_free char *expected = events_expected(a);
	engine_waits(at->d->engine, at->token, expected);
	switch (action_readiness(a)) {
	case READY_SOCKETS: watch_sockets(at, s, a); break;
	case READY_FD: watch_fd(at); break;
	case READY_AFTER: watch_time(at, j.since, a->readiness.after); break;
	case READY_LOG: watch_log(at); break;
	case READY_EXECUTED:
	case READY_PROBE: /* probes.h */
	case READY_NOTIFY:
	case READY_MANUAL:
	case READINESS_KIND_COUNT: break;
	}
}

const char *readiness_text(const struct attempt *at)
{
	const struct readiness *r = at->readiness;

	for (size_t i = 0; r && i < r->n; i++)
		if (*gate_watch_last(r->gates[i]))
			return gate_watch_last(r->gates[i]);
	for (size_t i = 0; r && i < r->n_ports; i++)
		if (*port_watch_last(r->ports[i]))
			return port_watch_last(r->ports[i]);
	return NULL;
}
