#include "server/operation/operation_json.h"
#include "server/host/json_time.h"

#include "rpc/json_out.h"
#include "server/host/clock.h"
#include "server/operation/operations.h"
#include "server/operation/operations_state.h"

json_t *strv_json(const struct strv *l)
{
	json_t *a = json_array();

	for (size_t i = 0; l && i < l->n; i++)
		json_array_append_new(a, json_string_nocheck(l->v[i]));
	return a;
}

usec_wall operation_step_time(const struct op_step *step, const struct operation_about *about)
{
	msec after = step->at > about->began_mono ? step->at - about->began_mono : 0;

	return about->began + after * 1000;
}

void step_members(struct str *out, const struct op_step *step, const struct operation_about *about)
{
	json_out_text(out, "step", step->step);
	json_out_text(out, "service", step->service);
	json_out_text(out, "action", step->action);
	json_out_text(out, "reason", step->reason);
	if (about)
		json_time_out(out, "time", operation_step_time(step, about));
}

void steps_out(struct str *out, const char *key, const struct op_step *steps, size_t n,
    const struct operation_about *about)
{
	json_out_open(out, key, '[');
	for (size_t i = 0; i < n; i++) {
		json_out_open(out, NULL, '{');
		step_members(out, &steps[i], about);
		json_out_close(out, '}');
	}
	json_out_close(out, ']');
}

json_t *steps_json(const struct op_step *steps, size_t n, const struct operation_about *about)
{
	auto_str text = {0};

	steps_out(&text, NULL, steps, n, about);
	return json_loadb(text.s, text.n, 0, NULL);
}

json_t *operation_error_json(const struct op_view *v, const struct operation_about *about)
{
	if (v->state == OP_ACTIVE || v->code == ERR_OK)
		return json_null();
	json_t *o = json_pack("{s:i, s:s, s:s, s:o}", "code", err_rpc_code(v->code), "name",
	    err_str(v->code), "message", v->message ? v->message : err_meaning(v->code), "chain",
	    strv_json(v->chain));
	if (about && about->why)
		json_object_set_new(o, "why", json_string(about->why));
	return o;
}

static void add_detail(json_t *o, const struct op_view *v)
{
	json_object_set_new(o, "changed", json_boolean(v->changed));
	json_object_set_new(o, "started", strv_json(v->started));
	if (v->notes && v->notes->n)
		json_object_set_new(o, "notes", strv_json(v->notes));
	if (v->superseded_by)
		json_object_set_new(o, "superseded_by", json_integer((json_int_t)v->superseded_by));
}

/* What is told of a row's detail. */
static void add_shown(json_t *o, const json_t *detail)
{
	static const char *const shown[] = {"method", "changed", "started", "notes",
	    "superseded_by", "phase", "operations", "rolled_back", "server", "version", "from"};

	for (size_t i = 0; i < countof(shown); i++)
		if (json_object_get(detail, shown[i]))
			json_object_set(o, shown[i], json_object_get(detail, shown[i]));
}

static json_t *own_json(op_id id, const struct operation_about *about)
{
	const struct own_operation *own = about->own;
	const struct op_view v = {.state = own->state,
	    .code = own->e.code,
	    .message = own->e.msg,
	    .chain = &(struct strv){0}};
	json_t *o = json_pack("{s:I, s:s, s:o, s:s, s:o, s:[], s:s?, s:o, s:o}", "operation",
	    (json_int_t)id, "kind", own->kind, "names", strv_json(&own->names), "operation_state",
	    op_state_str(own->state), "error", operation_error_json(&v, about), "steps", "who",
	    about->who, "began", json_time(about->began), "ended", json_time(about->ended));

	add_shown(o, own->detail);
	return o;
}

json_t *operation_json(const struct operations *ops, op_id id)
{
	const struct operation_about *about = operations_about(ops, id);
	struct op_view v;

	if (about && about->own)
		return own_json(id, about);
	if (!engine_op(ops->engine, id, &v))
		return NULL;
	json_t *o = json_pack("{s:I, s:s, s:s?, s:o, s:s, s:o, s:o, s:s?, s:o, s:o}", "operation",
	    (json_int_t)id, "kind", op_kind_str(v.kind), "method", about ? about->method : NULL,
	    "names", strv_json(v.names), "operation_state", op_state_str(v.state), "steps",
	    steps_json(v.steps, v.n_steps, about), "error", operation_error_json(&v, about), "who",
	    about ? about->who : NULL, "began", json_time(about ? about->began : 0), "ended",
	    json_time(about ? about->ended : 0));
	add_detail(o, &v);
	return o;
}

static json_t *loads(const char *text)
{
	json_t *o = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;

	return o ? o : json_null();
}

