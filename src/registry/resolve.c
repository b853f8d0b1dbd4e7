/* resolve.c - what an edge leads to (SPEC 2.2 Resolution, Socket gate); registry.h has the rules.
 */
#include "registry/state.h"

/* The slot's holder list or the service's own list, whichever is shorter: a name
 * in ten thousand services and a service of ten thousand actions are both cheap. */
const struct action_def *slot_action(const struct name_slot *slot, const struct entry *e)
{
	if (!slot)
		return NULL;
	for (size_t i = 0; i < slot->actions.n && slot->actions.n <= e->def.actions.n; i++)
		if (slot->actions.v[i].entry == e)
			return slot->actions.v[i].action;
	return slot->actions.n <= e->def.actions.n ? NULL : service_find_action(&e->def, slot->key);
}

struct target {
	enum resolved_rule rule;
	const struct entry *entry;
	const struct action_def *action;
};

static void find_elsewhere(const struct entry *self, const char *context,
    const struct name_slot *slot, struct target *t, struct strv *candidates)
{
	for (size_t i = 0; i < slot->actions.n; i++) {
		const struct holder *h = &slot->actions.v[i];

		if (h->entry == self || !text_eq(h->action->context, context))
			continue;
		*t = (struct target){RESOLVED_ACTION, h->entry, h->action};
		strv_take(candidates, text_fmt("%s/%s", h->entry->name, slot->key));
	}
	if (candidates->n > 1)
		*t = (struct target){.rule = RESOLVED_AMBIGUOUS};
	else
		strv_release(candidates);
}

/* The target is named as a service, with or without one of its actions. */
static struct target find_in_service(
    const struct registry *reg, const struct entry *self, const struct dep *d)
{
	struct target t = {.entry = registry_entry(reg, d->service)};

	if (!t.entry)
		return t;
	t.rule = RESOLVED_SERVICE;
	if (d->action) {
		t.action = service_find_action(&t.entry->def, d->action);
		t.rule = t.action ? RESOLVED_ACTION : RESOLVED_NOTHING;
		if (t.action && t.entry == self)
			t.rule = RESOLVED_SAME_SERVICE;
	}
	return t;
}

static struct target find_target(const struct registry *reg, const struct entry *self,
    const char *context, const struct dep *d, struct strv *candidates)
{
	const char *key = dep_key(d);
	struct target t = {.rule = RESOLVED_NOTHING};
	const struct name_slot *slot;

	if (!key)
		return t;
	if (dep_is_sibling(&self->def, d))
		return (struct target){
		    RESOLVED_SAME_SERVICE, self, service_find_action(&self->def, key)};
	if (d->service && (key == d->service || key == d->action))
		return find_in_service(reg, self, d);
	slot = registry_slot(reg, key);
	if (!slot)
		return t;
	if (slot->service && d->action != key)
		return (struct target){RESOLVED_SERVICE, slot->service, NULL};
	find_elsewhere(self, context, slot, &t, candidates);
	return t;
}

static const struct socket_def *action_socket(const struct action_def *a, const char *name)
{
	for (size_t i = 0; i < a->sockets.n; i++)
		if (text_eq(a->sockets.v[i].name, name))
			return &a->sockets.v[i];
	return NULL;
}

static const struct socket_def *target_socket(const struct target *t, const char *name)
{
	const struct socket_def *found = NULL;

	if (t->action)
		return action_socket(t->action, name);
	for (size_t i = 0; t->entry && i < t->entry->def.actions.n && !found; i++)
		found = action_socket(&t->entry->def.actions.v[i], name);
	return found;
}

static const char *repo_tail(const struct dep *d)
{
	return d->repo ? text_last_part(d->repo) : dep_key(d);
}

static char *gate_path(
    const char *dir, const struct dep *d, const struct target *t, const struct socket_def *declared)
{
	const char *name = d->gate.text, *folder;

	if (d->gate.kind == GATE_UNIX || name[0] == '/')
		return text_dup(name);
	if (declared)
		return socket_path(dir, &t->entry->def, declared);
	folder = t->entry ? t->entry->def.socket_folder : repo_tail(d);
	if (!folder)
		folder = t->entry->name;
	return text_fmt("%s/%s/%s", dir, folder, name);
}

static enum gate_probe probe_of(const struct dep *d, const struct socket_def *declared)
{
	enum gate_probe p = d->gate.probe_given ? d->gate.probe : GATE_PROBE_AUTO;
	const char *base = strrchr(d->gate.text, '/');

	if (!d->gate.probe_given && declared)
		p = declared->probe;
	if (p != GATE_PROBE_AUTO)
		return p;
	base = base ? base + 1 : d->gate.text;
	if (d->gate.kind == GATE_SOCKET &&
	    (strcmp(base, "rpc.sock") == 0 || strcmp(base, "admin.sock") == 0))
		return GATE_PROBE_HEALTH;
	return GATE_PROBE_CONNECT;
}

static void resolve_gate(
    const char *dir, const struct dep *d, const struct target *t, struct resolution *r)
{
	const struct socket_def *declared;

	r->gate_probe = GATE_PROBE_CONNECT;
	if ((d->gate.kind != GATE_SOCKET && d->gate.kind != GATE_UNIX) || !d->gate.text)
		return;
	declared = d->gate.kind == GATE_SOCKET ? target_socket(t, d->gate.text) : NULL;
	r->gate_path = gate_path(dir, d, t, declared);
	r->gate_probe = probe_of(d, declared);
}

