/* run.c - an ad-hoc run becomes a definition like any other (SPEC 2.1, 2.5.16). */
#include "registry/state.h"

#include <stdio.h>

static bool is_reference(const struct action_def *a)
{
	return !a->argv.n && !a->script;
}

/* "service/name" names the service, too. */
static const char *split(const char *name, char *service, size_t size)
{
	const char *slash = strchr(name, '/');

	if (!slash)
		return name;
	snprintf(service, size, "%.*s", (int)(slash - name), name);
	return slash + 1;
}

static void take_over_env(struct action_def *to, const struct env_list *said)
{
	for (size_t i = 0; i < said->n; i++) {
		struct env_var *v = NULL;

		for (size_t k = 0; k < to->env.n && !v; k++)
			if (text_eq(to->env.v[k].name, said->v[i].name))
				v = &to->env.v[k];
		if (!v) {
			v = vec_push(&to->env);
			v->name = text_dup(said->v[i].name);
		}
		text_set(&v->value, said->v[i].value);
		v->required = said->v[i].required;
		v->secret = said->v[i].secret;
	}
}

static void deps_clear(struct dep_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		dep_release(&l->v[i]);
	l->n = 0;
}

/* The registered action, with what the run says on top. */
static void complete(
    struct action_def *said, const struct service_def *owner, const struct action_def *known)
{
	struct action_def whole;

	action_def_copy(&whole, known);
	schedule_def_free(take(whole.schedule)); /* this is the run */
	text_set(&whole.name, known->name);
	free(whole.origin);
	whole.origin = owner->name ? text_fmt("%s/%s", owner->name, known->name)
				   : text_fmt("/%s/%s", known->context ? known->context : "default",
					 known->name);
	if (said->inputs)
		text_set(&whole.inputs, said->inputs);
	take_over_env(&whole, &said->env);
	deps_clear(&whole.depends_on);
	for (size_t i = 0; i < said->depends_on.n; i++)
		dep_copy(vec_push(&whole.depends_on), &said->depends_on.v[i]);
	whole.depends_on_given = said->depends_on_given;
	action_def_release(said);
	*said = whole;
}

/* It listens where it always does, not in a folder of the run's name. */
static void keep_sockets(
    const struct registry *reg, const struct service_def *owner, struct action_def *a)
{
	for (size_t i = 0; i < a->sockets.n && owner->name; i++) {
		struct socket_def *k = &a->sockets.v[i];

		if (!k->path)
			k->path = text_fmt("%s/%s/%s", reg->dir,
			    owner->socket_folder ? owner->socket_folder : owner->name, k->name);
	}
}

static enum err refer(const struct registry *reg, const struct service_def *run,
    struct action_def *a, const struct service_def **owner, const struct action_def **known,
    struct error *e)
{
	char service[256] = "";
	const char *context = a->context ? a->context : run->context, *bare;
	struct error quiet;

	if (!a->name)
		return error_set(e, ERR_INVALID, "an action of a run needs a name");
	bare = split(a->name, service, sizeof(service));
	if (a->schedule)
		return error_set(e, ERR_INVALID,
		    "`%s`: a run has no schedule; register the action (action.set)", a->name);
	if (is_reference(a)) {
		enum err code = registry_find_action(
		    reg, context, service[0] ? service : NULL, bare, owner, known, NULL, e);

		if (code == ERR_OK) {
			complete(a, *owner, *known);
			keep_sockets(reg, *owner, a);
		}
		return code;
	}
	if (registry_find_action(reg, context, NULL, a->name, owner, known, NULL, &quiet) != ERR_OK)
		*known = NULL;
	return ERR_OK;
}

struct heritage {
	const struct service_def *owner;
	const struct action_def *from;
};

/* What must not run beside the service must not run beside its action either. */
static void inherit_conflicts(struct service_def *run, const struct service_def *owner)
{
	for (size_t i = 0; owner && i < owner->conflicts.n; i++)
		if (!strv_has(&run->conflicts, owner->conflicts.v[i]))
			strv_add(&run->conflicts, owner->conflicts.v[i]);
}

/* All actions get their names first: which sibling edges stay depends on all. */
static enum err complete_all(
    const struct registry *reg, struct service_def *run, struct heritage *h, struct error *e)
{
	for (size_t i = 0; i < run->actions.n; i++) {
		enum err code = refer(reg, run, &run->actions.v[i], &h[i].owner, &h[i].from, e);

		if (code != ERR_OK)
			return code;
	}
	for (size_t i = 0; i < run->actions.n; i++) {
		struct action_def *a = &run->actions.v[i];

		if (a->depends_on_given || !h[i].from)
			continue;
		deps_clear(&a->depends_on);
		inherit_edges(&a->depends_on, h[i].from, h[i].owner, run);
		a->depends_on_given = true;
	}
	for (size_t i = 0; i < run->actions.n; i++)
		inherit_conflicts(run, h[i].from ? h[i].owner : NULL);
	return ERR_OK;
}

static void lend(struct entry *e, struct service_def *run)
{
	service_def_release(&e->def);
	e->def = *run;
}

enum err registry_resolve_run(struct registry *reg, struct service_def *run, struct diags *diags,
    struct strv *chain, struct error *e)
{
	auto_free struct heritage *h = mem_new(run->actions.n * sizeof(*h));
	struct judge j = {.reg = reg, .diags = diags, .e = e, .chain = chain};
	struct entry *temp;
	struct entry_list roots = {0};
	enum err code = complete_all(reg, run, h, e);

	if (code != ERR_OK)
		return code;
	run->is_run = true;
	definition_normalise(run, "run.submit");
	temp = entry_new(run->name ? run->name : "run");
	lend(temp, run);
	entry_resolve(reg, temp);
	check_entry(&j, temp);
	entry_list_add(&roots, temp);
	if (j.code == ERR_OK)
		check_order(&j, &roots, 1);
	*run = temp->def;
	service_def_init(&temp->def);
	entry_free(temp);
	free(roots.v);
	strv_release(&j.culprits);
	return j.code;
}