json_t *operation_row_json(const struct store_operation *r)
{
	json_t *detail = loads(r->detail);
	json_t *o = json_pack("{s:I, s:s, s:o, s:s, s:o, s:o, s:s?, s:o, s:o}", "operation",
	    (json_int_t)r->id, "kind", r->kind, "names", loads(r->names), "operation_state",
	    r->state, "error", loads(r->error), "steps", loads(r->steps), "who", r->who, "began",
	    json_time(r->started), "ended", json_time(r->ended));

	add_shown(o, detail);
	json_decref(detail);
	return o;
}

/* ---- the detail of a row ----------------------------------------------------------- */

char *operation_detail(const struct op_view *v, const char *method)
{
	json_t *o = json_object(), *flags = json_array(), *was = json_array();

	if (method)
		json_object_set_new(o, "method", json_string(method));
	add_detail(o, v);
	for (unsigned f = 0; f < OP_FLAG_COUNT; f++)
		if (v->flags & 1u << f)
			json_array_append_new(flags, json_string(op_flag_str((enum op_flag)f)));
	for (size_t i = 0; i < v->n_was; i++)
		json_array_append_new(
		    was, json_pack("[s, s]", v->was[i].service, wanted_str(v->was[i].before)));
	json_object_set_new(o, "flags", flags);
	json_object_set_new(o, "was", was);
	json_object_set_new(o, "within", json_integer(v->within));
	char *text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return text;
}

static void read_list(const json_t *list, struct strv *out)
{
	size_t i;
	json_t *v;

	json_array_foreach (list, i, v) {
		if (json_is_string(v))
			strv_add(out, json_string_value(v));
	}
}

static void read_was(struct operation_memory *m, const json_t *list)
{
	size_t i;
	json_t *v;

	json_array_foreach (list, i, v) {
		const char *service = json_string_value(json_array_get(v, 0));
		const char *word = json_string_value(json_array_get(v, 1));
		enum wanted before;

		if (service && word && wanted_parse(word, &before))
			*vec_push(&m->was) = (struct op_was){text_dup(service), before};
	}
}

static unsigned read_flags(const json_t *list)
{
	unsigned flags = 0;
	size_t i;
	json_t *v;
	enum op_flag f;

	json_array_foreach (list, i, v) {
		if (json_is_string(v) && op_flag_parse(json_string_value(v), &f))
			flags |= 1u << f;
	}
	return flags;
}

void operation_memory_read(struct operation_memory *m, const struct store_operation *r)
{
	json_t *names = loads(r->names), *detail = loads(r->detail);
	const char *method = json_string_value(json_object_get(detail, "method"));

	*m = (struct operation_memory){.view.id = (op_id)r->id};
	if (!op_kind_parse(r->kind, &m->view.kind))
		m->view.kind = OP_KIND_COUNT;
	m->method = text_dup(method);
	m->view.flags = read_flags(json_object_get(detail, "flags"));
	m->view.changed = json_is_true(json_object_get(detail, "changed"));
	m->view.within = json_integer_value(json_object_get(detail, "within"));
	read_list(names, &m->names);
	read_list(json_object_get(detail, "started"), &m->started);
	read_list(json_object_get(detail, "notes"), &m->notes);
	read_was(m, json_object_get(detail, "was"));
	json_decref(names);
	json_decref(detail);
}

static char *text_at(const json_t *o, const char *key)
{
	return text_dup(json_string_value(json_object_get(o, key)));
}

void operation_memory_step(struct operation_memory *m, const json_t *fact, usec_wall at)
{
	bool stop = text_eq(json_string_value(json_object_get(fact, "step")), "stop");

	if (json_string_value(json_object_get(fact, "service")))
		*vec_push(&m->steps) = (struct op_step){.step = stop ? "stop" : "start",
		    .service = text_at(fact, "service"),
		    .action = text_at(fact, "action"),
		    .reason = text_at(fact, "reason"),
		    .at = clock_mono_of(at)};
}

const struct op_view *operation_memory_view(struct operation_memory *m)
{
	m->view.names = &m->names;
	m->view.started = &m->started;
	m->view.notes = &m->notes;
	m->view.steps = m->steps.v;
	m->view.n_steps = m->steps.n;
	m->view.was = m->was.v;
	m->view.n_was = m->was.n;
	return &m->view;
}

void operation_memory_release(struct operation_memory *m)
{
	free(m->method);
	strv_release(&m->names);
	strv_release(&m->started);
	strv_release(&m->notes);
	op_plan_release(&m->steps);
	for (size_t i = 0; i < m->was.n; i++)
		free(m->was.v[i].service);
	free(m->was.v);
	*m = (struct operation_memory){0};
}
