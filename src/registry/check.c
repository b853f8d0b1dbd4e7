/* check.c - what a registration is refused for, and what it is warned of (SPEC 2.4, 2.5.6, 2.5.11).
 */
#include "registry/state.h"

#include <stdio.h>

struct carrier {
	const struct entry *entry;
	const struct action_def *action; /* NULL: the service itself */
};

static bool climbs(const char *path)
{
	for (const char *p = path; (p = strstr(p, "..")); p += 2)
		if ((p == path || p[-1] == '/') && (p[2] == '\0' || p[2] == '/'))
			return true;
	return false;
}

static const struct entry *target_entry(
    const struct judge *j, const struct entry *self, const struct dep *d)
{
	if (d->resolved.rule == RESOLVED_SAME_SERVICE)
		return self;
	return d->resolved.service ? registry_entry(j->reg, d->resolved.service) : NULL;
}

static bool has_probe(const struct action_def *a)
{
	return a->probes[PROBE_READINESS] || a->probes[PROBE_LIVENESS];
}

static bool only_executes(const struct action_def *a)
{
	if (!a->is_process || a->probes[PROBE_READINESS])
		return false;
	if (a->readiness.given)
		return a->readiness.kind == READY_EXECUTED;
	return a->sockets.n == 0 && a->tcp.n == 0;
}

/* Holds a predicate for the target: the action, or any (all) started actions of the service? */
static bool target_any(
    const struct entry *t, const struct dep *d, bool (*is)(const struct action_def *))
{
	if (d->resolved.action) {
		const struct action_def *a = service_find_action(&t->def, d->resolved.action);

		return a && is(a);
	}
	for (size_t i = 0; i < t->def.actions.n; i++)
		if (action_is_started(&t->def.actions.v[i]) && is(&t->def.actions.v[i]))
			return true;
	return false;
}

static bool does_not_only_execute(const struct action_def *a)
{
	return !only_executes(a);
}

static bool names_itself(const struct carrier *c, const struct dep *d)
{
	if (d->resolved.rule == RESOLVED_SAME_SERVICE)
		return c->action && text_eq(d->resolved.action, c->action->name);
	return !c->entry->def.is_run && text_eq(d->resolved.service, c->entry->name) &&
	       !d->resolved.action;
}

static void refuse_ambiguous(
    struct judge *j, const struct carrier *c, const char *who, const struct dep *d)
{
	auto_str names = {0};

	for (size_t i = 0; i < d->resolved.candidates.n; i++)
		str_fmt(&names, "%s%s", i ? ", " : "", d->resolved.candidates.v[i]);
	judge_refuse(j, c->entry, ERR_INVALID, &d->source, "depends_on", "write service and action",
	    "`%s` depends on `%s`, which is ambiguous: %s", who, dep_key(d), str_text(&names));
}

/* What is wrong with an edge because of its target.  It can become so after the
 * registration, when the target changes: then it is unresolved, with a warning,
 * and a boot must not lose the service over it. */
static bool is_target_wrong(struct judge *j, const struct carrier *c, const char *who,
    const struct dep *d, const struct entry *t)
{
	if (j->lenient)
		return false;
	if (d->resolved.rule == RESOLVED_AMBIGUOUS) {
		refuse_ambiguous(j, c, who, d);
		return true;
	}
	if (d->resolved.rule == RESOLVED_NOTHING && t) {
		judge_refuse(j, c->entry, ERR_INVALID, &d->source, "socket",
		    "name the socket that must answer",
		    "`%s` depends on `%s`, which is never started by the supervisor, "
		    "and names no socket",
		    who, dep_key(d));
		return true;
	}
	if (t && d->resolved.rule != RESOLVED_GATE && d->condition == COND_HEALTHY &&
	    !target_any(t, d, has_probe)) {
		judge_refuse(j, c->entry, ERR_INVALID, &d->source, "condition",
		    "give the target a readiness or liveness probe, or use `ready`",
		    "`%s` waits for `%s` to be healthy, which has no probe", who, dep_key(d));
		return true;
	}
	return false;
}

