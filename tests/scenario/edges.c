/* edges.c - requires, wants, after and conflicts of a service, as its definition has them. */
#include "cursor.h"

#include "model/words.h"

/* ---- edges ------------------------------------------------------------------------ */

static bool gate_word(struct cursor *c, const char *w, json_t *edge)
{
	const char *colon = strchr(w, ':');
	bool outside = strncmp(w, "flag:", 5) == 0;
	auto_free char *text =
	    outside || strncmp(w, "socket:", 7) == 0
		? text_dup(w)
		: text_fmt("%.*s:%s/%s", (int)(colon - w), w, c->o->stage, colon + 1);

	json_object_set_new(edge, "gate", json_string(text));
	return true;
}

static bool edge_option(struct cursor *c, json_t *edge)
{
	const char *w = cursor_peek(c);
	enum condition cond;
	msec t;

	if (w && condition_parse(w, &cond))
		return cursor_word(c, "condition", condition_words, edge, "condition");
	if (cursor_try(c, "optional"))
		return json_object_set_new(edge, "optional", json_true()) == 0;
	if (cursor_try(c, "timeout"))
		return cursor_time(c, &t) &&
		       json_object_set_new(edge, "timeout_ms", json_integer(t)) == 0;
	if (cursor_try(c, "on_failure"))
		return cursor_word(c, "on_failure", on_failure_words, edge, "on_failure");
	if (cursor_try(c, "on_restart"))
		return cursor_word(c, "on_restart", on_restart_words, edge, "on_restart");
	if (cursor_try(c, "on_stop"))
		return cursor_word(c, "on_stop", on_stop_words, edge, "on_stop");
	if (cursor_try(c, "gate"))
		return (w = cursor_take(c)) && strchr(w, ':')
			   ? gate_word(c, w, edge)
			   : cursor_fail(c, "gate: write flag:x or socket:x");
	if (cursor_try(c, "when")) {
		auto_free char *env = NULL, *is = NULL;

		if (!cursor_name(c, "a variable", &env) || !cursor_try(c, "is") ||
		    !cursor_name(c, "a value", &is))
			return cursor_fail(c, "write `when NAME is VALUE`");
		return json_object_set_new(
			   edge, "when", json_pack("{s:s, s:s}", "env", env, "is", is)) == 0;
	}
	return cursor_fail(c, "`%s` is no option of an edge", w ? w : "");
}

static bool edge_options(struct cursor *c, json_t *edge)
{
	if (!cursor_try(c, "("))
		return true;
	do
		if (!edge_option(c, edge))
			return false;
	while (cursor_try(c, ","));
	return cursor_try(c, ")") || cursor_fail(c, "`)` is missing");
}

static bool any_of(struct cursor *c, json_t *edge)
{
	struct strv names = {0};
	int64_t need;
	bool ok = cursor_number(c, &need) &&
		  (cursor_try(c, "of") || cursor_fail(c, "write `any 1 of a, b`")) &&
		  cursor_list(c, &names);
	json_t *any = json_array();

	for (size_t i = 0; i < names.n; i++)
		json_array_append_new(any, json_string(names.v[i]));
	json_object_set_new(edge, "any", any);
	json_object_set_new(edge, "need", json_integer(ok ? need : 1));
	strv_release(&names);
	return ok;
}

static bool edge_target(struct cursor *c, json_t *edge)
{
	const char *w = cursor_take(c), *slash = w ? strchr(w, '/') : NULL;

	if (!w || strchr("(),<", *w))
		return cursor_fail(c, "the target of an edge is missing");
	if (strcmp(w, "any") == 0)
		return any_of(c, edge);
	if (strchr(w, ':'))
		return gate_word(c, w, edge);
	if (!slash)
		return json_object_set_new(edge, "name", json_string(w)) == 0;
	json_object_set_new(edge, "service", json_stringn(w, (size_t)(slash - w)));
	return json_object_set_new(edge, "action", json_string(slash + 1)) == 0;
}

/* requires, wants and after of a service stand in its dependencies, of an action in its own. */
static void put_edge(struct making *m, const char *kind, bool and_after, json_t *take_edge)
{
	if (and_after)
		json_object_set_new(take_edge, "kind", json_pack("[s, s]", "wants", "after"));
	if (m->named || (and_after && !m->target)) {
		if (!and_after)
			json_object_set_new(take_edge, "kind", json_string(kind));
		json_array_append_new(
		    json_sub(making_action(m), "depends_on", json_array), take_edge);
	} else {
		json_array_append_new(
		    json_sub(
			json_sub(m->is->definition, "dependencies", json_object), kind, json_array),
		    take_edge);
	}
}

static bool edges(struct making *m, struct cursor *c, const char *kind)
{
	bool and_after = strcmp(kind, "wants") == 0 && cursor_try(c, "after"), ok;
	json_t *list = json_array(), *with = json_object(), *edge;
	size_t i;

	do {
		edge = json_object();
		ok = edge_target(c, edge);
		json_array_append_new(list, edge);
	} while (ok && cursor_try(c, ","));
	ok = ok && edge_options(c, with);
	json_array_foreach (list, i, edge) {
		json_object_update(edge, with);
		if (ok)
			put_edge(m, kind, and_after, json_incref(edge));
	}
	json_decref(list);
	json_decref(with);
	return ok;
}

bool making_requires(struct making *m, struct cursor *c)
{
	return edges(m, c, "requires");
}
bool making_wants(struct making *m, struct cursor *c)
{
	return edges(m, c, "wants");
}
bool making_after(struct making *m, struct cursor *c)
{
	return edges(m, c, "after");
}

bool making_conflicts(struct making *m, struct cursor *c)
{
	struct strv names = {0};
	bool ok = cursor_list(c, &names);

	for (size_t i = 0; i < names.n; i++)
		json_array_append_new(
		    json_sub(json_sub(m->is->definition, "dependencies", json_object), "conflicts",
			json_array),
		    json_string(names.v[i]));
	strv_release(&names);
	return ok;
}
