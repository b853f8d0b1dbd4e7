/* main.c - the server, or, started by hand, the way to the keeper that starts it. */
#include "server/daemon.h"
#include "server/recovery/handover.h"

#include "server/host/version.h"
#include "server/recovery/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <malloc.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* Where its file was, if another one has taken its place (proc_pid_exe(5)). */
static char *own_path(void)
{
	static const char gone[] = " (deleted)";
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	size_t cut = sizeof(gone) - 1;

	if (n <= 0)
		return NULL;
	if ((size_t)n > cut && memcmp(path + n - cut, gone, cut) == 0)
		n -= (ssize_t)cut;
	return text_dup_n(path, (size_t)n);
}

/* Beside us, in the build tree, in libexec, or in the PATH. */
static char *find_keeper(const char *self)
{
	static const char *const places[] = {"hero_proc_keeper", "../keeper/hero_proc_keeper",
	    "../libexec/hero_proc/hero_proc_keeper", "../libexec/hero_proc_keeper"};
	auto_free char *copy = text_dup(self);
	const char *dir = dirname(copy);

	for (size_t i = 0; i < countof(places); i++) {
		char *path = text_fmt("%s/%s", dir, places[i]);

		if (access(path, X_OK) == 0)
			return path;
		free(path);
	}
	return text_dup("hero_proc_keeper");
}

/* Who the server is to be, if that is somebody else; *pw is NULL where it is who starts it. */
static enum err find_user(const struct options *o, const struct passwd **pw, struct error *e)
{
	const struct passwd *found = o->user ? getpwnam(o->user) : NULL;

	*pw = NULL;
	if (!o->user || (found && geteuid() != 0 && found->pw_uid == geteuid()))
		return ERR_OK;
	if (geteuid() != 0)
		return error_set(e, ERR_DENIED, "--user: only root may start it as another user");
	if (!found || found->pw_uid == 0)
		return error_set(e, ERR_INVALID,
		    found ? "--user: `%s` is root" : "--user: there is no user `%s`", o->user);
	*pw = found;
	return ERR_OK;
}

/* "UID:GID,GID..." as the keeper reads it; never with the group of root. */
static char *identity_of(const struct passwd *pw)
{
	gid_t groups[64];
	int n = countof(groups);
	auto_str text = {0};

	str_fmt(&text, "%u:%u", pw->pw_uid, pw->pw_gid);
	if (getgrouplist(pw->pw_name, pw->pw_gid, groups, &n) < 0)
		n = 0;
	for (int i = 0; i < n; i++)
		if (groups[i] != pw->pw_gid && groups[i] != 0)
			str_fmt(&text, ",%u", groups[i]);
	return str_take(&text);
}

static void surround(const struct passwd *pw)
{
	setenv("HOME", pw->pw_dir, 1);
	setenv("USER", pw->pw_name, 1);
	setenv("LOGNAME", pw->pw_name, 1);
}

static enum err make_for(const char *dir, unsigned mode, const struct passwd *pw, struct error *e)
{
	if (path_make(dir, mode, e))
		return e->code;
	if (pw && chown(dir, pw->pw_uid, pw->pw_gid) < 0)
		return error_sys(e, errno, "%s", dir);
	return ERR_OK;
}

/* What was relative to the folder of the caller is not any more. */
static void freeze_paths(const struct paths *p)
{
	const struct {
		const char *name, *value;
	} all[] = {{"PATH_ROOT", p->root}, {"PATH_VAR", p->var}, {"PATH_BUILD", p->build},
	    {"PATH_CODE", p->code}, {"HERO_SOCKET_DIR", p->sockets}};

	for (size_t i = 0; i < countof(all); i++) {
		const char *now = getenv(all[i].name);

		if (now && *now && *now != '/')
			setenv(all[i].name, all[i].value, 1);
	}
}

static bool is_relative(const char *path)
{
	return path && *path != '/';
}

/* Keeper and server keep no folder busy: neither that of a shell nor a mounted one. */
static void leave_folder(void)
{
	if (chdir("/") < 0)
		fprintf(stderr, "hero_proc_server: chdir /: %s\n", strerror(errno));
}

