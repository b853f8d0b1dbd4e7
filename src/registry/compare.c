/* compare.c - do two definitions mean the same?  Places and sources are not meaning. */
#include "registry/state.h"

static bool env_same(const struct env_list *a, const struct env_list *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		const struct env_var *x = &a->v[i], *y = &b->v[i];

		if (!text_eq(x->name, y->name) || !text_eq(x->value, y->value) ||
		    x->required != y->required || x->secret != y->secret)
			return false;
	}
	return true;
}

static bool retry_same(const struct retry_policy *a, const struct retry_policy *b)
{
	if (a->restart != b->restart || a->max_attempts != b->max_attempts ||
	    a->delay != b->delay || a->delay_given != b->delay_given || a->factor != b->factor ||
	    a->delay_max != b->delay_max || a->jitter != b->jitter ||
	    a->stability_period != b->stability_period || a->rules.n != b->rules.n)
		return false;
	for (size_t i = 0; i < a->rules.n; i++)
		if (a->rules.v[i].code != b->rules.v[i].code ||
		    a->rules.v[i].verdict != b->rules.v[i].verdict ||
		    !text_eq(a->rules.v[i].signal, b->rules.v[i].signal))
			return false;
	return true;
}

static bool probe_same(const struct probe_def *a, const struct probe_def *b)
{
	if (a->given != b->given)
		return false;
	return !a->given ||
	       (a->kind == b->kind && text_eq(a->target, b->target) &&
		   text_eq(a->socket, b->socket) && text_eq(a->path, b->path) &&
		   a->interval == b->interval && a->timeout == b->timeout &&
		   a->failure_threshold == b->failure_threshold &&
		   a->success_threshold == b->success_threshold &&
		   a->threshold_given == b->threshold_given && a->interval_given == b->interval_given && a->action == b->action);
}

static bool readiness_same(const struct readiness_def *a, const struct readiness_def *b)
{
	if (a->given != b->given)
		return false;
	return !a->given || (a->kind == b->kind && a->fd == b->fd && a->after == b->after &&
				text_eq(a->log, b->log));
}

static bool sockets_same(const struct socket_list *a, const struct socket_list *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!text_eq(a->v[i].name, b->v[i].name) || !text_eq(a->v[i].path, b->v[i].path) ||
		    !text_eq(a->v[i].protocol, b->v[i].protocol) || a->v[i].probe != b->v[i].probe)
			return false;
	return true;
}

static bool tcp_same(const struct tcp_list *a, const struct tcp_list *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->v[i].port != b->v[i].port || !text_eq(a->v[i].host, b->v[i].host))
			return false;
	return true;
}

/* clang-format off */
/* Every key of an action but its name, context, description, depends_on and place. */
#define ACTION_KEYS(X)                                                                       \
	X("kind", a->kind == b->kind) X("supervised", a->supervised == b->supervised)        \
	X("is_process", a->is_process == b->is_process)                                      \
	X("exec", strv_eq(&a->argv, &b->argv)) X("script", text_eq(a->script, b->script))    \
	X("interpreter", text_eq(a->interpreter, b->interpreter))                            \
	X("args", strv_eq(&a->args, &b->args)) X("cwd", text_eq(a->cwd, b->cwd))             \
	X("env", env_same(&a->env, &b->env)) X("env_file", text_eq(a->env_file, b->env_file))\
	X("start_timeout_ms", a->start_timeout == b->start_timeout)                          \
	X("timeout_ms", a->timeout == b->timeout)                                            \
	X("retry_policy", retry_same(&a->retry, &b->retry))                                  \
	X("watchdog_ms", a->watchdog == b->watchdog)                                         \
	X("success_exit_codes", strv_eq(&a->success_exit_codes, &b->success_exit_codes))     \
	X("tty", a->tty == b->tty) X("readiness", readiness_same(&a->readiness, &b->readiness))\
	X("probes.startup", probe_same(&a->startup, &b->startup))                            \
	X("probes.readiness", probe_same(&a->readiness_probe, &b->readiness_probe))          \
	X("probes.liveness", probe_same(&a->liveness, &b->liveness))                         \
	X("sockets", sockets_same(&a->sockets, &b->sockets)) X("tcp", tcp_same(&a->tcp, &b->tcp))\
	X("singleton", a->singleton == b->singleton)                                         \
	X("kill_other", a->kill_other_sockets == b->kill_other_sockets &&                    \
	    a->kill_other_tcp == b->kill_other_tcp &&                                        \
	    a->kill_other_process == b->kill_other_process)                                  \
	X("stop_exec", text_eq(a->stop_exec, b->stop_exec))                                  \
	X("stop_signal", text_eq(a->stop_signal, b->stop_signal))                            \
	X("stop_timeout_ms", a->stop_timeout == b->stop_timeout)                             \
	X("reload", text_eq(a->reload, b->reload)) X("user", text_eq(a->user, b->user))      \
	X("group", text_eq(a->group, b->group)) X("umask", text_eq(a->umask, b->umask))      \
	X("limits", env_same(&a->limits, &b->limits))                                        \
	X("nice", a->nice == b->nice && a->nice_given == b->nice_given)                      \
	X("oom_score_adj", a->oom_score_adj == b->oom_score_adj && a->oom_given == b->oom_given)\
	X("cgroup", env_same(&a->cgroup, &b->cgroup)) X("log", env_same(&a->log, &b->log))   \
	X("schedule_policy", text_eq(a->schedule_policy, b->schedule_policy))                \
	X("input_schema", text_eq(a->input_schema, b->input_schema))                         \
	X("inputs", text_eq(a->inputs, b->inputs))                                           \
	X("only_if", env_same(&a->only_if, &b->only_if)) X("tags", strv_eq(&a->tags, &b->tags))
