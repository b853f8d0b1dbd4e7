#include "base/str.h"
#include "schedule/civil.h"
#include "schedule/cron.h"
#include "zone_file.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

/* ISO 8601, with or without an offset. */
static int64_t seconds_of(const char *iso)
{
	int y, mo, d, h, mi, s, oh = 0, om = 0;
	char sign = '+';

	assert_int_equal(sscanf(iso, "%d-%d-%dT%d:%d:%d", &y, &mo, &d, &h, &mi, &s), 6);
	const char *rest = iso + strcspn(iso, "."); /* a fraction is left out */
	rest = *rest ? rest + 1 + strspn(rest + 1, "0123456789") : iso + 19;
	sscanf(rest, "%c%d:%d", &sign, &oh, &om);
	return civil_to_days(y, mo, d) * DAY_SECONDS + h * 3600 + mi * 60 + s -
	       (sign == '-' ? -1 : 1) * (oh * 3600 + om * 60);
}

static void dates_and_days_are_each_others_inverse(void **state)
{
	(void)state;
	for (int64_t days = -1000000; days < 1000000; days += 13) {
		const struct civil d = civil_of_days(days);
		assert_int_equal(civil_to_days(d.year, d.month, d.day), days);
		assert_in_range(d.day, 1, civil_month_days(d.year, d.month));
	}
	assert_int_equal(civil_weekday(civil_to_days(2026, 12, 1)), 2);
}

static void refused(const char *text, size_t column, const char *reason)
{
	struct cron c;
	struct error e = {0};
	size_t at = 0;

	assert_int_equal(cron_parse(text, &c, &at, &e), ERR_INVALID);
	if (!strstr(e.msg, reason) || at != column)
		fail_msg("%s: column %zu, %s", text, at, e.msg);
}

static void an_error_names_the_field_its_place_and_what_is_right(void **state)
{
	(void)state;
	refused("75 * * * *", 1, "minute: `75`: expected 0 to 59");
	refused("0 0 0 1 0", 5, "day of the month: `0`: expected 1 to 31");
	refused("* * * *", 1, "expected 5 fields");
	refused("0 0 * * fry", 9, "expected 0 to 7, or sun to sat");
	refused("0 22-2 * * *", 7, "two ranges");
	refused("*/0 * * * *", 4, "a step of 1 or more");
	refused("0-10/ * * * *", 6, "a step of 1 or more");
	refused("? * * * *", 1, "`?` is for the two fields of days");
	refused("0 0 * * fri#6", 14, "1 to 5");
	refused("1,,2 * * * *", 3, "expected a value");
	refused("1, * * * *", 3, "expected a value");
	refused("0 0 L-40 * *", 9, "`L-3`");
	refused("@dialy", 1, "did you mean `@daily`?");
	refused("@every 5m", 1, "interval");
	refused("@reboot", 1, "status = \"start\"");
	refused("", 1, "not 0");
}

/* `expect`: the next ones in UTC, separated by a blank. */
static void names(const char *text, const char *from, const char *expect)
{
	struct cron c;
	struct error e = {0};
	size_t column;
	int64_t t = seconds_of(from);
	struct zone *utc = zone_utc();

	if (cron_parse(text, &c, &column, &e) != ERR_OK)
		fail_msg("%s: %s", text, e.msg);
	auto_free char *rest = text_dup(expect);
	for (char *save = NULL, *word = strtok_r(rest, " ", &save); word;
	     word = strtok_r(NULL, " ", &save)) {
		const int64_t before = t;
		t = cron_next(&c, utc, t);
		if (t != seconds_of(word))
			fail_msg("%s: after %lld %lld instead of %s", text, (long long)before,
			    (long long)t, word);
		assert_int_equal(cron_previous(&c, utc, t + 1), t);
	}
	zone_free(utc);
}

static void the_last_the_nearest_and_the_nth_day(void **state)
{
	(void)state;
	names("0 0 L * *", "2024-01-31T00:00:00", "2024-02-29T00:00:00 2024-03-31T00:00:00");
	names("0 0 L-3 2 *", "2023-01-01T00:00:00", "2023-02-25T00:00:00 2024-02-26T00:00:00");
	/* 1 June 2024 is a Saturday, 1 September 2024 a Sunday, 31 August 2024 a Saturday */
	names("0 0 1W * *", "2024-05-30T00:00:00", "2024-06-03T00:00:00 2024-07-01T00:00:00");
	names("0 0 1W 9 *", "2024-05-30T00:00:00", "2024-09-02T00:00:00");
	names("0 0 15W 6 *", "2024-05-30T00:00:00", "2024-06-14T00:00:00");
	names("0 0 31W 3 *", "2024-01-30T00:00:00", "2024-03-29T00:00:00");
	names("0 0 LW 6,8 *", "2024-05-30T00:00:00", "2024-06-28T00:00:00 2024-08-30T00:00:00");
	names("0 0 * * fri#2", "2024-06-01T00:00:00", "2024-06-14T00:00:00 2024-07-12T00:00:00");
	names("0 0 * * 5L", "2024-06-01T00:00:00", "2024-06-28T00:00:00 2024-07-26T00:00:00");
	names("0 0 * * fri-mon", "2024-06-05T00:00:00",
	    "2024-06-07T00:00:00 2024-06-08T00:00:00 2024-06-09T00:00:00 2024-06-10T00:00:00 "
	    "2024-06-14T00:00:00");
}

static void a_date_that_never_comes_is_never(void **state)
{
	struct cron c;
	struct error e;
	size_t column;
	struct zone *utc = zone_utc();

	(void)state;
	assert_int_equal(cron_parse("0 0 30 2 *", &c, &column, &e), ERR_OK);
	assert_int_equal(cron_next(&c, utc, 0), CRON_NEVER);
	assert_int_equal(cron_previous(&c, utc, 0), CRON_NEVER);
	zone_free(utc);
}