/* Does not return when it works: this process becomes the keeper. */
static int become_keeper(const struct options *o, int argc, char **argv)
{
	struct paths paths;
	struct error e = {0};
	auto_free char *self = own_path();
	auto_free char *keeper = find_keeper(self ? self : argv[0]);
	char **args = mem_new(((size_t)argc + 14) * sizeof(*args));
	size_t n = 0;
	static char word_state[] = "--state", word_server[] = "--server", word_end[] = "--",
		    word_user[] = "--user", word_socket[] = "--socket";
	const struct passwd *pw;

	if (find_user(o, &pw, &e)) {
		fprintf(stderr, "hero_proc_server: %s\n", e.msg);
		return KEEPER_EXIT_USAGE;
	}
	if (pw)
		surround(pw);
	auto_free char *user = pw ? identity_of(pw) : NULL;
	paths_init(&paths, o->state, o->socket);
	if (make_for(paths.state, 0700, pw, &e) || (pw && make_for(paths.sockets, 0755, pw, &e))) {
		fprintf(stderr, "hero_proc_server: %s\n", e.msg);
		return KEEPER_EXIT_FAILED;
	}
	args[n++] = keeper;
	args[n++] = word_state;
	args[n++] = paths.state;
	args[n++] = word_server;
	args[n++] = self;
	if (user) {
		args[n++] = word_user;
		args[n++] = user;
	}
	args[n++] = word_end;
	for (int i = 1; i < argc; i++)
		args[n++] = argv[i];
	if (is_relative(o->socket)) { /* the last one counts */
		args[n++] = word_socket;
		args[n++] = paths.socket;
	}
	if (is_relative(o->state)) {
		args[n++] = word_state;
		args[n++] = paths.state;
	}
	freeze_paths(&paths);
	leave_folder();
	execvp(keeper, args);
	fprintf(stderr, "hero_proc_server: %s: %s\n", keeper, strerror(errno));
	free(args);
	paths_release(&paths);
	return KEEPER_EXIT_FAILED;
}

/*
 * The kernel doubles the table of descriptors as it fills, and where threads share it
 * each doubling waits for an RCU grace period: some 15 ms in the middle of a start.
 * Before there are threads it costs nothing; 64 KiB of the kernel's memory remain.
 */
#define EXPECTED_FDS 8192

static void grow_fd_table(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur > EXPECTED_FDS) {
		int high = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, EXPECTED_FDS - 1);

		if (high >= 0)
			close(high);
	}
}

static int serve(struct options *o, int keeper_fd, bool *keeper_lost, struct handover **estate)
{
	struct daemon d;
	struct error e = {0};
	int status = KEEPER_EXIT_FAILED;

	mallopt(M_ARENA_MAX, 1);
	mallopt(M_TRIM_THRESHOLD, 256 * 1024);
	signal(SIGPIPE, SIG_IGN);
	grow_fd_table();
	if (daemon_init(&d, o, keeper_fd, &e))
		report(REPORT_ERROR, "%s", e.msg);
	else
		status = daemon_run(&d);
	*keeper_lost = d.keeper_lost;
	if (d.estate)
		handover_gather(&d);
	*estate = d.estate;
	daemon_release(&d);
	return status;
}

static void hand_over(struct handover *take_estate)
{
	char number[16];
	int fd = handover_export(take_estate);

	snprintf(number, sizeof(number), "%d", fd);
	if (fd >= 0)
		setenv(KEEPER_ESTATE_ENV, number, 1);
}

/* The keeper's word for this server alone, not for the next keeper's. */
static int without_safe(int argc, char **argv)
{
	return argc > 1 && strcmp(argv[argc - 1], "--safe") == 0 ? argc - 1 : argc;
}

static bool tell_who(const struct options *o)
{
	if (o->version_json) {
		json_t *is = upgrade_identity();

		json_dumpf(is, stdout, 0);
		json_decref(is);
		putchar('\n');
	} else if (o->help) {
		printf("%s", options_usage);
	} else if (o->version) {
		printf("hero_proc_server %s\n", server_version);
	}
	return o->version_json || o->help || o->version;
}

int main(int argc, char **argv)
{
	struct options o = {0};
	struct error e = {0};
	int status = KEEPER_EXIT_FAILED;

	if (options_parse(&o, argc, argv, &e)) {
		fprintf(stderr, "hero_proc_server: %s\n%s", e.msg, options_usage);
		return KEEPER_EXIT_USAGE;
	}
	if (tell_who(&o))
		return KEEPER_EXIT_DONE;
	report_set_level(o.level);
	int fd = spawner_fd_from_env();
	auto_free char *upgrade = text_dup(getenv(KEEPER_UPGRADE_ENV));
	auto_free char *nofile = text_dup(getenv(KEEPER_NOFILE_ENV));
	bool keeper_lost = fd < 0;
	struct handover *estate = NULL;

	unsetenv(KEEPER_NOFILE_ENV); /* not for jobs */
	unsetenv(KEEPER_UPGRADE_ENV);
	o.program = argv[0];
	o.upgrade = upgrade;
	prctl(PR_SET_NAME, program_invocation_short_name); /* also of a file without a name */
	if (fd >= 0)
		status = serve(&o, fd, &keeper_lost, &estate);
	if (keeper_lost) {
		if (nofile)
			setenv(KEEPER_NOFILE_ENV, nofile, 1);
		hand_over(estate);
		status = become_keeper(&o, without_safe(argc, argv), argv);
	}
	options_release(&o);
	return status;
}
