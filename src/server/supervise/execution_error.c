#include "server/supervise/execution_error.h"

#include "server/supervise/path_check.h"

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>

/* What a row may look at. */
struct look {
	const struct launch *l;
	char *file;	       /* that was executed; NULL: none was found */
	struct path_user user; /* that executes it */
	const char *cwd;       /* never NULL */
};

/* ---- which file ------------------------------------------------------------------------ */

static const char *cwd_of(const struct launch *l)
{
	return l->spec.cwd ? l->spec.cwd : "/";
}

static const char *search_path(const struct launch *l)
{
	const char *path = environment_get(&l->env, "PATH");

	return path ? path : "/usr/local/bin:/usr/bin:/bin"; /* keeper/spec.c */
}

/* As the keeper searches: the first one that is there. */
static char *find_in_path(const struct launch *l, const char *name)
{
	for (const char *dir = search_path(l); dir;
	     dir = strchr(dir, ':') ? strchr(dir, ':') + 1 : NULL) {
		size_t n = strcspn(dir, ":");
		auto_free char *folder = text_dup_n(dir, n);
		char *file = n && *dir == '/'
				 ? text_fmt("%s/%s", folder, name)
				 : text_fmt("%s/%s%s%s", cwd_of(l), folder, n ? "/" : "", name);

		if (access(file, F_OK) == 0)
			return file;
		free(file);
	}
	return NULL;
}

static char *file_of(const struct launch *l)
{
	const char *name = l->argv.n ? l->argv.v[0] : NULL;

	if (!name || !*name)
		return NULL;
	if (!strchr(name, '/'))
		return find_in_path(l, name);
	return *name == '/' ? text_dup(name) : text_fmt("%s/%s", cwd_of(l), name);
}

/* ---- rows: of execve(2) ------------------------------------------------------------------ */

static bool explain_nowhere(const struct look *k, struct str *out)
{
	if (!k->l->argv.n || !*k->l->argv.v[0])
		return str_add(out, "the command is empty"), true;
	if (k->l->places.n) {
		str_add(out, "it is in none of the places of a default command: ");
		for (size_t i = 0; i < k->l->places.n; i++)
			str_fmt(out, "%s%s", i ? ", " : "", k->l->places.v[i]);
		str_add(out, "; install it there, or write `exec`");
		return true;
	}
	str_fmt(out, "it is in no folder of PATH (%s); install it, or write its whole path",
	    search_path(k->l));
	return true;
}

/* The file is not there, or what it names in its head is not. */
static bool explain_absent(const struct look *k, struct str *out)
{
	if (!k->file || (k->l->places.n && access(k->file, F_OK) < 0))
		return explain_nowhere(k, out);
	return path_explain(k->file, &k->user, out) ||
	       path_explain_interpreter(k->file, k->cwd, &k->user, out);
}

static bool explain_denied(const struct look *k, struct str *out)
{
	if (!k->file)
		return explain_nowhere(k, out);
	return path_explain(k->file, &k->user, out) ||
	       path_explain_executable(k->file, &k->user, out) ||
	       path_explain_interpreter(k->file, k->cwd, &k->user, out) ||
	       (str_add(out, "a security module of the kernel (AppArmor, SELinux) may forbid it"),
		   true);
}

static bool explain_format(const struct look *k, struct str *out)
{
	return k->file && path_explain_format(k->file, out);
}

static bool explain_path_only(const struct look *k, struct str *out)
{
	return k->file && (path_explain(k->file, &k->user, out) ||
			      path_explain_interpreter(k->file, k->cwd, &k->user, out));
}

static size_t bytes_of(const struct strv *l, const char **largest, size_t *most)
{
	size_t sum = 0;

	for (size_t i = 0; i < l->n; i++) {
		size_t n = l->v[i] ? strlen(l->v[i]) + 1 : 0;

		sum += n;
		if (n > *most) {
			*most = n;
			*largest = l->v[i];
		}
	}
	return sum;
}

