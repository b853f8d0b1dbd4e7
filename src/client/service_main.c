/* service_main.c - --start --stop --status --info for any binary, through the one funnel. */
#include "hero_proc.h"

#include "base/str.h"
#include "client/place.h"

#include <jansson.h>
#include <stdio.h>

struct self {
	char *exec; /* absolute */
	const char *name;
	const char *manifest;
};

static void self_init(struct self *s, const char *manifest)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	path[n > 0 ? n : 0] = '\0';
	s->exec = text_dup(path);
	s->name = text_last_part(s->exec);
	s->manifest = manifest;
}

static int complain(const struct self *s, struct hp_error *e)
{
	json_t *data = e->data ? json_loads(e->data, 0, NULL) : NULL, *line;
	const char *hint = json_string_value(json_object_get(data, "hint"));
	size_t i;

	fprintf(stderr, "%s: %s\n", s->name, e->message);
	json_array_foreach (json_object_get(data, "chain"), i, line)
		if (json_is_string(line))
			fprintf(stderr, "    %s\n", json_string_value(line));
	if (hint)
		fprintf(stderr, "    hint: %s\n", hint);
	json_decref(data);
	int status = hp_error_exit_status(e);
	hp_error_release(e);
	return status;
}

static int info(const struct self *s)
{
	json_t *o =
	    json_pack("{s:s, s:s, s:s}", "name", s->name, "exec", s->exec, "manifest", s->manifest);
	auto_free char *text = json_dumps(o, 0);

	json_decref(o);
	if (!text)
		return fprintf(stderr, "%s: the embedded service.toml is not UTF-8\n", s->name), 1;
	puts(text);
	return 0;
}

/* The service to act on: the one named like us, else the first; its owner, where it has one. */
static char *choose(const struct self *s, const char *answer)
{
	json_t *root = json_loads(answer, 0, NULL), *services = json_object_get(root, "services"),
	       *v;
	const char *found = NULL;
	size_t i;

	json_array_foreach (services, i, v) {
		const char *name = json_string_value(json_object_get(v, "name"));
		const char *owner = json_string_value(json_object_get(v, "owner"));

		if (name && (!found || strcmp(name, s->name) == 0))
			found = owner ? owner : name;
		if (name && strcmp(name, s->name) == 0)
			break;
	}
	char *copy = text_dup(found ? found : s->name);
	json_decref(root);
	return copy;
}

static int register_self(const struct self *s, hp_client *c, char **service, struct hp_error *e)
{
	auto_free char *path = text_fmt("%s:service.toml", s->name);
	json_t *p =
	    json_pack("{s:s, s:s, s:s}", "manifest", s->manifest, "path", path, "for", s->name);

	if (place_is_elsewhere(s->name, s->exec))
		json_object_set_new(p, "exec", json_string(s->exec));
	auto_free char *params = p ? json_dumps(p, JSON_COMPACT) : NULL, *answer = NULL;
	json_decref(p);
	int code = hp_call(c, "service.register", params, &answer, e);
	if (!code)
		*service = choose(s, answer);
	return code;
}

static int start(const struct self *s, hp_client *c)
{
	auto_free char *service = NULL, *answer = NULL;
	struct hp_error e;

	if (register_self(s, c, &service, &e) || hp_service_start(c, service, &answer, &e))
		return complain(s, &e);
	json_t *root = json_loads(answer, 0, NULL), *steps = json_object_get(root, "steps"), *step;
	size_t i;
	json_array_foreach (steps, i, step)
		printf("%s %s  (%s)\n", json_string_value(json_object_get(step, "step")),
		    json_string_value(json_object_get(step, "service")),
		    json_string_value(json_object_get(step, "reason")));
	printf("%s: %s\n", service,
	    json_is_true(json_object_get(root, "changed")) ? "started" : "runs already");
	json_decref(root);
	return 0;
}

/* Which service runs this binary: the registry knows, without changing anything. */
static char *owner_of(const struct self *s, hp_client *c, struct hp_error *e)
{
	json_t *p = json_pack("{s:s}", "name", s->name);
	auto_free char *params = json_dumps(p, 0), *answer = NULL;

	json_decref(p);
	if (hp_call(c, "action.get", params, &answer, e))
		return NULL;
	json_t *root = json_loads(answer, 0, NULL);
	const char *service = json_string_value(json_object_get(root, "service"));
	char *copy = text_dup(service ? service : s->name);
	json_decref(root);
	return copy;
}

static int stop(const struct self *s, hp_client *c)
{
	struct hp_error e;
	auto_free char *service = owner_of(s, c, &e);

	if (!service || hp_service_stop(c, service, NULL, &e))
		return complain(s, &e);
	printf("%s: stopped\n", service);
	return 0;
}

static int status(const struct self *s, hp_client *c)
{
	struct hp_error e;
	auto_free char *service = owner_of(s, c, &e), *answer = NULL;
	json_t *p = json_pack("{s:s}", "name", service ? service : "");
	auto_free char *params = json_dumps(p, 0);

	json_decref(p);
	if (!service || hp_call(c, "service.status", params, &answer, &e))
		return complain(s, &e);
	json_t *root = json_loads(answer, 0, NULL);
	printf("%s: %s\n", service, json_string_value(json_object_get(root, "state")));
	json_decref(root);
	return 0;
}

int hero_service_main(
    int argc, char **argv, const char *service_toml, int (*serve)(int argc, char **argv))
{
	const char *option = argc == 2 ? argv[1] : "";
	struct self s;
	int result;

	if (strcmp(option, "--info") != 0 && strcmp(option, "--start") != 0 &&
	    strcmp(option, "--stop") != 0 && strcmp(option, "--status") != 0)
		return serve(argc, argv);
	self_init(&s, service_toml);
	hp_client *c = hp_client_new(NULL);
	result = strcmp(option, "--info") == 0	  ? info(&s)
		 : strcmp(option, "--start") == 0 ? start(&s, c)
		 : strcmp(option, "--stop") == 0  ? stop(&s, c)
						  : status(&s, c);
	hp_client_free(c);
	free(s.exec);
	return result;
}
