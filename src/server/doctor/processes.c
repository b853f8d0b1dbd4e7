/* processes.c - attempts, processes, and the sets that they belong to. */
#include "server/doctor/look.h"

#include "server/supervise/attempt.h"

#include <stdio.h>

static bool is_gone(const struct process *p)
{
	return !p || p->state == 'Z' || p->state == 'X';
}

/* A program may write over its environment; no one else is a child of the keeper and leads the
 * session of that number. */
static bool is_leader_of(const struct look *l, const struct claim *c, const struct process *p)
{
	return p->token == c->token || p->folder == c->token ||
	       (p->parent == l->belief.keeper && p->session == c->pid);
}

static void add_lie(struct look *l, const struct claim *c, const char *kernel, bool may_mend)
{
	struct finding *f =
	    look_add(l, CHECK_PROCESSES, SEVERITY_ERROR, "%016llx", (unsigned long long)c->token);

	finding_of(f, c->service, c->action, c->pid);
	f->ours = text_fmt("its attempt is alive as pid %d", c->pid);
	f->kernel = text_dup(kernel);
	f->token = c->token;
	if (!may_mend)
		return;
	f->mend = MEND_LOST;
	f->repair =
	    text_fmt("take the attempt of %s/%s for ended, reason lost; its retry policy goes on",
		c->service, c->action);
}

/* What can not be seen is not judged, and nothing of it is mended. */
static void note_hidden(struct look *l)
{
	struct finding *f = look_add(l, CHECK_PROCESSES, SEVERITY_NOTE, "hidden");

	f->path = text_dup("/proc");
	f->ours = text_dup("it shows the processes of services");
	f->kernel = text_dup(
	    "it is not mounted here, or hides them (hidepid): what is not seen is not judged");
}

void look_processes(struct look *l)
{
	if (l->world.is_partial)
		note_hidden(l);
	for (size_t i = 0; i < l->belief.claims.n; i++) {
		const struct claim *c = &l->belief.claims.v[i];
		const struct process *p = world_find(&l->world, c->pid);

		if (!c->executed || c->exited || !c->pid)
			continue;
		if (!p && world_hides(&l->world, c->pid))
			continue;
		if (!p)
			add_lie(l, c, "there is no such process", true);
		else if (is_gone(p))
			add_lie(l, c, "it has ended, and its parent did not say so", false);
		else if (!is_leader_of(l, c, p))
			add_lie(l, c, "that process is not of this attempt", true);
	}
}

/* ---- strays ----------------------------------------------------------------------------- */

static void add_stray(struct look *l, const struct process *p, uint64_t token)
{
	struct finding *f = look_add(
	    l, CHECK_STRAYS, SEVERITY_ERROR, "%d %llu", p->pid, (unsigned long long)p->start_ticks);
	auto_str who = {0};

	process_command(p->pid, &who);
	f->pid = p->pid;
	f->ours = text_fmt("nothing is left of attempt %016llx", (unsigned long long)token);
	f->kernel = text_fmt("pid %s runs %s", str_text(&who),
	    p->folder == token ? "in its cgroup" : "with its token");
	f->repair = text_fmt("end pid %s", str_text(&who));
	f->mend = MEND_KILL;
	f->token = token;
	f->start_ticks = p->start_ticks;
}

static bool has_folder(const struct look *l, uint64_t token)
{
	for (size_t i = 0; i < l->world.folders.n; i++)
		if (l->world.folders.v[i] == token)
			return true;
	return false;
}

/* It has the token of a living attempt and is not where that one's processes are.  Below the
 * keeper it is found by its token. */
static void add_outsider(struct look *l, const struct process *p, const struct claim *c)
{
	struct finding *f = look_add(
	    l, CHECK_STRAYS, SEVERITY_WARN, "%d %llu", p->pid, (unsigned long long)p->start_ticks);
	auto_str who = {0};

	process_command(p->pid, &who);
	finding_of(f, c->service, c->action, p->pid);
	f->ours = text_fmt(
	    "its processes are those of its %s", l->world.cgroup ? "cgroup" : "keeper's children");
	f->kernel = text_fmt("pid %s has its token and is outside: %s", str_text(&who),
	    world_is_below(&l->world, p->pid, l->belief.keeper)
		? "a stop reaches it, limits do not hold for it"
		: "a stop does not reach it");
}

