#include "engine/job.h"

#include <assert.h>

ENUM_DEFINE(job_event, JOB_EVENT_LIST, JOB_EVENT_COUNT)
ENUM_DEFINE(job_verb, JOB_VERB_LIST, JOB_VERB_COUNT)

#define TRANSIENT_DELAY_MS     100
#define TRANSIENT_DELAY_MAX_MS 30000
#define KILL_AGAIN_MS	       1000 /* a process in D state gets KILL again and again */

bool job_state_has_process(enum job_state s)
{
	return s == JOB_STARTING || s == JOB_RUNNING || s == JOB_READY || s == JOB_STOPPING;
}

bool job_state_is_end(enum job_state s)
{
	return s == JOB_SUCCEEDED || s == JOB_FAILED || s == JOB_CANCELLED || s == JOB_SKIPPED;
}

bool job_has_why(const struct job_core *c)
{
	bool ended_for_it =
	    (c->reason == REASON_PROBE_FAILED || c->reason == REASON_START_TIMEOUT) &&
	    (c->state == JOB_STOPPING || c->state == JOB_WAITING_DEPS);

	return c->hangs || ended_for_it || c->state == JOB_FAILED || c->state == JOB_RETRYING ||
	       c->state == JOB_PENDING;
}

static msec grow(double delay, double factor, uint32_t times, msec max)
{
	for (uint32_t i = 0; i < times && delay > 0 && factor > 1 && delay < (double)max; i++)
		delay *= factor;
	return delay < (double)max ? (msec)delay : max;
}

msec job_backoff(const struct job_policy *p, uint32_t n, double chance)
{
	uint32_t skip = p->delay_given ? 1 : 2;
	msec max = p->delay_max > p->delay ? p->delay_max : p->delay; /* taken as it is */

	if (n < skip)
		return 0;
	msec d = grow((double)p->delay, p->factor, n - skip, max);
	return d + (msec)((double)d * p->jitter * chance);
}

static void act(struct job_step *st, enum job_verb verb, msec after)
{
	assert(st->n < JOB_VERBS_MAX);
	st->act[st->n].verb = verb;
	st->act[st->n++].after = after;
}

/* 0 means no limit. */
static void arm(struct job_step *st, msec after)
{
	act(st, after > 0 ? JOB_VERB_ARM : JOB_VERB_DISARM, after);
}

static void wait_for_edges(struct job_step *st)
{
	st->core.state = JOB_WAITING_DEPS;
	act(st, JOB_VERB_WAIT, 0);
}

static void begin(struct job_step *st)
{
	st->core = (struct job_core){.last = {.code = -1}};
	wait_for_edges(st);
}

static void end(struct job_step *st, enum job_state state, enum reason reason)
{
	st->core.state = state;
	st->core.reason = reason;
	st->core.executed = st->core.exited = false;
	act(st, JOB_VERB_DISARM, 0);
	act(st, JOB_VERB_ENDED, 0);
}

static void spawn(struct job_step *st)
{
	struct job_core *c = &st->core;

	c->state = JOB_STARTING;
	c->attempts++;
	c->executed = c->exited = c->killed = c->ready = c->dep_failed = c->hangs = false;
	c->reason = REASON_NONE;
	act(st, JOB_VERB_SPAWN, 0);
}

static void become_ready(struct job_step *st, const struct job_policy *p)
{
	st->core.state = JOB_READY;
	st->core.ready = st->core.was_ready = true;
	arm(st, p->virtual ? 0 : p->stability);
}

static void executed(struct job_step *st, const struct job_policy *p)
{
	struct job_core *c = &st->core;

	c->executed = c->was_executed = true;
	c->hangs = false;
	c->transients = 0;
	c->state = JOB_RUNNING;
	if (p->one_shot)
		arm(st, p->timeout);
	else if (p->readiness)
		arm(st, p->start_timeout);
	else
		become_ready(st, p);
}

static void terminate(struct job_step *st, const struct job_policy *p, enum reason reason)
{
	st->core.state = JOB_STOPPING;
	st->core.reason = reason;
	act(st, JOB_VERB_TERM, 0);
	act(st, JOB_VERB_ARM, p->stop_timeout > 0 ? p->stop_timeout : 1);
}