static void check_target(struct judge *j, const struct carrier *c, const struct dep *d)
{
	const char *who = c->action ? c->action->name : c->entry->name, *key = dep_key(d);
	const struct entry *t = target_entry(j, c->entry, d);

	if (names_itself(c, d)) {
		judge_refuse(j, c->entry, ERR_INVALID, &d->source, "depends_on",
		    "remove the entry, or limit it with `for`", "`%s` depends on itself (%s)", who,
		    d->source_text);
		return;
	}
	if (is_target_wrong(j, c, who, d, t))
		return;
	if (d->resolved.rule == RESOLVED_NOTHING && key && !d->optional && !j->reg->partial)
		judge_warn(j, &d->source, "depends_on", "register it, or mark the edge optional",
		    "`%s` depends on `%s`, which is not registered", who, key);
	if (!t || d->resolved.rule == RESOLVED_GATE)
		return;
	if ((d->kinds & DEP_ORDERS) && d->condition == COND_READY && d->gate.kind == GATE_NONE &&
	    t->def.actions.n && !target_any(t, d, does_not_only_execute))
		judge_warn(j, &d->source, "depends_on",
		    "name a socket, or declare the readiness of the target",
		    "`%s` waits only until `%s` is executed", who, key);
}

static void check_dep(struct judge *j, const struct carrier *c, const struct dep *d)
{
	const char *who = c->action ? c->action->name : c->entry->name, *key = dep_key(d);

	if (d->gate.text && (d->gate.kind == GATE_SOCKET || d->gate.kind == GATE_UNIX) &&
	    climbs(d->gate.text))
		judge_refuse(j, c->entry, ERR_INVALID, &d->source, "socket",
		    "name a socket or an absolute path", "`%s`: the socket `%s` leads upwards", who,
		    d->gate.text);
	if (d->resolved.rule != RESOLVED_GATE && key && !name_is_valid(key)) {
		judge_refuse(j, c->entry, ERR_INVALID, &d->source, "depends_on",
		    "use letters, digits and . _ @ : + -", "`%s` depends on `%s`, which is no name",
		    who, key);
		return;
	}
	if (!key && d->gate.kind == GATE_NONE) {
		judge_refuse(j, c->entry, ERR_INVALID, &d->source, "depends_on",
		    "give repo, crate, bin, service or action",
		    "`%s` has a dependency that names nothing", who);
		return;
	}
	if (d->repo && !d->crate && !d->bin && !d->action && !d->service)
		judge_warn(j, &d->source, "repo", "add bin = \"...\"",
		    "`%s` names only a repo; taken as the service `%s`", d->repo, key);
	check_target(j, c, d);
}

static void check_name(struct judge *j, const struct entry *e, const struct place *at,
    const char *what, const char *name)
{
	if (!name || !name_is_valid(name))
		judge_refuse(j, e, ERR_INVALID, at, "name",
		    "use 1 to 255 letters, digits and . _ @ : + -", "%s `%s`: malformed name", what,
		    name ? name : "");
}

static void check_action(struct judge *j, const struct entry *e, const struct action_def *a)
{
	struct carrier c = {e, a};

	check_name(j, e, &a->source, "action", a->name);
	if (a->context)
		check_name(j, e, &a->source, "context", a->context);
	if (action_is_executed(a) && !a->argv.n && !a->script)
		judge_refuse(j, e, ERR_INVALID, &a->source, "exec", "give it exec or script",
		    "`%s` has nothing to execute", a->name ? a->name : "");
	for (size_t i = 0; i < a->sockets.n; i++)
		if (!a->sockets.v[i].path &&
		    (!a->sockets.v[i].name || climbs(a->sockets.v[i].name)))
			judge_refuse(j, e, ERR_INVALID, &a->source, "sockets", NULL,
			    "`%s`: the socket `%s` is not a file name", a->name,
			    a->sockets.v[i].name ? a->sockets.v[i].name : "");
	for (size_t i = 0; i < a->depends_on.n; i++)
		if (!a->depends_on.v[i].of_service)
			check_dep(j, &c, &a->depends_on.v[i]);
}

static void check_doubles(struct judge *j, const struct entry *e)
{
	for (size_t i = 0; i < e->n; i++) {
		const struct action_list *l = &entry_part_def(e, &e->v[i])->actions;

		for (size_t k = 0; k < l->n; k++)
			if (l->v[k].name && service_find_action(entry_part_def(e, &e->v[i]),
						l->v[k].name) != &l->v[k])
				judge_refuse(j, e, ERR_INVALID, &l->v[k].source, "name", NULL,
				    "`%s` has two actions called `%s`", e->name, l->v[k].name);
	}
}

