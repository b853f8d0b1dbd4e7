/* stage.c - a contribution takes its place, or loses it (change.h). */
#include "registry/change.h"

static struct swap *swap_of(struct change *c, const char *name)
{
	size_t at = (size_t)(uintptr_t)map_get(&c->by_name, name);
	struct swap *s;

	if (at)
		return &c->v[at - 1];
	s = vec_push(c);
	s->name = text_dup(name);
	s->old = s->new = registry_entry(c->reg, name);
	map_put(&c->by_name, s->name, (void *)(uintptr_t)c->n);
	return s;
}

/* next takes the place of what is linked under the name now. */
static void stage(struct change *c, struct swap *s, struct entry *take_next)
{
	if (s->new)
		entry_unlink(c->reg, s->new);
	if (s->new != s->old)
		entry_free(s->new);
	s->staged = true;
	s->new = take_next;
	if (take_next)
		entry_link(c->reg, take_next);
}

static void mark_seen(struct change *c, const char *source, const char *name)
{
	char *key = text_fmt("%s\n%s", source, name);

	strv_take(&c->seen_keys, key);
	map_put(&c->seen, key, key);
}

static struct entry *entry_alone(struct change *c, const char *name, const struct contribution *in,
    const struct service_def *def)
{
	struct entry *e = entry_new(name);

	entry_put_part(e, in, def);
	entry_unite(&c->j, e);
	return e;
}

/* define and set: is it what is there already? */
static bool is_repeated(
    struct change *c, struct swap *s, const struct contribution *in, const struct service_def *def)
{
	struct entry *alone = entry_alone(c, s->name, in, def);
	const char *key = service_difference(&alone->def, &s->new->def);
	auto_str where = {0};

	if (key && in->mode == CONTRIBUTE_DEFINE) {
		place_fmt(&where, &s->new->def.source, s->new->v[0].source);
		judge_refuse(&c->j, alone, ERR_CONFLICT, &def->source, key,
		    "use service.set to replace it",
		    "`%s` exists with another definition (%s): `%s` differs", s->name, where.s,
		    key);
	}
	entry_free(alone);
	return !key || in->mode == CONTRIBUTE_DEFINE;
}

/* The operator said something new about these actions: older words about them go. */
static void put_override(
    struct entry *e, const struct contribution *in, const struct service_def *def)
{
	struct share *mine;

	for (size_t i = 0; i < e->n; i++)
		for (size_t k = 0; e->v[i].mode == CONTRIBUTE_ACTION && k < def->actions.n; k++)
			definition_drop_action(e->v[i].def, def->actions.v[k].name);
	mine = entry_find_part(e, in->source, CONTRIBUTE_ACTION);
	if (!mine) {
		entry_put_part(e, in, def);
		return;
	}
	for (size_t k = 0; k < def->actions.n; k++)
		action_def_copy(vec_push(&mine->def->actions), &def->actions.v[k]);
}

static void put(struct change *c, struct entry *e, const struct entry *current,
    const struct contribution *in, const struct service_def *def)
{
	if (current && (c->load || in->mode != CONTRIBUTE_SET))
		entry_copy_parts(e, current);
	if (in->mode == CONTRIBUTE_ACTION)
		put_override(e, in, def);
	else
		entry_put_part(e, in, def);
}

static void stage_definition(struct change *c, const char *name, const struct contribution *in,
    const struct service_def *def)
{
	struct swap *s = swap_of(c, name);
	struct entry *e;

	if (in->mode == CONTRIBUTE_REGISTER)
		mark_seen(c, in->source, name);
	if (s->new && !c->load && (in->mode == CONTRIBUTE_DEFINE || in->mode == CONTRIBUTE_SET) &&
	    is_repeated(c, s, in, def))
		return;
	e = entry_new(name);
	put(c, e, s->new, in, def);
	entry_unite(&c->j, e);
	if (!s->new && !c->load &&
	    in->mode != CONTRIBUTE_ACTION &&entry_find_owners(c->reg, e, &s->owners)) {
		entry_free(e);
		for (size_t i = 0; i < s->owners.n; i++)
			mark_seen(c, in->source, s->owners.v[i]);
		return;
	}
	stage(c, s, e);
}

