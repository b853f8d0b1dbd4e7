/*
 * graph_sdk.c - a graph through the builders of libhero_proc.
 *
 *   graph_sdk FILE [ROOT]     defines what FILE says, then starts ROOT and waits
 *
 * FILE has one word and its values a line:
 *   service NAME | exec ARG... | once | socket NAME | needs TARGET CONDITION
 *   requires TARGET | wants TARGET | after TARGET | conflicts TARGET
 */
#include <hero_proc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static hp_client *client;
static hp_service *service;
static hp_action *action;
static char name[300];

static int judge(int code, struct hp_error *e)
{
	if (code)
		fprintf(stderr, "%s: %s %s\n", e->name, e->message, e->data ? e->data : "");
	return code ? hp_error_exit_status(e) : 0;
}

static void send_service(void)
{
	struct hp_error e = {0};
	int status = service ? judge(hp_service_define(client, service, &e), &e) : 0;

	hp_service_free(service);
	service = NULL;
	action = NULL;
	if (status)
		exit(status);
}

static void take_exec(char *rest)
{
	const char *argv[16] = {0};
	char *save = NULL;
	size_t n = 0;

	for (char *w = strtok_r(rest, " ", &save); w && n < 15; w = strtok_r(NULL, " ", &save))
		argv[n++] = w;
	action = hp_service_action(service, name);
	hp_action_exec(action, argv);
}

static void take_line(const char *word, char *rest)
{
	if (strcmp(word, "service") == 0) {
		send_service();
		snprintf(name, sizeof(name), "%s", rest);
		service = hp_service_new(name);
	} else if (strcmp(word, "exec") == 0) {
		take_exec(rest);
	} else if (strcmp(word, "once") == 0) {
		hp_action_one_shot(action);
	} else if (strcmp(word, "socket") == 0) {
		hp_action_socket(action, rest);
	} else if (strcmp(word, "needs") == 0) {
		char *condition = strchr(rest, ' ');

		*condition++ = '\0';
		hp_action_depends_on(action, rest, condition, NULL);
	} else if (strcmp(word, "requires") == 0) {
		hp_service_requires(service, rest);
	} else if (strcmp(word, "wants") == 0) {
		hp_service_wants(service, rest);
	} else if (strcmp(word, "after") == 0) {
		hp_service_after(service, rest);
	} else if (strcmp(word, "conflicts") == 0) {
		hp_service_conflicts(service, rest);
	} else {
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct hp_error e = {0};
	char line[2048];
	FILE *f = argc > 1 ? fopen(argv[1], "re") : NULL;

	if (!f)
		return 2;
	client = hp_client_new(NULL);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		char *rest = strchr(line, ' ');
		if (rest)
			*rest++ = '\0';
		take_line(line, rest ? rest : line + strlen(line));
	}
	fclose(f);
	send_service();
	int status = argc > 2 ? judge(hp_service_start(client, argv[2], NULL, &e), &e) : 0;
	hp_client_free(client);
	return status;
}
