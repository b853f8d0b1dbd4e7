/* making.c - `service ...`: a definition as JSON, and the life of its processes. */
#include "cursor.h"

#include "model/words.h"

json_t *json_sub(json_t *o, const char *key, json_t *(*make)(void))
{
	json_t *v = json_object_get(o, key);

	if (!v) {
		v = make();
		json_object_set_new(o, key, v);
	}
	return v;
}

json_t *making_action(struct making *m)
{
	if (!m->action) {
		struct role *p = vec_push(&m->is->roles);

		*p = (struct role){
		    .action = text_dup(m->is->name), .life = {.ready_in = -1, .opens_in = -1}};
		m->action = json_pack("{s:s, s:b}", "name", m->is->name, "is_process", 1);
		json_array_append_new(
		    json_sub(m->is->definition, "actions", json_array), m->action);
	}
	return m->action;
}

bool cursor_word(
    struct cursor *c, const char *what, const char *const *words, json_t *o, const char *key)
{
	const char *w = cursor_take(c);

	for (size_t i = 0; w && words[i]; i++)
		if (strcmp(w, words[i]) == 0)
			return json_object_set_new(o, key, json_string(w)) == 0;
	return cursor_fail(c, "%s: `%s` is not understood", what, w ? w : "");
}

static struct life *life_of(struct making *m)
{
	making_action(m);
	return &m->is->roles.v[m->is->roles.n - 1].life;
}

static json_t *retry_of(struct making *m)
{
	return json_sub(making_action(m), "retry_policy", json_object);
}

/* ---- readiness and life ----------------------------------------------------------- */

static bool ready_(struct making *m, struct cursor *c)
{
	enum readiness_kind kind;
	const char *w = cursor_take(c);
	json_t *r = json_object();
	msec t;
	bool ok = true;

	json_object_set_new(making_action(m), "readiness", r);
	if (w && strcmp(w, "after") == 0) {
		if (!cursor_time(c, &t))
			return false;
		json_object_set_new(r, "after_ms", json_integer(t));
		life_of(m)->ready_in = t;
		return true;
	}
	if (!w || !readiness_kind_parse(w, &kind) || kind == READY_PROBE || kind == READY_AFTER)
		return cursor_fail(c,
		    "ready: manual, notify, fd, log, sockets or after TIME, not `%s`", w ? w : "");
	if (kind == READY_EXECUTED)
		json_object_del(m->action, "readiness");
	else if (kind == READY_FD)
		json_object_set_new(r, w, json_integer(3));
	else if (kind == READY_LOG)
		json_object_set_new(r, w, json_string("^ready$"));
	else
		json_object_set_new(r, w, json_true());
	if (cursor_try(c, "in"))
		ok = cursor_time(c, &life_of(m)->ready_in);
	return ok;
}

static bool fails_(struct making *m, struct cursor *c)
{
	json_object_set_new(making_action(m), "fail", json_pack("{s:s}", "log", "^failed"));
	return (cursor_try(c, "by") && cursor_try(c, "log")) ||
	       cursor_fail(c, "write `fails by log`");
}

static bool oneshot_(struct making *m, struct cursor *c)
{
	(void)c;
	json_object_set_new(making_action(m), "is_process", json_false());
	life_of(m)->ends = life_of(m)->one_shot = true;
	return true;
}

static bool held_(struct making *m, struct cursor *c)
{
	(void)c;
	life_of(m)->ends = false;
	return true;
}

static bool takes_(struct making *m, struct cursor *c)
{
	life_of(m)->ends = true;
	return cursor_time(c, &life_of(m)->ends_in);
}

static bool ends_(struct making *m, struct cursor *c)
{
	struct life *l = life_of(m);

	l->ends = true;
	if (!cursor_how(c, &l->code, &l->signal) ||
	    (cursor_try(c, "in") && !cursor_time(c, &l->ends_in)))
		return false;
	if (cursor_try(c, "once"))
		l->times = 1;
	else if (cursor_is_number(c) && cursor_number(c, &l->times) && !cursor_try(c, "times"))
		return cursor_fail(c, "write `2 times`");
	return true;
}

static bool stops_(struct making *m, struct cursor *c)
{
	return cursor_try(c, "in") ? cursor_time(c, &life_of(m)->stops_in)
				   : cursor_fail(c, "write `stops in 2s`");
}

static bool ignores_(struct making *m, struct cursor *c)
{
	life_of(m)->ignores = true;
	return cursor_try(c, "TERM") || cursor_fail(c, "write `ignores TERM`");
}

static bool leaves_(struct making *m, struct cursor *c)
{
	bool stubborn = cursor_try(c, "stubborn");

	life_of(m)->child = true;
	life_of(m)->stubborn = stubborn;
	return cursor_try(c, "child") ||
	       cursor_fail(c, "write `leaves child` or `leaves stubborn child`");
}

