#include "base/str.h"
#include "schedule/schedule.h"
#include "zone_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define DAY 86400000LL
#define T0  1700006400000LL /* 2023-11-15T00:00:00Z */

static struct schedule by_cron(const char *text)
{
	static struct zone *utc;
	struct schedule s = {.seed = 7};
	struct error e;
	size_t column;

	utc = utc ? utc : zone_utc();
	s.zone = utc;
	assert_int_equal(cron_parse(text, &s.cron, &column, &e), ERR_OK);
	return s;
}

static uint64_t sum(const struct schedule_state *state)
{
	uint64_t n = 0;

	for (size_t i = 0; i < ANSWER_COUNT; i++)
		n += state->counts[i];
	return n;
}

/* At `now`; returns how many are run, *first is the due time of the first. */
static size_t due(const struct schedule *s, struct schedule_state *state, int64_t now,
    bool open_run, int64_t *first)
{
	struct schedule_verdict v = {0};
	const struct schedule_world world = {now, open_run};

	schedule_due(s, state, &world, &v);
	const size_t n = v.runs.n;
	if (first)
		*first = n ? v.runs.v[0] : 0;
	schedule_verdict_release(&v);
	return n;
}

static void a_due_time_is_run_once_and_in_time(void **state_)
{
	const struct schedule s = by_cron("* * * * *");
	struct schedule_state state = {.answered = T0};
	int64_t first;

	(void)state_;
	assert_int_equal(schedule_wake(&s, &state), T0 + 60000);
	assert_int_equal(due(&s, &state, T0 + 59999, false, NULL), 0);
	assert_int_equal(due(&s, &state, T0 + 60003, false, &first), 1);
	assert_int_equal(first, T0 + 60000);
	assert_int_equal(due(&s, &state, T0 + 60004, false, NULL), 0);
	assert_int_equal(state.counts[ANSWER_KEPT], 1);
}

static void what_was_missed_is_caught_up_as_said(void **state_)
{
	struct schedule s = by_cron("0 * * * *");
	struct schedule_state state;
	int64_t first;

	(void)state_;
	for (int how = CATCH_UP_NONE; how < CATCH_UP_COUNT; how++) {
		state = (struct schedule_state){.answered = T0};
		s.catch_up = (enum catch_up)how;
		s.overlap = OVERLAP_PARALLEL;
		const size_t n = due(&s, &state, T0 + 10 * 3600000LL + 1800000, false, &first);
		assert_int_equal(n, how == CATCH_UP_NONE ? 0 : how == CATCH_UP_ONE ? 1 : 10);
		assert_int_equal(state.counts[ANSWER_LATE], n);
		assert_int_equal(sum(&state), 10);
		if (how == CATCH_UP_ONE)
			assert_int_equal(first, T0 + 10 * 3600000LL);
		if (how == CATCH_UP_ALL)
			assert_int_equal(first, T0 + 3600000LL);
	}
}

/* A server that was killed and is back within the grace has missed nothing, catch_up or not. */
static void a_short_absence_misses_nothing(void **state_)
{
	struct schedule s = by_cron("* * * * * *");
	struct schedule_state state = {.answered = T0};

	(void)state_;
	s.overlap = OVERLAP_QUEUE;
	assert_int_equal(due(&s, &state, T0 + 5300, false, NULL), 5);
	assert_int_equal(state.counts[ANSWER_KEPT], 5);
}

/* F94: a year of seconds is answered by one call; F101: none of them without an answer. */
static void F101_a_year_of_seconds_is_accounted_for_at_once(void **state_)
{
	struct schedule s = by_cron("* * * * * *");
	struct schedule_state state = {.answered = T0};

	(void)state_;
	s.catch_up = CATCH_UP_ALL;
	s.overlap = OVERLAP_PARALLEL;
	assert_int_equal(
	    due(&s, &state, T0 + 365 * DAY + 1, false, NULL), SCHEDULE_CATCH_UP_MOST + 10);
	assert_int_equal(sum(&state), 365 * 86400);
	assert_int_equal(state.counts[ANSWER_LATE], SCHEDULE_CATCH_UP_MOST);
	assert_int_equal(state.counts[ANSWER_MISSED], 365 * 86400 - SCHEDULE_CATCH_UP_MOST - 10);
}

static void overlap_skips_queues_or_runs_beside(void **state_)
{
	struct schedule s = by_cron("* * * * *");
	struct schedule_state state = {.answered = T0};

	(void)state_;
	assert_int_equal(due(&s, &state, T0 + 60000, true, NULL), 0);
	assert_int_equal(state.counts[ANSWER_SKIPPED], 1);
	s.overlap = OVERLAP_QUEUE;
	assert_int_equal(due(&s, &state, T0 + 120000, true, NULL), 1);
	s.overlap = OVERLAP_PARALLEL;
	assert_int_equal(due(&s, &state, T0 + 180000, true, NULL), 1);
	assert_int_equal(sum(&state), 3);
}

