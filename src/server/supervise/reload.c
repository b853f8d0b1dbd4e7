#include "server/supervise/reload.h"
#include "server/supervise/supervision_state.h"

#include "model/signals.h"
#include "server/supervise/notified.h"
#include "server/supervise/side_command.h"

#include <event2/event.h>

#define WITHIN_MS 90000

/* One action that is being reloaded. */
struct item {
	struct reload *of;
	char *action;
	uint64_t token;		      /* of its attempt */
	struct side_command *command; /* while it runs, or NULL */
	bool ready_due;		      /* READY=1 is waited for */
	msec said_before;	      /* READY=1 of before the reload does not count */
};

struct reload {
	struct reload *next;
	struct supervision *d;
	reload_done_fn fn;
	void *ctx;
	struct event *timer;
	json_t *list;
	char *service;
	size_t n;
	struct item items[];
};

static void free_one(struct reload *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->items[i].action);
	if (r->timer)
		event_free(r->timer);
	json_decref(r->list);
	free(r->service);
	free(r);
}

static void unlink_one(struct reload *r)
{
	struct reload **p = &r->d->reloads;

	while (*p && *p != r)
		p = &(*p)->next;
	if (*p)
		*p = r->next;
}

static void tell_caller(struct reload *r, const struct error *e)
{
	if (r->fn)
		r->fn(r->ctx, e, e->code ? NULL : json_pack("{s:O}", "reloaded", r->list));
	r->fn = NULL;
}

static void finish(struct reload *r, const struct error *e)
{
	unlink_one(r);
	for (size_t i = 0; i < r->n; i++)
		side_command_kill(r->items[i].command);
	tell_caller(r, e);
	free_one(r);
}

static void finish_if_done(struct reload *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->items[i].command || r->items[i].ready_due)
			return;
	finish(r, &(struct error){0});
}

static void on_time(evutil_socket_t fd, short what, void *ctx)
{
	struct reload *r = ctx;
	struct error e = {0};
	const struct item *it = r->items;
	(void)fd, (void)what;

	while (!it->command && !it->ready_due)
		it++;
	error_set(&e, ERR_TIMEOUT, "%s: %s of `%s` %s", r->service,
	    it->command ? "the reload command" : "the reload", it->action,
	    it->command ? "is still running" : "is not followed by READY=1");
	finish(r, &e);
}

/* ---- beginning ------------------------------------------------------------------- */

static bool can_reload(const struct action_def *a, const struct job_view *j, const char *action)
{
	return a && command_is_given(&a->reload) && j->core.state == JOB_READY &&
	       (!action || strcmp(action, j->name) == 0);
}

static void on_command(void *ctx, bool good, const char *text)
{
	struct item *it = ctx;
	struct reload *r = it->of;
	struct attempt *at = attempt_find(r->d, it->token);
	struct error e = {0};

	it->command = NULL;
	it->ready_due = r->fn && at && notified_is_reloading(at);
	if (good) {
		finish_if_done(r);
		return;
	}
	error_set(&e, ERR_START_FAILED, "%s: the reload command of `%s`: %s", r->service,
	    it->action, text);
	finish(r, &e);
}

/* 0: it is a command. */
static int signal_of(const struct command *c)
{
	return c->text ? signal_parse(c->text) : 0;
}

static enum err tell(
    struct item *it, struct attempt *at, const struct action_def *a, bool waits, struct error *e)
{
	struct supervision *d = it->of->d;
	int signo = signal_of(&a->reload);

	it->said_before = notified_ready_at(at);
	if (!signo)
		return side_command_start(
		    d, a, &a->reload, attempt_pid(at), on_command, it, &it->command, e);
	spawner_signal(d->spawner, at->token, signo, KEEPER_SCOPE_LEADER);
	it->ready_due = waits && action_readiness(a) == READY_NOTIFY;
	return ERR_OK;
}

static void show(struct reload *r, const struct action_def *a, pid_t pid)
{
	auto_str command = {0};

	command_fmt(&command, &a->reload);
	json_array_append_new(r->list,
	    json_pack("{s:s, s:s, s:i}", "action", a->name,
		signal_of(&a->reload) ? "signal" : "command", str_text(&command), "pid", pid));
}

static enum err tell_all(
    struct reload *r, unit_id unit, const struct reload_request *rq, msec *within, struct error *e)
{
	struct job_view j;

	for (size_t i = 0; engine_job_at(r->d->engine, unit, i, &j); i++) {
		const struct action_def *a = supervision_action(r->d, unit, j.name, NULL);
		struct attempt *at = attempt_find(r->d, j.token);

		if (!can_reload(a, &j, rq->action) || !at || at->exited)
			continue;
		struct item *it = &r->items[r->n++];
		*it = (struct item){.of = r, .action = text_dup(j.name), .token = j.token};
		*within = a->start_timeout > *within ? a->start_timeout : *within;
		show(r, a, attempt_pid(at));
		if (!rq->dry_run && tell(it, at, a, rq->wait, e))
			return e->code;
	}
	if (r->n == 0)
		return error_set(e, ERR_INVALID_STATE,
		    "%s: nothing that is ready declares `reload`", r->service);
	return ERR_OK;
}

enum err reload_begin(struct supervision *d, unit_id unit, const struct reload_request *rq,
    reload_done_fn fn, void *ctx, struct error *e)
{
	struct unit_view u;
	msec within = 0;

	if (!engine_unit(d->engine, unit, &u))
		return error_set(e, ERR_NOT_FOUND, "there is no such service");
	struct reload *r = mem_new(sizeof(*r) + u.n_jobs * sizeof(struct item));
	*r = (struct reload){.d = d,
	    .ctx = ctx,
	    .list = json_array(),
	    .service = text_dup(u.name),
	    .next = d->reloads};
	d->reloads = r;
	if (tell_all(r, unit, rq, &within, e)) {
		finish(r, e); /* nobody is told: fn is not set yet */
		return e->code;
	}
	r->fn = fn;
	if (!rq->wait) {
		tell_caller(r, &(struct error){0});
	} else {
		within = rq->within > 0 ? rq->within : within > 0 ? within : WITHIN_MS;
		r->timer = evtimer_new(d->base, on_time, r);
		event_add(r->timer,
		    &(struct timeval){.tv_sec = within / 1000, .tv_usec = within % 1000 * 1000});
	}
	finish_if_done(r);
	return ERR_OK;
}

/* ---- news -------------------------------------------------------------------------- */

/* `next` first: a call that is answered is gone. */
#define for_items(d, r, it)                                                  \
	for (struct reload *r = (d)->reloads, *next = r ? r->next : NULL; r; \
	     r = next, next = r ? r->next : NULL)                            \
		for (struct item *it = r->items; it && it < r->items + r->n; it++)

void reload_heard(struct attempt *at)
{
	for_items(at->d, r, it)
	{
		if (it->token != at->token || !it->ready_due ||
		    notified_ready_at(at) <= it->said_before)
			continue;
		it->ready_due = false;
		finish_if_done(r);
		break;
	}
}

void reload_attempt_ended(struct supervision *d, uint64_t token)
{
	for_items(d, r, it)
	{
		struct error e = {0};

		if (it->token != token || (!it->command && !it->ready_due))
			continue;
		error_set(&e, ERR_START_FAILED, "%s: `%s` ended while it reloaded", r->service,
		    it->action);
		finish(r, &e);
		break;
	}
}

void reload_release(struct supervision *d)
{
	while (d->reloads) {
		struct reload *r = d->reloads;

		d->reloads = r->next;
		free_one(r);
	}
}