/* What was executed while the keeper had no descriptor for a cgroup is held by descent; what was
 * adopted from a killed keeper (ADR 21) is below nobody, so of that nothing is said. */
static bool is_outside(const struct look *l, const struct process *p, const struct claim *c)
{
	pid_t keeper = l->belief.keeper;

	if (p->folder == p->token)
		return false;
	return has_folder(l, p->token) || (world_is_below(&l->world, c->pid, keeper) &&
					      !world_is_below(&l->world, p->pid, keeper));
}

void look_strays(struct look *l)
{
	for (size_t i = 0; i < l->world.processes.n; i++) {
		const struct process *p = &l->world.processes.v[i];
		const struct claim *c;

		if (is_gone(p))
			continue;
		if (p->folder && !belief_knows(&l->belief, p->folder))
			add_stray(l, p, p->folder);
		else if (p->token && !p->folder && !belief_knows(&l->belief, p->token))
			add_stray(l, p, p->token);
		else if ((c = p->token ? belief_claim(&l->belief, p->token) : NULL) &&
			 is_outside(l, p, c))
			add_outsider(l, p, c);
	}
}

/* ---- sets ------------------------------------------------------------------------------- */

static bool has_members(const struct look *l, const struct claim *c)
{
	for (size_t i = 0; i < l->world.processes.n; i++) {
		const struct process *p = &l->world.processes.v[i];

		if (!is_gone(p) &&
		    (p->folder == c->token || p->token == c->token || p->session == c->pid))
			return true;
	}
	return false;
}

static void add_empty(struct look *l, const struct claim *c)
{
	struct finding *f =
	    look_add(l, CHECK_SETS, SEVERITY_ERROR, "%016llx", (unsigned long long)c->token);

	finding_of(f, c->service, c->action, 0);
	f->ours = text_dup("its process has ended, others of its set are waited for");
	f->kernel = text_dup("nothing of its set is left");
	f->repair = text_fmt("take the set of %s/%s for empty", c->service, c->action);
	f->mend = MEND_EMPTY;
	f->token = c->token;
}

static void add_folder(struct look *l, uint64_t token)
{
	struct finding *f =
	    look_add(l, CHECK_SETS, SEVERITY_WARN, "folder %016llx", (unsigned long long)token);

	f->path = text_fmt("%s/%016llx", l->world.cgroup, (unsigned long long)token);
	f->ours = text_dup("no attempt has this token");
	f->kernel = text_dup("its cgroup is there, and empty");
	f->repair = text_fmt("remove the folder %s", f->path);
	f->mend = MEND_FOLDER;
	f->token = token;
}

static bool is_populated(const struct look *l, uint64_t token)
{
	for (size_t i = 0; i < l->world.processes.n; i++)
		if (l->world.processes.v[i].folder == token)
			return true;
	return false;
}

/* The keeper makes one ahead for the attempt to come: the one after the last, and after a
 * restart of the server, which skips numbers, the highest that was given. */
static uint64_t made_ahead(const struct look *l)
{
	uint64_t next = l->belief.next_token, ahead = 0;

	for (size_t i = 0; i < l->world.folders.n; i++) {
		uint64_t token = l->world.folders.v[i] & ~AUX_TOKEN_BIT;

		if (token <= next && token >= (ahead & ~AUX_TOKEN_BIT))
			ahead = l->world.folders.v[i];
	}
	return ahead;
}

void look_sets(struct look *l)
{
	uint64_t ahead = made_ahead(l);

	for (size_t i = 0; i < l->belief.claims.n; i++)
		if (l->belief.claims.v[i].exited && !l->world.is_partial &&
		    !has_members(l, &l->belief.claims.v[i]))
			add_empty(l, &l->belief.claims.v[i]);
	for (size_t i = 0; i < l->world.folders.n; i++) {
		uint64_t token = l->world.folders.v[i];

		if (token != ahead && !belief_knows(&l->belief, token) && !is_populated(l, token))
			add_folder(l, token);
	}
}
