#include "storm.h"

#include "world.h"

#include <stdio.h>

ENUM_DEFINE(fault, FAULT_LIST, FAULT_COUNT)

static uint32_t dice(struct world *w, uint32_t below) /* splitmix64 */
{
	uint64_t z = w->storm.dice += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ (z >> 31)) % below);
}

static bool runs(const struct proc *p)
{
	return p->alive && p->executed && !p->leader_gone;
}

/* One that runs, or NULL. */
static struct proc *victim(struct world *w)
{
	size_t from = w->procs.n ? dice(w, (uint32_t)w->procs.n) : 0;

	for (size_t i = 0; i < w->procs.n; i++) {
		struct proc *p = &w->procs.v[(from + i) % w->procs.n];

		if (runs(p))
			return p;
	}
	return NULL;
}

static void gone(struct world *w, struct proc *p, struct job_exit x)
{
	uint64_t token = p->token;

	x.empty = true;
	p->alive = false;
	p->leader_gone = true;
	engine_exited(w->en, w->now, token, &x);
	world_perform(w);
}

/* Each survivor is ended and told of before a new keeper spawns anything of it. */
static void keeper_killed(struct world *w)
{
	for (size_t i = 0, n = w->procs.n; i < n && !w->broken; i++)
		if (runs(&w->procs.v[i]))
			gone(w, &w->procs.v[i], (struct job_exit){.code = -1, .lost = true});
}

/* Late news of tokens that were or never will be: nothing may change. */
static void stale_news(struct world *w)
{
	uint64_t token = 1 + dice(w, 2000);
	const struct job_exit x = {.code = 0, .success = true, .empty = true};

	for (size_t i = 0; i < w->procs.n; i++)
		if (w->procs.v[i].token == token && w->procs.v[i].alive)
			return;
	engine_executed(w->en, w->now, token);
	engine_ready(w->en, w->now, token);
	engine_exited(w->en, w->now, token, &x);
	engine_set_empty(w->en, w->now, token);
	engine_probe_failed(w->en, w->now, token, "late");
	world_perform(w);
}

/* True when it happened. */
static bool strike(struct world *w, enum fault f, void (*kill_server)(struct world *))
{
	struct proc *p =
	    f == FAULT_EXIT_LOST || f == FAULT_SIGNAL || f == FAULT_OOM || f == FAULT_PROBE
		? victim(w)
		: NULL;

	switch (f) {
	case FAULT_SERVER_KILLED: kill_server(w); return true;
	case FAULT_KEEPER_KILLED: keeper_killed(w); return true;
	case FAULT_EXIT_LOST:
		if (p)
			gone(w, p, (struct job_exit){.code = -1, .lost = true});
		return p;
	case FAULT_SIGNAL:
		if (p)
			gone(w, p, (struct job_exit){.code = -1, .signal = 11});
		return p;
	case FAULT_OOM:
		if (p)
			gone(w, p, (struct job_exit){.code = -1, .signal = 9, .oom = true});
		return p;
	case FAULT_NO_DESCRIPTOR:
		w->storm.no_descriptor_until = w->now + dice(w, 3000);
		return true;
	case FAULT_NO_PROGRAM: w->storm.no_program_until = w->now + dice(w, 300); return true;
	case FAULT_PROBE:
		if (p) {
			engine_probe_failed(w->en, w->now, p->token, "no answer");
			world_perform(w);
		}
		return p;
	case FAULT_STALE_NEWS: stale_news(w); return true;
	case FAULT_SUSPENDED: world_advance(w, w->now + 60000 + dice(w, 600000)); return true;
	case FAULT_COUNT: break;
	}
	return false;
}

void storm_blow(struct world *w, void (*kill_server)(struct world *))
{
	if (!w->storm.blows || w->kind || w->broken || dice(w, 12))
		return;
	enum fault f = (enum fault)dice(w, FAULT_COUNT);
	if ((f == FAULT_SUSPENDED || f == FAULT_KEEPER_KILLED) && dice(w, 4))
		return;
	if (w->trace)
		printf("%8lld storm: %s\n", (long long)w->now, fault_str(f));
	w->storm.faults[f]++;
	if (!strike(w, f, kill_server))
		w->storm.faults[f]--; /* nobody was there to be struck */
	if (!w->broken)
		world_judge(w);
}

const char *storm_refuses_exec(struct world *w, bool *transient)
{
	if (w->kind || !w->storm.blows)
		return NULL;
	*transient = w->now < w->storm.no_descriptor_until;
	if (*transient)
		return "pipe: Too many open files";
	return w->now < w->storm.no_program_until ? "exec /x: No such file or directory" : NULL;
}
