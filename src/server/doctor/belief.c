#include "server/doctor/look.h"
#include "server/supervise/claim.h"

#include "server/history/records.h"
#include "server/supervise/attempt.h"
#include "server/supervise/side_command.h"

#include <arpa/inet.h>
#include <limits.h>

static int by_token(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;

	return (x->token > y->token) - (x->token < y->token);
}

const struct claim *belief_claim(const struct belief *b, uint64_t token)
{
	struct claim key = {.token = token};

	return b->claims.n ? bsearch(&key, b->claims.v, b->claims.n, sizeof(key), by_token) : NULL;
}

bool belief_knows(const struct belief *b, uint64_t token)
{
	bool found = belief_claim(b, token);

	for (size_t i = 0; !found && i < b->aside.n; i++)
		found = b->aside.v[i] == token;
	return found;
}

static void add_place(struct belief *b, const struct claim *c, const struct job_view *j,
    const struct action_def *a, struct declared p)
{
	p.token = c->token;
	p.service = text_dup(c->service);
	p.action = text_dup(c->action);
	p.ready = j->core.state == JOB_READY;
	p.active = job_state_has_process(j->core.state);
	p.must = action_readiness(a) == READY_SOCKETS;
	*vec_push(&b->places) = p;
}

static void add_places(struct daemon *d, struct belief *b, const struct claim *c, unit_id unit,
    const struct job_view *j)
{
	const struct service_def *s = NULL;
	const struct action_def *a = supervision_action(d->supervision, unit, j->name, &s);

	if (!a || !s || c->exited || !a->is_process)
		return;
	for (size_t i = 0; i < a->sockets.n; i++)
		add_place(b, c, j, a,
		    (struct declared){.path = claim_socket_path(&d->paths, s, &a->sockets.v[i])});
	for (size_t i = 0; i < a->tcp.n; i++) {
		struct declared p = {.port = (unsigned)a->tcp.v[i].port};
		const char *host = a->tcp.v[i].host;

		p.is_v6 = host && inet_pton(AF_INET6, host, p.addr) == 1;
		p.is_local = !p.is_v6 && (!host || inet_pton(AF_INET, host, p.addr) != 1);
		add_place(b, c, j, a, p);
	}
}

static void add_claims(struct daemon *d, struct belief *b)
{
	for (const struct attempt *at = NULL; (at = attempt_next(d->supervision, at));) {
		struct job_view j;
		struct unit_view u;
		unit_id unit;

		if (!engine_job(d->engine, at->job, &j, &unit) || !engine_unit(d->engine, unit, &u))
			continue;
		struct claim *c = vec_push(&b->claims);
		*c = (struct claim){.token = at->token,
		    .pid = attempt_pid(at),
		    .executed = at->executed,
		    .exited = at->exited,
		    .service = text_dup(u.name),
		    .action = text_dup(j.name)};
		add_places(d, b, c, unit, &j);
		if (at->stopper)
			*vec_push(&b->aside) = at->stopper;
	}
	if (b->claims.n)
		qsort(b->claims.v, b->claims.n, sizeof(*b->claims.v), by_token);
}

static void add_resting_places(struct daemon *d, struct belief *b, const struct service_def *s)
{
	unit_id unit = engine_find(d->engine, s->name);
	struct unit_view u;

	if (unit == ID_NONE || !engine_unit(d->engine, unit, &u) || u.run_live)
		return;
	for (size_t i = 0; i < s->actions.n; i++)
		for (size_t k = 0; k < s->actions.v[i].sockets.n; k++)
			*vec_push(&b->places) = (struct declared){.service = text_dup(s->name),
			    .action = text_dup(s->actions.v[i].name),
			    .path = claim_socket_path(&d->paths, s, &s->actions.v[i].sockets.v[k])};
}

void belief_take(struct daemon *d, struct belief *out)
{
	const struct keeper_identity *keeper = supervision_keeper(d->supervision);

	*out = (struct belief){.keeper_id = keeper->id,
	    .keeper = keeper->pid,
	    .keeper_ticks = keeper->ticks,
	    .server = getpid(),
	    .has_cgroups = keeper->has_cgroups,
	    .state = text_dup(d->paths.state),
	    .logs = text_dup(d->paths.logs),
	    .sockets = text_dup(d->paths.sockets)};
	struct logs_stats logs = logs_stats(d->logs);
	uint64_t token;

	out->pipes = logs.pipes;
	out->unacked = supervision_unacknowledged(d->supervision);
	out->stored = logs.stored;
	add_claims(d, out);
	for (const struct side_command *a = NULL;
	     (a = side_command_next(d->supervision, a, &token));)
		*vec_push(&out->aside) = token;
	out->next_token = records_counter(d->history, COUNTER_TOKEN);
	for (const struct service_def *s = NULL;
	     (s = registry_next(d->registry, s ? s->name : NULL));) {
		struct contribution c;

		add_resting_places(d, out, s);
		for (size_t i = 0; registry_contribution(d->registry, s->name, i, &c); i++)
			*vec_push(&out->rows) =
			    (struct row_name){text_dup(c.source), text_dup(s->name)};
	}
}

void belief_release(struct belief *b)
{
	for (size_t i = 0; i < b->claims.n; i++) {
		free(b->claims.v[i].service);
		free(b->claims.v[i].action);
	}
	for (size_t i = 0; i < b->places.n; i++) {
		free(b->places.v[i].service);
		free(b->places.v[i].action);
		free(b->places.v[i].path);
	}
	for (size_t i = 0; i < b->rows.n; i++) {
		free(b->rows.v[i].source);
		free(b->rows.v[i].service);
	}
	free(b->claims.v);
	free(b->aside.v);
	free(b->places.v);
	free(b->rows.v);
	free(b->state);
	free(b->logs);
	free(b->sockets);
	*b = (struct belief){0};
}
