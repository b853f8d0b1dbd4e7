/* unite.c - the contributions of one service become one definition (registry.h, "Union", "Edges").
 */
#include "registry/state.h"

static int text_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void strv_unite(struct strv *to, const struct strv *from)
{
	for (size_t i = 0; i < from->n; i++)
		if (!strv_has(to, from->v[i]))
			strv_add(to, from->v[i]);
}

static void strv_sort_unique(struct strv *l)
{
	uint32_t kept = 0;

	if (l->n > 1)
		qsort(l->v, l->n, sizeof(*l->v), text_compare);
	for (size_t i = 0; i < l->n; i++) {
		if (kept && strcmp(l->v[kept - 1], l->v[i]) == 0)
			free(l->v[i]);
		else
			l->v[kept++] = l->v[i];
	}
	l->n = kept;
}

static void dep_list_append(struct dep_list *to, const struct dep_list *from)
{
	for (size_t i = 0; i < from->n; i++)
		dep_copy(vec_push(to), &from->v[i]);
}

static void dep_list_clear(struct dep_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		dep_release(&l->v[i]);
	l->n = 0;
}

/* Names a sibling action: rule 1 of the resolution, a matter of this definition alone. */
bool dep_is_sibling(const struct service_def *s, const struct dep *d)
{
	const char *key = dep_key(d);

	if (d->of_service || !key)
		return false;
	if (d->service && !text_eq(d->service, s->name))
		return false;
	if (d->service && !d->action)
		return false;
	return service_find_action(s, key) != NULL;
}

static const char *env_value(const struct env_list *env, const char *name)
{
	for (size_t i = 0; env && i < env->n; i++)
		if (text_eq(env->v[i].name, name))
			return env->v[i].value;
	return NULL;
}

static bool dep_exists(const struct dep *d, const struct env_list *env)
{
	const char *value;

	if (!d->when_env)
		return true;
	value = env_value(env, d->when_env);
	return value && text_eq(value, d->when_is);
}

static void drop_absent(struct dep_list *l, const struct env_list *env)
{
	uint32_t kept = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (dep_exists(&l->v[i], env))
			l->v[kept++] = l->v[i];
		else
			dep_release(&l->v[i]);
	}
	l->n = kept;
}

static void fill_source(struct dep *d, const char *source)
{
	auto_str text = {0};

	if (d->source_text)
		return;
	place_fmt(&text, &d->source, source);
	d->source_text = str_take(&text);
}

static void merge(struct dep *kept, struct dep *other)
{
	kept->optional = kept->optional && other->optional;
	kept->of_service = kept->of_service && other->of_service;
	kept->need = other->need > kept->need ? other->need
					      : kept->need; /* of a group said twice: both hold */
	if (!strstr(kept->source_text, other->source_text)) {
		char *joined = text_fmt("%s, %s", kept->source_text, other->source_text);

		free(kept->source_text);
		kept->source_text = joined;
	}
	dep_release(other);
}

/* Equal edges are one, unless one may name a sibling and the other may not. */
static bool is_same_edge(const struct service_def *s, const struct dep *a, const struct dep *b)
{
	return dep_order(a, b) == 0 && dep_is_sibling(s, a) == dep_is_sibling(s, b);
}

/* Of equal edges the first stays first: they lie in one array, so the address decides. */
static int dep_pointer_order(const void *a, const void *b)
{
	const struct dep *x = *(const struct dep *const *)a, *y = *(const struct dep *const *)b;
	int by = dep_order(x, y);

	return by ? by : (x > y) - (x < y);
}

static void sort_stable(struct dep_list *l)
{
	if (l->n < 2)
		return;
	auto_free const struct dep **order = mem_grow(NULL, l->n, sizeof(*order));
	struct dep *sorted = mem_grow(NULL, l->n, sizeof(*sorted));

	for (size_t i = 0; i < l->n; i++)
		order[i] = &l->v[i];
	qsort(order, l->n, sizeof(*order), dep_pointer_order);
	for (size_t i = 0; i < l->n; i++)
		sorted[i] = *order[i];
	free(l->v);
	l->v = sorted;
	l->cap = l->n;
}

static void unite_equal(const struct service_def *s, struct dep_list *l)
{
	uint32_t kept = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (kept && is_same_edge(s, &l->v[kept - 1], &l->v[i]))
			merge(&l->v[kept - 1], &l->v[i]);
		else
			l->v[kept++] = l->v[i];
	}
	l->n = kept;
}

static void list_normalise(
    const struct service_def *s, struct dep_list *l, const struct env_list *env, const char *source)
{
	drop_absent(l, env);
	for (size_t i = 0; i < l->n; i++)
		fill_source(&l->v[i], source);
	sort_stable(l);
	unite_equal(s, l);
}

static void context_normalise(char **context)
{
	if (*context && strcmp(*context, "default") == 0)
		text_set(context, NULL);
}

void definition_normalise(struct service_def *s, const char *source)
{
	service_def_index(s); /* names stay from here on */
	context_normalise(&s->context);
	for (size_t i = 0; i < s->dependencies.n; i++)
		s->dependencies.v[i].of_service = true;
	for (size_t i = 0; i < s->actions.n; i++) {
		struct action_def *a = &s->actions.v[i];

		context_normalise(&a->context);
		if (!a->context && s->context)
			text_set(&a->context, s->context);
		if (action_is_executed(a))
			dep_list_append(&a->depends_on, &s->dependencies);
		list_normalise(s, &a->depends_on, &a->env, source);
	}
	list_normalise(s, &s->dependencies, NULL, source);
	strv_sort_unique(&s->conflicts);
}

