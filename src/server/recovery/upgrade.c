#include "server/recovery/upgrade.h"

#include "server/api.h"
#include "server/host/version.h"
#include "server/operation/operations.h"
#include "server/supervise/side_command.h"

#include <event2/event.h>
#include <stdio.h>

#define NAME		 "hero_proc_server"
#define ANSWER_WITHIN_MS 5000 /* of --version-json */
#define FAREWELL_MS	 10   /* for the last answers to reach their sockets */

struct upgrade {
	struct daemon *d;
	char *server, *who;
	msec trial;
	bool dry_run;
	upgrade_done_fn fn; /* NULL: it was answered */
	void *ctx;
	struct side_command *aside;
	struct event *timer; /* of the answer; then of the farewell */
	json_t *found;
	op_id op;
};

/* ---- who is who --------------------------------------------------------------------- */

json_t *upgrade_identity(void)
{
	return json_pack("{s:s, s:s, s:i, s:i, s:i}", "name", NAME, "version", server_version,
	    "keeper_protocol", KEEPER_VERSION, "schema", store_version(), "schema_from", 1);
}

struct upgrade_outcome upgrade_outcome_read(const char *text)
{
	static const struct {
		const char *word;
		enum upgrade_state state;
	} words[] = {{KEEPER_UPGRADE_NEXT, UPGRADE_ON_TRIAL}, {KEEPER_UPGRADE_DONE, UPGRADE_DONE},
	    {KEEPER_UPGRADE_BACK, UPGRADE_BACK}};
	struct upgrade_outcome o = {0};
	unsigned long long op = 0;
	char word[16];
	int at = 0;

	if (!text || sscanf(text, "%15s %llu %n", word, &op, &at) != 2)
		return o;
	for (size_t i = 0; i < countof(words); i++)
		if (strcmp(word, words[i].word) == 0)
			o.state = words[i].state;
	o.operation = op;
	o.why = text + at;
	return o;
}

json_t *upgrade_json(const struct daemon *d)
{
	struct upgrade_outcome o = upgrade_outcome_read(d->options->upgrade);
	bool back = o.state == UPGRADE_BACK;

	if (o.state == UPGRADE_NEVER)
		return json_null();
	return json_pack("{s:I, s:s, s:s?}", "operation", (json_int_t)o.operation, "state",
	    back ? "failed" : "done", "reason", back ? o.why : NULL);
}

/* ---- the candidate ------------------------------------------------------------------- */

static int number(const json_t *o, const char *key)
{
	return (int)json_integer_value(json_object_get(o, key));
}

/* Its store has to be one that it reads, and our keeper stays. */
static enum err judge(const struct upgrade *u, const json_t *is, struct error *e)
{
	const char *name = json_string_value(json_object_get(is, "name"));
	int schema = number(is, "schema"), from = number(is, "schema_from");

	if (!text_eq(name, NAME))
		return error_set(e, ERR_INVALID, "`%s` is no " NAME, u->server);
	if (number(is, "keeper_protocol") != KEEPER_VERSION)
		return error_set(e, ERR_INVALID,
		    "`%s` speaks version %d of the keeper's protocol, the keeper version %d: it "
		    "can "
		    "only come with a shutdown",
		    u->server, number(is, "keeper_protocol"), KEEPER_VERSION);
	if (schema < store_version() || from > store_version())
		return error_set(e, ERR_INVALID,
		    "`%s` reads a store of schema %d to %d, and this one has schema %d", u->server,
		    from, schema, store_version());
	return ERR_OK;
}

/* `text`: "exit code 0: " and what it wrote. */
static enum err understand(struct upgrade *u, bool good, const char *text, struct error *e)
{
	const char *json = strchr(text, '{');
	json_t *is = good && json ? json_loads(json, 0, NULL) : NULL;

	if (!json_is_object(is)) {
		json_decref(is);
		return error_set(e, ERR_INVALID, "`%s --version-json` does not say who it is: %s",
		    u->server, text);
	}
	u->found = is;
	json_object_set_new(is, "server", json_string(u->server));
	json_object_set_new(is, "from", upgrade_identity());
	json_object_set_new(
	    json_object_get(is, "from"), "server", json_string(u->d->options->program));
	return judge(u, is, e);
}

/* ---- leaving -------------------------------------------------------------------------- */

static void drop(struct upgrade *u)
{
	u->d->upgrade = NULL;
	side_command_kill(u->aside);
	if (u->timer)
		event_free(u->timer);
	json_decref(u->found);
	free(u->server);
	free(u->who);
	free(u);
}

static void answer(struct upgrade *u, const struct error *e)
{
	upgrade_done_fn fn = take(u->fn);

	fn(u->ctx, e, json_incref(u->found));
}

static void refuse(struct upgrade *u, const struct error *e)
{
	answer(u, e);
	drop(u);
}

/* Once the request is out, nothing else is needed of this process. */
static void on_gone(evutil_socket_t fd, short what, void *ctx)
{
	struct upgrade *u = ctx;
	(void)fd, (void)what;

	if (spawner_is_idle(u->d->spawner))
		event_base_loopbreak(u->d->base);
	else
		event_add(u->timer, &(struct timeval){.tv_usec = 1000});
}

static void leave(evutil_socket_t fd, short what, void *ctx)
{
	struct upgrade *u = ctx;
	struct daemon *d = u->d;
	(void)fd, (void)what;

	report(REPORT_INFO, "operation %llu: %s takes over", (unsigned long long)u->op, u->server);
	d->exit_status = KEEPER_EXIT_FAILED; /* never the end of the keeper */
	spawner_upgrade(d->spawner, u->server, u->op, (int)u->trial);
	event_free(u->timer);
	u->timer = evtimer_new(d->base, on_gone, u);
	on_gone(-1, 0, u);
}

