#include "build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

void world_init(struct world *w)
{
	*w = (struct world){
	    .reg = registry_new(&(struct registry_config){.hero_socket_dir = "/run/hero"})};
}

void world_release(struct world *w)
{
	registry_free(w->reg);
	registry_outcome_release(&w->out);
	diags_release(&w->diags);
}

struct service_def *service(const char *name)
{
	struct service_def *s = mem_new(sizeof(*s));

	service_def_init(s);
	s->name = text_dup(name);
	return s;
}

struct action_def *action_running(struct service_def *s, const char *name, const char *command)
{
	struct action_def *a = vec_push(&s->actions);

	action_def_init(a);
	a->name = text_dup(name);
	if (command)
		strv_add(&a->argv, command);
	return a;
}

struct action_def *action(struct service_def *s, const char *name)
{
	auto_free char *command = text_fmt("/opt/bin/%s", name);

	return action_running(s, name, command);
}

static struct dep *edge_new(struct dep_list *l, const char *path, int line)
{
	struct dep *d = vec_push(l);

	dep_init(d);
	d->source.path = text_dup(path);
	d->source.line = line;
	return d;
}

struct dep *edge(struct dep_list *l, unsigned kinds, const char *name, const char *path, int line)
{
	struct dep *d = edge_new(l, path, line);

	d->kinds = kinds;
	d->name = text_dup(name);
	return d;
}

struct dep *edge_bin(struct dep_list *l, const char *repo, const char *bin, const char *socket,
    const char *path, int line)
{
	struct dep *d = edge_new(l, path, line);

	d->repo = text_dup(repo);
	d->bin = text_dup(bin);
	d->gate.kind = socket ? GATE_SOCKET : GATE_NONE;
	d->gate.text = text_dup(socket);
	return d;
}

void listens(struct action_def *a, const char *socket)
{
	vec_push(&a->sockets)->name = text_dup(socket);
}

void env(struct action_def *a, const char *name, const char *value)
{
	struct env_var *v = vec_push(&a->env);

	v->name = text_dup(name);
	v->value = text_dup(value);
}

struct service_def *simple(const char *name)
{
	struct service_def *s = service(name);

	action(s, name);
	return s;
}

struct service_def *needs(
    const char *name, unsigned kinds, const char *target, const char *path, int line)
{
	struct service_def *s = simple(name);

	edge(&s->dependencies, kinds, target, path, line);
	return s;
}

enum err give_all(struct world *w, struct service_def **take_s, size_t n, const char *source,
    enum contribution_mode mode, unsigned flags)
{
	struct contribution *in = mem_new(n * sizeof(*in));
	enum err code;

	registry_outcome_release(&w->out);
	diags_release(&w->diags);
	for (size_t i = 0; i < n; i++)
		in[i] = (struct contribution){take_s[i], source ? source : take_s[i]->name, mode};
	code = registry_apply(w->reg, in, n, flags, &w->out, &w->diags, &w->e);
	for (size_t i = 0; i < n; i++) {
		service_def_release(take_s[i]);
		free(take_s[i]);
	}
	free(in);
	return code;
}

enum err give(
    struct world *w, struct service_def *take_s, const char *source, enum contribution_mode mode)
{
	return give_all(w, &take_s, 1, source, mode, 0);
}

void define(struct world *w, struct service_def *take_s)
{
	auto_free char *source = text_fmt("%s.toml", take_s->name);
	enum err code = give(w, take_s, source, CONTRIBUTE_REGISTER);

	if (code != ERR_OK)
		fail_msg("%s", w->e.msg);
}

const struct dep *dep_at(const struct world *w, const char *name, const char *action_name, size_t i)
{
	const struct service_def *s = registry_find(w->reg, name);

	assert_non_null(s);
	const struct dep_list *l =
	    action_name ? &service_find_action(s, action_name)->depends_on : &s->dependencies;

	assert_true(i < l->n);
	return &l->v[i];
}

void assert_told(const struct world *w, enum diag_severity severity, const char *part)
{
	for (size_t i = 0; i < w->diags.n; i++)
		if (w->diags.v[i].severity == severity && strstr(w->diags.v[i].message, part))
			return;
	for (size_t i = 0; i < w->diags.n; i++)
		fprintf(stderr, "told: %s\n", w->diags.v[i].message);
	fail_msg("nobody said: %s", part);
}

void assert_change(const struct world *w, const char *name, enum change_kind kind)
{
	const struct registry_change *c = registry_outcome_find(&w->out, name);

	if (!c)
		fail_msg("no change of %s", name);
	else
		assert_string_equal(change_kind_str(c->kind), change_kind_str(kind));
}
