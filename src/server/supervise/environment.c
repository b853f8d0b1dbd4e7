#include "server/supervise/environment.h"

#include "sys/regular_file.h"

#include <stdio.h>

#define ENV_FILE_BYTES (4u << 20)

static char **slot_of(const struct environment *env, const char *name, size_t n)
{
	for (size_t i = 0; i < env->vars.n; i++)
		if (strncmp(env->vars.v[i], name, n) == 0 && env->vars.v[i][n] == '=')
			return &env->vars.v[i];
	return NULL;
}

void environment_set(struct environment *env, const char *name, const char *value)
{
	char **slot = slot_of(env, name, strlen(name));
	char *text = text_fmt("%s=%s", name, value);

	if (!slot) {
		strv_take(&env->vars, text);
		return;
	}
	free(*slot);
	*slot = text;
}

const char *environment_get(const struct environment *env, const char *name)
{
	size_t n = strlen(name);
	char **slot = slot_of(env, name, n);

	return slot ? *slot + n + 1 : NULL;
}

const char *const *environment_list(struct environment *env)
{
	*vec_push(&env->vars) = NULL;
	env->vars.n--;
	return (const char *const *)env->vars.v;
}

static char *trim(char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	for (size_t n = strlen(s); n && strchr(" \t\r\n", s[n - 1]); n--)
		s[n - 1] = 0;
	return s;
}

/* One line of an env_file: NAME=value, `export` in front and quotes around allowed. */
static void take_line(struct environment *env, const struct paths *paths, char *line)
{
	char *name = trim(line);

	if (strncmp(name, "export ", 7) == 0)
		name = trim(name + 7);
	char *eq = strchr(name, '=');
	if (*name == '#' || !eq || eq == name)
		return;
	*eq = 0;
	char *value = trim(eq + 1);
	size_t n = strlen(value);
	if (n >= 2 && (*value == '"' || *value == '\'') && value[n - 1] == *value) {
		value[n - 1] = 0;
		value++;
	}
	auto_free char *full = path_expand(paths, value);
	environment_set(env, trim(name), full);
}

static enum err take_file(
    struct environment *env, const struct paths *paths, const char *name, struct error *e)
{
	bool may_miss = *name == '-'; /* as systemd writes it */
	auto_free char *path = path_expand(paths, name + may_miss);
	auto_str text = {0};

	if (regular_file_read(path, ENV_FILE_BYTES, &text, e))
		return may_miss && e->code == ERR_NOT_FOUND ? ERR_OK : error_wrap(e, "env_file");
	for (size_t at = 0, n; at < text.n; at += n + 1) {
		const char *nl = memchr(text.s + at, '\n', text.n - at);

		n = nl ? (size_t)(nl - text.s) - at : text.n - at;
		auto_free char *line = text_dup_n(text.s + at, n);
		take_line(env, paths, line);
	}
	return ERR_OK;
}

static void take_paths(struct environment *env, const struct paths *p)
{
	environment_set(env, "PATH_ROOT", p->root);
	environment_set(env, "PATH_VAR", p->var);
	environment_set(env, "PATH_BUILD", p->build);
	environment_set(env, "PATH_CODE", p->code);
	environment_set(env, "HERO_SOCKET_DIR", p->sockets);
}

/* The five words of SPEC 3.1 are the supervisor's: a default in a manifest does not move them. */
static bool is_ours(const char *name)
{
	return strcmp(name, "PATH_ROOT") == 0 || strcmp(name, "PATH_VAR") == 0 ||
	       strcmp(name, "PATH_BUILD") == 0 || strcmp(name, "PATH_CODE") == 0 ||
	       strcmp(name, "HERO_SOCKET_DIR") == 0;
}

/* A stored secret comes before the default; true: it was there, or *e says why it can not be
 * read. */
static bool take_secret(struct environment *env, const struct action_def *a,
    const struct env_var *v, const struct environment_secrets *secrets, struct error *e)
{
	auto_secret value = {0};

	if (!v->secret || !secrets->get)
		return false;
	if (secrets->get(secrets->ctx, a->context, v->name, &value, e) == ERR_OK) {
		environment_set(env, v->name, value.bytes);
		return true;
	}
	if (e->code == ERR_NOT_FOUND && (v->value || !v->required)) {
		*e = (struct error){0};
		return false;
	}
	return true;
}

static enum err take_variable(struct environment *env, const struct surroundings *around,
    const struct action_def *a, const struct env_var *v, struct error *e)
{
	if (take_secret(env, a, v, &around->secrets, e))
		return e->code;
	if (v->value && !is_ours(v->name)) {
		auto_free char *full = path_expand(around->paths, v->value);

		environment_set(env, v->name, full);
	} else if (v->required && !environment_get(env, v->name)) {
		return error_set(
		    e, ERR_INVALID, "the required variable `%s` has no value", v->name);
	}
	return ERR_OK;
}

/* What was said to us alone: a job must not speak for the supervisor. */
static bool is_of_our_parent(const char *var)
{
	static const char *const names[] = {"NOTIFY_SOCKET=", "WATCHDOG_USEC=", "WATCHDOG_PID=",
	    "LISTEN_PID=", "LISTEN_FDS=", "LISTEN_FDNAMES="};

	for (size_t i = 0; i < countof(names); i++)
		if (strncmp(var, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

enum err environment_init(struct environment *env, const struct surroundings *around,
    const struct action_def *a, struct error *e)
{
	*e = (struct error){0};
	*env = (struct environment){0};
	for (char *const *var = around->frozen; *var; var++)
		if (!is_of_our_parent(*var))
			strv_add(&env->vars, *var);
	take_paths(env, around->paths);
	if (a->env_file && take_file(env, around->paths, a->env_file, e))
		return e->code;
	for (size_t i = 0; i < a->env.n; i++)
		if (take_variable(env, around, a, &a->env.v[i], e))
			return e->code;
	return ERR_OK;
}

/* A secret may be among them. */
void environment_release(struct environment *env)
{
	for (size_t i = 0; i < env->vars.n; i++)
		if (env->vars.v[i])
			explicit_bzero(env->vars.v[i], strlen(env->vars.v[i]));
	strv_release(&env->vars);
}