static void refuse_unequal(struct judge *j, const struct entry *e, const struct share *first,
    const struct action_def *a, const struct share *second, const struct action_def *b,
    const char *key)
{
	auto_str here = {0}, there = {0};

	place_fmt(&there, &a->source, first->source);
	place_fmt(&here, &b->source, second->source);
	judge_refuse(j, e, ERR_CONFLICT, &b->source, key, "make the key equal in both places",
	    "`%s` is declared twice with different `%s`: %s and %s", a->name, key, str_text(&there),
	    str_text(&here));
}

static void set_first(char **slot, const char *s)
{
	if (!*slot)
		*slot = text_dup(s);
}

static void unite_service_keys(struct judge *j, struct entry *e, const struct share *p)
{
	struct service_def *to = &e->def;
	const struct service_def *from = p->def;

	set_first(&to->description, from->description);
	set_first(&to->category, from->category);
	if (from->class == CLASS_SYSTEM)
		to->class = CLASS_SYSTEM;
	if (to->status == WANTED_IGNORE)
		to->status = from->status;
	to->critical = to->critical || from->critical;
	strv_unite(&to->tags, &from->tags);
	strv_unite(&to->conflicts, &from->conflicts);
	dep_list_append(&to->dependencies, &from->dependencies);
	if (to->socket_folder && from->socket_folder &&
	    !text_eq(to->socket_folder, from->socket_folder))
		judge_refuse(j, e, ERR_CONFLICT, &from->source, "socket_folder", NULL,
		    "`%s` has two socket folders: `%s` and `%s`", e->name, to->socket_folder,
		    from->socket_folder);
	set_first(&to->socket_folder, from->socket_folder);
}

/* An operator's action.set: its keys win; it keeps the edges unless it gives its own. */
static void override_action(struct action_def *known, const struct action_def *said)
{
	struct dep_list edges = known->depends_on;

	known->depends_on = (struct dep_list){0};
	action_def_release(known);
	action_def_copy(known, said);
	if (known->depends_on_given) {
		dep_list_clear(&edges);
		free(edges.v);
	} else {
		dep_list_clear(&known->depends_on);
		free(known->depends_on.v);
		known->depends_on = edges;
	}
}

/* The part that spoke first of the action: where an unequal key points back to. */
static const struct share *first_speaker(const struct entry *e, const char *action)
{
	for (size_t i = 0; i < e->n; i++)
		if (e->v[i].mode != CONTRIBUTE_ACTION && service_find_action(e->v[i].def, action))
			return &e->v[i];
	return &e->v[0];
}

static void unite_action(
    struct judge *j, struct entry *e, const struct share *p, const struct action_def *said)
{
	struct action_def *known = service_find_action(&e->def, said->name);
	const char *key;

	if (!known) {
		known = vec_push(&e->def.actions);
		action_def_copy(known, said);
	} else if (p->mode == CONTRIBUTE_ACTION) {
		override_action(known, said);
		return;
	} else {
		key = action_difference(known, said);
		if (key)
			refuse_unequal(j, e, first_speaker(e, said->name), known, p, said, key);
		dep_list_append(&known->depends_on, &said->depends_on);
		set_first(&known->description, said->description);
	}
	for (size_t i = 0; i < known->depends_on.n; i++)
		fill_source(&known->depends_on.v[i], p->source);
}

static void unite_part(struct judge *j, struct entry *e, const struct share *p, bool with_keys)
{
	size_t had = e->def.dependencies.n;

	if (with_keys)
		unite_service_keys(j, e, p);
	for (size_t i = had; i < e->def.dependencies.n; i++)
		fill_source(&e->def.dependencies.v[i], p->source);
	for (size_t i = 0; i < p->def->actions.n; i++)
		unite_action(j, e, p, &p->def->actions.v[i]);
	strv_add(&e->def.sources, p->source);
}

static bool has_condition(const struct dep_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].when_env)
			return true;
	return false;
}

/* Would the effective definition, given as the contribution, mean the same in any union?
 * Not if edges of the service were added to its actions, or an edge was left out. */
static bool says_the_same(const struct entry *e)
{
	const struct service_def *said = e->v[0].def;

	if (e->n > 1 || e->v[0].mode == CONTRIBUTE_ACTION || said->dependencies.n ||
	    said->actions.n != e->def.actions.n)
		return false;
	for (size_t i = 0; i < said->actions.n; i++)
		if (has_condition(&said->actions.v[i].depends_on))
			return false;
	return true;
}

/* Most services have one source: what it said is held once. */
static void share_definition(struct entry *e)
{
	if (!says_the_same(e))
		return;
	service_def_release(e->v[0].def);
	free(e->v[0].def);
	e->v[0].def = NULL;
}

/* Whole definitions first, in the order of their sources, then what overrides them. */
void entry_unite(struct judge *j, struct entry *e)
{
	const struct service_def *first = e->v[0].def;
	bool whole = false;

	for (size_t i = 0; i < e->n && !whole; i++)
		if ((whole = e->v[i].mode != CONTRIBUTE_ACTION))
			first = e->v[i].def;
	e->def.name = text_dup(first->name);
	e->def.context = text_dup(first->context);
	e->def.source = first->source;
	e->def.source.path = text_dup(first->source.path);
	for (size_t i = 0; i < e->n; i++)
		if (e->v[i].mode != CONTRIBUTE_ACTION)
			unite_part(j, e, &e->v[i], true);
	for (size_t i = 0; i < e->n; i++)
		if (e->v[i].mode == CONTRIBUTE_ACTION)
			unite_part(j, e, &e->v[i], false);
	definition_normalise(&e->def, e->v[0].source);
	share_definition(e);
}
