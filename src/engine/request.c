/* request.c - what an operation touches, found before anything is changed. */
#include "engine/world.h"

/* Hard members are found first, so that a conflict drops a wish, never a need. */
struct search {
	struct engine *en;
	const struct engine_request *rq;
	bool automation;
	struct closure *out;
	struct ids hard, soft;
	struct strv *notes, *chain;
	struct error *e;
};

static void add(struct search *s, unit_id u, edge_id by, bool hard)
{
	if (s->en->units.v[u].mark == s->en->epoch)
		return;
	if (!hard) {
		*vec_push(&s->soft) = by; /* looked at when the hard part is complete */
		return;
	}
	s->en->units.v[u].mark = s->en->epoch;
	*vec_push(s->out) = (struct member){u, by, hard};
}

static const char *owner(const struct engine *en, edge_id e)
{
	return unit_title(en, en->jobs.v[en->edges.v[e].from].unit);
}

static enum err missing(struct search *s, edge_id e)
{
	const struct edge *ed = &s->en->edges.v[e];

	strv_take(s->chain, text_fmt("%s requires %s (%s)", owner(s->en, e), ed->is->key,
				ed->is->source ? ed->is->source : "?"));
	strv_take(s->chain, text_fmt("`%s` is not registered", ed->is->key));
	return error_set(s->e, ERR_MISSING_DEPENDENCY,
	    "%s requires `%s`, which is not registered (%s)", owner(s->en, e), ed->is->key,
	    ed->is->source ? ed->is->source : "?");
}

bool member_is_wish(const struct engine *en, const struct member *m)
{
	return !m->hard && !(m->by != ID_NONE && en->edges.v[m->by].is->group);
}

static bool is_there(const struct engine *en, const struct edge *ed)
{
	return ed->is->gate_only ||
	       (en->units.v[ed->to_unit].registered && (!ed->is->action || ed->to_job != ID_NONE));
}

/* How many of its group could come; `stopped`: also what the operator stopped. */
static uint32_t group_may(const struct engine *en, edge_id e, bool stopped)
{
	uint32_t may = 0;

	for_group (en, e, m) {
		const struct edge *ed = &en->edges.v[m];

		may += is_there(en, ed) && (ed->is->gate_only || stopped ||
					       en->units.v[ed->to_unit].wanted != WANTED_STOP);
	}
	return may;
}

/* Not to be pulled in: the operator stopped it, and it can be done without. */
static bool is_left_stopped(const struct search *s, edge_id e)
{
	const struct edge *ed = &s->en->edges.v[e];

	return s->en->units.v[ed->to_unit].wanted == WANTED_STOP &&
	       (ed->is->optional || s->automation ||
		   (ed->is->group && group_may(s->en, e, false) >= ed->is->need));
}

/* `hard`: the owner is needed, so what it requires is, too. */
static enum err follow(struct search *s, edge_id e, bool hard)
{
	const struct edge *ed = &s->en->edges.v[e];
	bool requires = ed->is->kinds & DEP_REQUIRES, group = ed->is->group;

	if (!(ed->is->kinds & DEP_PULLS) || ed->is->gate_only)
		return ERR_OK;
	if (!is_there(s->en, ed)) {
		bool enough = group && group_may(s->en, e, true) >= ed->is->need;

		if (requires && hard && !ed->is->optional && !s->automation && !enough)
			return missing(s, e);
		if (!requires || !hard)
			strv_take(s->notes,
			    text_fmt("%s %s `%s`, which is not registered", owner(s->en, e),
				requires ? "requires" : "wants", ed->is->key));
		return ERR_OK;
	}
	if (!is_left_stopped(s, e))
		add(s, ed->to_unit, e, requires && hard && !group);
	return ERR_OK;
}

static bool is_settled_well(const struct unit *un)
{
	return un->live && un->facts.ready && !un->facts.failed && !un->facts.stopping &&
	       !un->n_broken;
}

static enum err follow_unit(struct search *s, unit_id u, bool hard)
{
	if (s->rq && s->rq->no_deps)
		return ERR_OK;
	if (is_settled_well(&s->en->units.v[u]) && !(s->rq && s->rq->kind == OP_RESTART))
		return ERR_OK;
	for_jobs (s->en, u, j)
		for_out (s->en, j, e)
			if (follow(s, e, hard))
				return s->e->code;
	return ERR_OK;
}