/* Why the leader ended: of its own, or what it was ended for. */
static enum reason reason_of_end(const struct job_core *c, const struct job_policy *p)
{
	if (c->reason != REASON_NONE)
		return c->reason; /* why it was being ended */
	if (c->last.oom)
		return REASON_OOM;
	if (c->last.lost)
		return REASON_LOST;
	if (!c->last.success)
		return c->last.signal ? REASON_SIGNAL : REASON_EXIT_CODE;
	return p->readiness && !p->one_shot && !c->ready ? REASON_NOT_READY : REASON_NONE;
}

static bool wants_another(const struct job_policy *p, const struct job_core *c, bool success)
{
	if (c->last.rule != EXIT_RULE_NONE)
		return c->last.rule == EXIT_RULE_RESTART;
	if (p->one_shot && success)
		return false;
	return p->restart == RESTART_ALWAYS || (p->restart == RESTART_ON_FAILURE && !success);
}

/* What it requires failed: no failure of its own, it does not count. */
static void wait_again(struct job_step *st)
{
	struct job_core *c = &st->core;

	c->attempts -= c->attempts > 0;
	c->executed = c->exited = false;
	act(st, JOB_VERB_DISARM, 0);
	wait_for_edges(st);
}

/* The attempt is over and nothing of it is left. */
static void attempt_over(struct job_step *st, const struct job_policy *p, const struct job_world *w)
{
	struct job_core *c = &st->core;
	enum reason reason = c->cause = reason_of_end(c, p);
	bool own = reason == REASON_EXIT_CODE || reason == REASON_SIGNAL;
	bool started = p->one_shot || !p->readiness || c->ready;
	bool success = reason == REASON_NONE || (own && started && c->last.rule == EXIT_RULE_STOP);

	if (c->stop) {
		c->completed = true;
		end(st, JOB_CANCELLED,
		    c->reason == REASON_DEPENDENCY_FAILED ? c->reason : REASON_CANCELLED);
		return;
	}
	if (c->reason == REASON_DEPENDENCY_FAILED) {
		wait_again(st);
		return;
	}
	if (wants_another(p, c, success) && w->demanded) {
		if (!p->max_attempts || c->attempts < p->max_attempts) {
			msec delay = job_backoff(p, ++c->failures, w->chance);

			c->reason = reason;
			c->executed = c->exited = false;
			if (delay == 0) {
				act(st, JOB_VERB_DISARM, 0);
				wait_for_edges(st);
			} else {
				c->state = JOB_RETRYING;
				act(st, JOB_VERB_ARM, delay);
			}
			return;
		}
		if (p->max_attempts > 1 || reason == REASON_NONE)
			reason = REASON_GAVE_UP;
		success = success && !p->readiness;
	}
	c->completed = true;
	if (success && c->last.rule != EXIT_RULE_FAIL)
		end(st, JOB_SUCCEEDED, REASON_NONE);
	else
		end(st, JOB_FAILED,
		    reason != REASON_NONE ? reason
		    : c->last.signal	  ? REASON_SIGNAL
					  : REASON_EXIT_CODE);
}

static void exited(struct job_step *st, const struct job_policy *p, const struct job_world *w,
    const struct job_exit *exit)
{
	struct job_core *c = &st->core;
	bool was_stopping = c->state == JOB_STOPPING;

	c->exited = true;
	c->last = *exit;
	if (exit->empty) {
		attempt_over(st, p, w);
		return;
	}
	c->state = JOB_STOPPING;
	if (!was_stopping) {
		act(st, JOB_VERB_SWEEP, 0);
		act(st, JOB_VERB_ARM, p->stop_timeout > 0 ? p->stop_timeout : 1);
	}
}

static void kill_it(struct job_step *st)
{
	st->core.killed = true;
	act(st, JOB_VERB_KILL, 0);
	act(st, JOB_VERB_ARM, KILL_AGAIN_MS);
}