static bool opens_(struct making *m, struct cursor *c)
{
	if (cursor_try(c, "on_demand")) {
		life_of(m)->opens_in = -2;
		return true;
	}
	return cursor_try(c, "in") ? cursor_time(c, &life_of(m)->opens_in)
				   : cursor_fail(c, "write `opens in 2s` or `opens on_demand`");
}

static bool lacks_(struct making *m, struct cursor *c)
{
	static const char *const said[][3] = {
	    {"program", NULL, "exec /no/such/program: No such file or directory"},
	    {"folder", "cwd", "chdir /no/such/folder: No such file or directory"},
	    {"user", "user", "user no-such-user: no such user"}};

	for (size_t i = 0; i < countof(said); i++) {
		if (!cursor_try(c, said[i][0]))
			continue;
		text_set(&life_of(m)->impossible, said[i][2]);
		if (said[i][1])
			json_object_set_new(making_action(m), said[i][1],
			    json_string(i == 1 ? "/no/such/folder" : "no-such-user"));
		else
			json_object_set_new(
			    making_action(m), "exec", json_pack("[s]", "/no/such/program"));
		return true;
	}
	return cursor_fail(c, "lacks: program, folder or user");
}

static bool socket_(struct making *m, struct cursor *c)
{
	auto_free char *name = NULL;

	if (!cursor_name(c, "a socket's name", &name))
		return false;
	json_array_append_new(
	    json_sub(making_action(m), "sockets", json_array), json_pack("{s:s}", "name", name));
	return true;
}

static bool env_(struct making *m, struct cursor *c)
{
	auto_free char *name = NULL, *value = NULL;

	if (!cursor_name(c, "a variable", &name) || !cursor_name(c, "its value", &value))
		return false;
	return json_object_set_new(
		   json_sub(making_action(m), "env", json_object), name, json_string(value)) == 0;
}

static bool success_(struct making *m, struct cursor *c)
{
	struct strv codes = {0};
	bool ok = cursor_list(c, &codes);

	for (size_t i = 0; i < codes.n; i++)
		json_array_append_new(json_sub(making_action(m), "success_exit_codes", json_array),
		    json_string(codes.v[i]));
	strv_release(&codes);
	return ok;
}

/* ---- policies ---------------------------------------------------------------------- */

static bool time_into(json_t *o, const char *key, struct cursor *c)
{
	msec t;

	return cursor_time(c, &t) && json_object_set_new(o, key, json_integer(t)) == 0;
}

static bool restart_(struct making *m, struct cursor *c)
{
	return cursor_word(c, "restart", restart_words, retry_of(m), "restart");
}
static bool delay_(struct making *m, struct cursor *c)
{
	return time_into(retry_of(m), "delay_ms", c);
}
static bool delay_max_(struct making *m, struct cursor *c)
{
	return time_into(retry_of(m), "delay_max_ms", c);
}
static bool stability_(struct making *m, struct cursor *c)
{
	return time_into(retry_of(m), "stability_period_ms", c);
}
static bool start_timeout_(struct making *m, struct cursor *c)
{
	return time_into(making_action(m), "start_timeout_ms", c);
}
static bool stop_timeout_(struct making *m, struct cursor *c)
{
	return time_into(making_action(m), "stop_timeout_ms", c);
}
static bool timeout_(struct making *m, struct cursor *c)
{
	return time_into(making_action(m), "timeout_ms", c);
}
static bool attempts_(struct making *m, struct cursor *c)
{
	int64_t n;

	return cursor_number(c, &n) &&
	       json_object_set_new(retry_of(m), "max_attempts", json_integer(n)) == 0;
}
static bool factor_(struct making *m, struct cursor *c)
{
	int64_t n;

	return cursor_number(c, &n) &&
	       json_object_set_new(retry_of(m), "factor", json_real((double)n)) == 0;
}
static bool rule_(struct making *m, struct cursor *c)
{
	static const char *const verdicts[] = {"restart", "stop", "fail", NULL};
	json_t *rule = json_object();
	const char *w = cursor_peek(c);
	int code, signo;

	json_array_append_new(json_sub(retry_of(m), "rules", json_array), rule);
	auto_free char *name = text_fmt("SIG%s", w ? w : "");
	if (!cursor_how(c, &code, &signo))
		return false;
	json_object_set_new(
	    rule, signo ? "signal" : "code", signo ? json_string(name) : json_integer(code));
	return cursor_word(c, "rule", verdicts, rule, "then");
}

/* ---- the service ------------------------------------------------------------------- */

static bool wanted_(struct making *m, struct cursor *c)
{
	return cursor_word(c, "wanted", wanted_words, m->is->definition, "status");
}
static bool system_(struct making *m, struct cursor *c)
{
	(void)c;
	return json_object_set_new(m->is->definition, "class", json_string("system")) == 0;
}
static bool critical_(struct making *m, struct cursor *c)
{
	(void)c;
	return json_object_set_new(m->is->definition, "critical", json_true()) == 0;
}
static bool target_(struct making *m, struct cursor *c)
{
	if (m->action)
		return cursor_fail(c, "a target has no action");
	return m->target = true;
}
static bool later_(struct making *m, struct cursor *c)
{
	(void)c;
	return m->is->later = true;
}
static bool via_(struct making *m, struct cursor *c)
{
	static const char *const ways[] = {"define", "manifest", NULL};
	json_t *o = json_object();
	bool ok = cursor_word(c, "via", ways, o, "via");

	if (ok)
		text_set(&m->is->via, json_string_value(json_object_get(o, "via")));
	json_decref(o);
	return ok;
}

