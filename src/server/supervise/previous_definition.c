#include "server/supervise/previous_definition.h"
#include "server/supervise/supervision_state.h"

#include "manifest/definition_read.h"
#include "server/history/definitions.h"
#include "server/supervise/attempt.h"

#include <jansson.h>

struct previous_definition *previous_definition_hold(struct previous_definition *f)
{
	if (f)
		f->refs++;
	return f;
}

void previous_definition_drop(struct previous_definition **f)
{
	if (*f && --(*f)->refs == 0) {
		service_def_release(&(*f)->def);
		free(*f);
	}
	*f = NULL;
}

void previous_definition_keep(
    struct supervision *d, const char *service, const struct service_def *before)
{
	unit_id unit = engine_find(d->engine, service);
	struct previous_definition *f = NULL;
	struct job_view j;

	for (size_t i = 0; unit != ID_NONE && engine_job_at(d->engine, unit, i, &j); i++) {
		struct attempt *at = attempt_of(d, j.id);

		if (!at || at->former)
			continue;
		if (!f) {
			f = mem_new(sizeof(*f));
			f->refs = 1;
			service_def_copy(&f->def, before);
		}
		at->former = previous_definition_hold(f);
	}
	previous_definition_drop(&f);
}

const struct previous_definition *previous_definition_of(
    const struct supervision *d, unit_id unit, const char *action)
{
	job_id job = engine_find_job(d->engine, unit, action);
	const struct attempt *at = job == ID_NONE ? NULL : attempt_of(d, job);

	return at ? at->former : NULL;
}

static const struct previous_definition *first_of(const struct supervision *d, unit_id unit)
{
	struct job_view j;

	for (size_t i = 0; engine_job_at(d->engine, unit, i, &j); i++) {
		const struct attempt *at = attempt_of(d, j.id);

		if (at && at->former)
			return at->former;
	}
	return NULL;
}

bool previous_definition_differences(struct supervision *d, unit_id unit, struct strv *out)
{
	const struct previous_definition *f = first_of(d, unit);
	struct unit_view u;
	const struct service_def *now =
	    f && engine_unit(d->engine, unit, &u) ? definition_find(d->history, u.name) : NULL;

	if (!f || (now && service_executes_same(&f->def, now)))
		return false;
	if (now)
		service_differences(&f->def, now, out);
	else
		strv_add(out, "it is not defined any more");
	return true;
}

char *previous_definition_json(const struct supervision *d, unit_id unit)
{
	const struct previous_definition *f = first_of(d, unit);
	json_t *o = f ? service_def_stored(&f->def) : NULL;
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	json_decref(o);
	return text;
}

struct previous_definition *previous_definition_read(const char *json)
{
	json_t *o = json ? json_loads(json, 0, NULL) : NULL;
	struct diags diags = {0};
	struct previous_definition *f = NULL;

	if (o) {
		f = mem_new(sizeof(*f));
		f->refs = 1;
		if (!service_def_read_json(o, NULL, true, &diags, &f->def))
			previous_definition_drop(&f);
	}
	diags_release(&diags);
	json_decref(o);
	return f;
}
