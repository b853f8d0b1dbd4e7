/* EXTEND_TIMEOUT_USEC: the deadline of what an attempt does now moves, and only that one. */
#include "engine/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct engine *en;
static uint64_t token;

static size_t count(enum effect_kind kind)
{
	size_t n, found = 0;
	const struct effect *fx = engine_effects(en, &n);

	for (size_t i = 0; i < n; i++) {
		found += fx[i].kind == kind;
		if (fx[i].kind == EFFECT_SPAWN)
			token = fx[i].token;
	}
	engine_effects_clear(en);
	return found;
}

static op_id begin(struct job_policy p)
{
	const char *name = "db";
	const struct engine_job_spec job = {.name = name, .policy = p};
	const struct engine_unit_spec unit = {.name = name, .jobs = &job, .n_jobs = 1};
	const struct engine_request rq = {.kind = OP_START, .names = &name, .n_names = 1};
	struct error e = {0};
	op_id op;

	en = engine_new(1);
	engine_define(en, 0, &unit);
	assert_int_equal(engine_request(en, 0, &rq, &op, NULL, &e), ERR_OK);
	assert_int_equal(count(EFFECT_SPAWN), 1);
	engine_executed(en, 0, token);
	return op;
}

static const struct job_policy slow = {.readiness = true,
    .restart = RESTART_NEVER,
    .stability = 100,
    .start_timeout = 1000,
    .stop_timeout = 1000};

static void a_start_and_who_waits_for_it_get_the_time(void **state)
{
	(void)state;
	struct op_view op;
	op_id id = begin(slow);

	engine_extend(en, 900, token, 5000);
	engine_tick(en, 5899);
	assert_int_equal(count(EFFECT_TERM), 0);
	assert_true(engine_op(en, id, &op) && op.state == OP_ACTIVE);
	engine_tick(en, 5900);
	assert_int_equal(count(EFFECT_TERM), 1);
	assert_true(engine_op(en, id, &op) && op.state == OP_FAILED);
	engine_free(en);
}

static void a_deadline_never_comes_earlier(void **state)
{
	(void)state;
	begin(slow);
	engine_extend(en, 100, token, 200);
	engine_tick(en, 999);
	assert_int_equal(count(EFFECT_TERM), 0);
	engine_tick(en, 1000);
	assert_int_equal(count(EFFECT_TERM), 1);
	engine_free(en);
}

static void a_stop_gets_the_time_until_it_is_killed(void **state)
{
	(void)state;
	begin(slow);
	engine_tick(en, 1000); /* told to go */
	engine_extend(en, 1500, token, 3000);
	engine_tick(en, 4499);
	assert_int_equal(count(EFFECT_KILL), 0);
	engine_tick(en, 4500);
	assert_int_equal(count(EFFECT_KILL), 1);
	engine_extend(en, 4500, token, 60000); /* too late */
	engine_tick(en, 4500 + 1000);
	assert_int_equal(count(EFFECT_KILL), 1);
	engine_free(en);
}

static void what_is_ready_or_not_there_has_nothing_to_extend(void **state)
{
	(void)state;
	struct job_view j;

	begin(slow);
	engine_ready(en, 10, token);
	engine_extend(en, 10, token, 60000);
	engine_extend(en, 10, token + 1, 60000);
	assert_true(engine_job_at(en, 0, 0, &j));
	assert_int_equal(j.deadline, 110); /* its stability */
	engine_free(en);
}

static void without_a_deadline_there_is_none_afterwards(void **state)
{
	(void)state;
	struct job_view j;

	begin((struct job_policy){.one_shot = true, .stop_timeout = 1000});
	engine_extend(en, 10, token, 60000);
	assert_true(engine_job_at(en, 0, 0, &j));
	assert_int_equal(j.deadline, MSEC_NEVER);
	engine_free(en);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_start_and_who_waits_for_it_get_the_time),
	    cmocka_unit_test(a_deadline_never_comes_earlier),
	    cmocka_unit_test(a_stop_gets_the_time_until_it_is_killed),
	    cmocka_unit_test(what_is_ready_or_not_there_has_nothing_to_extend),
	    cmocka_unit_test(without_a_deadline_there_is_none_afterwards),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
