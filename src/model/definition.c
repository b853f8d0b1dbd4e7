#include "model/definition.h"

#include "base/map.h"

void place_release(struct place *p)
{
	free(p->path);
	*p = (struct place){0};
}

static struct place place_dup(const struct place *p)
{
	return (struct place){text_dup(p->path), p->line, p->column};
}

static struct strv strv_dup(const struct strv *from)
{
	struct strv to = {0};

	strv_copy(&to, from);
	return to;
}

/* Copy the rows of a {v, n, cap} vector, then own what each row points to. */
#define vec_dup(to, from)                                                                 \
	do {                                                                              \
		(to)->v = (from)->n ? mem_grow(NULL, (from)->n, sizeof(*(to)->v)) : NULL; \
		(to)->n = (to)->cap = (from)->n;                                          \
		for (size_t i_ = 0; i_ < (from)->n; i_++)                                 \
			(to)->v[i_] = (from)->v[i_];                                      \
	} while (0)

/* ---- commands ------------------------------------------------------------ */

bool command_is_given(const struct command *c)
{
	return c->text || c->argv.n;
}

void command_release(struct command *c)
{
	free(c->text);
	strv_release(&c->argv);
	*c = (struct command){0};
}

void command_copy(struct command *to, const struct command *from)
{
	*to = (struct command){text_dup(from->text), strv_dup(&from->argv)};
}

bool command_eq(const struct command *a, const struct command *b)
{
	return text_eq(a->text, b->text) && strv_eq(&a->argv, &b->argv);
}

static bool is_plain_word(const char *word)
{
	static const char plain[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "0123456789_@%+=:,./-";

	return *word && word[strspn(word, plain)] == '\0';
}

static void quote_word(struct str *out, const char *word)
{
	str_add_char(out, '\'');
	for (; *word; word++)
		if (*word == '\'')
			str_add(out, "'\\''");
		else
			str_add_char(out, *word);
	str_add_char(out, '\'');
}

void command_fmt(struct str *out, const struct command *c)
{
	if (c->text)
		str_add(out, c->text);
	for (size_t i = 0; i < c->argv.n; i++) {
		str_add(out, i ? " " : "");
		if (is_plain_word(c->argv.v[i]))
			str_add(out, c->argv.v[i]);
		else
			quote_word(out, c->argv.v[i]);
	}
}

/* ---- edges -------------------------------------------------------------- */

void dep_init(struct dep *d)
{
	*d = (struct dep){
	    .kinds = DEP_REQUIRES, .condition = COND_READY, .timeout = 60000, .need = 1};
}

static void resolution_release(struct resolution *r)
{
	free(r->service);
	free(r->action);
	free(r->gate_path);
	strv_release(&r->candidates);
	*r = (struct resolution){0};
}

void dep_release(struct dep *d)
{
	char **texts[] = {&d->name, &d->service, &d->action, &d->repo, &d->crate, &d->bin,
	    &d->gate.text, &d->when_env, &d->when_is, &d->source_text};

	for (size_t i = 0; i < countof(texts); i++)
		free(*texts[i]);
	strv_release(&d->applies_to);
	strv_release(&d->any);
	place_release(&d->source);
	resolution_release(&d->resolved);
	*d = (struct dep){0};
}

void dep_copy(struct dep *to, const struct dep *from)
{
	*to = *from;
	char **texts[] = {&to->name, &to->service, &to->action, &to->repo, &to->crate, &to->bin,
	    &to->gate.text, &to->when_env, &to->when_is, &to->source_text, &to->resolved.service,
	    &to->resolved.action, &to->resolved.gate_path};

	for (size_t i = 0; i < countof(texts); i++)
		*texts[i] = text_dup(*texts[i]);
	to->applies_to = strv_dup(&from->applies_to);
	to->any = strv_dup(&from->any);
	to->source = place_dup(&from->source);
	to->resolved.candidates = strv_dup(&from->resolved.candidates);
}

static void deps_release(struct dep_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		dep_release(&l->v[i]);
	free(l->v);
	*l = (struct dep_list){0};
}

static void deps_copy(struct dep_list *to, const struct dep_list *from)
{
	vec_dup(to, from);
	for (size_t i = 0; i < from->n; i++)
		dep_copy(&to->v[i], &from->v[i]);
}

const char *dep_key(const struct dep *d)
{
	if (d->bin)
		return d->bin;
	if (d->crate)
		return d->crate;
	if (d->repo)
		return text_last_part(d->repo);
	return d->action ? d->action : d->service ? d->service : d->name;
}

/* ---- parts of an action ---------------------------------------------------- */

static void env_release(struct env_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].name);
		free(l->v[i].value);
	}
	free(l->v);
	*l = (struct env_list){0};
}

static void env_copy(struct env_list *to, const struct env_list *from)
{
	vec_dup(to, from);
	for (size_t i = 0; i < from->n; i++) {
		to->v[i].name = text_dup(from->v[i].name);
		to->v[i].value = text_dup(from->v[i].value);
	}
}

