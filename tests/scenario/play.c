/* play.c - the steps of a scenario, one after another, on the make-believe machine. */
#include "stage.h"

#include <signal.h>
#include <stdio.h>

#define PATIENCE 3600000 /* virtual ms in which anything that is going to happen has happened */

struct asked {
	enum verb verb;
	char *name; /* the first */
	op_id op;
};
struct player {
	struct stage *s;
	const struct step *st;
	struct {
		struct asked *v;
		size_t n, cap;
	} asked;
	struct error *e;
};

static bool wrong(struct player *p, const char *fmt, ...) attr_fmt(2, 3);
static bool wrong(struct player *p, const char *fmt, ...)
{
	auto_str t = {0};
	va_list ap;

	va_start(ap, fmt);
	str_vfmt(&t, fmt, ap);
	va_end(ap);
	error_set(p->e, ERR_INVALID_STATE, "%s:%d: at %lld ms: %s", p->s->script->path, p->st->line,
	    (long long)p->s->now - 1000, str_text(&t));
	return false;
}

static bool has(const struct player *p, enum option o)
{
	return p->st->options & (1u << o);
}

/* ---- answers -------------------------------------------------------------------------- */

static void keep_said(struct player *p, const char *message, const struct strv *chain)
{
	str_clear(&p->s->said);
	str_fmt(&p->s->said, "%s\n", message ? message : "");
	for (size_t i = 0; chain && i < chain->n; i++)
		str_fmt(&p->s->said, "%s\n", chain->v[i]);
}

static bool refusal(struct player *p, enum err code)
{
	if (p->st->outcome != OUTCOME_REFUSED)
		return wrong(p, "refused, %s: %s", err_str(code), str_text(&p->s->said));
	return strcmp(p->st->word, err_str(code)) == 0 ||
	       wrong(p, "refused as %s, not as %s: %s", err_str(code), p->st->word,
		   str_text(&p->s->said));
}

static bool judge_end(struct player *p, const struct op_view *v)
{
	static const enum outcome ends[] = {[OP_ACTIVE] = OUTCOME_PENDING,
	    [OP_DONE] = OUTCOME_DONE,
	    [OP_FAILED] = OUTCOME_FAILS,
	    [OP_CANCELLED] = OUTCOME_CANCELLED};

	keep_said(p, v->message, v->chain);
	if (v->notes)
		for (size_t i = 0; i < v->notes->n; i++)
			str_fmt(&p->s->said, "%s\n", v->notes->v[i]);
	if (ends[v->state] != p->st->outcome)
		return wrong(p, "the operation is %s, %s: %s", op_state_str(v->state),
		    err_str(v->code), str_text(&p->s->said));
	if (v->state == OP_FAILED && strcmp(p->st->word, err_str(v->code)) != 0)
		return wrong(p, "it failed as %s, not as %s: %s", err_str(v->code), p->st->word,
		    str_text(&p->s->said));
	if (has(p, OPTION_UNCHANGED) && v->changed)
		return wrong(p, "it changed something");
	return true;
}

static bool follow(struct player *p, op_id op)
{
	msec until = p->s->now + PATIENCE;
	struct op_view v;

	while (engine_op(p->s->engine, op, &v) && v.state == OP_ACTIVE &&
	       p->st->outcome != OUTCOME_PENDING && !*p->s->broken && p->s->now < until)
		if (!stage_step(p->s, until))
			break;
	if (!engine_op(p->s->engine, op, &v))
		return wrong(p, "the operation is forgotten");
	return judge_end(p, &v);
}

/* What a refusal must not change. */
static char *snapshot(const struct stage *s)
{
	auto_str t = {0};
	struct unit_view u;

	for (unit_id id = 0; id < engine_unit_count(s->engine); id++)
		if (engine_unit(s->engine, id, &u))
			str_fmt(&t, "%s %s %s %llu\n", u.name, service_state_str(u.state),
			    wanted_str(u.wanted), (unsigned long long)u.run);
	return str_take(&t);
}

static bool request(struct player *p, enum op_kind kind, const struct strv *names)
{
	auto_free char *before = snapshot(p->s);
	const struct engine_request rq = {.kind = kind,
	    .names = (const char *const *)names->v,
	    .n_names = names->n,
	    .replace = has(p, OPTION_REPLACE),
	    .no_deps = has(p, OPTION_NO_DEPS),
	    .with_deps = has(p, OPTION_WITH_DEPS),
	    .with_unneeded = has(p, OPTION_WITH_UNNEEDED),
	    .who = "scenario"};
	struct strv chain = {0};
	struct error e = {0};
	op_id op;

	for (size_t i = 0; i < names->n; i++)
		if (!stage_definition(p->s, names->v[i])) {
			keep_said(p, names->v[i], NULL);
			return refusal(p, ERR_NOT_FOUND);
		}
	enum err code = engine_request(p->s->engine, p->s->now, &rq, &op, &chain, &e);
	if (code)
		keep_said(p, e.msg, &chain);
	strv_release(&chain);
	stage_settle(p->s);
	if (code) {
		auto_free char *now = snapshot(p->s);

		return strcmp(before, now) == 0 ? refusal(p, code)
						: wrong(p, "it was refused and changed something");
	}
	*vec_push(&p->asked) =
	    (struct asked){p->st->verb, text_dup(names->n ? names->v[0] : ""), op};
	return has(p, OPTION_NOWAIT) || follow(p, op);
}

