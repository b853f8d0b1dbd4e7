/* digest.c - FNV-1a over the numbers and names of a story. */
#include "digest.h"

#define FNV_PRIME 0x100000001b3u

static void mix_bytes(struct world *w, const void *p, size_t n)
{
	for (const unsigned char *c = p; n--; c++)
		w->digest = (w->digest ^ *c) * FNV_PRIME;
}

static void mix(struct world *w, uint64_t v)
{
	mix_bytes(w, &v, sizeof(v));
}

static void mix_text(struct world *w, const char *s)
{
	mix_bytes(w, s ? s : "-", s ? strlen(s) + 1 : 2);
}

void digest_effect(struct world *w, const struct effect *fx)
{
	mix(w, (uint64_t)w->now);
	mix(w, fx->kind);
	mix(w, (uint64_t)fx->unit << 32 | fx->job);
	mix(w, (uint64_t)fx->gate << 32 | fx->edge);
	mix(w, fx->op);
	mix(w, fx->token);
	mix(w, (uint64_t)fx->from << 32 | (uint32_t)fx->to);
	mix(w, fx->reason);
}

void digest_steps(struct world *w, const struct op_step *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		mix_text(w, v[i].step);
		mix_text(w, v[i].service);
		mix_text(w, v[i].action);
		mix(w, (uint64_t)v[i].at);
	}
}

static void mix_names(struct world *w, const struct strv *names)
{
	for (size_t i = 0; i < names->n; i++)
		mix_text(w, names->v[i]);
	mix(w, names->n);
}

void digest_op(struct world *w, const struct op_view *v)
{
	mix(w, v->id);
	mix(w, v->kind);
	mix(w, v->state);
	mix(w, v->code);
	mix(w, v->changed);
	mix(w, v->flags);
	mix(w, v->superseded_by);
	mix_names(w, v->names);
	mix_names(w, v->started);
	mix(w, v->notes->n);
	digest_steps(w, v->steps, v->n_steps);
}

static uint64_t state_of(const struct what_if_row *r, const union what_if_state *s)
{
	return r->action ? (uint64_t)s->action : (uint64_t)s->service;
}

void digest_what_if(struct world *w, const struct what_if *what)
{
	for (size_t i = 0; i < what->n; i++) {
		const struct what_if_row *r = &what->v[i];

		mix_text(w, r->service);
		mix_text(w, r->action);
		mix(w, state_of(r, &r->before));
		mix(w, state_of(r, &r->during));
		mix(w, state_of(r, &r->after));
		mix(w, (uint64_t)r->stopped << 1 | (uint64_t)r->started);
	}
	mix(w, what->comes_back);
	digest_steps(w, what->steps.v, what->steps.n);
}

static void mix_job(struct world *w, const struct job_view *j)
{
	mix_text(w, j->name);
	mix(w, j->core.state);
	mix(w, j->core.reason);
	mix(w, j->token);
	mix(w, (uint64_t)j->since);
	mix(w, (uint64_t)j->deadline);
	mix(w, (uint64_t)j->attempt << 32 | j->restarts);
	mix(w, j->health);
}

void digest_states(struct world *w)
{
	struct unit_view u;
	struct job_view j;

	for (unit_id id = 0; id < engine_unit_count(w->en); id++) {
		if (!engine_unit(w->en, id, &u))
			continue;
		mix_text(w, u.name);
		mix(w, (uint64_t)u.state << 32 | u.wanted);
		mix(w, u.reason);
		mix_text(w, u.reason_subject);
		mix(w, (uint64_t)u.since);
		mix(w, u.run);
		mix(w, u.run_live);
		for (size_t k = 0; engine_job_at(w->en, id, k, &j); k++)
			mix_job(w, &j);
	}
}
