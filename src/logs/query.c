#include "logs/query.h"

#include "base/regex.h"
#include "logs/reader.h"

#include <dirent.h>
#include <stdio.h>

/* One service in a merge: its reader, and the line that comes next. */
struct lane {
	struct log_reader reader;
	struct log_line head;
	struct log_mark done; /* after the last line given */
	bool has;
};

struct query {
	const char *dir;
	const struct log_filter *filter;
	struct regex *regex;
	struct strv names;
	struct lane *lanes;
	bool gave_up; /* the expression ran into its limit */
};

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Every folder below `dir`, LOG_RUNS_FOLDER included. */
static void list_folders(const char *dir, struct strv *out)
{
	DIR *d = opendir(dir);
	struct dirent *de;

	while (d && (de = readdir(d)))
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
			strv_add(out, de->d_name);
	if (d)
		closedir(d);
	if (out->n)
		qsort(out->v, out->n, sizeof(*out->v), by_text);
}

void logs_sources(const char *dir, struct strv *out)
{
	struct strv all = {0};

	list_folders(dir, &all);
	for (size_t i = 0; i < all.n; i++)
		if (strcmp(all.v[i], LOG_RUNS_FOLDER) != 0)
			strv_add(out, all.v[i]);
	strv_release(&all);
}

/* A cursor is "name/segment.offset.segment.offset" for each service, joined by
 * commas; neither sign may stand in a name. */
static struct log_mark find_mark(const char *cursor, const char *name)
{
	size_t n = strlen(name);
	struct log_mark m = {0};

	for (const char *s = cursor; s && *s; s = strchr(s, ','), s += s != NULL) {
		unsigned long long a, b;

		if (strncmp(s, name, n) != 0 || s[n] != '/')
			continue;
		if (sscanf(s + n + 1, "%u.%llu.%u.%llu", &m.resume.segment, &a, &m.end.segment,
			&b) != 4)
			return (struct log_mark){0};
		m.resume.offset = a;
		m.end.offset = b;
		break;
	}
	return m;
}

static void write_cursor(const struct query *q, struct str *next)
{
	str_clear(next);
	for (size_t i = 0; i < q->names.n; i++) {
		const struct log_mark *m = &q->lanes[i].done;

		if (m->end.segment)
			str_fmt(next, "%s%s/%u.%llu.%u.%llu", next->n ? "," : "", q->names.v[i],
			    m->resume.segment, (unsigned long long)m->resume.offset, m->end.segment,
			    (unsigned long long)m->end.offset);
	}
}

static bool matches(struct query *q, const struct log_line *l)
{
	const struct log_filter *f = q->filter;
	int rc;

	if ((f->since && l->time < f->since) || (f->until && l->time > f->until))
		return false;
	if (f->grep && !memmem(l->bytes, l->n, f->grep, strlen(f->grep)))
		return false;
	if (!q->regex)
		return true;
	rc = regex_match(q->regex, l->bytes, l->n);
	q->gave_up |= rc < 0;
	return rc == 1;
}

static void advance(struct query *q, struct lane *lane)
{
	lane->done = lane->reader.mark;
	while (!q->gave_up && (lane->has = log_reader_next(&lane->reader, &lane->head))) {
		if (matches(q, &lane->head))
			return;
		lane->done = lane->reader.mark;
	}
	lane->has = false;
}

/* True when every lane starts at the beginning of what is stored. */
static bool open_lanes(struct query *q, uint32_t back)
{
	bool all = true;

	q->lanes = mem_new(q->names.n * sizeof(*q->lanes));
	for (size_t i = 0; i < q->names.n; i++) {
		struct lane *lane = &q->lanes[i];
		struct log_mark from = find_mark(q->filter->cursor, q->names.v[i]);

		if (!log_reader_open(&lane->reader, q->dir, q->names.v[i], q->filter, back, from))
			continue;
		all &= lane->reader.at.segment <= lane->reader.first || from.end.segment > 0;
		advance(q, lane);
	}
	return all;
}

