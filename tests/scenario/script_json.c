/* script_json.c - the same steps, for the runner over real processes. */
#include "script.h"

static json_t *list(const struct strv *l)
{
	json_t *a = json_array();

	for (size_t i = 0; i < l->n; i++)
		json_array_append_new(a, json_string(l->v[i]));
	return a;
}

static json_t *points(const struct clause *k)
{
	json_t *a = json_array();

	for (size_t i = 0; i < k->points.n; i++)
		json_array_append_new(a,
		    json_pack("{s:s, s:s, s:I}", "subject", k->points.v[i].subject, "moment",
			moment_str(k->points.v[i].moment), "nth", (json_int_t)k->points.v[i].nth));
	return a;
}

static json_t *clause(const struct clause *k)
{
	return json_pack("{s:s, s:s?, s:s?, s:s?, s:b, s:I, s:s, s:o, s:o}", "fact",
	    fact_str(k->fact), "subject", k->subject, "action", k->action, "word", k->word, "no",
	    k->no, "number", (json_int_t)k->number, "verb", verb_str(k->verb), "names",
	    list(&k->names), "points", points(k));
}

static json_t *casting(const struct casting *k)
{
	return json_pack("{s:s, s:O, s:b, s:b, s:s}", "name", k->name, "definition", k->definition,
	    "later", k->later, "is_run", k->is_run, "via", k->via);
}

static json_t *step(const struct step *st)
{
	json_t *clauses = json_array(), *options = json_array();

	for (size_t i = 0; i < st->clauses.n; i++)
		json_array_append_new(clauses, clause(&st->clauses.v[i]));
	for (int i = 0; i < OPTION_COUNT; i++)
		if (st->options & (1u << i))
			json_array_append_new(options, json_string(option_str((enum option)i)));
	return json_pack("{s:i, s:s, s:s, s:o, s:o, s:s, s:s?, s:I, s:I, s:o, s:o}", "line",
	    st->line, "verb", verb_str(st->verb), "of", verb_str(st->of), "names", list(&st->names),
	    "options", options, "outcome", outcome_str(st->outcome), "word", st->word, "number",
	    (json_int_t)st->number, "time", (json_int_t)st->time, "casting",
	    st->casting ? casting(st->casting) : json_null(), "clauses", clauses);
}

json_t *script_json(const struct script *s)
{
	json_t *cast = json_array(), *steps = json_array();

	for (size_t i = 0; i < s->steps.n; i++)
		json_array_append_new(steps, step(&s->steps.v[i]));
	for (size_t i = 0; i < s->cast.n; i++) {
		bool redefined = false; /* those stand in their steps */

		for (size_t k = 0; k < s->steps.n; k++)
			redefined = redefined || s->steps.v[k].casting == s->cast.v[i];
		if (!redefined)
			json_array_append_new(cast, casting(s->cast.v[i]));
	}
	return json_pack("{s:s, s:s, s:s?, s:s?, s:s?, s:o, s:o}", "path", s->path, "title",
	    s->title, "open", s->open, "only", s->only, "why", s->why, "cast", cast, "steps",
	    steps);
}
