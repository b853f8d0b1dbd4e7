/*
 * Every state × event × policy of job_step(): from the beginning, whatever can come is let
 * come, in every order, and what is promised of the next state is checked each time.
 */
#include "engine/job.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* The machine under a job, as the keeper sees it. */
struct machine {
	bool asked, leader, set; /* a spawn is not answered; the leader, others of its set live */
	bool hangs;		 /* HANGS came, the spawn is not answered: KILL can reach it */
	bool armed;
	bool was_ready;	     /* READY came in this attempt, while it ran */
	bool stopped;	     /* a stop came before the end */
	uint32_t executions; /* that count, since the run began or the counter was reset */
};

struct node {
	struct job_core core;
	struct machine m;
};

struct world {
	struct job_policy p;
	struct node *v;
	size_t n, cap;
	uint32_t *slots; /* open addressing over v; index + 1 */
	size_t n_slots;
	size_t steps;
};

/* What is asked of the code once more, said in another way. */
struct input {
	enum job_event ev;
	struct job_exit exit;
	bool demanded;
};

static bool is_same(const struct node *a, const struct node *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static uint64_t hash(const struct node *n)
{
	uint64_t h = 1469598103934665603u;

	for (size_t i = 0; i < sizeof(*n); i++)
		h = (h ^ ((const unsigned char *)n)[i]) * 1099511628211u;
	return h;
}

static bool put_slot(struct world *w, uint32_t index)
{
	size_t at = hash(&w->v[index]) & (w->n_slots - 1);

	for (; w->slots[at]; at = (at + 1) & (w->n_slots - 1))
		if (is_same(&w->v[w->slots[at] - 1], &w->v[index]))
			return false;
	w->slots[at] = index + 1;
	return true;
}

/* Counters without a limit are looked at up to here; beyond, they change nothing. */
#define COUNT_MAX 4u

static uint32_t capped(uint32_t n)
{
	return n > COUNT_MAX ? COUNT_MAX : n;
}

static void add(struct world *w, const struct node *n)
{
	struct node *to = vec_push(w); /* zeroed: padding is equal */

	to->m.asked = n->m.asked;
	to->m.hangs = n->m.hangs;
	to->m.leader = n->m.leader;
	to->m.set = n->m.set;
	to->m.armed = n->m.armed;
	to->m.was_ready = n->m.was_ready;
	to->m.stopped = n->m.stopped;
	to->m.executions = capped(n->m.executions);
	struct job_core *c = &to->core;
	*c = n->core;
	c->attempts = w->p.max_attempts ? c->attempts : capped(c->attempts);
	c->failures = capped(c->failures);
	c->transients = capped(c->transients);
	if (w->n * 2 > w->n_slots) {
		free(w->slots);
		w->n_slots = w->n_slots ? w->n_slots * 2 : 1024;
		w->slots = mem_new(w->n_slots * sizeof(*w->slots));
		for (uint32_t i = 0; i + 1 < w->n; i++)
			put_slot(w, i);
	}
	if (!put_slot(w, (uint32_t)w->n - 1))
		w->n--;
}

/* ---- what can come ------------------------------------------------------------- */

static bool can_come(const struct node *n, const struct input *in)
{
	enum job_event ev = in->ev;

	if (ev == JOB_EV_EXECUTED || ev == JOB_EV_NO_EXEC || ev == JOB_EV_TRANSIENT ||
	    ev == JOB_EV_HANGS) /* and again, to a new server */
		return n->m.asked;
	if (ev == JOB_EV_READY || ev == JOB_EV_EXITED)
		return n->m.leader;
	if (ev == JOB_EV_EMPTY)
		return n->m.set && !n->m.leader;
	if (ev == JOB_EV_TIMER)
		return n->m.armed;
	if (ev == JOB_EV_RELEASE || ev == JOB_EV_BLOCK)
		return n->core.state == JOB_WAITING_DEPS;
	return true;
}

/* ---- what is promised ------------------------------------------------------------ */

static bool has_process(const struct machine *m)
{
	return m->asked || m->leader || m->set;
}

static size_t count(const struct job_step *st, enum job_verb verb)
{
	size_t n = 0;

	for (size_t i = 0; i < st->n; i++)
		n += st->act[i].verb == verb;
	return n;
}

static void happen(struct machine *m, const struct job_core *before, const struct input *in)
{
	bool had_set = m->set;

	if (in->ev == JOB_EV_EXECUTED)
		m->leader = m->set = true;
	if (in->ev == JOB_EV_EXECUTED || in->ev == JOB_EV_NO_EXEC || in->ev == JOB_EV_TRANSIENT)
		m->asked = false;
	m->hangs = m->asked && (m->hangs || in->ev == JOB_EV_HANGS);
	if (in->ev == JOB_EV_TRANSIENT)
		m->executions--;
	if (in->ev == JOB_EV_EXITED)
		m->leader = false, m->set = !in->exit.empty;
	if (in->ev == JOB_EV_EMPTY)
		m->set = false;
	if (had_set && !m->set && before->reason == REASON_DEPENDENCY_FAILED)
		m->executions -= m->executions > 0; /* it ended for another's failure */
	if (in->ev == JOB_EV_TIMER)
		m->armed = false;
	if (in->ev == JOB_EV_TIMER && before->state == JOB_READY)
		m->executions = 0; /* stable */
	if (in->ev == JOB_EV_READY && before->state == JOB_RUNNING)
		m->was_ready = true;
	if (in->ev == JOB_EV_BEGIN &&
	    (job_state_is_end(before->state) || before->state == JOB_CREATED))
		*m = (struct machine){0};
	if ((in->ev == JOB_EV_STOP || in->ev == JOB_EV_KILL) && !job_state_is_end(before->state) &&
	    before->state != JOB_CREATED)
		m->stopped = true;
}

static void carry_out(struct machine *m, const struct job_step *st)
{
	for (size_t i = 0; i < st->n; i++) {
		switch (st->act[i].verb) {
		case JOB_VERB_SPAWN:
			assert_false(has_process(m)); /* never a second copy */
			assert_false(m->stopped);     /* a stop is never undone */
			assert_int_equal(st->core.state, JOB_STARTING);
			m->asked = true;
			m->was_ready = false;
			m->executions++;
			break;
		case JOB_VERB_TERM:
		case JOB_VERB_KILL: assert_true(m->leader || m->set || m->hangs); break;
		case JOB_VERB_SWEEP: assert_true(m->leader || m->set); break;
		case JOB_VERB_ARM:
			assert_true(st->act[i].after > 0);
			m->armed = true;
			break;
		case JOB_VERB_DISARM: m->armed = false; break;
		case JOB_VERB_WAIT: assert_int_equal(st->core.state, JOB_WAITING_DEPS); break;
		case JOB_VERB_ENDED: assert_true(job_state_is_end(st->core.state)); break;
		case JOB_VERB_COUNT: fail();
		}
	}
}

static void check_state(
    const struct job_policy *p, const struct job_core *c, const struct machine *m)
{
	if (!p->virtual)
		assert_int_equal(job_state_has_process(c->state), has_process(m));
	if (p->max_attempts) {
		assert_true(c->attempts <= p->max_attempts);
		assert_true(m->executions <= p->max_attempts);
	}
	if (m->stopped && !has_process(m)) /* a stop always ends, and in one way */
		assert_int_equal(c->state, JOB_CANCELLED);
	if (c->state == JOB_RETRYING || c->state == JOB_PENDING)
		assert_true(m->armed);
	if (c->state == JOB_STOPPING && (c->executed || m->hangs))
		assert_true(m->armed); /* no stop without a deadline */
	if (c->state == JOB_RUNNING && p->one_shot)
		assert_int_equal(m->armed, p->timeout > 0);
	if (c->state == JOB_RUNNING && !p->one_shot)
		assert_int_equal(m->armed, p->start_timeout > 0);
	if (c->state == JOB_READY && !p->virtual) {
		assert_false(p->one_shot);
		assert_true(!p->readiness || m->was_ready);
	}
}

static bool was_success(
    const struct job_policy *p, const struct job_core *before, const struct machine *m)
{
	return before->last.success &&
	       (before->state != JOB_STOPPING || before->reason == REASON_NONE) &&
	       (p->one_shot || !p->readiness || m->was_ready);
}

/* The end of an attempt, judged by the words of SPEC 4. */
static void check_verdict(const struct job_policy *p, const struct job_core *before,
    const struct input *in, const struct machine *m, const struct job_core *after)
{
	struct job_core b = *before;

	if (in->ev == JOB_EV_EXITED)
		b.last = in->exit;
	bool success = was_success(p, &b, m), another = in->demanded && !b.stop;

	if (b.reason == REASON_DEPENDENCY_FAILED &&
	    !b.stop) { /* no end of its own: it waits again */
		assert_int_equal(after->state, JOB_WAITING_DEPS);
		return;
	}
	if (b.last.rule != EXIT_RULE_NONE)
		another = another && b.last.rule == EXIT_RULE_RESTART;
	else if (p->restart == RESTART_ALWAYS)
		another = another && !(p->one_shot && success);
	else
		another = another && p->restart == RESTART_ON_FAILURE && !success;
	if (p->max_attempts && b.attempts >= p->max_attempts)
		another = false;
	assert_int_equal(another, after->state == JOB_WAITING_DEPS || after->state == JOB_RETRYING);
	if (another)
		assert_int_equal(
		    after->state == JOB_WAITING_DEPS, job_backoff(p, after->failures, 0) == 0);
	if (after->state == JOB_SUCCEEDED && b.last.rule != EXIT_RULE_STOP)
		assert_true(
		    success); /* ended before its readiness: failed, whatever its exit code */
	if (after->state == JOB_SUCCEEDED)
		assert_true(p->one_shot || !p->readiness || m->was_ready);
	if (success && b.last.rule == EXIT_RULE_NONE && !b.stop && p->one_shot)
		assert_int_equal(after->state, JOB_SUCCEEDED);
	if (after->state == JOB_FAILED)
		assert_int_not_equal(after->reason, REASON_NONE);
	if (b.last.rule == EXIT_RULE_FAIL && !b.stop)
		assert_int_equal(after->state, JOB_FAILED);
}

static void check_step(const struct job_policy *p, const struct node *from, const struct input *in,
    const struct job_step *st, const struct machine *m)
{
	const struct job_core *before = &from->core, *after = &st->core;
	bool end = job_state_is_end(after->state), was_end = job_state_is_end(before->state);

	assert_int_equal(
	    count(st, JOB_VERB_ENDED), end && (!was_end || before->state != after->state));
	assert_true(count(st, JOB_VERB_SPAWN) <= 1);
	if (in->ev == JOB_EV_NO_EXEC &&
	    !m->stopped) { /* not a thing that another attempt would mend */
		assert_int_equal(after->state, JOB_FAILED);
		assert_int_equal(after->reason, REASON_SPAWN_ERROR);
	}
	if (in->ev == JOB_EV_TRANSIENT) /* EAGAIN and its like never count */
		assert_int_equal(
		    after->attempts, m->stopped ? before->attempts : before->attempts - 1);
	if (in->ev == JOB_EV_KILL && m->leader)
		assert_int_equal(count(st, JOB_VERB_KILL), 1);
	if (in->ev == JOB_EV_EXECUTED && before->stop)
		assert_int_equal(count(st, JOB_VERB_TERM) + count(st, JOB_VERB_KILL), 1);
	if (from->m.set && !m->set)
		check_verdict(p, before, in, m, after);
}

static void step(struct world *w, size_t from, const struct input *in)
{
	const struct node n = w->v[from];
	const struct job_world jw = {.demanded = in->demanded};
	struct node to;

	if (!can_come(&n, in) || (w->p.virtual && in->ev == JOB_EV_PROBE))
		return;
	struct job_step st =
	    job_step(&w->p, n.core, &jw, in->ev, in->ev == JOB_EV_EXITED ? &in->exit : NULL);
	struct job_step again =
	    job_step(&w->p, n.core, &jw, in->ev, in->ev == JOB_EV_EXITED ? &in->exit : NULL);
	assert_memory_equal(&st.core, &again.core, sizeof(st.core));
	to = (struct node){.core = st.core, .m = n.m};
	happen(&to.m, &n.core, in);
	check_step(&w->p, &n, in, &st, &to.m);
	carry_out(&to.m, &st);
	check_state(&w->p, &st.core, &to.m);
	w->steps++;
	to.core.cause = REASON_NONE; /* is shown, and decides nothing: no state of its own */
	add(w, &to);
}

static void let_come(struct world *w, size_t from)
{
	static const enum exit_rule rules[] = {
	    EXIT_RULE_NONE, EXIT_RULE_RESTART, EXIT_RULE_STOP, EXIT_RULE_FAIL};

	for (unsigned ev = 0; ev < JOB_EVENT_COUNT; ev++)
		for (unsigned bits = 0; bits < (ev == JOB_EV_EXITED ? 32 : 2); bits++) {
			struct input in = {.ev = (enum job_event)ev, .demanded = bits & 1};

			in.exit = (struct job_exit){.code = bits & 2 ? 0 : 1,
			    .success = bits & 2,
			    .empty = bits & 4,
			    .rule = rules[bits >> 3]};
			step(w, from, &in);
		}
}

static size_t explore(const struct job_policy *p)
{
	struct world w = {.p = *p};
	const struct node first = {.core = {.state = JOB_CREATED, .last = {.code = -1}}};

	add(&w, &first);
	for (size_t i = 0; i < w.n; i++)
		let_come(&w, i);
	size_t steps = w.steps;
	assert_true(w.n < 1000000); /* the counters are capped: it is a finite world */
	free(w.v);
	free(w.slots);
	return steps;
}

static void what_is_promised_of_a_job_holds_after_every_event(void **state)
{
	(void)state;
	static const enum restart restarts[] = {RESTART_ALWAYS, RESTART_ON_FAILURE, RESTART_NEVER};
	static const uint32_t maxima[] = {0, 1, 3};
	size_t steps = 0;

	for (unsigned bits = 0; bits < 16; bits++)
		for (size_t r = 0; r < countof(restarts); r++)
			for (size_t m = 0; m < countof(maxima); m++) {
				const struct job_policy p = {.one_shot = bits & 1,
				    .readiness = bits & 2,
				    .restart = restarts[r],
				    .max_attempts = maxima[m],
				    .delay = bits & 4 ? 100 : 0,
				    .delay_given = true,
				    .factor = 2,
				    .delay_max = 300,
				    .stability = 10000,
				    .start_timeout = bits & 8 ? 5000 : 0,
				    .timeout = bits & 8 ? 5000 : 0,
				    .stop_timeout = 1000};

				if (p.one_shot && p.readiness)
					continue;
				steps += explore(&p);
			}
	print_message("%zu steps\n", steps);
	assert_true(steps > 100000);
}

static void a_target_has_no_process_and_no_attempts(void **state)
{
	(void)state;
	explore(&(struct job_policy){.virtual = true});
}

/* ---- one rule each ------------------------------------------------------------------ */

static const struct job_policy forever = {.restart = RESTART_ALWAYS,
    .delay = 100,
    .factor = 2,
    .delay_max = 30000,
    .stability = 10000,
    .start_timeout = 90000,
    .stop_timeout = 10000};

static void the_default_is_at_once_then_doubling_to_30_s(void **state)
{
	(void)state;
	static const msec want[] = {
	    0, 100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000};

	for (uint32_t i = 0; i < countof(want); i++)
		assert_int_equal(job_backoff(&forever, i + 1, 0.5), want[i]);
}

static void a_written_delay_is_taken_as_it_is(void **state)
{
	(void)state;
	struct job_policy p = forever;

	p.delay_given = true;
	p.delay = 0;
	assert_int_equal(job_backoff(&p, 1, 0), 0);
	assert_int_equal(job_backoff(&p, UINT32_MAX, 0), 0); /* and costs nothing to compute */
	p.delay = 7;
	p.factor = 1;
	assert_int_equal(job_backoff(&p, 1, 0), 7);
	assert_int_equal(job_backoff(&p, UINT32_MAX, 0), 7);
	p.delay = 60000; /* above the default of delay_max */
	assert_int_equal(job_backoff(&p, 1, 0), 60000);
	assert_int_equal(job_backoff(&p, 9, 0), 60000);
}

static void jitter_adds_a_part_of_the_pause(void **state)
{
	(void)state;
	struct job_policy p = forever;

	p.delay_given = true;
	assert_int_equal(job_backoff(&p, 1, 1), 100);
	p.jitter = 0.5;
	assert_int_equal(job_backoff(&p, 1, 0), 100);
	assert_int_equal(job_backoff(&p, 1, 0.5), 125);
	assert_int_equal(job_backoff(&p, 1, 1), 150);
}

static struct job_core ended_in(struct job_core c, const struct job_policy *p, struct job_exit x)
{
	x.empty = true;
	return job_step(p, c, &(struct job_world){.demanded = true}, JOB_EV_EXITED, &x).core;
}

/* Ready once was enough for all attempts: a second one that ended at once with 0 had succeeded. */
static void F62_an_attempt_is_not_ready_because_a_former_one_was(void **state)
{
	(void)state;
	struct job_policy p = forever;
	struct job_core c = {
	    .state = JOB_RUNNING, .executed = true, .was_ready = true, .attempts = 2};

	p.readiness = true;
	p.restart = RESTART_ON_FAILURE;
	c = ended_in(c, &p, (struct job_exit){.code = 0, .success = true});
	assert_int_equal(c.reason, REASON_NOT_READY);
	assert_int_equal(c.failures, 1);
}

/* { signal = "SIGTERM", then = "stop" }, and TERM was ours, because it did not become ready. */
static void a_rule_makes_no_success_of_what_was_ended_for_a_reason(void **state)
{
	(void)state;
	struct job_policy p = forever;
	struct job_core c = {
	    .state = JOB_STOPPING, .executed = true, .attempts = 1, .reason = REASON_START_TIMEOUT};

	p.readiness = true;
	c = ended_in(c, &p, (struct job_exit){.code = -1, .signal = 15, .rule = EXIT_RULE_STOP});
	assert_int_equal(c.state, JOB_FAILED);
	assert_int_equal(c.reason, REASON_START_TIMEOUT);
}

static void stability_alone_resets_the_counter(void **state)
{
	(void)state;
	const struct job_world w = {.demanded = true};
	struct job_core c = {
	    .state = JOB_READY, .ready = true, .executed = true, .attempts = 3, .failures = 2};
	struct job_policy p = forever;

	p.max_attempts = 3;
	assert_int_equal(ended_in(c, &p, (struct job_exit){.code = 1}).reason, REASON_GAVE_UP);
	c = job_step(&p, c, &w, JOB_EV_TIMER, NULL).core;
	assert_int_equal(c.state, JOB_READY);
	c = ended_in(c, &p, (struct job_exit){.code = 1});
	assert_int_equal(c.state, JOB_WAITING_DEPS); /* the first restart is at once again */
	assert_int_equal(c.failures, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_promised_of_a_job_holds_after_every_event),
	    cmocka_unit_test(a_target_has_no_process_and_no_attempts),
	    cmocka_unit_test(the_default_is_at_once_then_doubling_to_30_s),
	    cmocka_unit_test(a_written_delay_is_taken_as_it_is),
	    cmocka_unit_test(jitter_adds_a_part_of_the_pause),
	    cmocka_unit_test(F62_an_attempt_is_not_ready_because_a_former_one_was),
	    cmocka_unit_test(a_rule_makes_no_success_of_what_was_ended_for_a_reason),
	    cmocka_unit_test(stability_alone_resets_the_counter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