static bool action_(struct making *m, struct cursor *c)
{
	auto_free char *name = NULL;

	if (m->target || (m->action && !m->named))
		return cursor_fail(c, "name the actions before anything is said about one");
	if (!cursor_name(c, "the action's name", &name))
		return false;
	struct role *p = vec_push(&m->is->roles);
	*p = (struct role){.action = text_dup(name), .life = {.ready_in = -1, .opens_in = -1}};
	m->action = json_pack("{s:s, s:b}", "name", name, "is_process", 1);
	m->named = true;
	json_array_append_new(json_sub(m->is->definition, "actions", json_array), m->action);
	return true;
}

static const struct attribute {
	const char *word;
	bool (*read)(struct making *m, struct cursor *c);
} attributes[] = {
    {"action", action_},
    {"target", target_},
    {"wanted", wanted_},
    {"system", system_},
    {"critical", critical_},
    {"later", later_},
    {"via", via_},
    {"requires", making_requires},
    {"wants", making_wants},
    {"after", making_after},
    {"conflicts", making_conflicts},
    {"ready", ready_},
    {"fails", fails_},
    {"oneshot", oneshot_},
    {"held", held_},
    {"takes", takes_},
    {"ends", ends_},
    {"stops", stops_},
    {"ignores", ignores_},
    {"leaves", leaves_},
    {"opens", opens_},
    {"lacks", lacks_},
    {"socket", socket_},
    {"env", env_},
    {"success", success_},
    {"restart", restart_},
    {"attempts", attempts_},
    {"delay", delay_},
    {"delay_max", delay_max_},
    {"factor", factor_},
    {"stability", stability_},
    {"rule", rule_},
    {"start_timeout", start_timeout_},
    {"stop_timeout", stop_timeout_},
    {"timeout", timeout_},
};

bool making_begin(struct making *m, struct casting *is)
{
	*m = (struct making){.is = is};
	is->definition = json_pack("{s:s}", "name", is->name);
	is->via = text_dup("define");
	return true;
}

bool making_read(struct making *m, struct cursor *c)
{
	const char *w;

	while ((w = cursor_take(c))) {
		const struct attribute *a = NULL;

		for (size_t i = 0; i < countof(attributes); i++)
			if (strcmp(attributes[i].word, w) == 0)
				a = &attributes[i];
		if (!a)
			return cursor_fail(c, "`%s` says nothing about a service", w);
		if (!a->read(m, c))
			return false;
	}
	return true;
}

static void say(json_t *exec, const char *fmt, long long n)
{
	auto_free char *w = text_fmt("%s=%lld", fmt, n);

	json_array_append_new(exec, json_string(w));
}

/* The command line of the real process: see actor.c. */
static json_t *exec_of(const struct making *m, const struct role *p, const json_t *action)
{
	const struct life *l = &p->life;
	json_t *exec = json_pack("[s, s, s]", "@actor", m->is->name, p->action);
	const char *kind;
	json_t *value, *socket;
	size_t i;

	if (!json_object_get(action, "readiness") && json_object_get(action, "sockets"))
		json_array_append_new(exec, json_string("kind=sockets"));
	json_object_foreach (json_object_get(action, "readiness"), kind, value) {
		auto_free char *w = text_fmt("kind=%s", kind);

		json_array_append_new(exec, json_string(w));
	}
	json_array_foreach (json_object_get(action, "sockets"), i, socket) {
		auto_free char *w =
		    text_fmt("socket=%s", json_string_value(json_object_get(socket, "name")));

		json_array_append_new(exec, json_string(w));
	}
	say(exec, "ready", l->ready_in);
	say(exec, "opens", l->opens_in);
	say(exec, "stops", l->stops_in);
	say(exec, "times", l->times);
	if (l->ends) {
		say(exec, "ends", l->ends_in);
		say(exec, l->signal ? "signal" : "code", l->signal ? l->signal : l->code);
	}
	say(exec, "oneshot", l->one_shot);
	say(exec, "ignores", l->ignores);
	say(exec, "child", l->child ? 1 + l->stubborn : 0);
	return exec;
}

void making_end(struct making *m)
{
	if (!m->target)
		making_action(m);
	json_t *actions = json_sub(m->is->definition, "actions", json_array);
	for (size_t i = 0; i < m->is->roles.n; i++) {
		json_t *a = json_array_get(actions, i);

		if (!json_object_get(a, "exec"))
			json_object_set_new(a, "exec", exec_of(m, &m->is->roles.v[i], a));
	}
}
