#include "registry/state.h"

struct entry *entry_new(const char *name)
{
	struct entry *e = mem_new(sizeof(*e));

	e->name = text_dup(name);
	service_def_init(&e->def);
	return e;
}

static void part_release(struct share *p)
{
	free(p->source);
	if (p->def)
		service_def_release(p->def);
	free(p->def);
}

void entry_free(struct entry *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < e->n; i++)
		part_release(&e->v[i]);
	free(e->v);
	service_def_release(&e->def);
	free(e->name);
	free(e);
}

bool entry_is_loose(const struct entry *e)
{
	return e->name[0] == '/';
}

struct share *entry_find_part(
    const struct entry *e, const char *source, enum contribution_mode mode)
{
	for (size_t i = 0; i < e->n; i++)
		if (strcmp(e->v[i].source, source) == 0 &&
		    (e->v[i].mode == CONTRIBUTE_ACTION) == (mode == CONTRIBUTE_ACTION))
			return &e->v[i];
	return NULL;
}

void entry_drop_part(struct entry *e, const struct share *p)
{
	size_t i = (size_t)(p - e->v);

	part_release(&e->v[i]);
	memmove(&e->v[i], &e->v[i + 1], (--e->n - i) * sizeof(*e->v));
}

void definition_drop_action(struct service_def *s, const char *name)
{
	struct action_def *a = service_find_action(s, name);
	size_t i = a ? (size_t)(a - s->actions.v) : 0;

	if (!a)
		return;
	action_def_release(a);
	memmove(a, a + 1, (--s->actions.n - i) * sizeof(*a));
}

void entry_put_part(struct entry *e, const struct contribution *c, const struct service_def *def)
{
	struct share *old = entry_find_part(e, c->source, c->mode);
	size_t i = 0;

	if (old)
		entry_drop_part(e, old);
	while (i < e->n && strcmp(e->v[i].source, c->source) < 0)
		i++;
	vec_push(e);
	memmove(&e->v[i + 1], &e->v[i], (e->n - 1 - i) * sizeof(*e->v));
	e->v[i] = (struct share){.source = text_dup(c->source), .mode = c->mode};
	e->v[i].def = mem_new(sizeof(*e->v[i].def));
	service_def_copy(e->v[i].def, def);
}

const struct service_def *entry_part_def(const struct entry *e, const struct share *p)
{
	return p->def ? p->def : &e->def;
}

void entry_copy_parts(struct entry *to, const struct entry *from)
{
	for (size_t i = 0; i < from->n; i++) {
		const struct share *p = &from->v[i];

		const struct service_def *def = entry_part_def(from, p);

		entry_put_part(to, &(struct contribution){def, p->source, p->mode}, def);
	}
}

void entry_list_add(struct entry_list *l, struct entry *e)
{
	*vec_push(l) = e;
}

struct name_slot *registry_slot(const struct registry *reg, const char *name)
{
	return map_get(&reg->names, name);
}

struct entry *registry_entry(const struct registry *reg, const char *name)
{
	struct name_slot *slot = registry_slot(reg, name);

	return slot ? slot->service : NULL;
}

static struct name_slot *slot_make(struct registry *reg, const char *name)
{
	struct name_slot *slot = registry_slot(reg, name);

	if (slot)
		return slot;
	slot = mem_new(sizeof(*slot));
	slot->key = text_dup(name);
	map_put(&reg->names, slot->key, slot);
	return slot;
}

static void slot_drop_if_empty(struct registry *reg, struct name_slot *slot)
{
	if (slot->service || slot->actions.n || slot->users.n)
		return;
	map_remove(&reg->names, slot->key);
	free(slot->actions.v);
	free(slot->users.v);
	free(slot->key);
	free(slot);
}

static void holders_drop(struct holder_list *l, const struct entry *e)
{
	uint32_t kept = 0;

	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].entry != e)
			l->v[kept++] = l->v[i];
	l->n = kept;
}

static void user_add(struct registry *reg, const char *key, struct entry *e)
{
	struct entry_list *l = &slot_make(reg, key)->users;

	/* All edges of one entry are linked in one go: a second one finds it last. */
	if (!l->n || l->v[l->n - 1] != e)
		entry_list_add(l, e);
}

static void user_drop(struct registry *reg, const char *key, struct entry *e)
{
	struct name_slot *slot = registry_slot(reg, key);

	if (!slot)
		return;
	for (size_t i = slot->users.n; i-- > 0;)
		if (slot->users.v[i] == e) {
			slot->users.v[i] = slot->users.v[--slot->users.n];
			break;
		}
	slot_drop_if_empty(reg, slot);
}

struct claim_slot *registry_claim(const struct registry *reg, const char *prefix, const char *name)
{
	auto_free char *key = text_fmt("%s:%s", prefix, name);

	return map_get(&reg->claims, key);
}