static enum err search_all(struct search *s)
{
	size_t at = 0, soft = 0;

	for (;;) {
		for (; at < s->out->n; at++)
			if (follow_unit(s, s->out->v[at].unit, s->out->v[at].hard))
				return s->e->code;
		if (soft == s->soft.n)
			return ERR_OK;
		edge_id by = s->soft.v[soft++];
		unit_id u = s->en->edges.v[by].to_unit;
		if (s->en->units.v[u].mark == s->en->epoch)
			continue;
		s->en->units.v[u].mark = s->en->epoch;
		*vec_push(s->out) = (struct member){u, by, false};
	}
}

/* ---- conflicts ------------------------------------------------------------- */

static const struct member *member_of(const struct closure *c, unit_id u)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->v[i].unit == u)
			return &c->v[i];
	return NULL;
}

/* "web -> db -> cache": how u came into the closure. */
static void path_to(const struct search *s, unit_id u, struct str *out)
{
	const struct member *m = member_of(s->out, u);
	size_t depth = 0;
	struct strv names = {0};

	while (m && depth++ < 64) {
		strv_add(&names, unit_title(s->en, m->unit));
		m = m->by == ID_NONE
			? NULL
			: member_of(s->out, s->en->jobs.v[s->en->edges.v[m->by].from].unit);
	}
	for (size_t i = names.n; i-- > 0;)
		str_fmt(out, "%s%s", names.v[i], i ? " -> " : "");
	strv_release(&names);
}

static enum err refuse_pair(struct search *s, unit_id u, unit_id other)
{
	auto_str a = {0}, b = {0};

	path_to(s, u, &a);
	path_to(s, other, &b);
	strv_add(s->chain, str_text(&a));
	if (b.n)
		strv_add(s->chain, str_text(&b));
	return error_set(s->e, ERR_CONFLICT, "%s conflicts with %s, which %s", unit_title(s->en, u),
	    unit_title(s->en, other),
	    b.n ? "the same start needs" : service_state_str(s->en->units.v[other].state));
}

/* Drops a wish that conflicts, refuses a need; true when the member stays. */
static bool conflict_allows(struct search *s, const struct member *m, struct ids *replaced)
{
	const struct unit *un = &s->en->units.v[m->unit];

	for (size_t i = 0; i < replaced->n && !m->hard; i++)
		if (replaced->v[i] == m->unit) {
			strv_take(s->notes, text_fmt("%s is left out: it is replaced", un->name));
			return false;
		}
	for (size_t i = 0; i < un->conflicts.n && !is_settled_well(un); i++) {
		unit_id c = un->conflicts.v[i];
		const struct member *other = member_of(s->out, c);
		bool active = facts_of(s->en, c).active;

		if (!other && !active)
			continue;
		if (!m->hard) {
			strv_take(s->notes, text_fmt("%s is left out: it conflicts with %s",
						un->name, unit_title(s->en, c)));
			return false;
		}
		if (other && !other->hard && !active)
			continue; /* the wish gives way when it is looked at */
		if (s->rq->replace && !(other && other->hard))
			*vec_push(replaced) = c;
		else if (refuse_pair(s, m->unit, c))
			return true;
	}
	return true;
}

static enum err check_conflicts(struct search *s, struct ids *replaced)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->out->n; i++) {
		struct member m = s->out->v[i];
		bool stays = conflict_allows(s, &m, replaced);

		if (s->e->code != ERR_OK)
			return s->e->code;
		if (stays)
			s->out->v[kept++] = m;
	}
	s->out->n = kept;
	return ERR_OK;
}

static enum err check_no_deps(struct search *s)
{
	for (size_t i = 0; i < s->out->n; i++)
		for_jobs (s->en, s->out->v[i].unit, j)
			for_out (s->en, j, e) {
				const struct edge *ed = &s->en->edges.v[e];
				bool gate;

				if (!(ed->is->kinds & DEP_REQUIRES) || ed->is->gate_only ||
				    edge_target_holds(s->en, e) || edge_group_holds(s->en, e, 0) ||
				    edge_evaluate(s->en, e, &gate) == EDGE_IGNORED)
					continue;
				return error_set(s->e, ERR_DEPENDENCY_FAILED,
				    "%s requires %s, which is not %s, and no_deps forbids to start "
				    "it",
				    owner(s->en, e), ed->is->key, condition_str(ed->is->condition));
			}
	return ERR_OK;
}

