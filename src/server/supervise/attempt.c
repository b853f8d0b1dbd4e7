#include "server/supervise/attempt.h"
#include "model/log_policy.h"
#include "server/supervise/supervision_state.h"

#include "server/history/events.h"
#include "server/history/records.h"
#include "server/supervise/attempt_label.h"
#include "server/supervise/claim.h"
#include "server/supervise/execution_error.h"
#include "server/supervise/failure_line.h"
#include "server/supervise/launch.h"
#include "server/supervise/notified.h"
#include "server/supervise/perform.h"
#include "server/supervise/previous_definition.h"
#include "server/supervise/probes.h"
#include "server/supervise/readiness.h"
#include "server/supervise/reload.h"
#include "server/supervise/side_command.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

static const char *const held_words[HELD_COUNT] = {"stdout", "stderr", "ready"};

#define HELD_NAME_BYTES 32

static void write_held_name(char out[HELD_NAME_BYTES], uint64_t token, enum held what)
{
	snprintf(out, HELD_NAME_BYTES, "log:%016" PRIx64 ":%s", token, held_words[what]);
}

char *held_name(uint64_t token, enum held what)
{
	char name[HELD_NAME_BYTES];

	write_held_name(name, token, what);
	return text_dup(name);
}

bool held_parse(const char *name, uint64_t *token, enum held *what)
{
	char word[16];

	if (sscanf(name, "log:%16" SCNx64 ":%15s", token, word) != 2)
		return false;
	for (size_t i = 0; i < HELD_COUNT; i++)
		if (strcmp(word, held_words[i]) == 0)
			return *what = (enum held)i, true;
	return false;
}

struct attempt *attempt_of(const struct supervision *d, job_id job)
{
	return job < d->attempts.n ? d->attempts.v[job] : NULL;
}

struct attempt *attempt_next(const struct supervision *d, const struct attempt *after)
{
	for (size_t i = after ? after->job + 1 : 0; i < d->attempts.n; i++)
		if (d->attempts.v[i])
			return d->attempts.v[i];
	return NULL;
}

void attempt_free(struct attempt *at)
{
	if (!at)
		return;
	probes_end(at);
	readiness_end(at);
	failure_line_end(at);
	notified_end(at);
	previous_definition_drop(&at->former);
	free(at);
}

pid_t attempt_pid(const struct attempt *at)
{
	return history_job(at->d->history, at->job)->pid;
}

static void set_pid(struct supervision *d, job_id job, pid_t pid)
{
	history_job(d->history, job)->pid = pid;
}

struct attempt *attempt_find(const struct supervision *d, uint64_t token)
{
	job_id j = engine_job_by_token(d->engine, token);
	struct attempt *at = j == ID_NONE ? NULL : attempt_of(d, j);

	return at && at->token == token ? at : NULL;
}

struct attempt *attempt_adopt(struct supervision *d, job_id job, uint64_t token, pid_t pid)
{
	struct attempt *former = attempt_of(d, job), *at = mem_new(sizeof(*at));

	if (former) {
		attempt_let_ready_go(former);
		attempt_free(former);
	}
	*at = (struct attempt){
	    .d = d, .job = job, .token = token, .leader = pid, .executed = pid > 0};
	while (d->attempts.n <= job)
		vec_push(&d->attempts);
	d->attempts.v[job] = at;
	set_pid(d, job, pid);
	return at;
}

void attempt_let_ready_go(struct attempt *at)
{
	char name[HELD_NAME_BYTES];

	if (!at->holds_ready)
		return;
	at->holds_ready = false;
	write_held_name(name, at->token, HELD_READY);
	spawner_release(at->d->spawner, name);
}

static void drop(struct supervision *d, struct attempt *at)
{
	attempt_let_ready_go(at);
	if (at->stopper)
		spawner_signal(d->spawner, at->stopper, 9, KEEPER_SCOPE_KILL);
	d->attempts.v[at->job] = NULL;
	set_pid(d, at->job, 0);
	attempt_free(at);
}

/* ---- spawning -------------------------------------------------------------- */

