#include "server/supervise/launch.h"

#include "model/rlimits.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>

/* Words as a shell splits them, quotes honoured, nothing expanded. */
static void split_words(const char *s, struct strv *out)
{
	while (*s) {
		auto_str word = {0};
		char quote = 0;

		while (isspace((unsigned char)*s))
			s++;
		if (!*s)
			return;
		for (; *s && (quote || !isspace((unsigned char)*s)); s++) {
			if (quote ? *s == quote : *s == '"' || *s == '\'')
				quote = quote ? 0 : *s;
			else
				str_add_char(
				    &word, *s == '\\' && s[1] && quote != '\'' ? *++s : *s);
		}
		strv_take(out, str_take(&word));
	}
}

/* SPEC 3.1: in $PATH_ROOT/bin, ~/.local/bin and the keeper's PATH; the first that is there. */
static void list_places(
    struct launch *l, const char *name, char *const *frozen_env, const struct paths *paths)
{
	const char *path = NULL;

	strv_take(&l->places, text_fmt("%s/bin/%s", paths->root, name));
	strv_take(&l->places, text_fmt("%s/.local/bin/%s", paths->home, name));
	for (char *const *e = frozen_env; e && *e; e++)
		if (strncmp(*e, "PATH=", 5) == 0)
			path = *e + 5;
	for (const char *dir = path; dir; dir = strchr(dir, ':') ? strchr(dir, ':') + 1 : NULL) {
		auto_free char *folder = text_dup_n(dir, strcspn(dir, ":"));
		auto_free char *place = text_fmt("%s/%s", folder, name);

		if (*folder == '/' && !strv_has(&l->places, place))
			strv_add(&l->places, place);
	}
}

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_mode & 0111;
}

static void take_default(
    struct launch *l, const char *name, char *const *frozen_env, const struct paths *paths)
{
	size_t found = 0;

	list_places(l, name, frozen_env, paths);
	while (found < l->places.n && !is_program(l->places.v[found]))
		found++;
	strv_add(&l->argv, l->places.v[found < l->places.n ? found : 0]);
}

static void choose_command(struct launch *l, const struct action_def *a, char *const *frozen_env,
    const struct paths *paths)
{
	if (a->exec_is_default || (!a->argv.n && !a->script)) {
		take_default(l, a->name, frozen_env, paths);
	} else if (a->argv.n) {
		for (size_t i = 0; i < a->argv.n; i++)
			strv_take(&l->argv, path_expand(paths, a->argv.v[i]));
	} else if (text_eq(a->interpreter, "exec")) {
		split_words(a->script, &l->argv);
	} else {
		strv_add(&l->argv, a->interpreter ? a->interpreter : "sh");
		strv_add(&l->argv, SPAWN_SCRIPT_PATH);
		l->spec.script = a->script;
	}
	strv_copy(&l->argv, &a->args);
}

static enum err find_group(const char *name, gid_t *out, struct error *e)
{
	char *end;
	long gid = strtol(name, &end, 10);

	if (end == name || *end) {
		errno = 0;
		struct group *gr = getgrnam(name);

		if (!gr)
			return error_set(e, ERR_INVALID, "group `%s` is not known", name);
		gid = gr->gr_gid;
	}
	*out = (gid_t)gid;
	return ERR_OK;
}

static void add_group(struct launch *l, size_t *n, gid_t gid)
{
	for (size_t i = 0; i < *n; i++)
		if (l->groups[i] == gid)
			return;
	l->groups[(*n)++] = gid;
}

/* Those of the user, or our own where none is named, and then those that are written. */
static enum err take_groups(struct launch *l, const struct action_def *a, const struct passwd *pw,
    bool other, struct error *e)
{
	int n = 0;
	size_t all;

	if (pw && other)
		getgrouplist(pw->pw_name, l->spec.gid, NULL, &n);
	else if (!other)
		n = getgroups(0, NULL);
	l->groups = mem_new(((size_t)n + a->groups.n + 1) * sizeof(gid_t));
	if (pw && other && getgrouplist(pw->pw_name, l->spec.gid, l->groups, &n) < 0)
		n = 0;
	else if (!other)
		n = getgroups(n, l->groups);
	all = n > 0 ? (size_t)n : 0;
	for (size_t i = 0; i < a->groups.n; i++) {
		gid_t gid;

		if (find_group(a->groups.v[i], &gid, e))
			return e->code;
		add_group(l, &all, gid);
	}
	l->spec.groups = l->groups;
	l->spec.n_groups = all;
	l->spec.has_groups = true;
	return ERR_OK;
}

static enum err take_user(struct launch *l, const struct action_def *a, struct error *e)
{
	char *end;
	long uid = a->user ? strtol(a->user, &end, 10) : 0;
	bool number = a->user && end != a->user && !*end;

