#include "logs/query.h"

#include "logs/lane.h"

#include <dirent.h>
#include <fnmatch.h>

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
		if (de->d_name[0] != '.')
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

static void write_cursor(const struct lanes *q, struct str *next)
{
	str_clear(next);
	for (size_t i = 0; i < q->names.n; i++)
		if (q->v[i].done.end.segment)
			log_cursor_add(next, q->names.v[i], &q->v[i].done);
}

static void open_lanes(struct lanes *q)
{
	for (size_t i = 0; i < q->names.n; i++)
		if (log_reader_open(&q->v[i].reader, q->dir, q->names.v[i], q->filter,
			log_cursor_mark(q->filter->cursor, q->names.v[i])))
			lane_advance(q, &q->v[i]);
}

static void run_forward(struct lanes *q, log_line_fn fn, void *ctx)
{
	struct lane *lane;
	size_t given = 0, limit = q->filter->limit;

	open_lanes(q);
	while ((lane = lanes_earliest(q))) {
		bool more = fn(&lane->head, ctx);

		if (!more || ++given == limit) {
			lane->done = lane->head_mark;
			return;
		}
		lane_advance(q, lane);
	}
}

/* ---- whose lines ------------------------------------------------------------------------ */

/* A run of a service is named SERVICE#NUMBER, one without a service WHATEVER#NUMBER. */
static void list_folders_of_run(const char *run, struct strv *out)
{
	const char *number = strrchr(run, '#');

	if (number && !strchr(run, '/'))
		strv_take(out, text_dup_n(run, (size_t)(number - run)));
	strv_add(out, LOG_RUNS_FOLDER);
}

static bool is_pattern(const char *s)
{
	return strpbrk(s, "*?[") != NULL;
}

static void add_folder(struct strv *to, const char *name)
{
	if (!strv_has(to, name))
		strv_add(to, name);
}

static void add_selected(struct lanes *q, const struct log_select *s, const struct strv *all)
{
	struct strv of_run = {0};

	if (!s->service && s->run && !is_pattern(s->run)) {
		list_folders_of_run(s->run, &of_run);
		for (size_t i = 0; i < of_run.n; i++)
			add_folder(&q->names, of_run.v[i]);
	} else if (s->service && !is_pattern(s->service)) {
		add_folder(&q->names, s->service);
	} else {
		for (size_t i = 0; i < all->n; i++)
			if (!s->service || (strcmp(all->v[i], LOG_RUNS_FOLDER) != 0 &&
					       fnmatch(s->service, all->v[i], 0) == 0))
				add_folder(&q->names, all->v[i]);
	}
	strv_release(&of_run);
}

static void list_lanes(struct lanes *q)
{
	const struct log_filter *f = q->filter;
	struct strv all = {0};

	if (f->selects) {
		list_folders(q->dir, &all);
		for (size_t i = 0; i < f->n_selects; i++)
			add_selected(q, &f->selects[i], &all);
		if (q->names.n)
			qsort(q->names.v, q->names.n, sizeof(*q->names.v), by_text);
	} else if (!f->services && f->run) {
		list_folders_of_run(f->run, &q->names);
	} else if (!f->services) {
		list_folders(q->dir, &q->names);
	}
	for (size_t i = 0; i < f->n_services && !f->selects; i++)
		add_folder(&q->names, f->services[i]);
	strv_release(&all);
	q->v = mem_new((q->names.n + 1) * sizeof(*q->v));
	for (size_t i = 0; i < q->names.n; i++)
		lane_close(&q->v[i]);
}

/* ---- the query -------------------------------------------------------------------------- */

/* The only service that was asked for, when nothing is stored of it. */
static const char *unknown_service(const struct lanes *q)
{
	const struct log_filter *f = q->filter;
	const char *name = f->n_services == 1 && !f->selects ? f->services[0]
			   : f->n_selects == 1 && !f->selects[0].run && !f->selects[0].job
			       ? f->selects[0].service
			       : NULL;

	return name && (q->names.n == 0 || !q->v[0].reader.name) ? name : NULL;
}

static enum err run_query(
    struct lanes *q, log_line_fn fn, void *ctx, struct str *next, struct error *e)
{
	const struct log_filter *f = q->filter;
	size_t page = f->tail ? f->tail : f->backwards ? f->limit : 0;

	if (f->regex && regex_new(f->regex, &q->regex, e))
		return e->code;
	list_lanes(q);
	if (page || f->backwards)
		lanes_tail(q, page ? page : 1, fn, ctx);
	else
		run_forward(q, fn, ctx);
	if (unknown_service(q))
		return error_set(
		    e, ERR_NOT_FOUND, "nothing is stored of a service `%s`", unknown_service(q));
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
	struct log_needles with_grep = {0};
	struct log_filter own = *f;
	struct lanes q = {.dir = dir, .filter = &own};
	enum err rc;

	if (f->needles)
		with_grep = *f->needles;
	if (f->grep)
		log_needles_add(&with_grep, f->grep, strlen(f->grep));
	own.needles = &with_grep;
	rc = run_query(&q, fn, ctx, next, e);
	lanes_close(&q);
	strv_release(&q.names);
	regex_free(q.regex);
	return rc;
}
