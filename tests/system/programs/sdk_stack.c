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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct hp_client *client;

static int judge(struct hp_answer *a)
{
	int status = hp_answer_exit_status(a);

	if (status != 0)
		fprintf(stderr, "%s: %s %s\n", hp_answer_name(a), hp_answer_message(a),
		    hp_answer_data(a) ? hp_answer_data(a) : "");
	hp_answer_free(a);
	return status;
}

static void must(struct hp_answer *a)
{
	int status = judge(a);

	if (status != 0)
		exit(status);
}

static struct hp_action *add_program(
    struct hp_service *s, const char *name, const char *socket, const char *folder)
{
	char path[512];
	struct hp_action *a = hp_service_action(s, name);

	snprintf(path, sizeof(path), "%s/bin/%s", getenv("PATH_ROOT"), name);
	hp_action_exec(a, (const char *const[]){path, NULL});
	hp_action_socket(a, socket, NULL);
	hp_action_env(a, "HERO_FOLDER", folder);
	hp_action_env(a, "AUTH_MODE", "proxy");
	return a;
}

/* The block that a service.toml would have, for `binary`. */
static void add_block(struct hp_service *s, const char *target, const char *binary)
{
	char toml[512];

	snprintf(toml, sizeof(toml),
	    "[[dependencies]]\nrepo = \"lhumina_code/%s\"\ncrate_name = \"%s\"\nbin_name = \"%s\"\n"
	    "socket_name = \"rpc.sock\"\nfor = [\"%s\"]\n",
	    target, target, target, binary);
	hp_service_manifest(s, toml);
}

static void define(struct hp_service *s)
{
	must(hp_service_define(client, s));
	hp_service_free(s);
}

static void define_per_binary(bool blocks)
{
	struct hp_service *server = hp_service_new("hero_collab_server");
	struct hp_service *web = hp_service_new("hero_collab_web");

	add_program(server, "hero_collab_server", "rpc.sock", "hero_collab_server");
	add_program(web, "hero_collab_web", "web.sock", "hero_collab_web");
	if (blocks) {
		add_block(server, "hero_db", "hero_collab_server");
		add_block(web, "hero_collab_server", "hero_collab_web");
		add_block(web, "hero_proxy", "hero_collab_web");
	} else {
		hp_service_requires(server, "hero_db");
		hp_service_requires(web, "hero_collab_server");
		hp_service_requires(web, "hero_proxy");
	}
	define(server);
	define(web);
}

static void define_composite(bool blocks)
{
	struct hp_service *s = hp_service_new("hero_collab");
	struct hp_action *web;

	add_program(s, "hero_collab_server", "rpc.sock", "hero_collab");
	web = add_program(s, "hero_collab_web", "web.sock", "hero_collab");
	if (blocks) {
		add_block(s, "hero_db", "hero_collab_server");
		add_block(s, "hero_collab_server", "hero_collab_web");
		add_block(s, "hero_proxy", "hero_collab_web");
	} else {
		hp_service_requires(s, "hero_db");
		hp_service_requires(s, "hero_proxy");
		hp_action_depends_on(web, "hero_collab_server");
	}
	define(s);
}

static void define_pair(const char *name, char **words)
{
	struct hp_service *s = hp_service_new(name);

	add_program(s, "hero_proxy", "rpc.sock", name);
	for (; *words; words++) {
		char *target = strchr(*words, '=');

		if (!target)
			exit(2);
		*target++ = 0;
		if (strcmp(*words, "wants") == 0)
			hp_service_wants(s, target);
		else if (strcmp(*words, "after") == 0)
			hp_service_after(s, target);
		else if (strcmp(*words, "conflicts") == 0)
			hp_service_conflicts(s, target);
		else
			hp_service_requires(s, target);
	}
	define(s);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	client = hp_client_new(NULL);
	if (strcmp(argv[1], "pair") == 0) {
		define_pair(argv[2], argv + 3);
		return 0;
	}
	bool blocks = strcmp(argv[1], "dependencies") == 0,
	     single = strcmp(argv[2], "per_binary") == 0;

	if (single)
		define_per_binary(blocks);
	else
		define_composite(blocks);
	int status =
	    judge(hp_service_start(client, single ? "hero_collab_web" : "hero_collab", true));
	hp_client_free(client);
	return status;
}
