/* verb_service.c - register, look at and change services. */
#include "cli/cli.h"
#include "client/place.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>

#define INFO_BYTES (8u << 20) /* a manifest of 1 MiB, escaped */

static json_t *words(struct cli *c)
{
	json_t *names = json_array();

	for (int i = 0; i < c->n; i++)
		json_array_append_new(names, json_string(c->args[i]));
	return names;
}

static int change_or_all(struct cli *c, const char *method, const char *done)
{
	auto_free char *all = text_fmt("%s_all", method);

	if (c->all == (c->n > 0)) {
		fprintf(stderr, "hero_proc: either names or --all\n");
		return err_exit_status(ERR_METHOD);
	}
	return c->all ? change_services(c, all, NULL, done)
		      : change_services(c, method, words(c), done);
}

int verb_service_start(struct cli *c)
{
	return change_or_all(c, "service.start", "started");
}

int verb_service_stop(struct cli *c)
{
	return change_or_all(c, "service.stop", "stopped");
}

int verb_service_restart(struct cli *c)
{
	return change_services(c, "service.restart", words(c), "restarted");
}

static int simple(struct cli *c, const char *method, json_t *take_params, const char *done)
{
	int status;
	json_t *v = cli_call(c, method, take_params, &status);

	if (!v)
		return status;
	if (c->json)
		return cli_json(v);
	if (!c->quiet)
		printf("%s: %s\n", c->args[0], done);
	json_decref(v);
	return 0;
}

int verb_service_delete(struct cli *c)
{
	json_t *params = json_pack("{s:s, s:b, s:b, s:b}", "name", c->args[0], "force", c->force,
	    "with_dependents", c->with_dependents, "dry_run", c->dry_run);
	int status;

	if (!c->dry_run)
		return simple(c, "service.delete", params, "deleted");
	json_t *answer = cli_call(c, "service.delete", params, &status);
	return answer ? print_plan(c, answer) : status;
}

int verb_service_ready(struct cli *c)
{
	return simple(c, "service.ready", json_pack("{s:s}", "name", c->args[0]), "ready");
}

int verb_wanted(struct cli *c)
{
	return simple(c, "wanted.set",
	    json_pack("{s:s, s:s}", "name", c->args[0], "wanted", c->args[1]), c->args[1]);
}

int verb_service_reload(struct cli *c)
{
	json_t *p = json_pack("{s:s, s:b}", "name", c->args[0], "wait", !c->no_wait);

	if (c->action)
		json_object_set_new(p, "action", json_string(c->action));
	if (c->timeout > 0)
		json_object_set_new(p, "timeout_ms", json_integer(c->timeout));
	return simple(c, "service.reload", p, "reloaded");
}

int verb_service_kill(struct cli *c)
{
	json_t *p = json_pack("{s:s}", "name", c->args[0]);
	char *end;

	if (c->signal && strtol(c->signal, &end, 10) > 0 && !*end)
		json_object_set_new(p, "signal", json_integer(strtol(c->signal, NULL, 10)));
	else if (c->signal)
		json_object_set_new(p, "signal", json_string(c->signal));
	if (c->action)
		json_object_set_new(p, "action", json_string(c->action));
	return simple(c, "service.kill", p, "signalled");
}

/* ---- registering ----------------------------------------------------------------- */

static int print_registered(struct cli *c, json_t *take_answer)
{
	json_t *v;
	size_t i;

	if (c->json)
		return cli_json(take_answer);
	cli_warn(c, take_answer);
	json_array_foreach (json_object_get(take_answer, "services"), i, v) {
		const char *owner = text_of(v, "owner");

		if (!c->quiet)
			printf("%s: %s%s%s\n", text_of(v, "name"), text_of(v, "change"),
			    *owner ? ", owner " : "", owner);
	}
	json_decref(take_answer);
	return 0;
}

/* What `BIN --info` prints; no shell stands between.  errno when it could not be executed. */
static int run_info(const char *binary, struct str *out, int *status)
{
	const char *const argv[] = {binary, "--info", NULL};
	posix_spawn_file_actions_t files;
	int ends[2], sys;
	char buf[8192];
	ssize_t n;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return errno;
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, ends[1], STDOUT_FILENO);
	sys = posix_spawnp(&pid, binary, &files, NULL, (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&files);
	close(ends[1]);
	while (!sys && ((n = read(ends[0], buf, sizeof(buf))) > 0 || (n < 0 && errno == EINTR)))
		if (n > 0 && out->n < INFO_BYTES)
			str_add_n(out, buf, (size_t)n);
	close(ends[0]);
	while (!sys && waitpid(pid, status, 0) < 0 && errno == EINTR)
		continue;
	return sys;
}

static json_t *info_of(const char *binary, int *status)
{
	auto_str text = {0};
	int ended = 0, sys = run_info(binary, &text, &ended);
	json_t *info = sys || ended ? NULL : json_loadb(str_text(&text), text.n, 0, NULL);

	if (*text_of(info, "manifest"))
		return info;
	json_decref(info);
	fprintf(stderr, "hero_proc: %s --info: %s\n", binary,
	    sys ? strerrordesc_np(sys) : "it printed no manifest");
	*status = err_exit_status(sys == ENOENT	  ? ERR_NOT_FOUND
				  : sys == EACCES ? ERR_DENIED
						  : ERR_SYSTEM);
	return NULL;
}