static void close_lanes(struct query *q)
{
	for (size_t i = 0; q->lanes && i < q->names.n; i++)
		log_reader_close(&q->lanes[i].reader);
	free(take(q->lanes));
}

static struct lane *earliest(const struct query *q)
{
	struct lane *best = NULL;

	for (size_t i = 0; i < q->names.n; i++)
		if (q->lanes[i].has && (!best || q->lanes[i].head.time < best->head.time))
			best = &q->lanes[i];
	return best;
}

static void run_forward(struct query *q, log_line_fn fn, void *ctx)
{
	struct lane *lane;
	size_t given = 0, limit = q->filter->limit;

	while ((!limit || given < limit) && (lane = earliest(q))) {
		bool more = fn(&lane->head, ctx);

		given++;
		if (!more) {
			lane->done = lane->reader.mark;
			return;
		}
		advance(q, lane);
	}
}

/* The last lines, copied: one block of texts each. */
struct kept {
	struct log_line line;
	char *texts;
};

static void keep(struct kept *k, const struct log_line *l)
{
	size_t na = strlen(l->action) + 1, nr = strlen(l->run) + 1;

	free(k->texts);
	k->line = *l;
	k->texts = mem_grow(NULL, l->n + na + nr, 1);
	k->line.bytes = memcpy(k->texts, l->bytes, l->n);
	k->line.action = memcpy(k->texts + l->n, l->action, na);
	k->line.run = memcpy(k->texts + l->n + na, l->run, nr);
}

static void run_tail(struct query *q, log_line_fn fn, void *ctx)
{
	size_t want = q->filter->tail, n = 0;
	struct kept *ring = mem_new(want * sizeof(*ring));
	bool whole = false;

	/* Mostly the last segment has enough; else look further back. */
	for (uint32_t back = 1; n < want && !whole && !q->gave_up; back *= 4) {
		struct lane *lane;

		n = 0;
		close_lanes(q);
		whole = open_lanes(q, back);
		for (; (lane = earliest(q)); advance(q, lane), n++)
			keep(&ring[n % want], &lane->head);
	}
	for (size_t i = n > want ? n - want : 0; i < n; i++)
		if (!fn(&ring[i % want].line, ctx))
			break;
	for (size_t i = 0; i < want; i++)
		free(ring[i].texts);
	free(ring);
}

/* A run of a service is named SERVICE#NUMBER, one without a service WHATEVER#NUMBER. */
static void list_folders_of_run(const char *run, struct strv *out)
{
	const char *number = strrchr(run, '#');

	if (number && !strchr(run, '/'))
		strv_take(out, text_dup_n(run, (size_t)(number - run)));
	strv_add(out, LOG_RUNS_FOLDER);
}

static enum err run_query(
    struct query *q, log_line_fn fn, void *ctx, struct str *next, struct error *e)
{
	const struct log_filter *f = q->filter;

	if (f->regex && regex_new(f->regex, &q->regex, e))
		return e->code;
	for (size_t i = 0; i < f->n_services; i++)
		strv_add(&q->names, f->services[i]);
	if (!f->services && f->run)
		list_folders_of_run(f->run, &q->names);
	else if (!f->services)
		list_folders(q->dir, &q->names);
	if (f->tail) {
		run_tail(q, fn, ctx);
	} else {
		open_lanes(q, 0);
		run_forward(q, fn, ctx);
	}
	if (f->n_services == 1 && !q->lanes[0].reader.name)
		return error_set(
		    e, ERR_NOT_FOUND, "nothing is stored of a service `%s`", f->services[0]);
	if (q->gave_up)
		return error_set(e, ERR_LIMIT,
		    "regular expression `%s`: gave up on a line, it needs too many steps",
		    f->regex);
	if (next)
		write_cursor(q, next);
	return ERR_OK;
}

enum err logs_query(const char *dir, const struct log_filter *f, log_line_fn fn, void *ctx,
    struct str *next, struct error *e)
{
	struct query q = {.dir = dir, .filter = f};
	enum err rc = run_query(&q, fn, ctx, next, e);

	close_lanes(&q);
	strv_release(&q.names);
	regex_free(q.regex);
	return rc;
}