static void sockets_release(struct socket_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].name);
		free(l->v[i].path);
		free(l->v[i].protocol);
	}
	free(l->v);
	*l = (struct socket_list){0};
}

static void sockets_copy(struct socket_list *to, const struct socket_list *from)
{
	vec_dup(to, from);
	for (size_t i = 0; i < from->n; i++) {
		to->v[i].name = text_dup(from->v[i].name);
		to->v[i].path = text_dup(from->v[i].path);
		to->v[i].protocol = text_dup(from->v[i].protocol);
	}
}

static void tcp_release(struct tcp_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].host);
	free(l->v);
	*l = (struct tcp_list){0};
}

static void tcp_copy(struct tcp_list *to, const struct tcp_list *from)
{
	vec_dup(to, from);
	for (size_t i = 0; i < from->n; i++)
		to->v[i].host = text_dup(from->v[i].host);
}

void probe_def_free(struct probe_def *p)
{
	if (!p)
		return;
	free(p->target);
	free(p->socket);
	free(p->path);
	command_release(&p->command);
	free(p);
}

struct probe_def *probe_def_dup(const struct probe_def *from)
{
	struct probe_def *to = from ? mem_new(sizeof(*to)) : NULL;

	if (!to)
		return NULL;
	*to = *from;
	to->target = text_dup(from->target);
	to->socket = text_dup(from->socket);
	to->path = text_dup(from->path);
	command_copy(&to->command, &from->command);
	return to;
}

void schedule_def_free(struct schedule_def *s)
{
	if (!s)
		return;
	free(s->cron);
	free(s->timezone);
	free(s);
}

struct schedule_def *schedule_def_dup(const struct schedule_def *from)
{
	struct schedule_def *to = from ? mem_new(sizeof(*to)) : NULL;

	if (!to)
		return NULL;
	*to = *from;
	to->cron = text_dup(from->cron);
	to->timezone = text_dup(from->timezone);
	return to;
}

static void rules_release(struct retry_rules *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].signal);
	free(l->v);
	*l = (struct retry_rules){0};
}

static void rules_copy(struct retry_rules *to, const struct retry_rules *from)
{
	vec_dup(to, from);
	for (size_t i = 0; i < from->n; i++)
		to->v[i].signal = text_dup(from->v[i].signal);
}

/* ---- actions ----------------------------------------------------------------- */

void retry_policy_default(struct retry_policy *r, bool is_process)
{
	rules_release(&r->rules);
	*r = (struct retry_policy){.restart = is_process ? RESTART_ALWAYS : RESTART_NEVER,
	    .delay = 100,
	    .factor = 2,
	    .delay_max = 30000,
	    .stability_period = 10000};
}

void action_def_init(struct action_def *a)
{
	*a = (struct action_def){.is_process = true, .start_timeout = 90000, .stop_timeout = 10000};
	retry_policy_default(&a->retry, true);
}

/* Every plain text of an action, so that release and copy can not differ. */
static size_t action_texts(struct action_def *a, char **out[static 20])
{
	char **texts[] = {&a->name, &a->context, &a->description, &a->script, &a->interpreter,
	    &a->cwd, &a->env_file, &a->readiness.log, &a->fail_log, &a->stop_signal, &a->user,
	    &a->group, &a->umask, &a->input_schema, &a->inputs, &a->origin};

	memcpy(out, texts, sizeof(texts));
	return countof(texts);
}

static struct env_list *const *env_lists(struct action_def *a, struct env_list *out[5])
{
	out[0] = &a->env;
	out[1] = &a->limits;
	out[2] = &a->cgroup;
	out[3] = &a->log;
	out[4] = &a->only_if;
	return out;
}

void action_def_release(struct action_def *a)
{
	char **texts[20];
	struct env_list *envs[5];
	size_t n = action_texts(a, texts);

	for (size_t i = 0; i < n; i++)
		free(*texts[i]);
	env_lists(a, envs);
	for (size_t i = 0; i < countof(envs); i++)
		env_release(envs[i]);
	strv_release(&a->argv);
	strv_release(&a->args);
	strv_release(&a->success_exit_codes);
	strv_release(&a->tags);
	strv_release(&a->groups);
	rules_release(&a->retry.rules);
	deps_release(&a->depends_on);
	command_release(&a->stop_exec);
	command_release(&a->reload);
	for (int i = 0; i < PROBE_ROLE_COUNT; i++)
		probe_def_free(a->probes[i]);
	schedule_def_free(a->schedule);
	sockets_release(&a->sockets);
	tcp_release(&a->tcp);
	place_release(&a->source);
	*a = (struct action_def){0};
}