static bool is_ever_started(const struct target *t)
{
	if (t->action)
		return action_is_started(t->action);
	for (size_t i = 0; i < t->entry->def.actions.n; i++)
		if (action_is_started(&t->entry->def.actions.v[i]))
			return true;
	return t->entry->def.actions.n == 0;
}

/* A gate on something that is not run here, and no name beside it. */
static bool is_external(const struct dep *d)
{
	return d->gate.kind != GATE_NONE && d->gate.kind != GATE_SOCKET && !d->name &&
	       !d->service && !d->action && !d->repo && !d->crate && !d->bin;
}

static int candidate_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static struct resolution resolve_dep(
    const struct registry *reg, const struct entry *self, const char *context, const struct dep *d)
{
	struct resolution r = {.rule = RESOLVED_NOTHING};
	struct target t = {.rule = RESOLVED_NOTHING};

	if (is_external(d))
		t.rule = RESOLVED_GATE;
	else
		t = find_target(reg, self, context, d, &r.candidates);
	resolve_gate(reg->dir, d, &t, &r);
	if (t.entry && t.rule != RESOLVED_NOTHING && !is_ever_started(&t))
		t.rule = d->gate.kind != GATE_NONE ? RESOLVED_GATE : RESOLVED_NOTHING;
	else if (t.rule == RESOLVED_NOTHING)
		t.entry = NULL;
	r.rule = t.rule;
	r.service = text_dup(t.entry ? t.entry->name : NULL);
	r.action = text_dup(t.action ? t.action->name : NULL);
	if (r.candidates.n > 1)
		qsort(r.candidates.v, r.candidates.n, sizeof(*r.candidates.v), candidate_order);
	return r;
}

static bool resolution_same(const struct resolution *a, const struct resolution *b)
{
	return a->rule == b->rule && text_eq(a->service, b->service) &&
	       text_eq(a->action, b->action) && text_eq(a->gate_path, b->gate_path) &&
	       a->gate_probe == b->gate_probe && strv_eq(&a->candidates, &b->candidates);
}

static void resolution_release(struct resolution *r)
{
	free(r->service);
	free(r->action);
	free(r->gate_path);
	strv_release(&r->candidates);
}

static bool resolve_list(
    const struct registry *reg, const struct entry *self, const char *context, struct dep_list *l)
{
	bool changed = false;

	for (size_t i = 0; i < l->n; i++) {
		struct resolution r = resolve_dep(reg, self, context, &l->v[i]);

		changed = changed || !resolution_same(&r, &l->v[i].resolved);
		resolution_release(&l->v[i].resolved);
		l->v[i].resolved = r;
	}
	return changed;
}

bool entry_resolve(const struct registry *reg, struct entry *e)
{
	bool changed = resolve_list(reg, e, e->def.context, &e->def.dependencies);

	for (size_t i = 0; i < e->def.actions.n; i++) {
		struct action_def *a = &e->def.actions.v[i];

		changed = resolve_list(reg, e, a->context, &a->depends_on) || changed;
	}
	return changed;
}

/* The edges of `from`, an action of `owner`, for an action of `heir`.  A sibling
 * of the owner that the heir has not is named in full. */
void inherit_edges(struct dep_list *to, const struct action_def *from,
    const struct service_def *owner, const struct service_def *heir)
{
	for (size_t i = 0; i < from->depends_on.n; i++) {
		const struct dep *d = &from->depends_on.v[i];
		struct dep *copy = vec_push(to);

		dep_copy(copy, d);
		if (!owner->name || !dep_is_sibling(owner, d) || dep_is_sibling(heir, d))
			continue;
		text_set(&copy->action, dep_key(d));
		text_set(&copy->service, owner->name);
		text_set(&copy->bin, NULL);
		text_set(&copy->crate, NULL);
		text_set(&copy->repo, NULL);
		text_set(&copy->name, NULL);
	}
}

/* The one action of services with the name and context of a loose one. */
static const struct holder *only_namesake(const struct registry *reg, const struct action_def *a)
{
	const struct name_slot *slot = registry_slot(reg, a->name);
	const struct holder *found = NULL;

	for (size_t i = 0; slot && i < slot->actions.n; i++) {
		if (!text_eq(slot->actions.v[i].action->context, a->context))
			continue;
		if (found)
			return NULL;
		found = &slot->actions.v[i];
	}
	return found;
}

/* Nothing points at an action of no service, so it is made whole when looked at. */
void loose_refresh(const struct registry *reg, struct entry *e)
{
	struct action_def *a = &e->def.actions.v[0];
	const struct holder *h = a->depends_on_given ? NULL : only_namesake(reg, a);

	if (!a->depends_on_given) {
		for (size_t i = 0; i < a->depends_on.n; i++)
			dep_release(&a->depends_on.v[i]);
		a->depends_on.n = 0;
	}
	if (h)
		inherit_edges(&a->depends_on, h->action, &h->entry->def, &e->def);
	entry_resolve(reg, e);
}
