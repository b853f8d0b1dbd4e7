/* verb_register.c - manifests become definitions. */
#include "cli/call.h"
#include "cli/manifests.h"
#include "cli/out.h"
#include "cli/verbs.h"
#include "client/place.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#define INFO_BYTES (8u << 20) /* a manifest of 1 MiB, escaped */

static int print_registered(struct cli *c, json_t *take_answer)
{
	json_t *v;
	size_t i;

	if (c->json)
		return print_json(take_answer);
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
	complain("%s --info: %s", binary, sys ? strerrordesc_np(sys) : "it printed no manifest");
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

int verb_register(struct cli *c)
{
	int status = 0;

	if (c->from_binary)
		return register_binary(c);
	if (!c->n)
		return complain("files, or --from-binary BIN"), err_exit_status(ERR_METHOD);
	json_t *manifests = manifests_below(c, NULL, &status);
	if (!manifests)
		return status;
	json_t *answer = cli_call(c, "service.register",
	    json_pack("{s:o, s:b}", "manifests", manifests, "start", c->start), &status);
	return answer ? print_registered(c, answer) : status;
}
