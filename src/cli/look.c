#include "cli/look.h"

#include "cli/out.h"
#include "cli/pages.h"
#include "client/http.h"

#include <time.h>

#define LOOK_MS	     100     /* a server that is busy answers late: what it does goes first */
#define LINE_LATE_US 2000000 /* a failed attempt wrote nothing if it did not by then */

static void look_at(struct cli *c, struct progress *p, const char *name)
{
	struct hp_error e;
	json_t *status = cli_try(c, "service.status", json_pack("{s:s}", "name", name), &e);

	if (status)
		progress_add_status(p, status);
	else
		hp_error_release(&e);
	json_decref(status);
}

static void look_at_all(struct cli *c, struct progress *p, const struct strv *names)
{
	int ignored;
	json_t *list = pages_read(c, "service.list", NULL, "services", 0, &ignored), *status;
	struct map wanted = {0};
	size_t i;

	for (i = 0; i < names->n; i++)
		map_put(&wanted, names->v[i], names->v[i]);
	json_array_foreach (json_object_get(list, "services"), i, status)
		if (map_get(&wanted, text_of(status, "name")))
			progress_add_status(p, status);
	map_release(&wanted);
	json_decref(list);
}

void look_at_unknown(struct cli *c, struct progress *p)
{
	while (p->unknown.n) {
		struct strv names = progress_take_unknown(p);

		if (names.n > LOOK_PARTS)
			look_at_all(c, p, &names);
		else
			for (size_t i = 0; i < names.n; i++)
				look_at(c, p, names.v[i]);
		for (size_t i = 0; i < names.n; i++) /* an ad-hoc run, one that was removed */
			progress_know(p, names.v[i]);
		strv_release(&names);
	}
}

void look_at_waits(struct cli *c, struct progress *p)
{
	const msec until = http_now() + LOOK_MS;
	struct strv names = {0};

	for (size_t i = 0; i < p->n && names.n < LOOK_PARTS; i++) {
		enum part_is now = part_is(p->v[i]);

		if ((now == PART_WAITS || now == PART_BUSY) && !strv_has(&names, p->v[i]->service))
			strv_add(&names, p->v[i]->service);
	}
	for (size_t i = 0; i < names.n && http_now() < until; i++)
		look_at(c, p, names.v[i]);
	strv_release(&names);
	look_at_unknown(c, p);
}

/* ---- output --------------------------------------------------------------------------- */

/* The last line of the attempt that failed; NULL: none yet.  stream NULL: of any. */
static char *last_line(struct cli *c, const struct part *part, const char *stream)
{
	struct hp_error e;
	bool run = strchr(part->service, '#') != NULL;
	json_t *params = json_pack("{s:s, s:s, s:i, s:s*}", run ? "run" : "service", part->service,
	    "action", part->action, "tail", 1, "stream", stream);
	if (part->attempt)
		json_object_set_new(params, "attempt", json_integer(part->attempt));
	json_t *v = cli_try(c, "logs.query", params, &e);
	const json_t *line = json_array_get(json_object_get(v, "lines"), 0);
	struct str text = {0};

	if (!v)
		hp_error_release(&e);
	add_one_line(&text, text_of(line, "line"), 300);
	json_decref(v);
	return text.n ? str_take(&text) : (str_release(&text), NULL);
}

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void look_at_output(struct cli *c, struct progress *p)
{
	for (size_t i = 0; i < p->n; i++) {
		struct part *part = p->v[i];

		if (!part->wants_line || !part->action)
			continue;
		free(part->last_line);
		part->last_line = last_line(c, part, "stderr");
		if (!part->last_line)
			part->last_line = last_line(c, part, NULL);
		if (part->last_line || now_us() - part->since > LINE_LATE_US)
			part->wants_line = false;
	}
}