void attempt_capture(struct supervision *d, job_id job, uint64_t token, enum log_stream stream,
    int take_fd, bool resumed)
{
	struct error e = {0};
	struct job_view j;
	struct unit_view u;
	unit_id unit;

	if (!engine_job(d->engine, job, &j, &unit) || !engine_unit(d->engine, unit, &u)) {
		close(take_fd);
		return;
	}
	auto_free char *run = run_name(&u);
	const struct action_def *a = supervision_action(d, unit, j.name, NULL);
	struct log_policy_def policy = a ? log_policy_of(&a->log) : (struct log_policy_def){0};
	struct log_ident id = {.service = u.is_run ? NULL : u.name,
	    .action = j.name,
	    .run = run,
	    .job = history_job(d->history, job)->row,
	    .token = token,
	    .attempt = j.attempt,
	    .stream = stream,
	    .policy = policy.drops ? LOG_DROP : LOG_BLOCK,
	    .rate = policy.rate,
	    .max_bytes = policy.max_bytes,
	    .retention_s = policy.retention_s,
	    .resumed = resumed};

	if (logs_attach(d->logs, &id, take_fd, &e))
		report(REPORT_ERROR, "%s/%s: capture: %s", u.name, j.name, e.msg);
}

/* Both ends of what the child writes into; [0] is ours. */
struct pipes {
	int v[HELD_COUNT][2];
};

static void pipes_close(struct pipes *p)
{
	for (size_t i = 0; i < HELD_COUNT; i++)
		for (size_t k = 0; k < 2; k++)
			if (p->v[i][k] >= 0)
				close(p->v[i][k]);
}

static enum err pipes_open(struct pipes *p, bool ready, struct error *e)
{
	memset(p, -1, sizeof(*p));
	for (size_t i = 0; i < (ready ? HELD_COUNT : HELD_READY); i++)
		if (pipe2(p->v[i], O_CLOEXEC) < 0)
			return error_sys(e, errno, "pipe");
	return ERR_OK;
}

/* Our ends, for the keeper to keep a duplicate of. */
struct holds {
	struct spawn_hold v[HELD_COUNT];
	char names[HELD_COUNT][HELD_NAME_BYTES];
};

static void hold(struct launch *l, struct holds *h, const struct pipes *p, uint64_t token)
{
	for (size_t i = 0; i < HELD_COUNT; i++) {
		if (p->v[i][0] < 0)
			continue;
		write_held_name(h->names[i], token, (enum held)i);
		h->v[l->spec.n_hold++] = (struct spawn_hold){p->v[i][0], h->names[i]};
	}
	l->spec.hold = h->v;
}

void attempt_label(struct supervision *d, unit_id unit, job_id job, struct str *out)
{
	struct job_view j;
	struct unit_view u;

	engine_job(d->engine, job, &j, NULL);
	engine_unit(d->engine, unit, &u);
	struct job_record *s = records_job(d->history, job);
	struct attempt_label l = {.unit = (char *)(uintptr_t)u.name,
	    .action = (char *)(uintptr_t)j.name,
	    .run = u.run,
	    .row = s->row,
	    .attempt = j.attempt,
	    .restarts = j.restarts,
	    .created = s->created,
	    .since = clock_mono(),
	    .tries = j.core.attempts,
	    .failures = j.core.failures,
	    .is_run = u.is_run};

	attempt_label_write(&l, out);
}

static void add_fds(struct launch *l, const struct action_def *a, const struct pipes *p)
{
	char number[16];

	launch_add_fd(l, p->v[HELD_STDOUT][1], 1);
	launch_add_fd(l, p->v[HELD_STDERR][1], 2);
	if (p->v[HELD_READY][1] < 0)
		return;
	launch_add_fd(l, p->v[HELD_READY][1], (int)a->readiness.fd);
	snprintf(number, sizeof(number), "%d", (int)a->readiness.fd);
	launch_set_env(l, "HERO_READY_FD", number);
}

/* What stands in the way for good is an error that is not of the system. */
static bool may_pass(const struct error *e)
{
	return (e->sys && spawn_is_transient(e->sys)) || e->code == ERR_LIMIT ||
	       e->code == ERR_BUSY;
}

static enum err spawn(struct supervision *d, const struct effect *fx, const struct service_def *s,
    const struct action_def *a, struct launch *l, struct pipes *p, struct error *e)
{
	enum readiness_kind kind = a->is_process ? action_readiness(a) : READY_EXECUTED;
	auto_str label = {0};
	struct holds holds;

	if (launch_init(l, a, &d->around, e) || claim_prepare(d, s, a, &l->argv, e) ||
	    pipes_open(p, kind == READY_FD, e) || readiness_prepare(d, a, fx->token, e) ||
	    failure_line_prepare(d, a, fx->token, e) || probes_prepare(d, a, fx->token, e))
		return e->code;
	attempt_label(d, fx->unit, fx->job, &label);
	add_fds(l, a, p);
	launch_set_env(l, "HERO_SERVICE", s->name);
	launch_set_env(l, "HERO_ACTION", a->name);
	l->spec.token = fx->token;
	l->spec.label = label.s;
	l->spec.label_bytes = label.n;
	notified_prepare(a, l);
	hold(l, &holds, p, fx->token);
	return spawner_spawn(d->spawner, launch_finish(l), e);
}

