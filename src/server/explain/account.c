#include "server/explain/account.h"
#include "server/explain/explain_state.h"

#include "base/utf8.h"
#include "logs/logs.h"
#include "logs/query.h"
#include "rpc/json_out.h"
#include "server/history/failures.h"
#include "server/host/background.h"

#define LINES_MAX  2
#define LINE_BYTES 160

/* The last lines of what failed at the root. */
struct last_words {
	struct explain *d;
	json_t *chain;
	bool full;
	usec_wall until;
	uint32_t attempt;
	char *dir, *service, *action; /* action NULL: nobody is to be quoted */
	struct strv lines;
	account_fn fn;
	void *ctx;
};

static bool take_line(const struct log_line *line, void *ctx)
{
	struct last_words *w = ctx;
	auto_str text = {0};

	utf8_readable(&text, line->bytes, line->n, LINE_BYTES);
	strv_take(&w->lines, str_take(&text));
	return true;
}

static void read_last(void *ctx)
{
	struct last_words *w = ctx;
	const char *services[] = {w->service};
	bool is_run = strchr(w->service, '#') != NULL; /* no service has such a name */
	struct log_filter f = {.services = is_run ? NULL : services,
	    .n_services = is_run ? 0 : 1,
	    .run = is_run ? w->service : NULL,
	    .action = w->action,
	    .until = w->until,
	    .attempt = w->attempt,
	    .stream = LOG_STDERR,
	    .tail = LINES_MAX};
	struct error e = {0};

	logs_query(w->dir, &f, take_line, w, NULL, &e);
	f.stream = LOG_STDOUT;
	if (w->lines.n == 0)
		logs_query(w->dir, &f, take_line, w, NULL, &e);
}

/* What a process said may be no UTF-8. */
static json_t *text_json(const char *text)
{
	auto_str quoted = {0};

	json_out_text(&quoted, NULL, text);
	return json_loads(str_text(&quoted), JSON_DECODE_ANY, NULL);
}

static void give(void *ctx)
{
	struct last_words *w = ctx;
	json_t *account = json_pack("{s:o}", "chain", w->chain);
	auto_str output = {0};

	for (size_t i = 0; i < w->lines.n; i++)
		str_fmt(&output, "%s%s", i ? "\n" : "", w->lines.v[i]);
	auto_free char *text = why_text(w->chain, output.n ? str_text(&output) : NULL, w->full);
	json_object_set_new(account, "text", text_json(text));
	if (output.n)
		json_object_set_new(account, "output", text_json(str_text(&output)));
	w->fn(w->ctx, account);
	free(w->dir);
	free(w->service);
	free(w->action);
	strv_release(&w->lines);
	free(w);
}

static const char *text_in(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static uint64_t token_of_failure(const struct job_record *s, uint32_t attempt)
{
	for (size_t i = 0; s->failures && i < s->failures->n; i++)
		if (s->failures->v[i].attempt == attempt)
			return s->failures->v[i].token;
	return 0;
}

/* The attempt that is quoted; 0: it is long over. */
static uint64_t token_of(struct explain *d, const struct last_words *w)
{
	unit_id unit = engine_find(d->engine, w->service);
	struct job_view j;

	for (size_t i = 0; unit != ID_NONE && engine_job_at(d->engine, unit, i, &j); i++)
		if (strcmp(j.name, w->action) == 0)
			return j.attempt == w->attempt
				   ? j.token
				   : token_of_failure(history_job(d->history, j.id), w->attempt);
	return 0;
}

/* What it wrote was captured. */
static void settled(uint64_t token, void *ctx)
{
	struct last_words *w = ctx;
	(void)token;

	background_run(w->d->background, read_last, give, w);
}

void account_give(struct explain *d, json_t *take_chain, const struct instant *at, bool full,
    account_fn fn, void *ctx)
{
	const json_t *root = why_root(take_chain);
	struct last_words *w = mem_new(sizeof(*w));

	*w = (struct last_words){.d = d,
	    .chain = take_chain,
	    .full = full,
	    .until = at->time,
	    .attempt = (uint32_t)json_integer_value(json_object_get(root, "attempt")),
	    .dir = text_dup(d->paths->logs),
	    .service = text_dup(text_in(root, "subject")),
	    .action = text_dup(text_in(root, "action")),
	    .fn = fn,
	    .ctx = ctx};
	uint64_t token = w->action && !at->time && !at->event ? token_of(d, w) : 0;
	if (token)
		logs_settle(d->logs, token, settled, w);
	else if (w->action)
		background_run(d->background, read_last, give, w);
	else
		give(w);
}

char *account_headline(const json_t *account)
{
	const json_t *chain = json_object_get(account, "chain"), *root = why_root(chain);
	const char *output = text_in(account, "output"), *last;
	const char *fact = text_in(root ? root : json_array_get(chain, 0), "fact");

	if (!fact || !output)
		return text_dup(fact);
	last = strrchr(output, '\n');
	return text_fmt("%s: %s", fact, last ? last + 1 : output);
}