static struct casting *first_casting(const struct script *s, const char *name)
{
	for (size_t i = 0; i < s->cast.n; i++)
		if (strcmp(s->cast.v[i]->name, name) == 0)
			return s->cast.v[i];
	return NULL;
}

static bool submit(struct player *p)
{
	const char *name = p->st->names.v[0];
	struct strv chain = {0};
	struct error e = {0};
	op_id op;
	enum err code = stage_submit(p->s, first_casting(p->s->script, name), &op, &chain, &e);

	if (code)
		keep_said(p, e.msg, &chain);
	strv_release(&chain);
	stage_settle(p->s);
	if (code)
		return refusal(p, code);
	*vec_push(&p->asked) = (struct asked){VERB_SUBMIT, text_dup(name), op};
	return has(p, OPTION_NOWAIT) || follow(p, op);
}

static bool request_all(struct player *p, enum op_kind kind)
{
	struct strv names = {0};

	for (const struct service_def *d = NULL;
	     (d = registry_next(p->s->registry, d ? d->name : NULL));)
		if (d->class == CLASS_USER)
			strv_add(&names, d->name);
	bool ok = request(p, kind, &names);
	strv_release(&names);
	return ok;
}

static bool answer(struct player *p)
{
	const struct step *st = p->st;

	for (size_t i = p->asked.n; i-- > 0;)
		if (p->asked.v[i].verb == st->of &&
		    (!st->names.n || strcmp(p->asked.v[i].name, st->names.v[0]) == 0))
			return follow(p, p->asked.v[i].op);
	return wrong(p, "nobody asked for that");
}

/* ---- definitions ------------------------------------------------------------------------ */

static bool judge_change(struct player *p, enum err code, const struct error *e)
{
	if (code) {
		str_fmt(&p->s->said, "%s\n", e->msg);
		return refusal(p, code);
	}
	stage_settle(p->s);
	return p->st->outcome == OUTCOME_DONE || wrong(p, "it was accepted");
}

static bool do_register(struct player *p)
{
	for (size_t i = 0; i < p->st->names.n; i++) {
		struct casting *k = first_casting(p->s->script, p->st->names.v[i]);
		struct error e = {0};

		if (!judge_change(p, stage_register(p->s, &k, 1, false, &e), &e))
			return false;
	}
	return true;
}

static bool redefine(struct player *p)
{
	struct casting *k = p->st->casting;
	struct error e = {0};

	return judge_change(p, stage_register(p->s, &k, 1, true, &e), &e);
}

static bool delete_it(struct player *p)
{
	struct error e = {0};
	enum err code = stage_delete(
	    p->s, p->st->names.v[0], has(p, OPTION_FORCE), has(p, OPTION_WITH_DEPENDENTS), &e);

	str_clear(&p->s->said);
	return judge_change(p, code, &e);
}

/* ---- words to a process, and to the world -------------------------------------------------- */

static bool is_gate(const char *name)
{
	return strchr(name, ':') != NULL;
}

static void set_gate(struct player *p, const char *name, bool open)
{
	const char *colon = strchr(name, ':');
	bool flag = strncmp(name, "flag:", 5) == 0;
	auto_free char *text =
	    flag ? text_dup(name)
		 : text_fmt("%.*s:%s/%s", (int)(colon - name), name, p->s->folder, colon + 1);

	if (open)
		strv_add(&p->s->open, text);
	for (size_t i = 0; !open && i < p->s->open.n; i++)
		if (strcmp(p->s->open.v[i], text) == 0) {
			free(p->s->open.v[i]);
			p->s->open.v[i] = p->s->open.v[--p->s->open.n];
			break;
		}
}

static struct proc *proc_of(struct player *p)
{
	const char *name = p->st->names.v[0], *slash = strchr(name, '/');
	auto_free char *service = slash ? text_dup_n(name, (size_t)(slash - name)) : text_dup(name);

	return stage_proc(p->s, service, slash ? slash + 1 : NULL);
}

static bool told(struct player *p)
{
	struct proc *proc = proc_of(p);

	if (!proc || proc->leader_gone)
		return wrong(p, "%s has no process", p->st->names.v[0]);
	if (p->st->verb == VERB_READY)
		stage_say_ready(p->s, proc);
	else if (p->st->verb == VERB_FAIL)
		stage_say_failed(p->s, proc);
	else if (p->st->verb == VERB_HANG)
		proc->hangs = true;
	else if (p->st->verb == VERB_OPEN)
		proc->open_at = p->s->now;
	else if (p->st->verb == VERB_CLOSE)
		proc->open = false;
	else if (p->st->verb == VERB_KILL)
		stage_signal(p->s, proc, (int)p->st->number);
	else
		stage_end(p->s, proc, (int)p->st->number,
		    strcmp(p->st->word, "signal") == 0 ? (int)p->st->number : 0);
	stage_settle(p->s);
	return true;
}

