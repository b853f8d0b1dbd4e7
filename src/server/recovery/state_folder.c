#include "server/recovery/state_folder.h"

#include "logs/logs.h"
#include "rpc/json_out.h"
#include "server/change/registration.h"
#include "server/history/events.h"
#include "server/history/records.h"
#include "server/host/clock.h"
#include "server/host/report.h"
#include "server/operation/operations.h"
#include "server/recovery/state_watch.h"
#include "server/recovery/upgrade.h"
#include "server/schedule/schedules.h"
#include "server/supervise/gates.h"

struct state_folder {
	struct daemon *d;
	struct store_files former; /* what the keeper held; -1: nothing, or taken by the store */
	struct state_watch *watch; /* NULL in recovery */
};

static const char name_db[] = "state:db", name_log[] = "state:log"; /* held under these */

/* ---- held by the keeper --------------------------------------------------------------------- */

bool state_folder_take_held(struct daemon *d, const char *name, int take_fd)
{
	struct store_files *former = &d->state_folder->former;
	int *slot = text_eq(name, name_db)    ? &former->db
		    : text_eq(name, name_log) ? &former->log
					      : NULL;

	if (!slot)
		return false;
	if (*slot >= 0)
		close(*slot);
	*slot = take_fd;
	return true;
}

void state_folder_give(struct daemon *d, state_folder_give_fn fn, void *ctx)
{
	struct store_files now;

	store_files(d->store, &now);
	if (now.db >= 0)
		fn(name_db, now.db, ctx);
	if (now.log >= 0)
		fn(name_log, now.log, ctx);
}

static void hold(const char *name, int take_fd, void *ctx)
{
	struct daemon *d = ctx;

	spawner_hold(d->spawner, name, take_fd);
	close(take_fd);
}

static void on_files(void *ctx)
{
	state_folder_give(ctx, hold, ctx);
}

/* ---- what is in memory is written again -------------------------------------------------------
 */

static void store_units(struct daemon *d)
{
	struct unit_view u;
	struct job_view j;

	for (unit_id id = 0; id < engine_unit_count(d->engine); id++) {
		if (!engine_unit(d->engine, id, &u))
			continue;
		if (u.registered && !u.is_run && u.wanted != WANTED_IGNORE)
			store_put_wanted(d->store,
			    &(struct store_wanted){.service = u.name, .wanted = u.wanted});
		records_put_run(d->history, id);
		for (size_t i = 0; engine_job_at(d->engine, id, i, &j); i++)
			records_put_job(d->history, j.id);
	}
}

static void store_everything(struct daemon *d)
{
	records_store(d->history);
	registration_store(d->change);
	gates_store_flags(d->supervision);
	schedules_store(d->schedules);
	store_units(d);
	operations_store(d->operations);
}

/* ---- reports ----------------------------------------------------------------------------------
 */

static void tell(struct daemon *d, const char *text)
{
	auto_str fact = {0};

	json_out_open(&fact, NULL, '{');
	json_out_text(&fact, "event", "repaired");
	json_out_text(&fact, "what", text);
	json_out_close(&fact, '}');
	events_emit(d->history, "repaired", NULL, 0, str_text(&fact));
	repairs_add(&d->repairs, clock_wall(), text);
	report(REPORT_WARN, "%s", text);
}

static void on_repaired(const char *text, bool rebuilt, void *ctx)
{
	struct daemon *d = ctx;

	if (rebuilt)
		store_everything(d);
	tell(d, text);
	logs_look(d->logs); /* they were in the same folder */
	if (!d->state_folder->watch)
		return;
	state_watch_renew(d->state_folder->watch);
	store_look(d->store, true); /* who removes them may not be done */
}

static void on_logs_repaired(const char *lines, void *ctx)
{
	auto_free char *text = text_dup(lines);

	for (char *at = text, *line; (line = strsep(&at, "\n"));)
		tell(ctx, line);
}

static void on_changed(unsigned what, void *ctx)
{
	struct daemon *d = ctx;

	if (what & (STATE_STORE | STATE_FILES))
		store_look(d->store, what & STATE_FILES);
	if (what & STATE_LOGS)
		logs_look(d->logs);
	if (what & STATE_KEEPER)
		spawner_look_at_folder(d->spawner);
}

static unsigned removed(void *ctx)
{
	struct daemon *d = ctx;

	return store_files_removed(d->store);
}

void state_folder_watch(struct daemon *d)
{
	const struct state_watch_config cfg = {.base = d->base,
	    .dir = d->paths.state,
	    .removed = removed,
	    .changed = on_changed,
	    .ctx = d};
	const struct store_listener listener = {
	    .repaired = on_repaired, .files = on_files, .ctx = d};
	struct error e = {0};

	store_listen(d->store, &listener);
	logs_on_repaired(d->logs, on_logs_repaired, d);
	d->state_folder->watch = state_watch_new(&cfg, &e);
	if (e.code)
		report(REPORT_WARN, "what vanishes is noticed late: %s", e.msg);
	store_look(d->store, false); /* what happened until the watch was there */
}

/* ---- life ------------------------------------------------------------------------------------ */

struct state_folder *state_folder_new(struct daemon *d)
{
	struct state_folder *f = mem_new(sizeof(*f));

	*f = (struct state_folder){.d = d, .former = {-1, -1}};
	return f;
}

void state_folder_free(struct state_folder *f)
{
	if (!f)
		return;
	state_watch_free(f->watch);
	if (f->former.db >= 0)
		close(f->former.db);
	if (f->former.log >= 0)
		close(f->former.log);
	free(f);
}

enum err state_folder_open(struct daemon *d, struct error *e)
{
	struct store_options o = d->options->keep.store;
	struct store_files former = d->state_folder->former;

	o.put_back = upgrade_outcome_read(d->options->upgrade).state == UPGRADE_BACK;
	o.former = &former;
	d->state_folder->former = (struct store_files){-1, -1};
	if (store_open(d->paths.state, &o, &d->store, e))
		return e->code;
	if (store_was_put_back(d->store))
		report(
		    REPORT_WARN, "the store is again what it was before the upgrade that failed");
	return ERR_OK;
}
