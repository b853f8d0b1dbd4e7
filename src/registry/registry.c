/* registry.c - what is registered, and by what name it is found. */
#include "registry/state.h"

struct registry *registry_new(const struct registry_config *cfg)
{
	struct registry *reg = mem_new(sizeof(*reg));

	reg->dir = text_dup(cfg->hero_socket_dir);
	reg->partial = cfg->partial;
	return reg;
}

void registry_free(struct registry *reg)
{
	if (!reg)
		return;
	while (reg->entries.n) {
		struct entry *e = reg->entries.v[reg->entries.n - 1];

		entry_unlink(reg, e);
		entry_free(e);
	}
	free(reg->entries.v);
	map_release(&reg->names);
	map_release(&reg->claims);
	free(reg->dir);
	free(reg);
}

size_t registry_count(const struct registry *reg)
{
	return reg->n_services;
}

const struct service_def *registry_find(const struct registry *reg, const char *name)
{
	const struct entry *e = name[0] == '/' ? NULL : registry_entry(reg, name);

	return e ? &e->def : NULL;
}

const struct service_def *registry_find_loose(const struct registry *reg, const char *name)
{
	const struct entry *e = name[0] == '/' ? registry_entry(reg, name) : NULL;

	return e ? &e->def : NULL;
}

static int entry_order(const void *a, const void *b)
{
	return strcmp((*(struct entry *const *)a)->name, (*(struct entry *const *)b)->name);
}

/* Sorted when somebody looks; a change only marks it. */
static void sort(struct registry *reg)
{
	if (reg->sorted)
		return;
	if (reg->entries.n)
		qsort(reg->entries.v, reg->entries.n, sizeof(*reg->entries.v), entry_order);
	for (size_t i = 0; i < reg->entries.n; i++)
		reg->entries.v[i]->at = i;
	reg->sorted = true;
}