static void a_pause_skips_and_counts(void **state_)
{
	const struct schedule s = by_cron("* * * * *");
	struct schedule_state state = {.answered = T0, .paused = true};

	(void)state_;
	assert_int_equal(due(&s, &state, T0 + 60 * 60000, false, NULL), 0);
	assert_int_equal(state.counts[ANSWER_SKIPPED], 60);
	state.paused = false;
	assert_int_equal(due(&s, &state, T0 + 61 * 60000, false, NULL), 1);
}

static void a_clock_that_goes_back_runs_nothing_twice(void **state_)
{
	const struct schedule s = by_cron("0 * * * *");
	struct schedule_state state = {.answered = T0};

	(void)state_;
	assert_int_equal(due(&s, &state, T0 + 3600000, false, NULL), 1);
	assert_int_equal(due(&s, &state, T0 + 1800000, false, NULL), 0);
	assert_int_equal(due(&s, &state, T0 + 3600000, false, NULL), 0);
	assert_int_equal(due(&s, &state, T0 + 7200000, false, NULL), 1);
	assert_int_equal(sum(&state), 2);
}

static void a_clock_that_was_years_ahead_is_forgotten(void **state_)
{
	const struct schedule s = by_cron("0 * * * *");
	struct schedule_state state = {.answered = T0 + 3650 * DAY};

	(void)state_;
	assert_int_equal(due(&s, &state, T0, false, NULL), 0);
	assert_int_equal(due(&s, &state, T0 + 3600000, false, NULL), 1);
}

static void an_interval_does_not_follow_the_wall_clock(void **state_)
{
	struct schedule s = {.interval_ms = 90000};
	struct schedule_state state = {.answered = T0};

	(void)state_;
	assert_int_equal(schedule_wake(&s, &state), T0 + 90000);
	schedule_clock_stepped(&s, &state, 3600000);
	assert_int_equal(schedule_wake(&s, &state), T0 + 3690000);
	assert_int_equal(due(&s, &state, T0 + 3690000, false, NULL), 1);
	assert_int_equal(schedule_wake(&s, &state), T0 + 3780000);
}

static void jitter_is_bounded_and_the_same_after_a_kill(void **state_)
{
	struct schedule s = by_cron("0 * * * *");
	int64_t least = INT64_MAX, most = 0;

	(void)state_;
	s.jitter_ms = 60000;
	for (int hour = 0; hour < 500; hour++) {
		struct schedule_state state = {.answered = T0 + hour * 3600000LL};
		const int64_t wake = schedule_wake(&s, &state);
		const int64_t late = wake - (state.answered + 3600000LL);
		assert_int_equal(wake, schedule_wake(&s, &state));
		assert_in_range(late, 0, 60000);
		assert_int_equal(due(&s, &state, wake - 1, false, NULL), 0);
		assert_int_equal(due(&s, &state, wake, false, NULL), 1);
		assert_int_equal(state.counts[ANSWER_KEPT], 1);
		least = late < least ? late : least;
		most = late > most ? late : most;
	}
	assert_true(least < 5000 && most > 55000);
}

static void counting_by_days_equals_counting_one_by_one(void **state_)
{
	static const char *const texts[] = {
	    "*/7 * * * *", "30 2 * * *", "0 0 29 2 *", "*/20 1-3 * * fri", "0 */3 L * *"};
	static const char *const zones[] = {
	    "Europe/Paris", "America/New_York", "Australia/Lord_Howe"};

	(void)state_;
	for (size_t i = 0; i < countof(texts); i++)
		for (size_t k = 0; k < countof(zones); k++) {
			struct schedule s = by_cron(texts[i]);
			struct zone *z = zone_of_machine(zones[k]);
			uint64_t n = 0;
			const int64_t from = T0 / 1000 + 12345, until = from + 900 * 86400;
			for (int64_t t = cron_next(&s.cron, z, from); t <= until;
			     t = cron_next(&s.cron, z, t))
				n++;
			assert_int_equal(cron_count(&s.cron, z, from, until), n);
			zone_free(z);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_due_time_is_run_once_and_in_time),
	    cmocka_unit_test(what_was_missed_is_caught_up_as_said),
	    cmocka_unit_test(a_short_absence_misses_nothing),
	    cmocka_unit_test(F101_a_year_of_seconds_is_accounted_for_at_once),
	    cmocka_unit_test(overlap_skips_queues_or_runs_beside),
	    cmocka_unit_test(a_pause_skips_and_counts),
	    cmocka_unit_test(a_clock_that_goes_back_runs_nothing_twice),
	    cmocka_unit_test(a_clock_that_was_years_ahead_is_forgotten),
	    cmocka_unit_test(an_interval_does_not_follow_the_wall_clock),
	    cmocka_unit_test(jitter_is_bounded_and_the_same_after_a_kill),
	    cmocka_unit_test(counting_by_days_equals_counting_one_by_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
