/* settle.c - resolve and judge what was staged; keep it or restore what was (change.h). */
#include "base/limits.h"
#include "registry/change.h"

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

void change_resolve(struct change *c)
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
		else if (d->resolved.rule == RESOLVED_NOTHING && !d->optional)
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

void change_judge(struct change *c)
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
	for (size_t i = 0; i < c->n; i++) {
		struct swap *s = &c->v[i];

		if (!s->staged)
			continue;
		if (s->new)
			s->new->revision =
			    s->old &&service_executes_same(&s->old->def, &s->new->def)
				? s->old->revision
				: ++c->reg->revisions;
		entry_free(s->old);
	}
}

static int change_order(const void *a, const void *b)
{
	return strcmp(
	    ((const struct registry_change *)a)->name, ((const struct registry_change *)b)->name);
}

static bool has_source(const struct entry *e, const char *source)
{
	for (size_t i = 0; e && i < e->n; i++)
		if (strcmp(e->v[i].source, source) == 0)
			return true;
	return false;
}

/* One source, and all of it in the effective definition: the same to the letter. */
static bool is_stored_so(const struct entry *a, const struct entry *b)
{
	return a->n == 1 && b->n == 1 && !a->v[0].def && !b->v[0].def &&
	       a->v[0].mode == b->v[0].mode && text_eq(a->v[0].source, b->v[0].source) &&
	       definition_identical(&a->def, &b->def);
}

static void tell_swap(const struct swap *s, struct registry_change *r)
{
	r->name = text_dup(s->name);
	r->kind = s->kind;
	r->stored = !s->staged || (s->kind == CHANGE_UNCHANGED && s->old &&
				      s->new &&is_stored_so(s->old, s->new));
	strv_copy(&r->owners, &s->owners);
	for (size_t i = 0; s->staged && s->old && i < s->old->n; i++)
		if (!has_source(s->new, s->old->v[i].source))
			strv_add(&r->dropped, s->old->v[i].source);
	if (s->kind == CHANGE_UPDATED) {
		service_differences(&s->old->def, &s->new->def, &r->differences);
		r->restarts = !service_executes_same(&s->old->def, &s->new->def);
	}
	if (r->restarts || s->kind == CHANGE_REMOVED) {
		r->before = mem_new(sizeof(*r->before));
		service_def_copy(r->before, &s->old->def);
	}
}

static bool shares_source(const struct swap *removed, const struct swap *created)
{
	for (size_t i = 0; i < removed->old->n; i++)
		if (has_source(created->new, removed->old->v[i].source))
			return true;
	return false;
}

/* Each removed one is one created one at most: the first by input. */
static void tell_renames(const struct change *c, struct registry_outcome *out)
{
	for (size_t i = 0; i < c->n; i++) {
		if (c->v[i].kind != CHANGE_REMOVED)
			continue;
		for (size_t k = 0; k < c->n; k++) {
			if (c->v[k].kind != CHANGE_CREATED || out->v[k].renamed_from ||
			    !shares_source(&c->v[i], &c->v[k]) ||
			    !service_is_renamed(&c->v[i].old->def, &c->v[k].new->def))
				continue;
			out->v[k].renamed_from = text_dup(c->v[i].name);
			break;
		}
	}
}

void change_tell(const struct change *c, struct registry_outcome *out)
{
	size_t told;

	for (size_t i = 0; i < c->n; i++)
		tell_swap(&c->v[i], vec_push(out));
	tell_renames(c, out);
	told = out->n;
	for (size_t i = 0; i < c->redirected.n; i++) {
		struct registry_change *r = vec_push(out);

		r->name = text_dup(c->redirected.v[i]->name);
		r->kind = CHANGE_RESOLVED;
	}
	if (out->n > told)
		qsort(out->v + told, out->n - told, sizeof(*out->v), change_order);
}

void change_release(struct change *c)
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

void change_finish(struct change *c, bool keep, struct registry_outcome *out)
{
	if (keep && c->j.code == ERR_OK)
		change_tell(c, out), commit(c);
	else
		roll_back(c);
}