/* While the disk refuses, this process is the only place where the state is. */
static void on_recorded(bool durable, void *ctx)
{
	struct upgrade *u = ctx;
	struct error e = {0};

	if (u->d->shutting_down)
		error_set(&e, ERR_INVALID_STATE, "the supervisor shuts down");
	else if (!durable)
		error_set(&e, ERR_STORAGE,
		    "the state can not be written now, so it can not be handed over");
	if (e.code) {
		operations_close(u->d->operations, u->op, &e);
		refuse(u, &e);
		return;
	}
	api_pause(u->d);
	answer(u, &e);
	u->timer = evtimer_new(u->d->base, leave, u);
	event_add(u->timer, &(struct timeval){.tv_usec = FAREWELL_MS * 1000});
}

static void record(struct upgrade *u)
{
	const struct strv none = {0};
	json_t *detail = json_copy(u->found);

	json_object_set_new(detail, "timeout_ms", json_integer(u->trial));
	u->op =
	    operations_open(u->d->operations, "upgrade", &none, u->who, "system.upgrade", detail);
	json_object_set_new(u->found, "operation", json_integer((json_int_t)u->op));
	store_barrier(u->d->store, on_recorded, u);
}

/* ---- asking it ------------------------------------------------------------------------- */

static void on_said(void *ctx, bool good, const char *text)
{
	struct upgrade *u = ctx;
	struct error e = {0};

	u->aside = NULL;
	event_free(take(u->timer));
	if (understand(u, good, text, &e) || u->dry_run) {
		json_object_set_new(u->found, "dry_run", json_boolean(u->dry_run));
		refuse(u, &e);
	} else {
		record(u);
	}
}

static void on_silent(evutil_socket_t fd, short what, void *ctx)
{
	struct upgrade *u = ctx;
	struct error e = {0};
	(void)fd, (void)what;

	error_set(&e, ERR_INVALID, "`%s --version-json` did not answer within %d ms", u->server,
	    ANSWER_WITHIN_MS);
	refuse(u, &e);
}

static enum err ask_candidate(struct upgrade *u, struct error *e)
{
	struct action_def def = {.name = u->server};

	strv_add(&def.argv, u->server);
	strv_add(&def.argv, "--version-json");
	enum err rc =
	    side_command_start(u->d->supervision, &def, NULL, 0, on_said, u, &u->aside, e);
	strv_release(&def.argv);
	u->timer = evtimer_new(u->d->base, on_silent, u);
	event_add(u->timer, &(struct timeval){.tv_sec = ANSWER_WITHIN_MS / 1000});
	return rc;
}

static enum err check(
    const struct daemon *d, const char *server, const struct upgrade_request *rq, struct error *e)
{
	if (d->shutting_down)
		return error_set(e, ERR_INVALID_STATE, "the supervisor shuts down");
	if (d->upgrade)
		return error_set(e, ERR_BUSY, "an upgrade is under way");
	if (server[0] != '/')
		return error_set(e, ERR_INVALID, "server: `%s` is not an absolute path", server);
	if (strlen(server) > KEEPER_TEXT_MAX)
		return error_set(e, ERR_LIMIT, "server: more than %d bytes", KEEPER_TEXT_MAX);
	if (rq->trial < 0 || rq->trial > INT32_MAX)
		return error_set(e, ERR_INVALID, "timeout_ms: 1 to %d", INT32_MAX);
	return ERR_OK;
}

void upgrade_ask(struct daemon *d, const struct upgrade_request *rq, upgrade_done_fn fn, void *ctx)
{
	const char *server = rq->server ? rq->server : d->options->program;
	struct error e = {0};

	if (check(d, server, rq, &e)) {
		fn(ctx, &e, NULL);
		return;
	}
	struct upgrade *u = mem_new(sizeof(*u));
	*u = (struct upgrade){.d = d,
	    .server = text_dup(server),
	    .who = text_dup(rq->who),
	    .trial = rq->trial,
	    .dry_run = rq->dry_run,
	    .fn = fn,
	    .ctx = ctx};
	d->upgrade = u;
	if (ask_candidate(u, &e))
		refuse(u, &e);
}

void upgrade_free(struct daemon *d)
{
	if (!d->upgrade)
		return;
	d->upgrade->aside = NULL; /* freed with the others */
	drop(d->upgrade);
}

/* ---- the server that comes after -------------------------------------------------------- */

void upgrade_adopt(struct daemon *d, const struct store_operation *row)
{
	struct upgrade_outcome o = upgrade_outcome_read(d->options->upgrade);
	struct error e = {0};

	operations_adopt_own(d->operations, row);
	if (o.operation == (op_id)row->id) {
		d->upgrade_op = o.operation;
		return;
	}
	error_set(&e, ERR_CANCELLED, "it never came to the keeper, or that was killed meanwhile");
	operations_close(d->operations, (op_id)row->id, &e);
}

void upgrade_serve(struct daemon *d)
{
	struct upgrade_outcome o = upgrade_outcome_read(d->options->upgrade);
	struct error e = {0};

	spawner_serving(d->spawner);
	if (!d->upgrade_op)
		return;
	if (o.state == UPGRADE_BACK)
		error_set(&e, ERR_START_FAILED,
		    "the next server failed: %s; the former one is back, nothing was changed",
		    o.why);
	report(e.code ? REPORT_ERROR : REPORT_INFO, "upgrade: %s",
	    e.code ? e.msg : "this server has taken over");
	operations_close(d->operations, d->upgrade_op, &e);
	d->upgrade_op = 0;
}
