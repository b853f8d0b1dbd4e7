#include "server/schedule/scheduled.h"

#include "server/host/clock.h"

#include <event2/event.h>

#define WAIT_MS_MOST (24 * 3600 * 1000LL) /* then it is computed again */

int64_t schedules_now(void)
{
	return clock_wall() / 1000;
}

static char *queue_text(const struct scheduled *x)
{
	struct str out = {0};

	for (size_t i = 0; i < x->queue.n; i++)
		str_fmt(&out, "%s%lld", i ? " " : "", (long long)x->queue.v[i]);
	return str_take(&out);
}

void scheduled_store(struct schedules *s, const struct scheduled *x)
{
	auto_free char *queue = queue_text(x);
	const uint64_t *counts = x->state.counts;

	store_put_schedule(s->config.store, &(struct store_schedule){.name = x->key,
						.meaning = x->meaning,
						.answered = x->state.answered,
						.paused = x->state.paused,
						.kept = (int64_t)counts[ANSWER_KEPT],
						.late = (int64_t)counts[ANSWER_LATE],
						.skipped = (int64_t)counts[ANSWER_SKIPPED],
						.missed = (int64_t)counts[ANSWER_MISSED],
						.since = x->since,
						.last_success = x->last_success,
						.last_run = x->last_run,
						.last_state = x->last_state,
						.last_due = x->last_due,
						.queue = queue});
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t scheduled_overdue_at(const struct scheduled *x)
{
	const usec_wall since = x->last_success ? x->last_success : x->since;

	return !x->def || x->def->overdue_after == 0 || x->is_overdue
		   ? SCHEDULE_NEVER
		   : since / 1000 + x->def->overdue_after;
}

void scheduled_arm(struct schedules *s, struct scheduled *x)
{
	const int64_t now = schedules_now();
	const int64_t due = x->trouble ? SCHEDULE_NEVER : schedule_wake(&x->spec, &x->state);
	const int64_t at = least(due, scheduled_overdue_at(x));

	if (!s->is_active || at == SCHEDULE_NEVER) {
		evtimer_del(x->timer);
		return;
	}
	const int64_t left = at > now ? least(at - now, WAIT_MS_MOST) : 0;
	event_add(
	    x->timer, &(struct timeval){.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000});
}

void scheduled_open(struct schedules *s, struct scheduled *x, const char *run)
{
	if (strv_has(&x->open_runs, run))
		return;
	strv_add(&x->open_runs, run);
	map_put(&s->by_run, x->open_runs.v[x->open_runs.n - 1], x);
}

void scheduled_close(struct schedules *s, struct scheduled *x, const char *run)
{
	for (size_t i = 0; i < x->open_runs.n; i++) {
		if (!text_eq(x->open_runs.v[i], run))
			continue;
		map_remove(&s->by_run, run);
		free(x->open_runs.v[i]);
		x->open_runs.v[i] = x->open_runs.v[--x->open_runs.n];
		return;
	}
}

bool scheduled_has_open_run(struct schedules *s, struct scheduled *x)
{
	for (size_t i = 0; i < x->open_runs.n; i++)
		if (s->config.is_open(s->config.ctx, x->open_runs.v[i]))
			return true;
	return false;
}
