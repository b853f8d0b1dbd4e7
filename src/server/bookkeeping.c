#include "server/bookkeeping.h"

#include "server/change/apply.h"
#include "server/change/registration.h"
#include "server/change/submission.h"
#include "server/container.h"
#include "server/daemon.h"
#include "server/history/events.h"
#include "server/history/records.h"
#include "server/operation/operations.h"
#include "server/scheduling.h"

void bookkeeping_book(void *daemon, const struct effect *fx)
{
	struct daemon *d = daemon;

	switch (fx->kind) {
	case EFFECT_SPAWN:
	case EFFECT_TERM:
	case EFFECT_KILL:
	case EFFECT_SWEEP:
	case EFFECT_GATE_WATCH:
	case EFFECT_GATE_DROP: break; /* perform.c carries them out */
	case EFFECT_JOB:
		records_job_changed(d->history, fx);
		events_job(d->history, fx);
		break;
	case EFFECT_JOB_TURN: records_put_job(d->history, fx->job); break;
	case EFFECT_UNIT:
		records_put_run(d->history, fx->unit);
		events_unit(d->history, fx);
		registration_unit_changed(d->change, fx->unit);
		apply_unit_changed(d->change, fx->unit);
		container_unit_changed(d, fx->unit);
		break;
	case EFFECT_EDGE: events_edge(d->history, fx); break;
	case EFFECT_WANTED:
		records_wanted_changed(d->history, fx);
		events_wanted(d->history, fx);
		break;
	case EFFECT_OP: operations_changed(d->operations, fx); break;
	case EFFECT_RUN_ENDED:
		records_put_run(d->history, fx->unit);
		scheduling_run_ended(d, fx->unit);
		submission_run_ended(d->change, fx->unit);
		break;
	case EFFECT_COUNT: break;
	}
}

void bookkeeping_booked(void *daemon)
{
	struct daemon *d = daemon;

	submission_sweep(d->change);
}

void bookkeeping_at_rest(void *daemon)
{
	struct daemon *d = daemon;

	operations_commit(d->operations);
}