	if (!a->user && !a->group)
		return a->groups.n ? take_groups(l, a, NULL, false, e) : ERR_OK;
	struct passwd *pw = !a->user ? getpwuid(geteuid())
			    : number ? getpwuid((uid_t)uid)
				     : getpwnam(a->user);
	if (!pw && a->user && !number)
		return error_set(e, ERR_INVALID, "user `%s` is not known", a->user);
	l->spec.uid = pw ? pw->pw_uid : a->user ? (uid_t)uid : geteuid();
	l->spec.gid = pw ? pw->pw_gid : getegid();
	if (a->group && find_group(a->group, &l->spec.gid, e))
		return e->code;
	/* A supervisor that is not root can run things as itself only; leave its groups alone. */
	if (geteuid() != 0 && l->spec.uid == geteuid() && l->spec.gid == getegid())
		return a->groups.n ? take_groups(l, a, NULL, false, e) : ERR_OK;
	if (take_groups(l, a, pw, true, e))
		return e->code;
	l->spec.has_user = true;
	if (pw && a->user) {
		environment_set(&l->env, "USER", pw->pw_name);
		environment_set(&l->env, "LOGNAME", pw->pw_name);
		environment_set(&l->env, "HOME", pw->pw_dir);
	}
	return ERR_OK;
}

static enum err take_limit(struct launch *l, const struct env_var *v, struct error *e)
{
	struct spawn_limit *lim = &l->limits[l->spec.n_limits];

	if (!v->value || !rlimit_name_parse(v->name, &lim->resource) ||
	    !rlimit_value_parse(v->value, &lim->soft, &lim->hard))
		return error_set(e, ERR_INVALID, "limits: `%s = %s` is not understood", v->name,
		    v->value ? v->value : "");
	l->spec.n_limits++;
	return ERR_OK;
}

static enum err take_limits(struct launch *l, const struct action_def *a, struct error *e)
{
	l->spec.limits = l->limits;
	for (size_t i = 0; i < a->limits.n; i++) {
		if (l->spec.n_limits == LAUNCH_LIMITS_MAX)
			return error_set(e, ERR_LIMIT, "limits: more than %d", LAUNCH_LIMITS_MAX);
		if (take_limit(l, &a->limits.v[i], e))
			return e->code;
	}
	return ERR_OK;
}

static enum err surround(struct launch *l, const struct action_def *a,
    const struct surroundings *around, struct error *e)
{
	if (environment_init(&l->env, around, a, e) || take_user(l, a, e) || take_limits(l, a, e))
		return e->code;
	if (a->cwd)
		l->spec.cwd = l->cwd = path_expand(around->paths, a->cwd);
	if (a->umask) {
		l->spec.has_umask = true;
		l->spec.umask = (mode_t)strtoul(a->umask, NULL, 8);
	}
	l->spec.has_nice = a->nice_given;
	l->spec.nice = (int)a->nice;
	l->spec.has_oom = a->oom_given;
	l->spec.no_new_privs = a->no_new_privs;
	l->spec.has_bounding = a->bounding_given;
	l->spec.bounding = a->bounding;
	l->spec.ambient = a->ambient;
	l->spec.oom_score_adj = (int)a->oom_score_adj;
	return ERR_OK;
}

enum err launch_init(struct launch *l, const struct action_def *a,
    const struct surroundings *around, struct error *e)
{
	*l = (struct launch){0};
	choose_command(l, a, around->frozen, around->paths);
	if (!l->argv.n)
		return error_set(e, ERR_INVALID, "there is no command");
	return surround(l, a, around, e);
}

enum err launch_init_command(struct launch *l, const struct action_def *a,
    const struct command *command, const struct surroundings *around, struct error *e)
{
	*l = (struct launch){0};
	for (size_t i = 0; i < command->argv.n; i++)
		strv_take(&l->argv, path_expand(around->paths, command->argv.v[i]));
	if (command->text) {
		strv_add(&l->argv, text_eq(a->interpreter, "bash") ? "bash" : "sh");
		strv_add(&l->argv, "-c");
		strv_add(&l->argv, command->text);
	}
	return surround(l, a, around, e);
}

void launch_release(struct launch *l)
{
	environment_release(&l->env);
	strv_release(&l->argv);
	strv_release(&l->places);
	free(l->cwd);
	free(l->groups);
	*l = (struct launch){0};
}

void launch_add_fd(struct launch *l, int fd, int number)
{
	l->fds[l->spec.n_fds++] = (struct spawn_fd){fd, number};
	l->spec.fds = l->fds;
}

void launch_set_env(struct launch *l, const char *name, const char *value)
{
	environment_set(&l->env, name, value);
}

const struct spawn_spec *launch_finish(struct launch *l)
{
	*vec_push(&l->argv) = NULL;
	l->argv.n--;
	l->spec.argv = (const char *const *)l->argv.v;
	l->spec.envp = environment_list(&l->env);
	return &l->spec;
}
