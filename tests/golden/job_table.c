/*
 * job_table.c - print every transition of a job, from job_step() itself.
 *
 * docs/job-states.md is its output, so that a reviewer sees which transitions a
 * change changes:  build/tests/golden/job_table > docs/job-states.md
 */
#include "engine/job.h"

#include <stdio.h>
#include <string.h>

struct kind {
	const char *title;
	struct job_policy policy;
};

/* An event as it can come; only `exited` has variants. */
struct variant {
	enum job_event ev;
	const char *name;
	struct job_exit exit;
};

static const struct variant exits[] = {
    {JOB_EV_EXITED, "exited: success", {.code = 0, .success = true, .empty = true}},
    {JOB_EV_EXITED, "exited: failure", {.code = 1, .empty = true}},
    {JOB_EV_EXITED, "exited: success, others of its set are left", {.code = 0, .success = true}},
};

static struct job_core core_in(enum job_state s)
{
	bool alive = job_state_has_process(s) && s != JOB_STARTING;

	return (struct job_core){.state = s,
	    .executed = alive,
	    .was_executed = alive,
	    .ready = s == JOB_READY,
	    .was_ready = s == JOB_READY,
	    .attempts = s > JOB_PENDING ? 1 : 0,
	    .last = {.code = -1}};
}

static void print_verbs(const struct job_step *st)
{
	for (size_t i = 0; i < st->n; i++) {
		printf("%s %s", i ? "," : "", job_verb_str(st->act[i].verb));
		if (st->act[i].verb == JOB_VERB_ARM)
			printf(" %lld", (long long)st->act[i].after);
	}
}

static bool says_something(const struct job_step *st, enum job_state from)
{
	return st->n || st->core.state != from;
}

static void print_row(const struct kind *k, enum job_state s, const struct variant *v, bool stop)
{
	const struct job_world w = {.demanded = true};
	struct job_core core = core_in(s);

	core.stop = stop;
	if (v->ev == JOB_EV_EMPTY)
		core.exited = true;
	struct job_step st = job_step(&k->policy, core, &w, v->ev, &v->exit);
	if (!says_something(&st, s))
		return;
	printf("| %s | %s%s | %s |", job_state_str(s), v->name,
	    stop ? ", a stop was asked for" : "",
	    st.core.state == s ? "" : job_state_str(st.core.state));
	print_verbs(&st);
	printf(" | %s |\n", st.core.reason == REASON_NONE ? "" : reason_str(st.core.reason));
}

static void print_event(const struct kind *k, enum job_state s, enum job_event ev)
{
	const struct variant plain = {
	    ev, job_event_str(ev), {.code = 0, .success = true, .empty = true}};
	bool has_process = s == JOB_RUNNING || s == JOB_READY || s == JOB_STOPPING;

	if (ev != JOB_EV_EXITED) {
		print_row(k, s, &plain, false);
		return;
	}
	for (size_t i = 0;
	     has_process && !k->policy.virtual && i < sizeof(exits) / sizeof(exits[0]); i++)
		print_row(k, s, &exits[i], false);
	if (has_process && !k->policy.virtual)
		print_row(k, s, &exits[1], true);
}

static void print_table(const struct kind *k)
{
	printf("\n## %s\n\n| state | event | next | verbs | reason |\n|---|---|---|---|---|\n",
	    k->title);
	for (unsigned s = 0; s < JOB_STATE_COUNT; s++)
		for (unsigned e = 0; e < JOB_EVENT_COUNT; e++)
			print_event(k, (enum job_state)s, (enum job_event)e);
}

int main(void)
{
	static const struct kind kinds[] = {
	    {"A long-running action with declared readiness", {.readiness = true,
								  .restart = RESTART_ALWAYS,
								  .delay = 100,
								  .factor = 2,
								  .delay_max = 30000,
								  .stability = 10000,
								  .start_timeout = 90000,
								  .stop_timeout = 10000}},
	    {"A one-shot with `timeout_ms`", {.one_shot = true,
						 .restart = RESTART_NEVER,
						 .delay = 100,
						 .factor = 2,
						 .delay_max = 30000,
						 .timeout = 5000,
						 .stop_timeout = 10000}},
	    {"A target (a service without actions)", {.virtual = true}},
	};

	puts(
	    "# What becomes of a job\n\n"
	    "Printed by `tests/golden/job_table.c` from `job_step()` (`src/engine/job.c`); a test "
	    "holds this file\n"
	    "against it. Pairs of state and event that change nothing are left out. `arm N` sets "
	    "the job's one timer to\n"
	    "N ms. The job is demanded, its retry policy is the default of its kind, and no "
	    "attempt failed before.");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		print_table(&kinds[i]);
	return 0;
}
