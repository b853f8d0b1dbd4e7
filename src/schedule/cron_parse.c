/* Reading an expression: cron.h has the grammar. */
#include "schedule/cron.h"

#include "base/str.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

/* clang-format off */
#define CRON_FIELD_LIST(X)                          \
	X(FIELD_SECOND,  "second",           0, 59) \
	X(FIELD_MINUTE,  "minute",           0, 59) \
	X(FIELD_HOUR,    "hour",             0, 23) \
	X(FIELD_DAY,     "day of the month", 1, 31) \
	X(FIELD_MONTH,   "month",            1, 12) \
	X(FIELD_WEEKDAY, "day of the week",  0,  7)
#define SYM(symbol, name, least, most) symbol,
#define ROW(symbol, name, least, most) [symbol] = {name, least, most},
/* clang-format on */
enum field_id { CRON_FIELD_LIST(SYM) FIELD_COUNT };
static const struct {
	const char *name;
	int least, most;
} fields[] = {CRON_FIELD_LIST(ROW)};

static const char *const months[] = {
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"};
static const char *const weekdays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
static const struct {
	const char *name, *expression;
} aliases[] = {{"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
    {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"}, {"@midnight", "0 0 * * *"},
    {"@hourly", "0 * * * *"}};

/* One item of one field, while it is read. */
struct reader {
	const char *text, *p, *end; /* the expression; where we are; the end of the item */
	enum field_id field;
	struct cron *cron;
	struct error *e;
};

static enum err fail(const struct reader *r, const char *reason)
{
	const char *end = r->p + strcspn(r->p, " \t,");

	return error_set(r->e, ERR_INVALID, "%s: `%.*s`: %s", fields[r->field].name,
	    (int)(end - r->p), r->p, reason);
}

static enum err fail_range(const struct reader *r)
{
	char reason[64];

	snprintf(reason, sizeof(reason), "expected %d to %d", fields[r->field].least,
	    fields[r->field].most);
	return fail(r, reason);
}

static bool at(const struct reader *r, char c)
{
	return r->p < r->end && tolower((unsigned char)*r->p) == c;
}

static bool take_char(struct reader *r, char c)
{
	if (!at(r, c))
		return false;
	r->p++;
	return true;
}

static bool take_digits(struct reader *r, int *out)
{
	int n = 0;

	if (r->p >= r->end || !isdigit((unsigned char)*r->p))
		return false;
	for (; r->p < r->end && isdigit((unsigned char)*r->p); r->p++)
		n = n > 9999 ? n : n * 10 + (*r->p - '0');
	*out = n;
	return true;
}

static bool take_name(struct reader *r, int *out)
{
	const bool is_month = r->field == FIELD_MONTH;
	const char *const *names = is_month ? months : weekdays;
	const size_t n = is_month ? countof(months) : countof(weekdays);

	if ((!is_month && r->field != FIELD_WEEKDAY) || r->end - r->p < 3)
		return false;
	for (size_t i = 0; i < n; i++)
		if (strncasecmp(r->p, names[i], 3) == 0) {
			r->p += 3;
			*out = (int)i + is_month;
			return true;
		}
	return false;
}

static enum err take_value(struct reader *r, int *out)
{
	const char *from = r->p;
	int v;

	if (!take_name(r, &v) && !take_digits(r, &v))
		return fail(r, r->field == FIELD_MONTH	   ? "expected 1 to 12, or jan to dec"
			       : r->field == FIELD_WEEKDAY ? "expected 0 to 7, or sun to sat"
							   : "expected a number");
	if (v < fields[r->field].least || v > fields[r->field].most) {
		r->p = from;
		return fail_range(r);
	}
	*out = v;
	return ERR_OK;
}

static enum err take_step(struct reader *r, int *out)
{
	*out = 1;
	if (!take_char(r, '/'))
		return ERR_OK;
	if (!take_digits(r, out) || *out == 0)
		return fail(r, "expected a step of 1 or more behind the `/`");
	return ERR_OK;
}

static void set_bit(struct reader *r, int v)
{
	struct cron *c = r->cron;

	switch (r->field) {
	case FIELD_SECOND: c->seconds |= (uint64_t)1 << v; break;
	case FIELD_MINUTE: c->minutes |= (uint64_t)1 << v; break;
	case FIELD_HOUR: c->hours |= 1u << v; break;
	case FIELD_DAY: c->days |= 1u << v; break;
	case FIELD_MONTH: c->months |= 1u << v; break;
	case FIELD_WEEKDAY: c->weekdays |= 1u << v % 7; break;
	case FIELD_COUNT: break;
	}
}

/* Where a range with a step passes the end of its field, it goes on a whole step behind the
 * first value (as in croniter), unless the step leads to that value exactly. */
static int wrapped_start(const struct reader *r, int last, int step, int most)
{
	const int least = fields[r->field].least, left = most - last;

	return last + step - 1 > most && left < step ? least + step - left : least;
}

/* From `low` to `high`, round the end of the year or the week where high is below low. */
static void set_range(struct reader *r, int low, int high, int step)
{
	const int most = r->field == FIELD_MONTH ? 12 : 6;
	int v = low;

	if (high < low) {
		for (; v <= most; v += step)
			set_bit(r, v);
		v = wrapped_start(r, v - step, step, most);
	}
	for (; v <= high; v += step)
		set_bit(r, v);
}

/* `*`, `?`: everything, or nothing said of a day. */
static enum err take_wildcard(struct reader *r)
{
	const bool is_day = r->field == FIELD_DAY, is_weekday = r->field == FIELD_WEEKDAY;
	const bool is_question = *r->p == '?';
	int step;
	enum err err;

	if (is_question && !is_day && !is_weekday)
		return fail(r, "`?` is for the two fields of days");
	r->p++;
	const bool has_step = at(r, '/');
	if ((err = take_step(r, &step)))
		return err;
	set_range(r, fields[r->field].least, is_weekday ? 6 : fields[r->field].most, step);
	if (!has_step && is_day)
		r->cron->any_day = true;
	if (!has_step && is_weekday)
		r->cron->any_weekday = true;
	if (r->field == FIELD_HOUR)
		r->cron->has_wild_hours = true;
	return ERR_OK;
}

/* L, L-N, LW */
static enum err take_last_day(struct reader *r)
{
	int before = 0;

	r->p++;
	if (take_char(r, 'w')) {
		r->cron->last_weekday = true;
		return ERR_OK;
	}
	if (take_char(r, '-') && (!take_digits(r, &before) || before > 30))
		return fail(r, "expected 0 to 30 days before the last, as in `L-3`");
	r->cron->last_days |= 1u << before;
	return ERR_OK;
}

/* What may follow one weekday: #N, L; false: neither, `err` is of the rest. */
static bool take_nth(struct reader *r, int weekday, enum err *err)
{
	int n;

	*err = ERR_OK;
	if (take_char(r, 'l')) {
		r->cron->nth[weekday % 7] |= 1;
		return true;
	}
	if (!take_char(r, '#'))
		return false;
	if (!take_digits(r, &n) || n < 1 || n > 5)
		*err = fail(r, "expected 1 to 5 behind the `#`");
	else
		r->cron->nth[weekday % 7] |= (uint8_t)(1u << n);
	return true;
}

static enum err take_high(struct reader *r, int low, int *out)
{
	enum err err;

	if (r->field == FIELD_DAY && take_char(r, 'l')) {
		*out = 31; /* days that a month has not are named by nothing */
		return ERR_OK;
	}
	if ((err = take_value(r, out)))
		return err;
	if (*out < low && r->field != FIELD_MONTH && r->field != FIELD_WEEKDAY)
		return fail(
		    r, "the range ends before it begins; write two ranges, as in `22-23,0-2`");
	return ERR_OK;
}

static enum err take_range(struct reader *r)
{
	int low, high, step;
	enum err err;

	if ((err = take_value(r, &low)))
		return err;
	if (r->field == FIELD_WEEKDAY && take_nth(r, low, &err))
		return err;
	if (r->field == FIELD_DAY && take_char(r, 'w')) {
		r->cron->near_days |= 1u << low;
		return ERR_OK;
	}
	high = low;
	if (take_char(r, '-')) {
		if ((err = take_high(r, low, &high)))
			return err;
		if (r->field == FIELD_WEEKDAY && low == high && low == 0)
			high = 6; /* from Sunday to Sunday */
	} else if (at(r, '/')) {
		high = r->field == FIELD_WEEKDAY ? 6 : fields[r->field].most;
	}
	if ((err = take_step(r, &step)))
		return err;
	set_range(r, low, high, step);
	return ERR_OK;
}

static enum err take_item(struct reader *r)
{
	enum err err;

	if (at(r, '*') || at(r, '?'))
		err = take_wildcard(r);
	else if (r->field == FIELD_DAY && at(r, 'l'))
		err = take_last_day(r);
	else
		err = take_range(r);
	if (!err && r->p < r->end)
		err = fail(r, "nothing more was expected here");
	return err;
}

static enum err take_field(struct reader *r, const char *end)
{
	enum err err = ERR_OK;

	do {
		r->end = r->p + strcspn(r->p, ",");
		if (r->end > end)
			r->end = end;
		if (r->p == r->end)
			return fail(r, "expected a value");
		err = take_item(r);
	} while (!err && r->p < end && *r->p++ == ',');
	return err;
}

static const char *skip_blanks(const char *p)
{
	return p + strspn(p, " \t");
}

static size_t count_fields(const char *p)
{
	size_t n = 0;

	for (p = skip_blanks(p); *p; p = skip_blanks(p + strcspn(p, " \t")))
		n++;
	return n;
}

static enum err read_fields(struct reader *r)
{
	const size_t n = count_fields(r->p);
	enum err err = ERR_OK;

	if (n != 5 && n != 6)
		return error_set(r->e, ERR_INVALID,
		    "expected 5 fields (minute hour day month weekday) or 6 with seconds in front, "
		    "not %zu",
		    n);
	r->cron->has_seconds = n == 6;
	if (n == 5)
		r->cron->seconds = 1;
	for (size_t i = FIELD_COUNT - n; !err && i < FIELD_COUNT; i++) {
		r->p = skip_blanks(r->p);
		r->field = (enum field_id)i;
		err = take_field(r, r->p + strcspn(r->p, " \t"));
	}
	return err;
}

/* TZ=Zone, CRON_TZ=Zone */
static enum err read_zone(struct reader *r)
{
	const size_t prefix = strncmp(r->p, "TZ=", 3) == 0	  ? 3
			      : strncmp(r->p, "CRON_TZ=", 8) == 0 ? 8
								  : 0;
	const size_t n = strcspn(r->p + prefix, " \t");

	if (!prefix)
		return ERR_OK;
	if (n == 0 || n >= sizeof(r->cron->zone))
		return error_set(r->e, ERR_INVALID,
		    "expected the name of a time zone behind `%.*s`", (int)prefix, r->p);
	memcpy(r->cron->zone, r->p + prefix, n);
	r->p = skip_blanks(r->p + prefix + n);
	return ERR_OK;
}

static enum err read_alias(struct reader *r, const char **expression)
{
	const char *names[countof(aliases)];

	for (size_t i = 0; i < countof(aliases); i++) {
		names[i] = aliases[i].name;
		if (strcmp(r->p, names[i]) == 0)
			*expression = aliases[i].expression;
	}
	if (*expression)
		return ERR_OK;
	if (strncmp(r->p, "@every", 6) == 0)
		return error_set(r->e, ERR_INVALID, "`%s`: write `interval = \"…\"` instead", r->p);
	if (strcmp(r->p, "@reboot") == 0)
		return error_set(r->e, ERR_INVALID,
		    "`@reboot`: a service with `status = \"start\"` runs at boot");
	const char *near = text_nearest(r->p, names, countof(names));
	return error_set(r->e, ERR_INVALID, "`%s` is not known%s%s%s", r->p,
	    near ? "; did you mean `" : "", near ? near : "", near ? "`?" : "");
}

enum err cron_parse(const char *text, struct cron *out, size_t *column, struct error *e)
{
	struct cron c = {0};
	struct reader r = {.text = text, .p = skip_blanks(text), .cron = &c, .e = e};
	const char *alias = NULL;
	enum err err = read_zone(&r);

	if (!err && *r.p == '@')
		err = read_alias(&r, &alias);
	if (alias)
		r.p = alias;
	if (!err)
		err = read_fields(&r);
	if (err) {
		*column = (size_t)(r.p - text) + 1;
		return err;
	}
	*out = c;
	return ERR_OK;
}
