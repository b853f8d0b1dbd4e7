/* verb_up.c - a folder of manifests up and down; the daemon with it. */
#include "cli/cli.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define DAEMON_MS 10000 /* until it must answer */

/* ---- manifests below files and folders ------------------------------------------- */

static char *slurp(const char *path, size_t *n)
{
	FILE *f = fopen(path, "re");
	struct str text = {0};
	char buf[8192];
	size_t got;

	if (!f)
		return NULL;
	while ((got = fread(buf, 1, sizeof(buf), f)) > 0 && text.n < (2u << 20))
		str_add_n(&text, buf, got);
	fclose(f);
	*n = text.n;
	return str_take(&text);
}

/* A file that may be absent (must not set) is passed over; what was wrong goes to *wrong. */
static void add_file(json_t *list, const char *path, bool must, enum err *wrong)
{
	size_t n = 0;
	auto_free char *text = slurp(path, &n);
	int sys = errno; /* of slurp, when there is no text */
	json_t *value = text ? json_stringn(text, n) : NULL;
	auto_free char *whole = realpath(path, NULL);

	if (!value) {
		if (must || text) {
			fprintf(stderr, "hero_proc: %s: %s\n", path,
			    text ? "it is not UTF-8" : strerrordesc_np(sys));
			*wrong = text ? ERR_INVALID : ERR_NOT_FOUND;
		}
		return;
	}
	json_array_append_new(
	    list, json_pack("{s:s, s:o}", "path", whole ? whole : path, "text", value));
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* DIR/service.toml, DIR/NAME/service.toml, DIR/NAME.toml */
static void add_folder(json_t *list, const char *dir, enum err *wrong)
{
	struct dirent **names = NULL;
	int n = scandir(dir, &names, NULL, by_name);

	for (int i = 0; i < n; i++) {
		const char *name = names[i]->d_name;
		size_t length = strlen(name);
		auto_free char *path = text_fmt("%s/%s", dir, name),
			       *inner = text_fmt("%s/%s/service.toml", dir, name);

		if (*name != '.' && length > 5 && strcmp(name + length - 5, ".toml") == 0)
			add_file(list, path, true, wrong);
		else if (*name != '.')
			add_file(list, inner, false, wrong);
		free(names[i]);
	}
	free(names);
}

json_t *manifests_below(struct cli *c, json_t *folders, int *status)
{
	json_t *list = json_array();
	enum err wrong = ERR_OK;

	for (int i = 0; i < (c->n ? c->n : 1); i++) {
		const char *path = c->n ? c->args[i] : ".";
		struct stat st;

		if (stat(path, &st) != 0) {
			fprintf(stderr, "hero_proc: %s: %s\n", path, strerrordesc_np(errno));
			wrong = ERR_NOT_FOUND;
		} else if (S_ISDIR(st.st_mode)) {
			auto_free char *whole = realpath(path, NULL);

			add_folder(list, path, &wrong);
			if (folders)
				json_array_append_new(folders, json_string(whole ? whole : path));
		} else {
			add_file(list, path, true, &wrong);
		}
	}
	if (!wrong && !json_array_size(list) && !json_array_size(folders)) {
		fprintf(stderr, "hero_proc: no service.toml found\n");
		wrong = ERR_NOT_FOUND;
	}
	if (!wrong)
		return list;
	json_decref(list);
	*status = err_exit_status(wrong);
	return NULL;
}

/* ---- the daemon ------------------------------------------------------------------------ */

static bool answers(struct cli *c)
{
	struct hp_error e;
	json_t *v = cli_try(c, "system.ping", NULL, &e);

	if (!v) {
		bool there = err_from_rpc_code(e.code) != ERR_NO_DAEMON;

		hp_error_release(&e);
		return there;
	}
	json_decref(v);
	return true;
}

/* Beside our own binary, in the build tree, or on PATH. */
static char *find_server(void)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	static const char *const places[] = {"/hero_proc_server", "/../server/hero_proc_server"};

	self[n > 0 ? n : 0] = '\0';
	if (strrchr(self, '/'))
		*strrchr(self, '/') = '\0';
	for (size_t i = 0; i < countof(places); i++) {
		char *path = text_fmt("%s%s", self, places[i]);

		if (access(path, X_OK) == 0)
			return path;
		free(path);
	}
	return text_dup("hero_proc_server");
}