/* execve(2), "Limits on size of arguments and environment". */
static bool explain_size(const struct look *k, struct str *out)
{
	struct rlimit stack = {.rlim_cur = 8u << 20};
	const char *largest = "";
	size_t most = 0, args = bytes_of(&k->l->argv, &largest, &most),
	       vars = bytes_of(&k->l->env.vars, &largest, &most);

	getrlimit(RLIMIT_STACK, &stack);
	str_fmt(
	    out, "arguments of %zu KiB and an environment of %zu KiB; ", args >> 10, vars >> 10);
	if (most > 128u << 10)
		str_fmt(out, "one text may have 128 KiB, and `%.*s...` has %zu", (int)32, largest,
		    most >> 10);
	else
		str_fmt(out, "together they may have %llu KiB, a quarter of the limit of the stack",
		    (unsigned long long)(stack.rlim_cur >> 12));
	str_add(out, "; hand large values over in a file");
	return true;
}

/* ---- rows: of the others -------------------------------------------------------------------- */

static bool explain_folder(const struct look *k, struct str *out)
{
	return path_explain_folder(k->cwd, &k->user, out);
}

static bool explain_user(const struct look *k, struct str *out)
{
	if (geteuid() != 0)
		str_fmt(out,
		    "the supervisor runs as uid %u and can start others as itself only; "
		    "leave `user` and `group` out, or run it as root",
		    (unsigned)geteuid());
	else
		str_fmt(out,
		    "uid %u or gid %u may not be taken here (a user namespace that does "
		    "not map it, or a container without CAP_SETUID)",
		    (unsigned)k->l->spec.uid, (unsigned)k->l->spec.gid);
	return true;
}

/* ---- the table ---------------------------------------------------------------------------------
 */

#define ANY_STEP KEEPER_STEP_COUNT