static int register_binary(struct cli *c)
{
	int status;
	json_t *info = info_of(c->from_binary, &status);

	if (!info)
		return status;
	auto_free char *path = text_fmt("%s:service.toml", text_of(info, "name"));
	json_t *params = json_pack("{s:s, s:s, s:s, s:b}", "manifest", text_of(info, "manifest"),
	    "path", path, "for", text_of(info, "name"), "start", c->start);
	if (*text_of(info, "exec") &&
	    place_is_elsewhere(text_of(info, "name"), text_of(info, "exec")))
		json_object_set(params, "exec", json_object_get(info, "exec"));
	json_decref(info);
	json_t *answer = cli_call(c, "service.register", params, &status);
	return answer ? print_registered(c, answer) : status;
}

int verb_service_register(struct cli *c)
{
	int status = 0;

	if (c->from_binary)
		return register_binary(c);
	if (!c->n)
		return fprintf(stderr,
			   "usage: hero_proc service register FILE... | --from-binary BIN\n"),
		       2;
	json_t *manifests = manifests_below(c, NULL, &status);
	if (!manifests)
		return status;
	json_t *answer = cli_call(c, "service.register",
	    json_pack("{s:o, s:b}", "manifests", manifests, "start", c->start), &status);
	return answer ? print_registered(c, answer) : status;
}

/* ---- looking ------------------------------------------------------------------------ */

int verb_service_list(struct cli *c)
{
	struct table t = {0};
	int status;
	json_t *answer = cli_call(c, "service.list", NULL, &status), *s;
	size_t i;

	if (!answer)
		return status;
	if (c->json)
		return cli_json(answer);
	table_row(&t, (const char *const[]){"SERVICE", "STATE", "WANTED", "SINCE", "REASON", NULL});
	json_array_foreach (json_object_get(answer, "services"), i, s) {
		auto_free char *age = age_of(text_of(s, "since"));
		json_t *wait = json_array_get(json_object_get(s, "waiting_on"), 0);
		const char *reason = wait ? text_of(wait, "text") : text_of(s, "reason");

		table_row(&t, (const char *const[]){text_of(s, "name"), text_of(s, "state"),
				  text_of(s, "wanted"), age,
				  strcmp(reason, "none") == 0 ? "" : reason, NULL});
	}
	if (i)
		table_print(&t, c);
	else
		puts("no services are registered");
	strv_release(&t.cells);
	json_decref(answer);
	return 0;
}

int verb_service_get(struct cli *c)
{
	int status;
	json_t *v = cli_call(c, "service.get", json_pack("{s:s}", "name", c->args[0]), &status);

	if (!v)
		return status;
	if (c->json)
		return cli_json(v);
	auto_free char *text = json_dumps(v, JSON_INDENT(2));
	puts(text);
	json_decref(v);
	return 0;
}

/* What a probe heard is another program's output: one line, and no control characters. */
static void print_probe(struct cli *c, const json_t *p)
{
	const char *state = text_of(p, "state"), *last = text_of(p, "last");
	auto_free char *age = age_of(text_of(p, "since"));

	printf("    %s probe (%s) %s%s%s", text_of(p, "probe"), text_of(p, "kind"),
	    strcmp(state, "failing") == 0 ? paint_state(c, "failed") : "", state, plain(c));
	if (json_is_string(json_object_get(p, "since")))
		printf("  since %s", age);
	if (*last)
		printf(": ");
	for (; *last; last++)
		putchar((unsigned char)*last < ' ' || *last == 127 ? ' ' : *last);
	putchar('\n');
}

static void print_action(struct cli *c, const json_t *a)
{
	const char *state = text_of(a, "state");
	auto_free char *age = age_of(text_of(a, "since"));
	json_int_t pid = json_integer_value(json_object_get(a, "pid"));

	printf("  %-24s %s%s%s", text_of(a, "name"), paint_state(c, state), state, plain(c));
	if (pid)
		printf("  pid %lld", (long long)pid);
	printf("  since %s", age);
	if (json_integer_value(json_object_get(a, "restarts")))
		printf("  restarts %lld",
		    (long long)json_integer_value(json_object_get(a, "restarts")));
	if (json_is_integer(json_object_get(a, "exit_code")))
		printf("  exit code %lld",
		    (long long)json_integer_value(json_object_get(a, "exit_code")));
	if (json_is_string(json_object_get(a, "signal")))
		printf("  signal %s", text_of(a, "signal"));
	putchar('\n');
	const json_t *probe;
	size_t i;
	json_array_foreach (json_object_get(a, "probes"), i, probe)
		print_probe(c, probe);
}

int verb_service_status(struct cli *c)
{
	int status;
	json_t *v = cli_call(c, "service.status", json_pack("{s:s}", "name", c->args[0]), &status),
	       *e;
	size_t i;

	if (!v)
		return status;
	if (c->json)
		return cli_json(v);
	const char *state = text_of(v, "state"), *reason = text_of(v, "reason");
	auto_free char *age = age_of(text_of(v, "since"));
	printf("%s%s%s: %s%s%s since %s, wanted %s%s%s\n", paint(c, "\033[1m"), text_of(v, "name"),
	    plain(c), paint_state(c, state), state, plain(c), age, text_of(v, "wanted"),
	    *reason && strcmp(reason, "none") != 0 ? ", " : "",
	    strcmp(reason, "none") == 0 ? "" : reason);
	json_array_foreach (json_object_get(v, "actions"), i, e)
		print_action(c, e);
	json_array_foreach (json_object_get(v, "waiting_on"), i, e)
		printf("  waits: %s%s%s%s\n", text_of(e, "text"),
		    *text_of(e, "source") ? "  (" : "", text_of(e, "source"),
		    *text_of(e, "source") ? ")" : "");
	json_decref(v);
	return 0;
}
