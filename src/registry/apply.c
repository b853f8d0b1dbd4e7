/*
 * apply.c - one transaction over the registry.
 *
 * Contributions are staged one after another: the entry built anew takes the
 * place of the old one in the indexes.  Then everything affected is resolved,
 * then all is checked.  Refused: the old entries are linked again and what was
 * affected is resolved again, which restores the former state exactly.
 */
#include "base/limits.h"
#include "registry/state.h"

ENUM_DEFINE(contribution_mode, CONTRIBUTION_MODE_LIST, CONTRIBUTION_MODE_COUNT)
ENUM_DEFINE(change_kind, CHANGE_KIND_LIST, CHANGE_KIND_COUNT)

struct swap {
	char *name;
	struct entry *old; /* unlinked while staged; NULL: there was none */
	struct entry *new; /* linked; NULL: removed */
	bool staged;	   /* old and new differ */
	enum change_kind kind;
	struct strv owners;
};
struct change {
	struct registry *reg;
	struct judge j;
	bool load;
	struct swap *v;
	size_t n, cap;
	struct map by_name;	      /* name -> index + 1 */
	struct map seen;	      /* "source\nname" of this transaction's manifests */
	struct strv seen_keys;	      /* owns the keys of seen */
	struct entry_list affected;   /* others whose edges may lead elsewhere */
	struct entry_list redirected; /* those whose edges do */
};

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

/* ---- the four ways in ---------------------------------------------------------- */

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
	struct part *mine;

	for (size_t i = 0; i < e->n; i++)
		for (size_t k = 0; e->v[i].mode == CONTRIBUTE_ACTION && k < def->actions.n; k++)
			definition_drop_action(&e->v[i].def, def->actions.v[k].name);
	mine = entry_find_part(e, in->source, CONTRIBUTE_ACTION);
	if (!mine) {
		entry_put_part(e, in, def);
		return;
	}
	for (size_t k = 0; k < def->actions.n; k++)
		action_def_copy(vec_push(&mine->def.actions), &def->actions.v[k]);
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

static void stage_contribution(struct change *c, const struct contribution *in)
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

/* ---- taking away ------------------------------------------------------------------ */

typedef bool (*keep_fn)(struct part *p, const void *what); /* false: the part goes */

static bool stage_without(struct change *c, const char *name, keep_fn keep, const void *what)
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

static bool keep_other_sources(struct part *p, const void *source)
{
	return strcmp(p->source, source) != 0;
}

static bool keep_no_part(struct part *p, const void *what)
{
	(void)p;
	(void)what;
	return false;
}

static bool keep_other_actions(struct part *p, const void *action)
{
	definition_drop_action(&p->def, action);
	return p->def.actions.n || p->mode != CONTRIBUTE_ACTION;
}

static void names_from(const struct registry *reg, const char *source, struct strv *out)
{
	const struct claim_slot *slot = registry_claim(reg, "from", source);

	for (size_t i = 0; slot && i < slot->holders.n; i++)
		if (!strv_has(out, slot->holders.v[i].entry->name))
			strv_add(out, slot->holders.v[i].entry->name);
}

/* What a manifest said before and does not say now. */
static void withdraw(struct change *c, const char *source)
{
	struct strv names = {0};

	names_from(c->reg, source, &names);
	for (size_t i = 0; i < names.n; i++) {
		auto_free char *key = text_fmt("%s\n%s", source, names.v[i]);

		if (!map_get(&c->seen, key))
			stage_without(c, names.v[i], keep_other_sources, source);
	}
	strv_release(&names);
}

/* ---- judging ------------------------------------------------------------------------ */

static void add_users(struct change *c, const char *name)
{
	const struct name_slot *slot = registry_slot(c->reg, name);

	for (size_t i = 0; slot && i < slot->users.n; i++) {
		if (slot->users.v[i]->seen == c->reg->search)
			continue;
		slot->users.v[i]->seen = c->reg->search;
		entry_list_add(&c->affected, slot->users.v[i]);
	}
}

static void add_users_of(struct change *c, const struct entry *e)
{
	if (!e)
		return;
	add_users(c, e->name);
	for (size_t i = 0; i < e->def.actions.n; i++)
		add_users(c, e->def.actions.v[i].name);
}