static void on_idle(struct job_step *st, enum job_event ev)
{
	if (ev == JOB_EV_BEGIN)
		begin(st);
}

static void on_waiting(struct job_step *st, const struct job_policy *p, enum job_event ev)
{
	if (ev == JOB_EV_RELEASE && p->virtual) {
		st->core.executed = st->core.was_executed = true;
		become_ready(st, p);
	} else if (ev == JOB_EV_RELEASE) {
		spawn(st);
	} else if (ev == JOB_EV_BLOCK) {
		end(st, JOB_SKIPPED, REASON_DEPENDENCY_FAILED);
	} else if (ev == JOB_EV_STOP || ev == JOB_EV_KILL) {
		st->core.completed = st->core.was_executed;
		end(st, JOB_CANCELLED, REASON_CANCELLED);
	}
}

/* pending and retrying: between two attempts, a timer runs. */
static void on_pause(struct job_step *st, enum job_event ev)
{
	if (ev == JOB_EV_TIMER || ev == JOB_EV_BEGIN) {
		act(st, JOB_VERB_DISARM, 0);
		wait_for_edges(st);
	} else if (ev == JOB_EV_STOP || ev == JOB_EV_KILL) {
		st->core.completed = st->core.was_executed;
		end(st, JOB_CANCELLED, REASON_CANCELLED);
	}
}

static void not_executed(struct job_step *st, enum job_event ev)
{
	struct job_core *c = &st->core;

	c->hangs = false;
	c->completed = c->was_executed && (c->stop || ev == JOB_EV_NO_EXEC);
	if (c->stop) {
		end(st, JOB_CANCELLED, REASON_CANCELLED);
	} else if (ev == JOB_EV_NO_EXEC) {
		end(st, JOB_FAILED, REASON_SPAWN_ERROR);
	} else if (c->reason == REASON_DEPENDENCY_FAILED) {
		wait_again(st); /* it hung, and KILL ended it */
	} else {
		c->attempts--; /* the machine was short of something: it does not count */
		c->state = JOB_PENDING;
		c->reason = REASON_SPAWN_ERROR;
		act(st, JOB_VERB_ARM,
		    grow(TRANSIENT_DELAY_MS, 2, c->transients++, TRANSIENT_DELAY_MAX_MS));
	}
}

static void on_starting(struct job_step *st, const struct job_policy *p, enum job_event ev)
{
	if (ev == JOB_EV_EXECUTED) {
		executed(st, p);
	} else if (ev == JOB_EV_NO_EXEC || ev == JOB_EV_TRANSIENT) {
		not_executed(st, ev);
	} else if (ev == JOB_EV_HANGS) {
		st->core.hangs = true;
	} else if (st->core.hangs && (ev == JOB_EV_STOP || ev == JOB_EV_DEP_FAILED)) {
		terminate(st, p, ev == JOB_EV_STOP ? REASON_CANCELLED : REASON_DEPENDENCY_FAILED);
	} else if (ev == JOB_EV_STOP || ev == JOB_EV_KILL) {
		/* TERM follows when it was executed: there may be nothing to signal yet. */
		st->core.state = JOB_STOPPING;
		st->core.reason = REASON_CANCELLED;
		st->core.killed = ev == JOB_EV_KILL;
		if (st->core.hangs)
			kill_it(st);
	}
}

static void on_alive(struct job_step *st, const struct job_policy *p, const struct job_world *w,
    enum job_event ev, const struct job_exit *exit)
{
	struct job_core *c = &st->core;

