/* owner.c - two shapes of one thing (SPEC 3.1; registry.h, "Two shapes"). */
#include "registry/state.h"

static bool same_command(const struct action_def *a, const struct action_def *b)
{
	return strv_eq(&a->argv, &b->argv) && text_eq(a->script, b->script) &&
	       text_eq(a->interpreter, b->interpreter) && strv_eq(&a->args, &b->args);
}

/* Is it a path to an executable called like the action? */
static bool is_called_like_its_binary(const struct action_def *a)
{
	const char *command = a->argv.n ? a->argv.v[0] : a->script;
	size_t n, name = strlen(a->name);

	if (!command)
		return false;
	n = a->argv.n ? strlen(command) : strcspn(command, " \t\n");
	return n > name && memcmp(command + n - name, a->name, name) == 0 &&
	       command[n - name - 1] == '/';
}

/* Generic names like "main" are in thousands of services: of those only a
 * service called like the action can share it, so the others are not looked at. */
const struct holder *instance_next(
    const struct registry *reg, const struct entry *e, const struct action_def *a, size_t *at)
{
	const struct name_slot *slot = registry_slot(reg, a->name);
	bool all = strcmp(a->name, e->name) == 0 || is_called_like_its_binary(a);

	if (!slot || !action_is_executed(a) || (!all && !slot->service))
		return NULL;
	while (*at < slot->actions.n) {
		const struct holder *h = &slot->actions.v[(*at)++];

		if (h->entry != e && (all || h->entry == slot->service) &&
		    action_is_executed(h->action) && text_eq(a->context, h->action->context) &&
		    same_command(a, h->action))
			return h;
	}
	return NULL;
}

static const struct entry *owner_of(
    const struct registry *reg, const struct entry *e, const struct action_def *a)
{
	const struct holder *h;

	for (size_t at = 0; (h = instance_next(reg, e, a, &at));)
		if (!action_difference(a, h->action) &&
		    dep_list_same(&a->depends_on, &h->action->depends_on))
			return h->entry;
	return NULL;
}

/* The owners of all started actions of a definition that is not linked; false
 * when one has none, or when there is nothing to own. */
bool entry_find_owners(const struct registry *reg, const struct entry *e, struct strv *out)
{
	for (size_t i = 0; i < e->def.actions.n; i++) {
		const struct action_def *a = &e->def.actions.v[i];
		const struct entry *owner;

		if (!action_is_executed(a))
			continue;
		owner = owner_of(reg, e, a);
		if (!owner) {
			strv_release(out);
			return false;
		}
		if (!strv_has(out, owner->name))
			strv_add(out, owner->name);
	}
	return out->n > 0;
}