static enum change_kind kind_of(const struct swap *s)
{
	if (!s->staged || (!s->old && !s->new))
		return CHANGE_UNCHANGED;
	if (!s->old)
		return CHANGE_CREATED;
	if (!s->new)
		return CHANGE_REMOVED;
	return service_difference(&s->old->def, &s->new->def) ? CHANGE_UPDATED : CHANGE_UNCHANGED;
}

static void resolve_all(struct change *c)
{
	c->reg->search++;
	for (size_t i = 0; i < c->n; i++)
		if (c->v[i].new)
			c->v[i].new->seen = c->reg->search;
	for (size_t i = 0; i < c->n; i++) {
		struct swap *s = &c->v[i];

		s->kind = kind_of(s);
		if (s->kind == CHANGE_UNCHANGED)
			continue;
		add_users_of(c, s->old);
		add_users_of(c, s->new);
	}
	for (size_t i = 0; i < c->n; i++) {
		struct entry *e = c->v[i].staged ? c->v[i].new : NULL;

		if (e && entry_is_loose(e))
			loose_refresh(c->reg, e);
		else if (e)
			entry_resolve(c->reg, e);
	}
	for (size_t i = 0; i < c->affected.n; i++)
		if (entry_resolve(c->reg, c->affected.v[i]))
			entry_list_add(&c->redirected, c->affected.v[i]);
	/* An entry of this transaction that did not change may lead elsewhere, too. */
	for (size_t i = 0; i < c->n; i++)
		if (!c->v[i].staged && c->v[i].new &&entry_resolve(c->reg, c->v[i].new))
			entry_list_add(&c->redirected, c->v[i].new);
}

static void warn_list(struct judge *j, const struct entry *e, const struct dep_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct dep *d = &l->v[i];

		if (d->resolved.rule == RESOLVED_AMBIGUOUS)
			judge_warn(j, &d->source, "depends_on", "write service and action",
			    "`%s` of `%s` is ambiguous now (%s)", dep_key(d), e->name,
			    d->source_text);
		else if (d->resolved.rule == RESOLVED_NOTHING && !d->optional && !d->any.n)
			judge_warn(j, &d->source, "depends_on", NULL,
			    "`%s` depends on `%s`, which is not registered now (%s)", e->name,
			    dep_key(d), d->source_text);
	}
}

static void warn_redirected(struct change *c)
{
	for (size_t i = 0; i < c->redirected.n; i++) {
		const struct entry *e = c->redirected.v[i];

		warn_list(&c->j, e, &e->def.dependencies);
		for (size_t k = 0; k < e->def.actions.n && !e->def.dependencies.n; k++)
			warn_list(&c->j, e, &e->def.actions.v[k].depends_on);
	}
}

/* Can a new circle or conflict go through it?  Not if nobody asks for it, from
 * outside or inside, unless the registry knows of conflicts. */
static bool may_close(const struct registry *reg, const struct entry *e)
{
	const struct name_slot *slot = registry_slot(reg, e->name);

	if (reg->n_conflicts || e->def.actions.n > 1 || slot->users.n)
		return true;
	if (!e->def.actions.n)
		return false;
	slot = registry_slot(reg, e->def.actions.v[0].name);
	return slot && slot->users.n;
}

static void judge_order(struct change *c)
{
	struct entry_list roots = {0};
	size_t n_changed;

	for (size_t i = 0; i < c->n; i++) {
		struct entry *e = c->v[i].new;

		if (e && c->v[i].kind != CHANGE_UNCHANGED && !entry_is_loose(e) &&
		    may_close(c->reg, e))
			entry_list_add(&roots, e);
	}
	n_changed = roots.n;
	for (size_t i = 0; i < c->redirected.n; i++)
		entry_list_add(&roots, c->redirected.v[i]);
	check_order(&c->j, &roots, n_changed);
	free(roots.v);
}

static void judge_all(struct change *c)
{
	if (c->reg->n_services > LIMIT_SERVICES)
		judge_refuse(&c->j, NULL, ERR_LIMIT, NULL, NULL, NULL, "more than %d services",
		    LIMIT_SERVICES);
	for (size_t i = 0; i < c->n; i++) {
		const struct entry *e = c->v[i].new;

		if (!e || !c->v[i].staged)
			continue;
		check_entry(&c->j, e);
		if (!entry_is_loose(e))
			check_claims(&c->j, e);
	}
	if (c->j.code == ERR_OK)
		judge_order(c);
	if (c->j.code == ERR_OK)
		warn_redirected(c);
}

/* ---- the end of a transaction --------------------------------------------------------- */