	switch (ev) {
	case JOB_EV_READY:
		if (c->state == JOB_RUNNING && !p->one_shot)
			become_ready(st, p);
		break;
	case JOB_EV_EXITED: exited(st, p, w, exit); break;
	case JOB_EV_TIMER:
		if (c->state == JOB_READY)
			c->failures = c->attempts = 0; /* stable: the counter starts anew */
		else
			terminate(st, p, p->one_shot ? REASON_TIMEOUT : REASON_START_TIMEOUT);
		break;
	case JOB_EV_PROBE: terminate(st, p, REASON_PROBE_FAILED); break;
	case JOB_EV_DEP_FAILED: terminate(st, p, REASON_DEPENDENCY_FAILED); break;
	case JOB_EV_STOP: terminate(st, p, REASON_CANCELLED); break;
	case JOB_EV_KILL:
		terminate(st, p, REASON_CANCELLED);
		st->n = 0; /* the deadline is over: no grace */
		kill_it(st);
		break;
	case JOB_EV_BEGIN:
	case JOB_EV_RELEASE:
	case JOB_EV_UNHOLD:
	case JOB_EV_BLOCK:
	case JOB_EV_EXECUTED:
	case JOB_EV_NO_EXEC:
	case JOB_EV_TRANSIENT:
	case JOB_EV_HANGS:
	case JOB_EV_EMPTY:
	case JOB_EVENT_COUNT: break;
	}
}

static void on_virtual_ready(struct job_step *st, enum job_event ev)
{
	if (ev == JOB_EV_UNHOLD) {
		st->core.executed = false;
		wait_for_edges(st);
	} else if (ev == JOB_EV_STOP || ev == JOB_EV_KILL) {
		st->core.completed = true;
		end(st, JOB_CANCELLED, REASON_CANCELLED);
	}
}

static void on_stopping(struct job_step *st, const struct job_policy *p, const struct job_world *w,
    enum job_event ev, const struct job_exit *exit)
{
	struct job_core *c = &st->core;

	switch (ev) {
	case JOB_EV_HANGS: /* nor did a stop reach it */
		if (!c->executed && !c->hangs && c->killed)
			kill_it(st);
		else if (!c->executed && !c->hangs)
			terminate(st, p, c->reason);
		c->hangs = !c->executed;
		break;
	case JOB_EV_EXECUTED: /* a stop came between the request and the execution */
		c->executed = c->was_executed = true;
		c->hangs = false;
		if (c->killed)
			kill_it(st);
		else
			terminate(st, p, c->reason);
		break;
	case JOB_EV_NO_EXEC:
	case JOB_EV_TRANSIENT: not_executed(st, ev); break;
	case JOB_EV_EXITED: exited(st, p, w, exit); break;
	case JOB_EV_EMPTY:
		if (c->exited)
			attempt_over(st, p, w);
		break;
	case JOB_EV_TIMER:
	case JOB_EV_KILL:
		if (c->executed || c->hangs)
			kill_it(st);
		else
			c->killed = c->killed || ev == JOB_EV_KILL;
		break;
	case JOB_EV_STOP: /* joined: no signal again, but no further attempt either */
	case JOB_EV_BEGIN:
	case JOB_EV_RELEASE:
	case JOB_EV_UNHOLD:
	case JOB_EV_BLOCK:
	case JOB_EV_READY:
	case JOB_EV_PROBE:
	case JOB_EV_DEP_FAILED:
	case JOB_EVENT_COUNT: break;
	}
}

struct job_step job_step(const struct job_policy *p, struct job_core core,
    const struct job_world *w, enum job_event ev, const struct job_exit *exit)
{
	struct job_step st = {.core = core};

	if (ev == JOB_EV_STOP || ev == JOB_EV_KILL)
		st.core.stop = true;
	switch (core.state) {
	case JOB_CREATED:
	case JOB_SUCCEEDED:
	case JOB_FAILED:
	case JOB_CANCELLED:
	case JOB_SKIPPED: on_idle(&st, ev); break;
	case JOB_WAITING_DEPS: on_waiting(&st, p, ev); break;
	case JOB_PENDING:
	case JOB_RETRYING: on_pause(&st, ev); break;
	case JOB_STARTING: on_starting(&st, p, ev); break;
	case JOB_RUNNING: on_alive(&st, p, w, ev, exit); break;
	case JOB_READY:
		if (p->virtual)
			on_virtual_ready(&st, ev);
		else
			on_alive(&st, p, w, ev, exit);
		break;
	case JOB_STOPPING: on_stopping(&st, p, w, ev, exit); break;
	case JOB_STATE_COUNT: break;
	}
	return st;
}