static size_t first_after(const struct registry *reg, const char *name)
{
	size_t low = 0, high = reg->entries.n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(reg->entries.v[mid]->name, name) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static const struct service_def *next(struct registry *reg, const char *after, bool loose)
{
	sort(reg);
	for (size_t i = after ? first_after(reg, after) : 0; i < reg->entries.n; i++)
		if (entry_is_loose(reg->entries.v[i]) == loose)
			return &reg->entries.v[i]->def;
	return NULL;
}

const struct service_def *registry_next(struct registry *reg, const char *after)
{
	return next(reg, after, false);
}

const struct service_def *registry_next_loose(struct registry *reg, const char *after)
{
	return next(reg, after, true);
}

const char *registry_suggest(struct registry *reg, const char *word)
{
	auto_free const char **names = NULL;
	size_t n = 0;

	sort(reg);
	names = mem_grow(NULL, reg->entries.n, sizeof(*names));
	for (size_t i = 0; i < reg->entries.n; i++)
		if (!entry_is_loose(reg->entries.v[i]))
			names[n++] = reg->entries.v[i]->name;
	return text_nearest(word, names, n);
}

static bool pulls(const struct dep_list *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if ((l->v[i].kinds & DEP_PULLS) && text_eq(l->v[i].resolved.service, name) &&
		    l->v[i].resolved.rule != RESOLVED_GATE)
			return true;
	return false;
}

static bool needs(const struct entry *e, const char *name)
{
	if (pulls(&e->def.dependencies, name))
		return true;
	for (size_t i = 0; i < e->def.actions.n; i++)
		if (pulls(&e->def.actions.v[i].depends_on, name))
			return true;
	return false;
}

static int text_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_dependents(const struct name_slot *slot, const struct entry *of, struct strv *out)
{
	for (size_t i = 0; slot && i < slot->users.n; i++) {
		const struct entry *user = slot->users.v[i];

		if (user != of && needs(user, of->name))
			strv_add(out, user->name);
	}
}

void registry_dependents(const struct registry *reg, const char *name, struct strv *out)
{
	const struct entry *e = registry_entry(reg, name);
	struct strv found = {0};

	if (!e)
		return;
	add_dependents(registry_slot(reg, name), e, &found);
	for (size_t i = 0; i < e->def.actions.n; i++)
		add_dependents(registry_slot(reg, e->def.actions.v[i].name), e, &found);
	if (found.n)
		qsort(found.v, found.n, sizeof(*found.v), text_compare);
	for (size_t i = 0; i < found.n; i++)
		if (!i || strcmp(found.v[i], found.v[i - 1]) != 0)
			strv_add(out, found.v[i]);
	strv_release(&found);
}

uint64_t registry_revision(const struct registry *reg, const char *name)
{
	const struct entry *e = registry_entry(reg, name);

	return e ? e->revision : 0;
}

static bool misses(const struct dep_list *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if ((l->v[i].kinds & DEP_REQUIRES) && !l->v[i].optional &&
		    l->v[i].resolved.rule == RESOLVED_NOTHING && text_eq(dep_key(&l->v[i]), name))
			return true;
	return false;
}

void registry_missed_by(const struct registry *reg, const char *name, struct strv *out)
{
	const struct name_slot *slot = registry_slot(reg, name);

	for (size_t i = 0; slot && i < slot->users.n; i++) {
		const struct service_def *s = &slot->users.v[i]->def;
		bool missed = s->name && misses(&s->dependencies, name);

		for (size_t k = 0; k < s->actions.n && s->name && !missed; k++)
			missed = misses(&s->actions.v[k].depends_on, name);
		if (missed)
			strv_add(out, s->name);
	}
}

void registry_sources(const struct registry *reg, struct strv *out)
{
	struct strv all = {0};

	for (size_t i = 0; i < reg->entries.n; i++)
		for (size_t k = 0; k < reg->entries.v[i]->n; k++)
			strv_add(&all, reg->entries.v[i]->v[k].source);
	if (all.n)
		qsort(all.v, all.n, sizeof(*all.v), text_compare);
	for (size_t i = 0; i < all.n; i++)
		if (!i || strcmp(all.v[i], all.v[i - 1]) != 0)
			strv_add(out, all.v[i]);
	strv_release(&all);
}

static bool is_context(const char *asked, const char *has)
{
	return strcmp(asked ? asked : "default", has ? has : "default") == 0;
}

static enum err no_action(const struct registry *reg, const char *name, struct error *e)
{
	auto_free const char **names = mem_grow(NULL, reg->names.n, sizeof(*names));
	const char *key, *near;
	void *value;
	size_t n = 0;

	for (size_t i = 0; map_next(&reg->names, &i, &key, &value);)
		if (((struct name_slot *)value)->actions.n)
			names[n++] = key;
	near = text_nearest(name, names, n);
	if (near)
		return error_set(e, ERR_NOT_FOUND,
		    "action `%s`: no such action; did you mean `%s`?", name, near);
	return error_set(e, ERR_NOT_FOUND, "action `%s`: no such action", name);
}

static void loose_find(
    const struct registry *reg, const char *context, const char *name, struct holder *found)
{
	auto_free char *key = text_fmt("/%s/%s", context ? context : "default", name);
	struct entry *e = registry_entry(reg, key);

	if (!e)
		return;
	loose_refresh(reg, e);
	*found = (struct holder){e, &e->def.actions.v[0]};
}

static enum err ambiguous(const char *name, const struct strv *candidates, struct error *e)
{
	auto_str text = {0};

	for (size_t i = 0; i < candidates->n; i++)
		str_fmt(&text, "%s%s", i ? ", " : "", candidates->v[i]);
	return error_set(e, ERR_INVALID, "action `%s` is ambiguous: %s", name, str_text(&text));
}

enum err registry_find_action(const struct registry *reg, const char *context,
    const char *service_name, const char *name, const struct service_def **service,
    const struct action_def **action, struct strv *candidates, struct error *e)
{
	const struct name_slot *slot = registry_slot(reg, name);
	struct holder found = {NULL, NULL};
	struct strv names = {0};
	enum err code = ERR_OK;

	for (size_t i = 0; slot && i < slot->actions.n; i++) {
		const struct holder *h = &slot->actions.v[i];

		if (!is_context(context, h->action->context) ||
		    (service_name && strcmp(service_name, h->entry->name) != 0))
			continue;
		found = *h;
		strv_take(&names, text_fmt("%s/%s", h->entry->name, name));
	}
	if (!found.entry && !service_name)
		loose_find(reg, context, name, &found);
	if (names.n > 1) {
		qsort(names.v, names.n, sizeof(*names.v), text_compare);
		code = ambiguous(name, &names, e);
		if (candidates)
			strv_copy(candidates, &names);
	} else if (!found.entry) {
		code = no_action(reg, name, e);
	} else {
		*service = &found.entry->def;
		*action = found.action;
	}
	strv_release(&names);
	return code;
}

bool registry_contribution(
    const struct registry *reg, const char *name, size_t i, struct contribution *out)
{
	const struct entry *e = registry_entry(reg, name);

	if (!e || i >= e->n)
		return false;
	*out = (struct contribution){entry_part_def(e, &e->v[i]), e->v[i].source, e->v[i].mode};
	return true;
}