static void roll_back(struct change *c)
{
	for (size_t i = 0; i < c->n; i++) {
		struct swap *s = &c->v[i];

		if (!s->staged)
			continue;
		if (s->new)
			entry_unlink(c->reg, s->new);
		entry_free(s->new);
		if (s->old)
			entry_link(c->reg, s->old);
		s->new = s->old;
	}
	for (size_t i = 0; i < c->affected.n; i++)
		entry_resolve(c->reg, c->affected.v[i]);
	for (size_t i = 0; i < c->n; i++)
		if (c->v[i].new && !entry_is_loose(c->v[i].new))
			entry_resolve(c->reg, c->v[i].new);
}

static void commit(struct change *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->v[i].staged)
			entry_free(c->v[i].old);
}

static int change_order(const void *a, const void *b)
{
	return strcmp(
	    ((const struct registry_change *)a)->name, ((const struct registry_change *)b)->name);
}

static void tell_outcome(struct change *c, struct registry_outcome *out)
{
	size_t told;

	for (size_t i = 0; i < c->n; i++) {
		struct registry_change *r = vec_push(out);

		r->name = text_dup(c->v[i].name);
		r->kind = c->v[i].kind;
		strv_copy(&r->owners, &c->v[i].owners);
	}
	told = out->n;
	for (size_t i = 0; i < c->redirected.n; i++) {
		struct registry_change *r = vec_push(out);

		r->name = text_dup(c->redirected.v[i]->name);
		r->kind = CHANGE_RESOLVED;
	}
	if (out->n > told)
		qsort(out->v + told, out->n - told, sizeof(*out->v), change_order);
}

static void change_release(struct change *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->v[i].name);
		strv_release(&c->v[i].owners);
	}
	free(c->v);
	map_release(&c->by_name);
	map_release(&c->seen);
	strv_release(&c->seen_keys);
	strv_release(&c->j.culprits);
	free(c->affected.v);
	free(c->redirected.v);
}

static void finish(struct change *c, bool keep, struct registry_outcome *out)
{
	if (keep && c->j.code == ERR_OK)
		tell_outcome(c, out), commit(c);
	else
		roll_back(c);
}

void registry_outcome_release(struct registry_outcome *out)
{
	for (size_t i = 0; i < out->n; i++) {
		free(out->v[i].name);
		strv_release(&out->v[i].owners);
	}
	free(out->v);
	strv_release(&out->chain);
	free(out->culprit);
	*out = (struct registry_outcome){0};
}

const struct registry_change *registry_outcome_find(
    const struct registry_outcome *out, const char *name)
{
	for (size_t i = 0; i < out->n; i++)
		if (strcmp(out->v[i].name, name) == 0)
			return &out->v[i];
	return NULL;
}

/* ---- transactions ----------------------------------------------------------------------- */

static void stage_all(struct change *c, const struct contribution *in, size_t n, const bool *skip)
{
	for (size_t i = 0; i < n; i++)
		if (!skip || !skip[i])
			stage_contribution(c, &in[i]);
	for (size_t i = 0; i < n && !c->load; i++)
		if (in[i].mode == CONTRIBUTE_REGISTER &&
		    (!i || strcmp(in[i].source, in[i - 1].source) != 0))
			withdraw(c, in[i].source);
}

static enum err attempt(struct change *c, const struct contribution *in, size_t n, const bool *skip,
    unsigned flags, struct registry_outcome *out)
{
	stage_all(c, in, n, skip);
	resolve_all(c);
	judge_all(c);
	if (c->j.code == ERR_OK && (flags & REGISTRY_DRY_RUN))
		tell_outcome(c, out);
	finish(c, !(flags & REGISTRY_DRY_RUN), out);
	if (c->j.code != ERR_OK && c->j.culprits.n && !out->culprit)
		out->culprit = text_dup(c->j.culprits.v[0]);
	return c->j.code;
}

static const char *input_name(const struct contribution *in, struct str *scratch)
{
	const struct action_def *a = in->def->actions.n ? &in->def->actions.v[0] : NULL;
	const char *context = a && a->context ? a->context : in->def->context;

	if (in->def->name || !a)
		return in->def->name ? in->def->name : "";
	str_fmt(scratch, "/%s/%s", context ? context : "default", a->name);
	return scratch->s;
}

