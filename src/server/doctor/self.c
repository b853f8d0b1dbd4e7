/* self.c - the keeper, the engine, its timers, and what is wanted.  On the loop. */
#include "server/doctor/look.h"
#include "server/supervise/perform.h"

#include "server/operation/operations.h"

#include <event2/event.h>
#include <stdio.h>

#define OVERDUE_MS  1000
#define ORPHANS_MAX 256 /* zombies that the keeper may put off: keeper/jobs.c */

/* ---- keeper ----------------------------------------------------------------------------- */

static struct finding *of_keeper(struct look *l, const char *key, const char *ours)
{
	struct finding *f = look_add(l, CHECK_KEEPER, SEVERITY_ERROR, "%s", key);

	f->pid = l->belief.keeper;
	f->ours = text_dup(ours);
	return f;
}

void ask_keeper(struct daemon *d, struct look *l)
{
	if (!l->keeper_answers)
		of_keeper(l, "silent", "the keeper answers")->kernel =
		    text_dup("it does not: is it stopped?");
	const size_t due = supervision_unacknowledged(d->supervision);

	if (!due)
		return;
	struct finding *f = of_keeper(l, "acks", "every exit is committed and acknowledged");
	f->severity = SEVERITY_NOTE; /* they are, some time after the store takes rows again */
	f->kernel =
	    text_fmt("%zu wait: the store did not take their rows; the keeper keeps them", due);
	f->repair = text_dup("acknowledge them now, if the store takes them");
	f->mend = MEND_ACK;
}

void look_keeper(struct look *l)
{
	const struct process *p = world_find(&l->world, l->belief.keeper);
	const struct process *us = world_find(&l->world, l->belief.server);
	size_t zombies = 0;

	if (world_hides(&l->world, l->belief.keeper))
		return;
	if (!p || p->start_ticks != l->belief.keeper_ticks)
		of_keeper(l, "identity", "the keeper lives")->kernel =
		    text_dup("there is no process with its number and start");
	else if (us && us->parent != l->belief.keeper)
		of_keeper(l, "parent", "the keeper is the parent of the server")->kernel =
		    text_fmt("that is pid %d", us->parent);
	for (size_t i = 0; i < l->world.processes.n; i++)
		zombies += l->world.processes.v[i].state == 'Z' &&
			   l->world.processes.v[i].parent == l->belief.keeper;
	if (zombies > l->belief.claims.n * 2 + ORPHANS_MAX)
		of_keeper(l, "zombies", "the keeper takes its dead away")->kernel =
		    text_fmt("%zu of them wait", zombies);
}

/* ---- engine ----------------------------------------------------------------------------- */

void ask_engine(struct daemon *d, struct look *l)
{
	struct error e = {0};

	if (engine_check(d->engine, &e) == ERR_OK)
		return;
	struct finding *f = look_add(l, CHECK_ENGINE, SEVERITY_ERROR, "%s", e.msg);
	f->ours = text_dup("counts, states and timers are those of a recount");
	f->kernel = text_dup(e.msg);
}

void ask_timers(struct daemon *d, struct look *l)
{
	msec due = engine_deadline(d->engine), now = clock_mono();

	if (due == MSEC_NEVER || (now - due < OVERDUE_MS && perform_is_armed(d->supervision)))
		return;
	struct finding *f = look_add(l, CHECK_TIMERS, SEVERITY_ERROR, "deadline");
	f->ours = text_fmt("something is due %s", now < due ? "later" : "now");
	f->kernel = now - due < OVERDUE_MS
			? text_dup("no timer is armed for it")
			: text_fmt("it is overdue by %lld ms", (long long)(now - due));
}

/* ---- wanted ----------------------------------------------------------------------------- */

static const char *complaint(const struct unit_view *u)
{
	switch (u->state) {
	case SERVICE_INACTIVE: return "it is inactive, and nothing is under way";
	case SERVICE_FAILED: return "it has failed";
	case SERVICE_DEGRADED: return "an action of it has failed, another lives";
	case SERVICE_BLOCKED: return "it is blocked";
	case SERVICE_WAITING_DEPS:
	case SERVICE_STARTING:
	case SERVICE_RUNNING:
	case SERVICE_STOPPING:
	case SERVICE_EXITED:
	case SERVICE_STATE_COUNT: break;
	}
	return NULL;
}

void ask_wanted(struct daemon *d, struct look *l)
{
	struct unit_view u;

	for (unit_id i = 0; i < engine_unit_count(d->engine); i++) {
		if (!engine_unit(d->engine, i, &u) || !u.registered || u.is_run ||
		    u.wanted != WANTED_START || u.op || d->shutting_down)
			continue;
		const char *what = complaint(&u);

		if (!what)
			continue;
		struct finding *f = look_add(
		    l, CHECK_WANTED, d->safe ? SEVERITY_NOTE : SEVERITY_WARN, "%s", u.name);
		finding_of(f, u.name, NULL, 0);
		f->ours = text_dup("it is wanted");
		f->kernel =
		    text_fmt("%s%s%s; hero_proc why %s", what, u.reason == REASON_NONE ? "" : ": ",
			u.reason == REASON_NONE ? "" : reason_str(u.reason), u.name);
	}
}
