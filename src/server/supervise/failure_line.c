#include "server/supervise/failure_line.h"
#include "server/supervise/supervision_state.h"

#include "base/utf8.h"
#include "server/supervise/perform.h"

#define LINE_SHOWN_MAX 300

struct failure_line {
	char *line; /* that matched before the news of the execution; NULL: none */
	bool exit_due, settled, empty;
	struct keeper_exit_info how; /* exit_due */
};

static struct failure_line *failure_line_of(struct attempt *at)
{
	if (!at->failure_line)
		at->failure_line = mem_new(sizeof(*at->failure_line));
	return at->failure_line;
}

static void on_line(uint64_t token, const char *line, size_t n, void *ctx);

void failure_line_forget(struct supervision *d, uint64_t token)
{
	logs_unwatch(d->logs, token, on_line);
}

void failure_line_end(struct attempt *at)
{
	struct failure_line *f = take(at->failure_line);

	failure_line_forget(at->d, at->token);
	if (!f)
		return;
	free(f->line);
	free(f);
}

enum err failure_line_prepare(
    struct supervision *d, const struct action_def *a, uint64_t token, struct error *e)
{
	return a->fail_log ? logs_watch(d->logs, token, a->fail_log, on_line, d, e) : ERR_OK;
}

/* ---- a line -------------------------------------------------------------------------- */

static bool is_starting(const struct attempt *at)
{
	struct job_view j;

	return engine_job(at->d->engine, at->job, &j, NULL) &&
	       (j.core.state == JOB_RUNNING || j.core.state == JOB_STARTING);
}

static void fail(struct attempt *at, const char *line, size_t n)
{
	struct supervision *d = at->d;
	auto_str why = {0};

	str_add(&why, "it said: ");
	utf8_readable(&why, line, n, LINE_SHOWN_MAX);
	engine_probe_failed(d->engine, clock_mono(), at->token, str_text(&why));
	perform_effects(d);
}

static void on_line(uint64_t token, const char *line, size_t n, void *ctx)
{
	struct supervision *d = ctx;
	struct attempt *at = attempt_find(d, token);

	logs_unwatch(d->logs, token, on_line); /* the first one decides */
	if (!at || at->exited || !is_starting(at))
		return;
	if (at->executed)
		fail(at, line, n);
	else
		failure_line_of(at)->line = text_dup_n(line, n);
}

void failure_line_executed(struct attempt *at)
{
	struct failure_line *f = at->failure_line;
	auto_free char *line = f ? take(f->line) : NULL;

	if (line)
		fail(at, line, strlen(line));
}

/* ---- the exit after it ----------------------------------------------------------------- */

static void on_settled(uint64_t token, void *ctx)
{
	struct supervision *d = ctx;
	struct attempt *at = attempt_find(d, token);
	struct failure_line *f = at ? at->failure_line : NULL;

	if (!f || !f->exit_due)
		return;
	const struct keeper_exit_info how = f->how;
	f->exit_due = false;
	f->settled = true;
	attempt_on_exited(d, token, &how, f->empty);
}

bool failure_line_delays_exit(struct attempt *at, const struct keeper_exit_info *how, bool empty)
{
	struct failure_line *f = at->failure_line;

	if ((f && f->settled) || !logs_is_watched(at->d->logs, at->token, on_line) ||
	    !is_starting(at))
		return false;
	f = failure_line_of(at);
	f->exit_due = true;
	f->how = *how;
	f->empty = empty;
	logs_settle(at->d->logs, at->token, on_settled, at->d);
	return true;
}

bool failure_line_delays_empty(struct attempt *at)
{
	struct failure_line *f = at->failure_line;

	if (!f || !f->exit_due)
		return false;
	f->empty = true;
	return true;
}