/* The first row that fits; `text` where nothing has to be looked up. */
static const struct row {
	enum keeper_step step;
	int sys;
	bool (*explain)(const struct look *k, struct str *out);
	const char *text;
} rows[] = {
    {KEEPER_STEP_EXEC, ENOENT, explain_absent, "install it, or mend the path in `exec`"},
    {KEEPER_STEP_EXEC, EACCES, explain_denied, NULL},
    {KEEPER_STEP_EXEC, ENOTDIR, explain_path_only, "a part of its path is no folder"},
    {KEEPER_STEP_EXEC, ELOOP, explain_path_only,
	"its interpreter is a script, whose interpreter is a script, and so on; name a program in "
	"the first line"},
    {KEEPER_STEP_EXEC, ENAMETOOLONG, NULL,
	"a path may have 4095 bytes, and each of its parts 255; shorten it"},
    {KEEPER_STEP_EXEC, ENOEXEC, explain_format, "it is no program that this kernel knows"},
    {KEEPER_STEP_EXEC, EISDIR, NULL,
	"the loader that it names is a folder; build it anew, or mend its PT_INTERP"},
    {KEEPER_STEP_EXEC, EINVAL, NULL,
	"it is damaged: it names more than one loader; build or install it anew"},
    {KEEPER_STEP_EXEC, ELIBBAD, NULL,
	"the loader that it names is no program of this machine; install the C library that it was "
	"built for"},
    {KEEPER_STEP_EXEC, ETXTBSY, NULL,
	"somebody has it open for writing; install it under another name and `mv` it over the old "
	"one"},
    {KEEPER_STEP_EXEC, E2BIG, explain_size, NULL},
    {KEEPER_STEP_EXEC, EPERM, NULL,
	"it has capabilities or a set-user-id bit that it may not use here (no_new_privs, a nosuid "
	"file system, a bounding set that lacks them)"},
    {KEEPER_STEP_EXEC, EAGAIN, NULL,
	"its user has as many processes as `limits.nproc` allows; raise it, or end some"},
    {KEEPER_STEP_EXEC, EIO, NULL, "the disk does not give it; look at dmesg"},
    {KEEPER_STEP_EXEC, ESTALE, NULL, "its file system (NFS) has forgotten it; mount it again"},
    {KEEPER_STEP_EXEC, EINTR, NULL, "it hung, and was killed before it was executed"},
    {KEEPER_STEP_CHDIR, EINTR, NULL, "it hung, and was killed before it was executed"},
    {KEEPER_STEP_CHDIR, ENOENT, explain_folder, NULL},
    {KEEPER_STEP_CHDIR, ENOTDIR, explain_folder, NULL},
    {KEEPER_STEP_CHDIR, EACCES, explain_folder, NULL},
    {KEEPER_STEP_CHDIR, ELOOP, explain_folder, "a link on its way leads back to itself"},
    {KEEPER_STEP_CHDIR, ENAMETOOLONG, NULL,
	"a path may have 4095 bytes, and each of its parts 255; shorten it"},
    {KEEPER_STEP_CHDIR, ESTALE, NULL, "its file system (NFS) has forgotten it; mount it again"},
    {KEEPER_STEP_UID, EAGAIN, NULL,
	"this user has as many processes as its limit allows; raise `limits.nproc`"},
    {KEEPER_STEP_UID, ANY_STEP, explain_user, NULL},
    {KEEPER_STEP_GID, ANY_STEP, explain_user, NULL},
    {KEEPER_STEP_GROUPS, ANY_STEP, explain_user, NULL},
    {KEEPER_STEP_OOM, EACCES, NULL,
	"less than the supervisor's own needs CAP_SYS_RESOURCE; raise it, or run it as root"},
    {KEEPER_STEP_NICE, EACCES, NULL,
	"less than the supervisor's own needs CAP_SYS_NICE; raise it, or run it as root"},
    {KEEPER_STEP_NICE, EPERM, NULL,
	"less than the supervisor's own needs CAP_SYS_NICE; raise it, or run it as root"},
    {KEEPER_STEP_LIMITS, EPERM, NULL,
	"a hard limit above the supervisor's own needs CAP_SYS_RESOURCE; lower it, or run it as "
	"root"},
    {KEEPER_STEP_LIMITS, EINVAL, NULL, "a soft limit is above its hard limit"},
    {KEEPER_STEP_BOUNDING, EPERM, NULL, "that needs CAP_SETPCAP; leave it out, or run as root"},
    {KEEPER_STEP_AMBIENT, EPERM, NULL,
	"the supervisor does not have them itself; leave them out, or run it as root"},
    {KEEPER_STEP_FORK, EAGAIN, NULL,
	"there are as many processes as the machine, the user or the container allows (pids.max, "
	"nproc); it is tried again"},
    {ANY_STEP, EMFILE, NULL,
	"the supervisor has as many descriptors as its limit allows; raise `ulimit -n` (or "
	"LimitNOFILE) where it is started; it is tried again"},
    {ANY_STEP, ENFILE, NULL,
	"the machine has as many files open as it allows; raise the sysctl fs.file-max; it is "
	"tried "
	"again"},
    {ANY_STEP, ENOMEM, NULL,
	"there is no memory for it (free memory, or memory.max of the container); it is tried "
	"again"},
    {ANY_STEP, ENOSPC, NULL, "there is no room for it; it is tried again"},
};

static const struct row *find_row(enum keeper_step step, int sys)
{
	for (size_t i = 0; i < countof(rows); i++)
		if ((rows[i].step == step || rows[i].step == ANY_STEP) &&
		    (rows[i].sys == sys || rows[i].sys == ANY_STEP))
			return &rows[i];
	return NULL;
}

bool execution_error_explain(
    const struct launch *l, enum keeper_step step, int sys, struct str *out)
{
	const struct row *r = find_row(step, sys);
	struct look k = {.l = l, .cwd = cwd_of(l)};

	if (!r)
		return false;
	path_user_init(&k.user, &l->spec);
	auto_free char *file = step == KEEPER_STEP_EXEC && r->explain ? file_of(l) : NULL;
	k.file = file;
	if (r->explain && r->explain(&k, out))
		return true;
	str_add(out, r->text ? r->text : "");
	return r->text;
}

void execution_error_describe(
    const struct launch *l, const char *name, enum keeper_step step, int sys, struct str *out)
{
	struct error e = {0};
	auto_str more = {0};

	spawn_step_error(step, sys, l->argv.n ? l->argv.v[0] : name, l->cwd, &e);
	str_add(out, e.msg);
	if (sys && execution_error_explain(l, step, sys, &more))
		str_fmt(out, ": %s", more.s);
}