static void begin(struct supervision *d, const struct effect *fx, struct pipes *p)
{
	struct attempt *at = attempt_adopt(d, fx->job, fx->token, 0);

	attempt_capture(d, fx->job, fx->token, LOG_STDOUT, fd_take(&p->v[HELD_STDOUT][0]), false);
	attempt_capture(d, fx->job, fx->token, LOG_STDERR, fd_take(&p->v[HELD_STDERR][0]), false);
	at->holds_ready = p->v[HELD_READY][0] >= 0;
	if (at->holds_ready)
		readiness_take_fd(at, fd_take(&p->v[HELD_READY][0]));
}

static void release_held(struct supervision *d, uint64_t token)
{
	for (size_t i = 0; i < HELD_COUNT; i++) {
		auto_free char *name = held_name(token, (enum held)i);

		spawner_release(d->spawner, name);
	}
}

void attempt_spawn(struct supervision *d, const struct effect *fx)
{
	struct error e = {0};
	struct launch l = {0};
	struct pipes p;
	struct job_view j;
	const struct service_def *s = NULL;

	memset(&p, -1, sizeof(p));
	records_saw(d->history, COUNTER_TOKEN, fx->token);
	if (!engine_job(d->engine, fx->job, &j, NULL))
		return;
	struct attempt *before = attempt_of(d, fx->job);
	if (before)
		previous_definition_drop(&before->former);
	const struct action_def *a = supervision_action(d, fx->unit, j.name, &s);
	if (!a)
		error_set(&e, ERR_NOT_FOUND, "its definition is gone");
	else if (spawn(d, fx, s, a, &l, &p, &e) == ERR_OK)
		begin(d, fx, &p);
	if (e.code != ERR_OK) {
		if (p.v[HELD_STDOUT][0] >= 0)
			release_held(d, fx->token);
		readiness_forget(d, fx->token);
		failure_line_forget(d, fx->token);
		probes_forget(d, fx->token);
		engine_not_executed(d->engine, clock_mono(), fx->token, may_pass(&e), e.msg);
	}
	pipes_close(&p);
	launch_release(&l);
}

/* ---- signals --------------------------------------------------------------- */

static int stop_signal_of(const struct action_def *a)
{
	int signo = a && a->stop_signal ? signal_parse(a->stop_signal) : 0;

	return signo ? signo : 15;
}

static const struct action_def *action_of(
    struct supervision *d, const struct effect *fx, const struct service_def **s)
{
	struct job_view j;

	return engine_job(d->engine, fx->job, &j, NULL) ? supervision_action(d, fx->unit, j.name, s)
							: NULL;
}

/* A command beside the job, in its surroundings, known by a token of its own. */
static bool run_stopper(struct supervision *d, struct attempt *at, const struct action_def *a)
{
	struct error e = {0};
	struct launch l = {0};
	auto_str label = {0};
	char pid[16];
	uint64_t token = AUX_TOKEN_BIT | records_take(d->history, COUNTER_TOKEN);
	struct attempt_label is = {
	    .unit = (char *)(uintptr_t) "-", .action = (char *)(uintptr_t) "-", .aux = true};

	snprintf(pid, sizeof(pid), "%d", attempt_pid(at));
	attempt_label_write(&is, &label);
	if (launch_init_command(&l, a, &a->stop_exec, &d->around, &e) == ERR_OK) {
		launch_set_env(&l, "MAINPID", pid);
		l.spec.token = token;
		l.spec.label = label.s;
		l.spec.label_bytes = label.n;
		if (spawner_spawn(d->spawner, launch_finish(&l), &e) == ERR_OK)
			at->stopper = token;
	}
	if (e.code != ERR_OK)
		report(REPORT_WARN, "%s: stop_exec: %s", a->name, e.msg);
	launch_release(&l);
	return at->stopper != 0;
}

void attempt_term(struct supervision *d, const struct effect *fx)
{
	const struct action_def *a = action_of(d, fx, NULL);
	struct attempt *at = attempt_find(d, fx->token);

	if (at)
		probes_end(at); /* what stops need not answer */
	if (a && command_is_given(&a->stop_exec) && at && at->executed && !at->exited &&
	    run_stopper(d, at, a))
		return;
	spawner_stop(d->spawner, fx->token, stop_signal_of(a), KEEPER_SCOPE_SET);
}