void action_def_copy(struct action_def *to, const struct action_def *from)
{
	char **texts[20];
	struct env_list *envs[5];

	*to = *from;
	size_t n = action_texts(to, texts);
	for (size_t i = 0; i < n; i++)
		*texts[i] = text_dup(*texts[i]);
	env_lists(to, envs);
	for (size_t i = 0; i < countof(envs); i++) {
		struct env_list borrowed = *envs[i];

		env_copy(envs[i], &borrowed);
	}
	to->argv = strv_dup(&from->argv);
	to->args = strv_dup(&from->args);
	to->success_exit_codes = strv_dup(&from->success_exit_codes);
	to->tags = strv_dup(&from->tags);
	to->groups = strv_dup(&from->groups);
	rules_copy(&to->retry.rules, &from->retry.rules);
	deps_copy(&to->depends_on, &from->depends_on);
	command_copy(&to->stop_exec, &from->stop_exec);
	command_copy(&to->reload, &from->reload);
	for (int i = 0; i < PROBE_ROLE_COUNT; i++)
		to->probes[i] = probe_def_dup(from->probes[i]);
	to->schedule = schedule_def_dup(from->schedule);
	sockets_copy(&to->sockets, &from->sockets);
	tcp_copy(&to->tcp, &from->tcp);
	to->source = place_dup(&from->source);
}

bool action_is_executed(const struct action_def *a)
{
	return !a->supervised && a->kind != BINARY_CLI && a->kind != BINARY_CMDLINE;
}

bool action_is_started(const struct action_def *a)
{
	return action_is_executed(a) && !a->schedule;
}

enum readiness_kind action_readiness(const struct action_def *a)
{
	if (a->readiness.given)
		return a->readiness.kind;
	if (a->probes[PROBE_READINESS])
		return READY_PROBE;
	return a->sockets.n || a->tcp.n ? READY_SOCKETS : READY_EXECUTED;
}

/* ---- services ------------------------------------------------------------------ */

void service_def_init(struct service_def *s)
{
	*s = (struct service_def){0};
}

void service_def_release(struct service_def *s)
{
	free(s->name);
	free(s->context);
	free(s->description);
	free(s->category);
	free(s->socket_folder);
	strv_release(&s->tags);
	strv_release(&s->conflicts);
	strv_release(&s->sources);
	deps_release(&s->dependencies);
	for (size_t i = 0; i < s->actions.n; i++)
		action_def_release(&s->actions.v[i]);
	free(s->actions.v);
	free(s->index);
	place_release(&s->source);
	*s = (struct service_def){0};
}

void service_def_copy(struct service_def *to, const struct service_def *from)
{
	*to = *from;
	to->index = NULL;
	to->name = text_dup(from->name);
	to->context = text_dup(from->context);
	to->description = text_dup(from->description);
	to->category = text_dup(from->category);
	to->socket_folder = text_dup(from->socket_folder);
	to->tags = strv_dup(&from->tags);
	to->conflicts = strv_dup(&from->conflicts);
	to->sources = strv_dup(&from->sources);
	deps_copy(&to->dependencies, &from->dependencies);
	vec_dup(&to->actions, &from->actions);
	for (size_t i = 0; i < from->actions.n; i++)
		action_def_copy(&to->actions.v[i], &from->actions.v[i]);
	to->source = place_dup(&from->source);
}

#define INDEX_FROM 16 /* actions; fewer are looked through */

/* Open addressing; 0 is free, else the index of an action + 1. */
struct action_index {
	const struct action_def *v; /* the list that it is of */
	size_t n, mask;
	uint32_t slots[];
};

void service_def_index(struct service_def *s)
{
	size_t size = 64;

	free(s->index);
	s->index = NULL;
	if (s->actions.n < INDEX_FROM)
		return;
	while (size < s->actions.n * 2)
		size *= 2;
	struct action_index *x = mem_new(sizeof(*x) + size * sizeof(x->slots[0]));
	x->v = s->actions.v;
	x->n = s->actions.n;
	x->mask = size - 1;
	for (size_t i = 0; i < x->n; i++) {
		size_t at = text_hash(x->v[i].name ? x->v[i].name : "") & x->mask;

		while (x->slots[at])
			at = (at + 1) & x->mask;
		x->slots[at] = (uint32_t)i + 1;
	}
	s->index = x;
}

static struct action_def *find_in_index(const struct service_def *s, const char *name)
{
	const struct action_index *x = s->index;

	for (size_t at = text_hash(name) & x->mask; x->slots[at]; at = (at + 1) & x->mask)
		if (text_eq(s->actions.v[x->slots[at] - 1].name, name))
			return &s->actions.v[x->slots[at] - 1];
	return NULL;
}

struct action_def *service_find_action(const struct service_def *s, const char *name)
{
	if (name && s->index && s->index->v == s->actions.v && s->index->n == s->actions.n)
		return find_in_index(s, name);
	for (size_t i = 0; i < s->actions.n; i++)
		if (text_eq(s->actions.v[i].name, name))
			return &s->actions.v[i];
	return NULL;
}

bool name_is_valid(const char *name)
{
	static const char extra[] = "._@:+-\\";
	size_t n = name ? strlen(name) : 0;

	if (n == 0 || n > 255 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (const char *p = name; *p; p++)
		if (!(*p >= 'a' && *p <= 'z') && !(*p >= 'A' && *p <= 'Z') &&
		    !(*p >= '0' && *p <= '9') && !strchr(extra, *p))
			return false;
	return true;
}
