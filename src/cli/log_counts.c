#include "cli/log_counts.h"

#include "cli/call.h"
#include "cli/log_filter.h"
#include "cli/out.h"
#include "cli/table.h"
#include "cli/times.h"

#include <time.h>

#define BARS	    20
#define BAR_COLUMNS 60

static char *count_text(json_int_t n)
{
	return text_fmt("%lld", (long long)n);
}

static void add_count(struct table *t, const json_t *names, const json_t *count)
{
	const char *cells[40] = {NULL};
	auto_free char *number = count_text(number_of(count, "count"));
	const json_t *values = json_object_get(count, "values"), *name;
	size_t i;

	cells[0] = number;
	json_array_foreach (names, i, name) {
		const json_t *v = json_object_get(values, json_string_value(name));

		if (i + 2 < countof(cells))
			cells[i + 1] = json_is_string(v) ? json_string_value(v) : "-";
	}
	table_row(t, cells);
}

static void print_counts(const json_t *names, const json_t *counts)
{
	const char *head[40] = {"COUNT"};
	struct table t = {0};
	json_t *v;
	size_t i;

	json_array_foreach (names, i, v)
		if (i + 2 < countof(head))
			head[i + 1] = json_string_value(v);
	table_row(&t, head);
	json_array_foreach (counts, i, v)
		add_count(&t, names, v);
	table_print(&t);
}

int log_counts_by(struct cli *c)
{
	json_t *p = log_filter(c), *names = log_filter_names(c->count_by);
	int status;

	json_object_set(p, "count_by", names);
	json_t *v = cli_call(c, "logs.query", p, &status);
	if (v && c->json)
		print_json(json_incref(v));
	else if (v)
		print_counts(names, json_object_get(v, "counts"));
	if (v && number_of(v, "beyond") && !c->quiet)
		complain("%lld lines had values beyond the first 10000; they are not counted",
		    (long long)number_of(v, "beyond"));
	json_decref(names);
	json_decref(v);
	return status;
}

/* ---- over time ---------------------------------------------------------------------------- */

/* The time of the first line, or where --since says. */
static int64_t first_time(struct cli *c, int *status)
{
	json_t *p = log_filter(c);

	json_object_set_new(p, "limit", json_integer(1));
	json_t *v = cli_call(c, "logs.query", p, status);
	int64_t t = times_us(text_of(json_array_get(json_object_get(v, "lines"), 0), "time"));
	json_decref(v);
	return t;
}

/* Round figures: 1, 2, 5, 10, 15, 30 seconds, minutes, hours. */
static int64_t round_bucket(int64_t ms)
{
	static const int64_t steps[] = {10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 15000,
	    30000, 60000, 120000, 300000, 600000, 900000, 1800000, 3600000, 7200000, 21600000,
	    43200000, 86400000, 604800000};

	for (size_t i = 0; i < countof(steps); i++)
		if (ms <= steps[i])
			return steps[i];
	return ms;
}

static void print_bar(const char *time, json_int_t count, json_int_t most)
{
	auto_free char *clock = times_clock(time);
	int n = most ? (int)((count * BAR_COLUMNS + most - 1) / most) : 0;
	auto_str bar = {0};

	for (int i = 0; i < n; i++)
		str_add_char(&bar, '#');
	printf("%s%s%s %8lld %s%s%s\n", paint("\033[2m"), clock, plain(), (long long)count,
	    paint("\033[36m"), str_text(&bar), plain());
}

/* Stretches without a line are shown, too. */
static void print_rate(const json_t *buckets, int64_t bucket_us)
{
	json_int_t most = 0;
	int64_t next = 0;
	json_t *b;
	size_t i;

	json_array_foreach (buckets, i, b)
		most = number_of(b, "count") > most ? number_of(b, "count") : most;
	json_array_foreach (buckets, i, b) {
		int64_t at = times_us(text_of(b, "time"));

		if (next && at > next) {
			int64_t gaps = (at - next) / bucket_us;

			printf("%21s %lld x 0\n", "", (long long)gaps);
		}
		print_bar(text_of(b, "time"), number_of(b, "count"), most);
		next = at + bucket_us;
	}
}

int log_counts_rate(struct cli *c)
{
	struct timespec now;
	int status;
	int64_t first = first_time(c, &status), bucket;
	json_t *p;

	if (status)
		return status;
	clock_gettime(CLOCK_REALTIME, &now);
	bucket = ((int64_t)now.tv_sec * 1000 - first / 1000) / BARS;
	bucket = first ? round_bucket(bucket) : 1000;
	p = log_filter(c);
	json_object_set_new(p, "bucket_ms", json_integer(bucket));
	json_t *v = cli_call(c, "logs.stats", p, &status);
	if (v && c->json)
		print_json(json_incref(v));
	else if (v)
		print_rate(json_object_get(v, "buckets"), bucket * 1000);
	json_decref(v);
	return status;
}