void attempt_kill(struct supervision *d, const struct effect *fx)
{
	struct attempt *at = attempt_find(d, fx->token);

	if (at)
		probes_end(at);
	spawner_stop(d->spawner, fx->token, 9, KEEPER_SCOPE_KILL);
}

void attempt_sweep(struct supervision *d, const struct effect *fx)
{
	spawner_stop(
	    d->spawner, fx->token, stop_signal_of(action_of(d, fx, NULL)), KEEPER_SCOPE_SET);
}

/* ---- news ------------------------------------------------------------------ */

void attempt_on_spawned(struct supervision *d, uint64_t token, pid_t pid)
{
	struct attempt *at = attempt_find(d, token);

	if (!at) {
		if (!(token & AUX_TOKEN_BIT)) {
			d->is.stray(d->is.ctx, token);
			spawner_signal(d->spawner, token, 9, KEEPER_SCOPE_KILL); /* nobody's */
		}
		return;
	}
	at->executed = at->ours = true;
	at->born = clock_boot();
	at->leader = pid;
	set_pid(d, at->job, pid);
	engine_executed(d->engine, clock_mono(), token);
	perform_effects(d);
	at = attempt_find(d, token);
	if (at && !at->exited)
		probes_begin(at, false);
	at = attempt_find(d, token);
	if (at && !at->exited) {
		notified_begin(at);
		readiness_begin(at);
	}
	at = attempt_find(d, token);
	if (at && !at->exited)
		failure_line_executed(at);
}

/* `sys` 0: it hangs.  false: there is no such job. */
static bool describe_step(struct supervision *d, const struct attempt *at, enum keeper_step step,
    int sys, struct str *out)
{
	struct launch l = {0};
	struct error ignored = {0};
	struct job_view j;
	unit_id unit;

	if (!at || !engine_job(d->engine, at->job, &j, &unit))
		return false;
	const struct action_def *a = supervision_action(d, unit, j.name, NULL);
	if (!a || launch_init(&l, a, &d->around, &ignored))
		ignored.code = ERR_OK;
	execution_error_describe(&l, j.name, step, sys, out);
	launch_release(&l);
	return true;
}

static void note_hangs(struct supervision *d, uint64_t token, const char *text)
{
	struct job_view j;
	unit_id unit;

	if (engine_job(d->engine, attempt_find(d, token)->job, &j, &unit) && !j.core.hangs)
		events_note(d->history, unit, j.name, NULL, text);
}

void attempt_on_hangs(struct supervision *d, uint64_t token, enum keeper_step step)
{
	auto_str why = {0};

	if (!describe_step(d, attempt_find(d, token), step, 0, &why))
		return;
	note_hangs(d, token, why.s);
	engine_hangs(d->engine, clock_mono(), token, why.s);
	perform_effects(d);
}

static struct attempt *find_stopped_by(const struct supervision *d, uint64_t stopper)
{
	struct attempt *at = attempt_next(d, NULL);

	while (at && at->stopper != stopper)
		at = attempt_next(d, at);
	return at;
}

/* A stop_exec that can not be executed: the signal does what it was to do. */
static bool stopper_failed(struct supervision *d, uint64_t token, enum keeper_step step, int sys)
{
	struct attempt *at = token & AUX_TOKEN_BIT ? find_stopped_by(d, token) : NULL;
	struct launch l = {0};
	struct error ignored = {0};
	auto_str why = {0};
	struct job_view j;
	unit_id unit;

	if (!at || !engine_job(d->engine, at->job, &j, &unit))
		return false;
	const struct action_def *a = supervision_action(d, unit, j.name, NULL);
	at->stopper = 0;
	if (a && launch_init_command(&l, a, &a->stop_exec, &d->around, &ignored))
		ignored.code = ERR_OK;
	str_add(&why, "stop_exec: ");
	execution_error_describe(&l, j.name, step, sys, &why);
	launch_release(&l);
	report(REPORT_WARN, "%s: %s", j.name, why.s);
	events_note(d->history, unit, j.name, NULL, why.s);
	spawner_stop(d->spawner, at->token, stop_signal_of(a), KEEPER_SCOPE_SET);
	return true;
}

void attempt_on_failed(struct supervision *d, uint64_t token, enum keeper_step step, int sys)
{
	struct attempt *at = attempt_find(d, token);
	auto_str why = {0};

	if (side_command_on_failed(d, token, step, sys) || stopper_failed(d, token, step, sys))
		return;
	release_held(d, token);
	if (!describe_step(d, at, step, sys, &why))
		return;
	drop(d, at);
	engine_not_executed(d->engine, clock_mono(), token, spawn_is_transient(sys), why.s);
	perform_effects(d);
}