/* clang-format on */

const char *action_difference(const struct action_def *a, const struct action_def *b)
{
#define DIFFERS(key, same)                                                                         \
	if (!(same))                                                                               \
		return key;
	ACTION_KEYS(DIFFERS)
#undef DIFFERS
	return NULL;
}

/* What an edge asks for, as one text: the identity of its target before resolution. */
const char *dep_target(const struct dep *d, struct str *scratch)
{
	const char *key = dep_key(d);

	if (d->service && d->action && key == d->action) {
		str_clear(scratch);
		str_fmt(scratch, "%s/%s", d->service, d->action);
		return str_text(scratch);
	}
	if (!key && d->any.n)
		key = d->any.v[0];
	return key ? key : d->gate.text ? d->gate.text : "";
}

static int text_order(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

static int number_order(long long a, long long b)
{
	return (a > b) - (a < b);
}

/* The stable order of a list; 0: one edge (SPEC 7.1). */
int dep_order(const struct dep *a, const struct dep *b)
{
	auto_str left = {0}, right = {0};
	int by = text_order(dep_target(a, &left), dep_target(b, &right));

	by = by ? by : number_order(a->gate.kind, b->gate.kind);
	by = by ? by : text_order(a->gate.text, b->gate.text);
	by = by ? by : number_order(a->kinds, b->kinds);
	by = by ? by : number_order(a->condition, b->condition);
	by = by ? by : number_order((long long)a->any.n, (long long)b->any.n);
	for (size_t i = 0; !by && i < a->any.n; i++)
		by = text_order(a->any.v[i], b->any.v[i]);
	return by;
}

static bool dep_same(const struct dep *a, const struct dep *b)
{
	return dep_order(a, b) == 0 && a->gate.probe == b->gate.probe &&
	       a->gate.probe_given == b->gate.probe_given && a->timeout == b->timeout &&
	       a->optional == b->optional && a->on_failure == b->on_failure &&
	       a->on_restart == b->on_restart && a->on_stop == b->on_stop && a->need == b->need;
}

bool dep_list_same(const struct dep_list *a, const struct dep_list *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!dep_same(&a->v[i], &b->v[i]))
			return false;
	return true;
}

static const char *actions_difference(const struct service_def *a, const struct service_def *b)
{
	if (a->actions.n != b->actions.n)
		return "actions";
	for (size_t i = 0; i < a->actions.n; i++) {
		const struct action_def *x = &a->actions.v[i];
		const struct action_def *y = service_find_action(b, x->name);
		const char *key;

		if (!y)
			return "actions";
		key = action_difference(x, y);
		if (key)
			return key;
		if (!text_eq(x->description, y->description))
			return "description";
		if (!dep_list_same(&x->depends_on, &y->depends_on))
			return "depends_on";
	}
	return NULL;
}

const char *service_difference(const struct service_def *a, const struct service_def *b)
{
	const char *key = actions_difference(a, b);

	if (key)
		return key;
	if (!text_eq(a->description, b->description))
		return "description";
	if (!text_eq(a->category, b->category))
		return "category";
	if (!text_eq(a->context, b->context))
		return "context";
	if (a->class != b->class)
		return "class";
	if (a->status != b->status)
		return "status";
	if (a->critical != b->critical)
		return "critical";
	if (!strv_eq(&a->tags, &b->tags))
		return "tags";
	if (!strv_eq(&a->conflicts, &b->conflicts))
		return "conflicts";
	if (!text_eq(a->socket_folder ? a->socket_folder : a->name,
		b->socket_folder ? b->socket_folder : b->name))
		return "socket_folder";
	return dep_list_same(&a->dependencies, &b->dependencies) ? NULL : "dependencies";
}