static void a_file_that_is_no_zone_is_refused(void **state)
{
	static char bytes[4096] = "TZif2";
	struct zone *z = NULL;
	struct error e;

	(void)state;
	for (size_t n = 0; n < sizeof(bytes); n += 7)
		assert_int_equal(zone_read(bytes, n, &z, &e), ERR_INVALID);
	memset(bytes + 20, 0xff, 100);
	assert_int_equal(zone_read(bytes, sizeof(bytes), &z, &e), ERR_INVALID);
}

/* ---- the vectors of other projects ---- */

static const char *text_at(const json_t *v, const char *key)
{
	const char *s = json_string_value(json_object_get(v, key));

	return s ? s : "";
}

static bool has_feature(const json_t *v, const char *name)
{
	size_t i;
	json_t *f;

	json_array_foreach (json_object_get(v, "features"), i, f)
		if (text_eq(json_string_value(f), name))
			return true;
	return false;
}

/*
 * s0195: the day before a change of the clock has a 02:01, but this vector of croniter has the
 * job at 03:01 that day.  s0213: `5,6#3` is refused there, and means what it says here.
 * s0219: there `sat#3` takes away from the `*` beside it.
 */
static const char *const not_claimed[] = {"cron-s0195", "cron-s0213", "cron-s0219"};

/* What we claim: core5 everywhere, five fields of the others, and robfig's six with seconds in
 * front; not where fixed times meet a change of the clock, for which cron.h has a rule of its
 * own, and not what only options of croniter mean. */
static bool is_claimed(const json_t *v)
{
	const char *dialect = text_at(v, "dialect");
	for (size_t i = 0; i < countof(not_claimed); i++)
		if (text_eq(text_at(v, "id"), not_claimed[i]))
			return false;
	/* An offset without a name of a zone. */
	if (!*text_at(v, "tz") && strchr(text_at(v, "from"), '+'))
		return false;
	const bool is_robfig = strncmp(dialect, "robfig", 6) == 0;

	if (json_is_true(json_object_get(v, "core5")))
		return true;
	if (json_is_true(json_object_get(v, "dst_crossing")) ||
	    json_is_object(json_object_get(v, "options")))
		return false;
	const json_int_t fields = json_integer_value(json_object_get(v, "fields"));
	return fields <= 5 ? !text_eq(dialect, "robfig-field") || has_feature(v, "alias")
			   : is_robfig && fields == 6;
}

static int64_t answer(const json_t *v, const struct cron *c, const struct zone *z)
{
	const int64_t from = seconds_of(text_at(v, "from"));
	const char *op = text_at(v, "op");

	if (text_eq(op, "next"))
		return cron_next(c, z, from);
	if (text_eq(op, "prev")) /* a fraction is behind its second */
		return cron_previous(c, z, from + (strchr(text_at(v, "from"), '.') != NULL));
	/* match: of six fields the second, of five the minute */
	const int64_t at = c->has_seconds ? from : from - from % 60;
	return cron_next(c, z, at - 1) == at;
}

static int64_t expected(const json_t *v)
{
	const json_t *expect = json_object_get(v, "expect");

	if (json_is_boolean(expect))
		return json_is_true(expect);
	return json_is_string(expect) ? seconds_of(json_string_value(expect)) : CRON_NEVER;
}

static bool holds(const json_t *v)
{
	struct cron c;
	struct error e = {0};
	size_t column;
	const bool is_valid = cron_parse(text_at(v, "expr"), &c, &column, &e) == ERR_OK;

	if (strncmp(text_at(v, "op"), "invalid", 7) == 0)
		return !is_valid;
	if (!is_valid || text_eq(text_at(v, "op"), "valid"))
		return is_valid;
	struct zone *z = *text_at(v, "tz") ? zone_of_machine(text_at(v, "tz")) : zone_utc();
	const int64_t got = z ? answer(v, &c, z) : 0;
	zone_free(z);
	if (got != expected(v))
		print_message("%s %s in %s from %s: %lld, expected %lld\n", text_at(v, "op"),
		    text_at(v, "expr"), text_at(v, "tz"), text_at(v, "from"), (long long)got,
		    (long long)expected(v));
	return got == expected(v);
}

static void the_vectors_of_other_projects(void **state)
{
	const char *dir = getenv("HERO_PROC_CASES");
	auto_free char *path = text_fmt("%s/cron/vectors.json", dir ? dir : "");
	json_t *all = json_load_file(path, 0, NULL), *v;
	size_t i, wrong = 0, looked_at = 0;

	(void)state;
	if (!all)
		skip();
	json_array_foreach (all, i, v) {
		if (!is_claimed(v))
			continue;
		looked_at++;
		if (!holds(v)) {
			print_message("wrong: %s %s\n", text_at(v, "id"), text_at(v, "expr"));
			wrong++;
		}
	}
	print_message("%zu vectors, %zu wrong\n", looked_at, wrong);
	json_decref(all);
	assert_int_equal(wrong, 0);
	assert_in_range(looked_at, 400, 516);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(dates_and_days_are_each_others_inverse),
	    cmocka_unit_test(an_error_names_the_field_its_place_and_what_is_right),
	    cmocka_unit_test(the_last_the_nearest_and_the_nth_day),
	    cmocka_unit_test(a_date_that_never_comes_is_never),
	    cmocka_unit_test(a_file_that_is_no_zone_is_refused),
	    cmocka_unit_test(the_vectors_of_other_projects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
