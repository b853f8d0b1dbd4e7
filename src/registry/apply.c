/* apply.c - the transactions: give, load, take away (registry.h). */
#include "registry/change.h"

ENUM_DEFINE(contribution_mode, CONTRIBUTION_MODE_LIST, CONTRIBUTION_MODE_COUNT)
ENUM_DEFINE(change_kind, CHANGE_KIND_LIST, CHANGE_KIND_COUNT)

void registry_outcome_release(struct registry_outcome *out)
{
	for (size_t i = 0; i < out->n; i++) {
		free(out->v[i].name);
		strv_release(&out->v[i].owners);
		strv_release(&out->v[i].differences);
		strv_release(&out->v[i].dropped);
		free(out->v[i].renamed_from);
		if (out->v[i].before)
			service_def_release(out->v[i].before);
		free(out->v[i].before);
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

static void stage_all(struct change *c, const struct contribution *in, size_t n, const bool *skip)
{
	for (size_t i = 0; i < n; i++)
		if (in[i].def && (!skip || !skip[i]))
			change_stage(c, &in[i]);
	for (size_t i = 0; i < n && !c->load; i++)
		if (in[i].mode == CONTRIBUTE_REGISTER &&
		    (!i || strcmp(in[i].source, in[i - 1].source) != 0))
			change_withdraw(c, in[i].source);
}

static enum err attempt(struct change *c, const struct contribution *in, size_t n, const bool *skip,
    unsigned flags, struct registry_outcome *out)
{
	stage_all(c, in, n, skip);
	change_resolve(c);
	change_judge(c);
	if (c->j.code == ERR_OK && (flags & REGISTRY_DRY_RUN))
		change_tell(c, out);
	change_finish(c, !(flags & REGISTRY_DRY_RUN), out);
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

enum err registry_restore(struct registry *reg, const struct registry_former *in, size_t n,
    struct registry_outcome *out, struct diags *diags, struct error *e)
{
	struct change c = {.reg = reg};

	c.j = (struct judge){.reg = reg, .diags = diags, .e = e, .chain = &out->chain};
	for (size_t i = 0; i < n; i++)
		change_stage_former(&c, &in[i]);
	change_resolve(&c);
	change_judge(&c);
	change_finish(&c, true, out);
	enum err code = c.j.code;
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
		change_stage_without(&c, names->v[i], keep, what);
	change_resolve(&c);
	change_judge(&c);
	change_finish(&c, true, out);
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

	names_from_source(reg, source, &names);
	code = take_away(reg, &names, keep_other_sources, source, out, e);
	strv_release(&names);
	return code;
}