char *socket_path(const char *dir, const struct service_def *s, const struct socket_def *d)
{
	if (d->path)
		return text_dup(d->path);
	return text_fmt("%s/%s/%s", dir, s->socket_folder ? s->socket_folder : s->name, d->name);
}

typedef void (*claim_fn)(
    struct registry *reg, struct entry *e, const struct action_def *a, const char *key);

static void claim_add(
    struct registry *reg, struct entry *e, const struct action_def *a, const char *key)
{
	struct claim_slot *slot = map_get(&reg->claims, key);

	if (!slot) {
		slot = mem_new(sizeof(*slot));
		slot->key = text_dup(key);
		map_put(&reg->claims, slot->key, slot);
	}
	*vec_push(&slot->holders) = (struct holder){e, a};
}

static void claim_drop(
    struct registry *reg, struct entry *e, const struct action_def *a, const char *key)
{
	struct claim_slot *slot = map_get(&reg->claims, key);

	(void)a;
	if (!slot)
		return;
	holders_drop(&slot->holders, e);
	if (slot->holders.n)
		return;
	map_remove(&reg->claims, slot->key);
	free(slot->holders.v);
	free(slot->key);
	free(slot);
}

static void each_claim_of_action(
    struct registry *reg, struct entry *e, const struct action_def *a, claim_fn fn)
{
	for (size_t i = 0; i < a->sockets.n; i++) {
		auto_free char *path = socket_path(reg->dir, &e->def, &a->sockets.v[i]);
		auto_free char *key = text_fmt("unix:%s", path);

		fn(reg, e, a, key);
	}
	for (size_t i = 0; i < a->tcp.n; i++) {
		auto_free char *key = text_fmt("tcp:%lld", (long long)a->tcp.v[i].port);

		if (a->tcp.v[i].port)
			fn(reg, e, a, key);
	}
}

static void each_claim(struct registry *reg, struct entry *e, claim_fn fn)
{
	for (size_t i = 0; i < e->n; i++) {
		auto_free char *key = text_fmt("from:%s", e->v[i].source);

		fn(reg, e, NULL, key);
	}
	for (size_t i = 0; i < e->def.conflicts.n; i++) {
		auto_free char *key = text_fmt("conflict:%s", e->def.conflicts.v[i]);

		fn(reg, e, NULL, key);
	}
	for (size_t i = 0; i < e->def.actions.n && !entry_is_loose(e); i++)
		if (action_is_executed(&e->def.actions.v[i]))
			each_claim_of_action(reg, e, &e->def.actions.v[i], fn);
}

typedef void (*user_fn)(struct registry *reg, const char *key, struct entry *e);

static void each_user_of_list(
    struct registry *reg, struct entry *e, const struct dep_list *l, user_fn fn)
{
	for (size_t i = 0; i < l->n; i++) {
		const char *key = dep_key(&l->v[i]);

		if (key && !dep_is_sibling(&e->def, &l->v[i]))
			fn(reg, key, e);
		if (l->v[i].service && key != l->v[i].service)
			fn(reg, l->v[i].service, e);
	}
}

static void each_user(struct registry *reg, struct entry *e, user_fn fn)
{
	each_user_of_list(reg, e, &e->def.dependencies, fn);
	for (size_t i = 0; i < e->def.actions.n; i++)
		each_user_of_list(reg, e, &e->def.actions.v[i].depends_on, fn);
}

void entry_link(struct registry *reg, struct entry *e)
{
	slot_make(reg, e->name)->service = e;
	e->at = reg->entries.n;
	entry_list_add(&reg->entries, e);
	reg->sorted = false;
	each_claim(reg, e, claim_add);
	if (entry_is_loose(e))
		return;
	reg->n_services++;
	reg->n_conflicts += e->def.conflicts.n > 0;
	for (size_t i = 0; i < e->def.actions.n; i++) {
		const struct action_def *a = &e->def.actions.v[i];

		*vec_push(&slot_make(reg, a->name)->actions) = (struct holder){e, a};
	}
	each_user(reg, e, user_add);
}

void entry_unlink(struct registry *reg, struct entry *e)
{
	struct entry *last = reg->entries.v[--reg->entries.n];
	struct name_slot *slot = registry_slot(reg, e->name);

	reg->entries.v[e->at] = last;
	last->at = e->at;
	reg->sorted = false;
	slot->service = NULL;
	slot_drop_if_empty(reg, slot);
	each_claim(reg, e, claim_drop);
	if (entry_is_loose(e))
		return;
	reg->n_services--;
	reg->n_conflicts -= e->def.conflicts.n > 0;
	for (size_t i = 0; i < e->def.actions.n; i++) {
		slot = registry_slot(reg, e->def.actions.v[i].name);
		if (!slot)
			continue;
		holders_drop(&slot->actions, e);
		slot_drop_if_empty(reg, slot);
	}
	each_user(reg, e, user_drop);
}