static bool exit_is_listed(const struct strv *codes, int code, int signo)
{
	int c, s;

	for (size_t i = 0; i < codes->n; i++)
		if (exit_code_parse(codes->v[i], &c, &s) && (signo ? s == signo : c == code))
			return true;
	return false;
}

struct job_exit attempt_exit(const struct action_def *a, const struct keeper_exit_info *how)
{
	static const enum exit_rule verdicts[] = {
	    EXIT_RULE_RESTART, EXIT_RULE_STOP, EXIT_RULE_FAIL};
	bool exited = how->code == CLD_EXITED;
	struct job_exit x = {.code = exited ? how->status : -1, .signal = exited ? 0 : how->status};

	if (!a || a->success_exit_codes.n == 0)
		x.success = x.code == 0;
	else
		x.success = exit_is_listed(&a->success_exit_codes, x.code, x.signal);
	for (size_t i = 0; a && i < a->retry.rules.n; i++) {
		const struct retry_rule *r = &a->retry.rules.v[i];

		if (r->signal ? x.signal && signal_parse(r->signal) == x.signal
			      : !x.signal && r->code == x.code) {
			x.rule = verdicts[r->verdict];
			break;
		}
	}
	return x;
}

#define ACK_RETRY_S 2

void attempt_acknowledge_again(struct supervision *d)
{
	struct strv due = d->acks_due;

	d->acks_due = (struct strv){0};
	for (size_t i = 0; i < due.n; i++)
		attempt_acknowledge(d, strtoull(due.v[i], NULL, 16));
	strv_release(&due);
}

/* Its row could not be committed now. */
static void retry(struct supervision *d, uint64_t token)
{
	strv_take(&d->acks_due, text_fmt("%llx", (unsigned long long)token));
	if (!evtimer_pending(d->ack_retry, NULL))
		event_add(d->ack_retry, &(struct timeval){.tv_sec = ACK_RETRY_S});
}

struct pending_ack {
	struct supervision *d;
	uint64_t token;
};

static void committed(bool durable, void *ctx)
{
	struct pending_ack *p = ctx;

	if (durable || !store_degraded(p->d->store, NULL)) {
		spawner_ack(p->d->spawner, p->token);
		free(p);
	} else {
		retry(p->d, p->token);
		free(p);
	}
}

void attempt_acknowledge(struct supervision *d, uint64_t token)
{
	struct pending_ack *p = mem_new(sizeof(*p));

	*p = (struct pending_ack){d, token};
	store_barrier_later(d->store, committed, p);
}

void attempt_ignore_exit(struct supervision *d, uint64_t token)
{
	*vec_push(&d->swept) = token;
}

static bool was_swept(const struct supervision *d, uint64_t token)
{
	for (size_t i = 0; i < d->swept.n; i++)
		if (d->swept.v[i] == token)
			return true;
	return false;
}

void attempt_on_exited(
    struct supervision *d, uint64_t token, const struct keeper_exit_info *how, bool empty)
{
	struct attempt *at = attempt_find(d, token);
	struct job_view j;
	unit_id unit;

	if (side_command_on_exited(d, token, how, empty))
		return;
	if (!at || !engine_job(d->engine, at->job, &j, &unit)) {
		if (!(token & AUX_TOKEN_BIT) && !was_swept(d, token))
			d->is.stray(d->is.ctx, token);
		spawner_ack(d->spawner, token);
		return;
	}
	if (failure_line_delays_exit(at, how, empty))
		return;
	reload_attempt_ended(d, token);
	job_id job = at->job;
	at->exited = true;
	probes_end(at);
	readiness_end(at);
	struct job_exit x = attempt_exit(supervision_action(d, unit, j.name, NULL), how);
	set_pid(d, job, 0);
	x.empty = empty;
	if (empty)
		drop(d, at);
	engine_exited(d->engine, clock_mono(), token, &x);
	perform_effects(d);
	records_put_job(d->history, job);
	attempt_acknowledge(d, token);
}

void attempt_on_empty(struct supervision *d, uint64_t token)
{
	struct attempt *at = attempt_find(d, token);

	if (side_command_on_empty(d, token) || !at || failure_line_delays_empty(at))
		return;
	drop(d, at);
	engine_set_empty(d->engine, clock_mono(), token);
	perform_effects(d);
}

void attempt_on_notified(struct supervision *d, uint64_t token, const char *text)
{
	struct attempt *at = attempt_find(d, token);

	if (at)
		notified_take(at, text);
}