static void become_daemon(struct cli *c, const char *server)
{
	auto_free char *log = text_fmt("%s.log", hp_client_socket(c->client));
	const char *ours = getenv("HERO_PROC_SOCKET"); /* a word of clients: the daemon is told */
	const char *told = c->socket ? c->socket : ours && *ours ? ours : NULL;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	for (char *p = log + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		mkdir(log, 0750);
	}
	int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	dup2(null, 0);
	dup2(out >= 0 ? out : null, 1);
	dup2(out >= 0 ? out : null, 2);
	if (told)
		execlp(server, server, "--socket", told, (char *)NULL);
	else
		execlp(server, server, (char *)NULL);
	_exit(127);
}

static int ensure_daemon(struct cli *c)
{
	const struct timespec pause = {0, 10000000};
	auto_free char *server = find_server();
	bool gave_way = false;
	int ended;

	if (answers(c))
		return 0;
	pid_t pid = fork();
	if (pid == 0)
		become_daemon(c, server);
	for (msec waited = 0; pid > 0 && waited < DAEMON_MS; waited += 10) {
		if (answers(c))
			return 0;
		/* One that found another before it gives way: that one will answer. */
		if (!gave_way && waitpid(pid, &ended, WNOHANG) == pid) {
			gave_way =
			    WIFEXITED(ended) && WEXITSTATUS(ended) == err_exit_status(ERR_CONFLICT);
			if (!gave_way)
				break;
		}
		nanosleep(&pause, NULL);
	}
	fprintf(stderr, "hero_proc: %s did not come up; see %s.log\n", server,
	    hp_client_socket(c->client));
	return err_exit_status(ERR_NO_DAEMON);
}

/* ---- verbs ---------------------------------------------------------------------------------- */

static json_t *names_of(const json_t *registered)
{
	json_t *names = json_array(), *v;
	size_t i;

	json_array_foreach (json_object_get(registered, "services"), i, v) {
		json_t *owner = json_object_get(v, "owner");

		if (strcmp(text_of(v, "change"), "removed") != 0)
			json_array_append(
			    names, json_is_string(owner) ? owner : json_object_get(v, "name"));
	}
	return names;
}

int verb_up(struct cli *c)
{
	int status = 0;
	json_t *manifests = manifests_below(c, NULL, &status);

	if (!manifests)
		return status;
	status = ensure_daemon(c);
	if (status) {
		json_decref(manifests);
		return status;
	}
	return apply_manifests(
	    c, json_pack("{s:o, s:b}", "manifests", manifests, "start", 1), "up");
}

/* A dry registration tells the names without changing anything. */
int verb_down(struct cli *c)
{
	int status = 0;

	if (!c->n)
		return change_services(c, "service.stop_all", NULL, "down");
	json_t *manifests = manifests_below(c, NULL, &status);
	if (!manifests)
		return status;
	json_t *answer = cli_call(c, "service.register",
	    json_pack("{s:o, s:b}", "manifests", manifests, "dry_run", 1), &status);
	if (!answer)
		return status;
	json_t *names = names_of(answer);
	json_decref(answer);
	return change_services(c, "service.stop", names, "down");
}

int verb_shutdown(struct cli *c)
{
	const struct timespec pause = {0, 20000000};
	int status;
	json_t *v = cli_call(c, "system.shutdown", NULL, &status);

	if (!v)
		return status;
	json_decref(v);
	for (int i = 0; i < 3000; i++) {
		if (access(hp_client_socket(c->client), F_OK) != 0) {
			if (!c->quiet && !c->json)
				puts("the supervisor is down");
			return 0;
		}
		nanosleep(&pause, NULL);
	}
	fprintf(stderr, "hero_proc: it still stops services after a minute\n");
	return err_exit_status(ERR_TIMEOUT);
}
