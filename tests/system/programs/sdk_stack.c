/*
 * sdk_stack.c - the example stack through the builders of libhero_proc.
 *
 *   sdk_stack dependencies|requires per_binary|composite
 *       defines hero_collab_server and hero_collab_web, starts the web part alone
 *   sdk_stack pair NAME KIND=TARGET...
 *       defines the service NAME that runs hero_proxy, with edges to other services
 *
 * Executables are $PATH_ROOT/bin/<name>.
 */
#include <hero_proc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static hp_client *client;

/* The exit status of a call; what went wrong is told on the way. */
static int judge(int code, struct hp_error *e)
{
	int status = code ? hp_error_exit_status(e) : 0;

	if (code)
		fprintf(stderr, "%s: %s %s\n", e->name, e->message, e->data ? e->data : "");
	hp_error_release(e);
	return status;
}

static hp_action *add_program(
    hp_service *s, const char *name, const char *socket, const char *folder)
{
	char path[512];
	hp_action *a = hp_service_action(s, name);

	snprintf(path, sizeof(path), "%s/bin/%s", getenv("PATH_ROOT"), name);
	hp_action_exec(a, (const char *const[]){path, NULL});
	hp_action_socket(a, socket);
	hp_action_env(a, "HERO_FOLDER", folder);
	hp_action_env(a, "AUTH_MODE", "proxy");
	return a;
}

/* What [[dependencies]] would say. */
static void add_blocks(hp_action *server, hp_action *web)
{
	hp_action_needs_binary(server, "lhumina_code/hero_db", "hero_db", "rpc.sock");
	hp_action_needs_binary(web, "lhumina_code/hero_collab", "hero_collab_server", "rpc.sock");
	hp_action_needs_binary(web, "lhumina_code/hero_proxy", "hero_proxy", "rpc.sock");
}

static void define(hp_service *s)
{
	struct hp_error e = {0};
	int status = judge(hp_service_define(client, s, &e), &e);

	hp_service_free(s);
	if (status != 0)
		exit(status);
}

static const char *define_per_binary(bool blocks)
{
	hp_service *server = hp_service_new("hero_collab_server");
	hp_service *web = hp_service_new("hero_collab_web");
	hp_action *a = add_program(server, "hero_collab_server", "rpc.sock", "hero_collab_server");
	hp_action *b = add_program(web, "hero_collab_web", "web.sock", "hero_collab_web");

	if (blocks) {
		add_blocks(a, b);
	} else {
		hp_service_requires(server, "hero_db");
		hp_service_requires(web, "hero_collab_server");
		hp_service_requires(web, "hero_proxy");
	}
	define(server);
	define(web);
	return "hero_collab_web";
}

static const char *define_composite(bool blocks)
{
	hp_service *s = hp_service_new("hero_collab");
	hp_action *a = add_program(s, "hero_collab_server", "rpc.sock", "hero_collab");
	hp_action *b = add_program(s, "hero_collab_web", "web.sock", "hero_collab");

	if (blocks) {
		add_blocks(a, b);
	} else {
		hp_service_requires(s, "hero_db");
		hp_service_requires(s, "hero_proxy");
		hp_action_depends_on(b, "hero_collab_server", NULL, NULL);
	}
	define(s);
	return "hero_collab";
}

static void add_edge(hp_service *s, char *word)
{
	char *target = strchr(word, '=');

	if (!target)
		exit(2);
	*target++ = 0;
	if (strcmp(word, "wants") == 0)
		hp_service_wants(s, target);
	else if (strcmp(word, "after") == 0)
		hp_service_after(s, target);
	else if (strcmp(word, "conflicts") == 0)
		hp_service_conflicts(s, target);
	else
		hp_service_requires(s, target);
}

static int define_pair(const char *name, char **words)
{
	hp_service *s = hp_service_new(name);

	add_program(s, "hero_proxy", "rpc.sock", name);
	for (; *words; words++)
		add_edge(s, *words);
	define(s);
	return 0;
}

int main(int argc, char **argv)
{
	struct hp_error e = {0};

	if (argc < 3)
		return 2;
	client = hp_client_new(NULL);
	if (strcmp(argv[1], "pair") == 0)
		return define_pair(argv[2], argv + 3);

	bool blocks = strcmp(argv[1], "dependencies") == 0;
	const char *dependent = strcmp(argv[2], "composite") == 0 ? define_composite(blocks)
								  : define_per_binary(blocks);
	int status = judge(hp_service_start(client, dependent, NULL, &e), &e);
	hp_client_free(client);
	return status;
}