void check_entry(struct judge *j, const struct entry *e)
{
	struct carrier c = {e, NULL};

	if (!entry_is_loose(e) && !e->def.is_run)
		check_name(j, e, &e->def.source, "service", e->name);
	for (size_t i = 0; i < e->def.conflicts.n; i++) {
		check_name(j, e, &e->def.source, "conflicts", e->def.conflicts.v[i]);
		if (text_eq(e->def.conflicts.v[i], e->name))
			judge_refuse(j, e, ERR_INVALID, &e->def.source, "conflicts", NULL,
			    "`%s` conflicts with itself", e->name);
	}
	check_doubles(j, e);
	for (size_t i = 0; i < e->def.dependencies.n; i++)
		check_dep(j, &c, &e->def.dependencies.v[i]);
	for (size_t i = 0; i < e->def.actions.n; i++)
		check_action(j, e, &e->def.actions.v[i]);
}

static bool are_alternatives(const struct entry *a, const struct entry *b)
{
	return strv_has(&a->def.conflicts, b->name) || strv_has(&b->def.conflicts, a->name);
}

static const char *tcp_host(const struct action_def *a, const char *port)
{
	long long wanted = strtoll(port, NULL, 10);

	for (size_t i = 0; i < a->tcp.n; i++)
		if (a->tcp.v[i].port == wanted)
			return a->tcp.v[i].host ? a->tcp.v[i].host : "127.0.0.1";
	return "";
}

static bool is_any_host(const char *h)
{
	return strcmp(h, "0.0.0.0") == 0 || strcmp(h, "::") == 0 || strcmp(h, "*") == 0 || !*h;
}

static bool overlap(const struct claim_slot *slot, const struct holder *a, const struct holder *b)
{
	const char *x, *y;

	if (strncmp(slot->key, "tcp:", 4) != 0)
		return true;
	x = tcp_host(a->action, slot->key + 4);
	y = tcp_host(b->action, slot->key + 4);
	return is_any_host(x) || is_any_host(y) || strcmp(x, y) == 0;
}

static void check_claim(struct judge *j, const struct entry *e, const struct action_def *mine,
    const char *prefix, const char *what)
{
	const struct claim_slot *slot = registry_claim(j->reg, prefix, what);
	struct holder self = {NULL, mine};

	for (size_t i = 0; slot && i < slot->holders.n; i++) {
		const struct holder *h = &slot->holders.v[i];
		auto_str where = {0};

		if (h->entry == e || are_alternatives(e, h->entry) || !overlap(slot, &self, h))
			continue;
		place_fmt(&where, &h->action->source, h->entry->v[0].source);
		judge_refuse(j, e, ERR_CONFLICT, &mine->source,
		    strcmp(prefix, "tcp") == 0 ? "tcp" : "sockets",
		    "two services that may not run together need `conflicts`",
		    "`%s` claims %s %s, which belongs to `%s` (%s)", e->name,
		    strcmp(prefix, "tcp") == 0 ? "port" : "socket", what, h->entry->name, where.s);
		return;
	}
}

static void check_instances(struct judge *j, const struct entry *e, const struct action_def *a)
{
	const struct holder *h;

	for (size_t at = 0; (h = instance_next(j->reg, e, a, &at));) {
		const char *key = action_difference(a, h->action);
		auto_str where = {0};

		if (are_alternatives(e, h->entry))
			continue;
		place_fmt(&where, &h->action->source, h->entry->v[0].source);
		judge_refuse(j, e, ERR_CONFLICT, &a->source, key ? key : "depends_on",
		    "register it under its owner, or delete the owner first",
		    "the binary `%s` of `%s` already belongs to `%s` (%s), with another `%s`",
		    a->name, e->name, h->entry->name, where.s, key ? key : "depends_on");
		return;
	}
}

void check_claims(struct judge *j, const struct entry *e)
{
	for (size_t i = 0; i < e->def.actions.n; i++) {
		const struct action_def *a = &e->def.actions.v[i];

		if (!action_is_executed(a))
			continue;
		check_instances(j, e, a);
		for (size_t k = 0; k < a->sockets.n; k++) {
			auto_free char *path = socket_path(j->reg->dir, &e->def, &a->sockets.v[k]);

			check_claim(j, e, a, "unix", path);
		}
		for (size_t k = 0; k < a->tcp.n; k++) {
			auto_free char *port = text_fmt("%lld", (long long)a->tcp.v[k].port);

			check_claim(j, e, a, "tcp", port);
		}
	}
}
