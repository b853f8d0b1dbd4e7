/*
 * events.h - what happened, in order, each with what caused it (SPEC 4).
 *
 * An event is a row in the store and a line on GET /events: id (never repeats,
 * grows), time, subject (a service, a run, a flag), fact (a JSON object with
 * `event`, from, to, reason, operation ...), and the id of the event that caused
 * it.  Following `cause` from "web is ready" leads over edge, gate and target to
 * the operation and who asked for it.
 *
 * Causes need no search: the last event of each job, of its edges and of each
 * unit is remembered, and the effects of a pass come in order.
 *
 * Called after the processes of a pass were asked for, never before.  Nothing
 * here fails or waits.  After a SIGKILL the last event of a job is read from the
 * store, once.
 *
 * Depends on: server/history/history.h.
 */
#ifndef HP_SERVER_HISTORY_EVENTS_H
#define HP_SERVER_HISTORY_EVENTS_H

#include "server/history/history.h"

/* In job_record.event, unit_record.event: there is one in the store, perhaps. */
#define EVENT_UNREAD (-1)

/* One event; the id.  `subject` may be NULL, `cause` 0.  Told to followers once committed. */
int64_t events_emit(
    struct history *h, const char *kind, const char *subject, int64_t cause, const char *fact);

void events_job(struct history *h, const struct effect *fx);
void events_unit(struct history *h, const struct effect *fx);
void events_edge(struct history *h, const struct effect *fx);
void events_wanted(struct history *h, const struct effect *fx);
/* A probe of a job passes, or fails. */
void events_probe(
    struct history *h, job_id job, const char *probe, const char *state, const char *last);
/* A definition was "created", "updated" or "removed" (told before); `text`: its place, or NULL. */
void events_definition(struct history *h, const char *service, const char *to, const char *text);
void events_flag(struct history *h, const char *flag, bool set);

/* What a gate said, which the readiness of `action` (NULL: an edge) waits for; each new text. */
void events_note(
    struct history *h, unit_id unit, const char *action, const char *gate, const char *text);

enum open_edges { OPEN_WAITING, OPEN_ANY, OPEN_MISSING };
/* JSON arrays, at most `max` of the edges that do not hold: of waiting jobs, of all jobs, those
 * whose target is not registered; and who of its dependents is demanded.  events.c records them,
 * picture.c shows them.  `near`: in a unit of many jobs only that one and some behind it are looked
 * at; ID_NONE: all. */
void events_add_open(struct history *h, struct str *out, unit_id unit, job_id near,
    enum open_edges which, size_t max);
void events_add_demand(struct history *h, struct str *out, unit_id unit);

/* What has not happened yet while it is not ready, "no line of output matches `up` yet"; the
 * caller frees; NULL: its gates or probes tell. */
char *events_expected(const struct action_def *a);

/* The newest event about a job or one of its edges; 0: none. */
int64_t events_of_job(struct history *h, const struct unit_view *u, const struct job_view *j);
/* The newest event about any of these units; 0: none. */
int64_t events_last_of(struct history *h, const struct strv *names);
/* The begin of an operation that a former server told of; 0: not found. */
int64_t events_of_operation(struct history *h, op_id id, const char *subject);

#endif