enum err closure_of_start(struct engine *en, const struct engine_request *rq, bool automation,
    struct closure *out, struct ids *replaced, struct strv *notes, struct strv *chain,
    struct error *e)
{
	struct search s = {.en = en,
	    .rq = rq,
	    .automation = automation,
	    .out = out,
	    .notes = notes,
	    .chain = chain,
	    .e = e};

	e->code = ERR_OK;
	walk_begin(en);
	for (size_t i = 0; i < rq->n_names; i++)
		add(&s, unit_by_name(en, rq->names[i]), ID_NONE, true);
	enum err code = search_all(&s);
	if (!code && !automation)
		code = check_conflicts(&s, replaced);
	if (!code && rq->no_deps)
		code = check_no_deps(&s);
	free(s.soft.v);
	free(s.hard.v);
	return code;
}

/* ---- stop and restart -------------------------------------------------------- */

static void add_marked(struct engine *en, struct closure *out, unit_id u, edge_id by)
{
	if (en->units.v[u].mark == en->epoch)
		return;
	en->units.v[u].mark = en->epoch;
	*vec_push(out) = (struct member){u, by, true};
}

static bool is_here(const struct unit *un)
{
	return (un->live && !un->facts.ended) || un->stopping || un->facts.process;
}

static void dependents_that_stop(struct engine *en, struct closure *out, size_t at, bool restart)
{
	for_in (en, out->v[at].unit, e) {
		const struct edge *ed = &en->edges.v[e];
		unit_id from = en->jobs.v[ed->from].unit;

		if (!(ed->is->kinds & DEP_REQUIRES) || !is_here(&en->units.v[from]))
			continue;
		if ((restart ? ed->is->on_restart == ON_RESTART_RESTART
			     : ed->is->on_stop == ON_STOP_STOP) &&
		    !edge_group_holds(en, e, en->epoch))
			add_marked(en, out, from, e);
	}
}

/* Demanded by anything that is not in the set itself? Call after walk marks. */
static bool still_needed(const struct engine *en, unit_id u)
{
	if (en->units.v[u].wanted == WANTED_START)
		return true;
	for_in (en, u, e) {
		unit_id from = en->jobs.v[en->edges.v[e].from].unit;

		if ((en->edges.v[e].is->kinds & DEP_PULLS) && en->units.v[from].mark != en->epoch &&
		    en->units.v[from].live)
			return true;
	}
	return false;
}

static void targets_unneeded(struct engine *en, struct closure *out, size_t at)
{
	for_jobs (en, out->v[at].unit, j)
		for_out (en, j, e) {
			const struct edge *ed = &en->edges.v[e];

			if (ed->to_unit != ID_NONE && (ed->is->kinds & DEP_PULLS) &&
			    is_here(&en->units.v[ed->to_unit]) && !still_needed(en, ed->to_unit))
				add_marked(en, out, ed->to_unit, e);
		}
}

void closure_of_stop(
    struct engine *en, const struct ids *asked, bool with_unneeded, struct closure *out)
{
	walk_begin(en);
	for (size_t i = 0; i < asked->n; i++)
		add_marked(en, out, asked->v[i], ID_NONE);
	for (size_t at = 0; at < out->n; at++)
		dependents_that_stop(en, out, at, false);
	for (size_t at = 0; with_unneeded && at < out->n; at++)
		targets_unneeded(en, out, at);
}

void closure_of_restart(
    struct engine *en, const struct ids *asked, bool with_deps, struct closure *out)
{
	walk_begin(en);
	for (size_t i = 0; i < asked->n; i++)
		add_marked(en, out, asked->v[i], ID_NONE);
	for (size_t at = 0; with_deps && at < out->n; at++)
		for_jobs (en, out->v[at].unit, j)
			for_out (en, j, e)
				if ((en->edges.v[e].is->kinds & DEP_REQUIRES) &&
				    en->edges.v[e].to_unit != ID_NONE &&
				    en->units.v[en->edges.v[e].to_unit].registered)
					add_marked(en, out, en->edges.v[e].to_unit, e);
	for (size_t at = 0; at < out->n; at++)
		dependents_that_stop(en, out, at, true);
}
