#include "server/change/unit_spec.h"

static const char *probe_word(enum gate_probe p)
{
	return p == GATE_PROBE_HEALTH ? "health" : "connect";
}

char *gate_text_of(const struct dep *dep)
{
	const struct gate_def *g = &dep->gate;
	const char *path = dep->resolved.gate_path ? dep->resolved.gate_path : g->text;

	switch (g->kind) {
	case GATE_NONE:
	case GATE_KIND_COUNT: return NULL;
	case GATE_SOCKET:
	case GATE_UNIX: return text_fmt("unix:%s %s", path, probe_word(dep->resolved.gate_probe));
	case GATE_TCP: return text_fmt("tcp:%s", g->text);
	case GATE_HTTP: return text_dup(g->text);
	case GATE_HTTP_UNIX: return text_fmt("http+unix:%s", g->text);
	case GATE_FILE: return text_fmt("file:%s", path);
	case GATE_NO_FILE: return text_fmt("!file:%s", path);
	case GATE_FLAG: return text_fmt("flag:%s", g->text);
	}
	return NULL;
}

static const char *keep(struct unit_spec *u, char *take_text)
{
	if (take_text)
		strv_take(&u->texts, take_text);
	return take_text;
}

/* A run gets its name after it was resolved: its siblings are where it is. */
static struct engine_edge_spec edge_of(
    struct unit_spec *u, const struct service_def *def, const struct dep *dep)
{
	const struct resolution *r = &dep->resolved;
	const char *key = dep_key(dep);
	const char *gate = keep(u, gate_text_of(dep));
	bool gate_only = r->rule == RESOLVED_GATE, sibling = r->rule == RESOLVED_SAME_SERVICE;

	if (!key)
		key = gate ? gate : "?";
	return (struct engine_edge_spec){.kinds = dep->kinds,
	    .condition = dep->condition,
	    .service = gate_only ? NULL
		       : sibling ? def->name
				 : r->service,
	    .action = gate_only || (!sibling && !r->service) ? NULL : r->action,
	    .key = key,
	    .gate_only = gate_only,
	    .gate = gate,
	    .timeout = dep->timeout,
	    .optional = dep->optional,
	    .on_failure = dep->on_failure,
	    .on_restart = dep->on_restart,
	    .on_stop = dep->on_stop,
	    .source = dep->source_text,
	    .need = (uint32_t)dep->need};
}

/* Members of a group say the same `any`; its number is that of the first, from 1. */
static uint32_t group_of(const struct dep_list *deps, size_t at)
{
	const struct dep *d = &deps->v[at];
	size_t i = 0;

	if (!d->any.n)
		return 0;
	while (!strv_eq(&deps->v[i].any, &d->any) || deps->v[i].condition != d->condition ||
	       deps->v[i].kinds != d->kinds || deps->v[i].gate.kind != d->gate.kind ||
	       !text_eq(deps->v[i].gate.text, d->gate.text))
		i++;
	return (uint32_t)i + 1;
}

static const struct engine_edge_spec *edges_of(
    struct unit_spec *u, const struct service_def *def, const struct dep_list *deps)
{
	struct engine_edge_spec *v = mem_new((deps->n + 1) * sizeof(*v));

	for (size_t i = 0; i < deps->n; i++) {
		v[i] = edge_of(u, def, &deps->v[i]);
		v[i].group = group_of(deps, i);
	}
	u->lists[u->n_lists++] = v;
	return v;
}

void job_policy_of(const struct action_def *a, struct job_policy *out)
{
	const struct retry_policy *r = &a->retry;

	*out = (struct job_policy){.one_shot = !a->is_process,
	    .readiness = a->is_process &&
			 (action_readiness(a) != READY_EXECUTED || a->probes[PROBE_STARTUP]),
	    .probed = a->probes[PROBE_READINESS] || a->probes[PROBE_LIVENESS],
	    .restart = r->restart,
	    .max_attempts = r->max_attempts > 0 ? (uint32_t)r->max_attempts : 0,
	    .delay = r->delay,
	    .delay_given = r->delay_given,
	    .factor = r->factor,
	    .delay_max = r->delay_max,
	    .jitter = r->jitter,
	    .stability = r->stability_period,
	    .start_timeout = a->start_timeout,
	    .timeout = a->is_process ? 0 : a->timeout,
	    .stop_timeout = a->stop_timeout};
}

static void add_jobs(struct unit_spec *u, const struct service_def *def)
{
	struct engine_job_spec *jobs = mem_new((def->actions.n + 1) * sizeof(*jobs));
	size_t n = 0;

	for (size_t i = 0; i < def->actions.n; i++) {
		const struct action_def *a = &def->actions.v[i];

		if (!action_is_started(a))
			continue;
		jobs[n].name = a->name;
		job_policy_of(a, &jobs[n].policy);
		jobs[n].edges = edges_of(u, def, &a->depends_on);
		jobs[n++].n_edges = a->depends_on.n;
	}
	u->is.jobs = jobs;
	u->is.n_jobs = n;
}

void unit_spec_init(struct unit_spec *u, const struct service_def *def, uint64_t revision)
{
	*u = (struct unit_spec){0};
	u->lists = mem_new((def->actions.n + 1) * sizeof(*u->lists));
	u->is = (struct engine_unit_spec){.name = def->name,
	    .revision = revision,
	    .is_run = def->is_run,
	    .abort_on_failure = def->abort_on_failure,
	    .class_system = def->class == CLASS_SYSTEM,
	    .critical = def->critical,
	    .wanted = def->status,
	    .conflicts = (const char *const *)def->conflicts.v,
	    .n_conflicts = def->conflicts.n};
	add_jobs(u, def);
	if (u->is.n_jobs == 0) {
		u->is.edges = edges_of(u, def, &def->dependencies);
		u->is.n_edges = def->dependencies.n;
	}
}

void unit_spec_release(struct unit_spec *u)
{
	struct engine_job_spec *jobs = (struct engine_job_spec *)(uintptr_t)u->is.jobs;

	free(jobs);
	for (size_t i = 0; i < u->n_lists; i++)
		free(u->lists[i]);
	free(u->lists);
	strv_release(&u->texts);
	*u = (struct unit_spec){0};
}