/* Actions of no service: each is an entry of its own. */
static void stage_loose(struct change *c, const struct contribution *in)
{
	for (size_t i = 0; i < in->def->actions.n; i++) {
		const struct action_def *a = &in->def->actions.v[i];
		const char *context = a->context ? a->context : in->def->context;
		struct service_def one = *in->def;
		struct action_def copy = *a;

		if (!a->name || !name_is_valid(a->name)) {
			judge_refuse(&c->j, NULL, ERR_INVALID, &a->source, "name",
			    "use 1 to 255 letters, digits and . _ @ : + -",
			    "action `%s`: malformed name", a->name ? a->name : "");
			continue;
		}
		auto_free char *name = text_fmt("/%s/%s", context ? context : "default", a->name);

		one.actions.v = &copy;
		one.actions.n = one.actions.cap = 1;
		struct entry *e = entry_alone(c, name, in, &one);

		stage(c, swap_of(c, name), e);
	}
}

void change_stage(struct change *c, const struct contribution *in)
{
	const char *name = in->def->name;

	if (!name && in->mode == CONTRIBUTE_ACTION)
		stage_loose(c, in);
	else if (!name || !name_is_valid(name))
		judge_refuse(&c->j, NULL, ERR_INVALID, &in->def->source, "name",
		    "use 1 to 255 letters, digits and . _ @ : + -", "service `%s`: malformed name",
		    name ? name : "");
	else
		stage_definition(c, name, in, in->def);
}

void change_stage_former(struct change *c, const struct registry_former *f)
{
	struct entry *e = f->n ? entry_new(f->name) : NULL;

	for (size_t i = 0; i < f->n; i++)
		entry_put_part(e, &f->v[i], f->v[i].def);
	if (e)
		entry_unite(&c->j, e);
	stage(c, swap_of(c, f->name), e);
}

bool change_stage_without(struct change *c, const char *name, keep_fn keep, const void *what)
{
	struct swap *s = swap_of(c, name);
	struct entry *e;

	if (!s->new)
		return false;
	e = entry_new(name);
	entry_copy_parts(e, s->new);
	for (size_t i = e->n; i-- > 0;)
		if (!keep(&e->v[i], what))
			entry_drop_part(e, &e->v[i]);
	if (e->n) {
		entry_unite(&c->j, e);
	} else {
		entry_free(e);
		e = NULL;
	}
	stage(c, s, e);
	return true;
}

bool keep_other_sources(struct share *p, const void *source)
{
	return strcmp(p->source, source) != 0;
}

bool keep_no_part(struct share *p, const void *what)
{
	(void)p;
	(void)what;
	return false;
}

bool keep_other_actions(struct share *p, const void *action)
{
	definition_drop_action(p->def, action);
	return p->def->actions.n || p->mode != CONTRIBUTE_ACTION;
}

void names_from_source(const struct registry *reg, const char *source, struct strv *out)
{
	const struct claim_slot *slot = registry_claim(reg, "from", source);

	for (size_t i = 0; slot && i < slot->holders.n; i++)
		if (!strv_has(out, slot->holders.v[i].entry->name))
			strv_add(out, slot->holders.v[i].entry->name);
}

/* What a manifest said before and does not say now. */
void change_withdraw(struct change *c, const char *source)
{
	struct strv names = {0};

	names_from_source(c->reg, source, &names);
	for (size_t i = 0; i < names.n; i++) {
		auto_free char *key = text_fmt("%s\n%s", source, names.v[i]);

		if (!map_get(&c->seen, key))
			change_stage_without(c, names.v[i], keep_other_sources, source);
	}
	strv_release(&names);
}