static bool set_wanted(struct player *p)
{
	struct error e = {0};
	enum wanted w;

	if (!wanted_parse(p->st->word, &w) ||
	    engine_set_wanted(p->s->engine, p->s->now, p->st->names.v[0], w, &e))
		return wrong(p, "wanted: %s", e.msg);
	stage_settle(p->s);
	return true;
}

/* ---- time and facts ------------------------------------------------------------------------- */

static void pass(struct player *p, msec span)
{
	msec until = p->s->now + span;

	while (!*p->s->broken && stage_step(p->s, until))
		;
}

static bool await(struct player *p, const struct clause *k)
{
	msec until = p->s->now + PATIENCE;

	for (;;) {
		auto_str seen = {0};

		if (fact_holds(p->s, k, &seen))
			return true;
		if (p->st->verb == VERB_EXPECT || *p->s->broken || p->s->now >= until ||
		    !stage_step(p->s, until))
			return wrong(p, "%s %s: %s", k->subject ? k->subject : "",
			    fact_str(k->fact), str_text(&seen));
	}
}

static bool facts(struct player *p)
{
	for (size_t i = 0; i < p->st->clauses.n; i++)
		if (!await(p, &p->st->clauses.v[i]))
			return false;
	return true;
}

/* ---- the supervisor itself ------------------------------------------------------------------- */

#define SHUTDOWN_WITHIN 60000

static bool shut_down(struct player *p)
{
	op_id op = engine_shutdown(p->s->engine, p->s->now, SHUTDOWN_WITHIN);
	struct op_view v;

	stage_settle(p->s);
	while (engine_op(p->s->engine, op, &v) && v.state == OP_ACTIVE)
		if (!stage_step(p->s, p->s->now + PATIENCE))
			return wrong(p, "the shutdown does not end");
	for (size_t i = 0; i < p->s->procs.n; i++)
		if (p->s->procs.v[i]->alive)
			return wrong(p, "%s outlives the shutdown", p->s->procs.v[i]->service);
	p->s->is_over = true;
	return true;
}

static bool boot(struct player *p)
{
	if (!p->s->is_over && !shut_down(p))
		return false;
	stage_boot(p->s);
	return true;
}

static bool perform(struct player *p)
{
	const struct step *st = p->st;

	switch (st->verb) {
	case VERB_START: return request(p, OP_START, &st->names);
	case VERB_STOP: return request(p, OP_STOP, &st->names);
	case VERB_RESTART: return request(p, OP_RESTART, &st->names);
	case VERB_START_ALL: return request_all(p, OP_START);
	case VERB_STOP_ALL: return request_all(p, OP_STOP);
	case VERB_SUBMIT: return submit(p);
	case VERB_ANSWER: return answer(p);
	case VERB_REGISTER: return do_register(p);
	case VERB_REDEFINE: return redefine(p);
	case VERB_DELETE: return delete_it(p);
	case VERB_WANTED: return set_wanted(p);
	case VERB_OPEN:
	case VERB_CLOSE:
		if (!is_gate(st->names.v[0]))
			return told(p);
		set_gate(p, st->names.v[0], st->verb == VERB_OPEN);
		stage_settle(p->s);
		return true;
	case VERB_KILL:
	case VERB_READY:
	case VERB_CRASH:
	case VERB_EXIT:
	case VERB_FAIL:
	case VERB_HANG: return told(p);
	case VERB_PASS: pass(p, st->time); return true;
	case VERB_WAIT:
	case VERB_EXPECT: return facts(p);
	case VERB_KILL_SERVER: stage_kill_server(p->s); return true;
	case VERB_BOOT: return boot(p);
	case VERB_SHUTDOWN: return shut_down(p);
	case VERB_COUNT: break;
	}
	return false;
}

/* All that is not said to come later is registered before the first step. */
static bool set_up(struct player *p)
{
	for (size_t i = 0; i < p->s->script->cast.n; i++) {
		struct casting *k = p->s->script->cast.v[i];
		struct error e = {0};

		if (k->later || first_casting(p->s->script, k->name) != k)
			continue;
		if (stage_register(p->s, &k, 1, false, &e))
			return wrong(p, "%s: %s", k->name, e.msg);
	}
	stage_settle(p->s);
	return true;
}

bool play(struct stage *s, struct error *e)
{
	struct player p = {.s = s, .st = s->script->steps.v, .e = e};
	bool ok = set_up(&p);

	for (size_t i = 0; ok && i < s->script->steps.n; i++) {
		p.st = &s->script->steps.v[i];
		ok = perform(&p);
		if (ok && *s->broken)
			ok = wrong(&p, "%s", s->broken);
	}
	for (size_t i = 0; i < p.asked.n; i++)
		free(p.asked.v[i].name);
	free(p.asked.v);
	return ok;
}