/* Leave out every contribution to a service at fault; false when there is none. */
static bool leave_out(
    const struct contribution *in, size_t n, bool *skip, const struct strv *culprits)
{
	bool found = false;

	for (size_t i = 0; i < n; i++) {
		auto_str scratch = {0};

		if (skip[i] || !strv_has(culprits, input_name(&in[i], &scratch)))
			continue;
		skip[i] = found = true;
	}
	return found;
}

static enum err load(struct registry *reg, const struct contribution *in, size_t n, unsigned flags,
    struct registry_outcome *out, struct diags *diags, struct error *e)
{
	auto_free bool *skip = mem_new(n);
	struct error ignored;

	for (size_t i = 0; i < n; i++) /* nobody can be named as the culprit of these */
		skip[i] = in[i].def->name && !name_is_valid(in[i].def->name);
	for (;;) {
		struct change c = {.reg = reg, .load = true};
		enum err code;
		bool again;

		c.j = (struct judge){.reg = reg, .diags = diags, .e = &ignored, .lenient = true};
		code = attempt(&c, in, n, skip, flags, out);
		again = code != ERR_OK && leave_out(in, n, skip, &c.j.culprits);
		change_release(&c);
		if (code == ERR_OK)
			return ERR_OK;
		if (!again)
			return error_set(e, code, "%s", ignored.msg);
	}
}

enum err registry_apply(struct registry *reg, const struct contribution *in, size_t n,
    unsigned flags, struct registry_outcome *out, struct diags *diags, struct error *e)
{
	struct change c = {.reg = reg};
	enum err code;

	if (flags & REGISTRY_LOAD)
		return load(reg, in, n, flags, out, diags, e);
	c.j = (struct judge){.reg = reg, .diags = diags, .e = e, .chain = &out->chain};
	code = attempt(&c, in, n, NULL, flags, out);
	change_release(&c);
	return code;
}

/* Whoever loses a target waits for it.  Refused is only what would leave a set that
 * no registration could have made: an edge that leads elsewhere now and closes a
 * circle, two services whose claims were apart only by what is taken away. */
static enum err take_away(struct registry *reg, const struct strv *names, keep_fn keep,
    const void *what, struct registry_outcome *out, struct error *e)
{
	struct change c = {.reg = reg};
	enum err code;

	c.j = (struct judge){.reg = reg, .e = e, .lenient = true, .chain = &out->chain};
	for (size_t i = 0; i < names->n; i++)
		stage_without(&c, names->v[i], keep, what);
	resolve_all(&c);
	judge_all(&c);
	finish(&c, true, out);
	code = c.j.code;
	change_release(&c);
	return code;
}

static enum err not_found(struct registry *reg, const char *what, const char *name, struct error *e)
{
	const char *near = registry_suggest(reg, name);

	if (near)
		return error_set(e, ERR_NOT_FOUND, "%s `%s`: no such %s; did you mean `%s`?", what,
		    name, what, near);
	return error_set(e, ERR_NOT_FOUND, "%s `%s`: no such %s", what, name, what);
}

static enum err take_away_one(struct registry *reg, const char *name, keep_fn keep,
    const void *what, struct registry_outcome *out, struct error *e)
{
	struct strv names = {0};
	enum err code;

	strv_add(&names, name);
	code = take_away(reg, &names, keep, what, out, e);
	strv_release(&names);
	return code;
}

enum err registry_delete(
    struct registry *reg, const char *name, struct registry_outcome *out, struct error *e)
{
	if (!registry_entry(reg, name) || name[0] == '/')
		return not_found(reg, "service", name, e);
	return take_away_one(reg, name, keep_no_part, NULL, out, e);
}

enum err registry_delete_action(struct registry *reg, const char *service, const char *context,
    const char *action, struct registry_outcome *out, struct error *e)
{
	auto_free char *loose = text_fmt("/%s/%s", context ? context : "default", action);
	const struct entry *owner = registry_entry(reg, service ? service : loose);

	if (!owner || !service_find_action(&owner->def, action))
		return error_set(e, ERR_NOT_FOUND, "action `%s`: no such action", action);
	return take_away_one(reg, service ? service : loose,
	    service ? keep_other_actions : keep_no_part, action, out, e);
}

enum err registry_remove_source(
    struct registry *reg, const char *source, struct registry_outcome *out, struct error *e)
{
	struct strv names = {0};
	enum err code;

	names_from(reg, source, &names);
	code = take_away(reg, &names, keep_other_sources, source, out, e);
	strv_release(&names);
	return code;
}
