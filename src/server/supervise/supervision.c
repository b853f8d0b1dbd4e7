#include "server/supervise/supervision.h"

#include "server/history/definitions.h"
#include "server/supervise/attempt.h"
#include "server/supervise/evict.h"
#include "server/supervise/gates.h"
#include "server/supervise/perform.h"
#include "server/supervise/previous_definition.h"
#include "server/supervise/reload.h"
#include "server/supervise/side_command.h"
#include "server/supervise/supervision_state.h"
#include "sys/proc.h"

#include <event2/event.h>
#include <malloc.h>
#include <unistd.h>

#define TRIM_AGAIN_S 2

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct supervision *d = ctx;
	(void)fd, (void)what;

	engine_tick(d->engine, clock_mono());
	perform_effects(d);
}

static void on_trim(evutil_socket_t fd, short what, void *ctx)
{
	struct supervision *d = ctx;
	(void)fd, (void)what;

	d->is.burst_over(d->is.ctx);
	malloc_trim(0);
	/* Once more, when what followed the burst is over: rows are written, connections closed. */
	if (!d->trimmed_again)
		event_add(d->trim, &(struct timeval){.tv_sec = TRIM_AGAIN_S});
	d->trimmed_again = !d->trimmed_again;
}

static void on_ack_retry(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what;

	attempt_acknowledge_again((struct supervision *)ctx);
}

struct supervision *supervision_new(const struct supervision_config *config)
{
	struct supervision *d = mem_new(sizeof(*d));

	*d = (struct supervision){.is = *config,
	    .base = config->base,
	    .urgent = config->urgent,
	    .engine = config->engine,
	    .logs = config->logs,
	    .spawner = config->spawner,
	    .paths = config->paths,
	    .around = {.frozen = config->env, .paths = config->paths, .secrets = config->secrets},
	    .keeper = {.id = config->keeper_id},
	    .copy = {-1, -1}};
	d->gates = gates_new(d);
	d->timer = evtimer_new(d->base, on_timer, d);
	d->ack_retry = evtimer_new(d->base, on_ack_retry, d);
	d->trim = evtimer_new(d->base, on_trim, d);
	return d;
}

void supervision_begin(struct supervision *d, struct store *store, struct history *history)
{
	d->store = store;
	d->history = history;
}

static void free_attempts(struct supervision *d)
{
	for (size_t i = 0; i < d->attempts.n; i++)
		attempt_free(d->attempts.v[i]);
	free(d->attempts.v);
}

void supervision_free(struct supervision *d)
{
	if (!d)
		return;
	reload_release(d);
	free_attempts(d);
	for (size_t i = 0; i < 2; i++)
		close_at_exit(&d->copy[i]);
	event_free(d->timer);
	event_free(d->trim);
	event_free(d->ack_retry);
	asides_free(d);
	evictions_free(d);
	gates_free(d->gates);
	strv_release(&d->acks_due);
	free(d->swept.v);
	free(d->held_back.v);
	free(d->uncommitted.v);
	free(d);
}

const struct keeper_identity *supervision_keeper(const struct supervision *d)
{
	return &d->keeper;
}

void supervision_on_hello(struct supervision *d, pid_t keeper, bool has_cgroups, uint64_t boot)
{
	struct proc_stat s;

	d->keeper.pid = keeper;
	d->keeper.ticks = proc_stat(keeper, &s) ? s.start_ticks : 0;
	d->keeper.boot = boot;
	d->keeper.has_cgroups = has_cgroups;
}

const struct action_def *supervision_action(
    struct supervision *d, unit_id unit, const char *action, const struct service_def **service)
{
	struct unit_view u;
	const struct previous_definition *f = previous_definition_of(d, unit, action);
	const struct service_def *s = f ? &f->def
				      : engine_unit(d->engine, unit, &u)
					  ? definition_find(d->history, u.name)
					  : NULL;

	if (s && service)
		*service = s;
	return s ? service_find_action(s, action) : NULL;
}

size_t supervision_unacknowledged(const struct supervision *d)
{
	return d->acks_due.n;
}
