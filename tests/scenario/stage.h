/*
 * stage.h - a make-believe machine that does what a scenario says, in virtual time.
 *
 * The registry and the engine are the real ones, and so is the way between them
 * (server/change/unit_spec.c); processes are rows, time is a counter, nothing happens
 * by chance.  An event that is due now happens before anything is judged: after
 * stage_settle() the machine is at rest at the present moment.
 *
 * Depends on: script.h, manifest, registry, engine.
 */
#ifndef HP_TESTS_SCENARIO_STAGE_H
#define HP_TESTS_SCENARIO_STAGE_H

#include "engine/engine.h"
#include "registry/registry.h"
#include "script.h"

struct proc {
	uint64_t token;
	char *service, *action;
	struct life life;      /* borrowed texts */
	struct action_def def; /* as it was executed */
	bool alive, executed, ready, leader_gone, hangs, open;
	msec ready_at, open_at, exit_at, empty_at;
	struct job_exit exit;
};

struct mark {
	const char *subject; /* "db" or "db/action", both are marked */
	enum moment moment;
	msec at;
};

struct stage {
	const struct script *script;
	const char *folder;
	msec now;
	struct registry *registry;
	struct engine *engine;
	struct {
		struct casting **v;
		size_t n, cap;
	} registered; /* the present definition of each name */
	struct {
		struct proc **v;
		size_t n, cap;
	} procs; /* all that ever were */
	struct {
		struct mark *v;
		size_t n, cap;
	} marks;
	struct {
		gate_id *v;
		size_t n, cap;
	} watched;
	struct {
		struct service_def *v;
		size_t n, cap;
	} runs;
	struct strv open;    /* gates that the scenario opened: "flag:go", "unix:/stage/x" */
	struct strv leaving; /* removed from the registry, still alive */
	struct strv texts;   /* subjects of marks */
	struct str said;     /* by the last refusal or failure */
	bool is_over;	     /* shut down */
	char broken[640];    /* a rule of the engine itself */
};

void stage_open(struct stage *s, const struct script *script, const char *folder);
void stage_close(struct stage *s);

void stage_settle(struct stage *s); /* all that is due now */
bool stage_step(
    struct stage *s, msec until); /* to the next event, at most to `until`; false: none left */

/* cast.c: the way of definitions; the same rules as src/server/change/registration.c */
enum err stage_register(
    struct stage *s, struct casting *const *cast, size_t n, bool set, struct error *e);
enum err stage_delete(
    struct stage *s, const char *name, bool force, bool with_dependents, struct error *e);
/* An ad-hoc run, as src/server/change/submission.c does it; its unit has the name of the casting.
 */
enum err stage_submit(
    struct stage *s, struct casting *k, op_id *out, struct strv *chain, struct error *e);
void stage_forget_left(struct stage *s);
void stage_kill_server(struct stage *s);
void stage_boot(struct stage *s);
struct casting *stage_casting(const struct stage *s, const char *name);
const struct life *stage_life(const struct stage *s, const char *service, const char *action);

/* The effective definition of a service or a run, or NULL. */
const struct service_def *stage_definition(const struct stage *s, const char *name);

/* The living process of an action (NULL: of any), or NULL. */
struct proc *stage_proc(const struct stage *s, const char *service, const char *action);
void stage_signal(struct stage *s, struct proc *p, int signo);
void stage_end(struct stage *s, struct proc *p, int code, int signo);
void stage_say_ready(struct stage *s, struct proc *p);
/* The line that its `fail` waits for. */
void stage_say_failed(struct stage *s, struct proc *p);
const struct mark *stage_mark(
    const struct stage *s, const char *subject, enum moment moment, int64_t nth);

/* play.c: a scenario, step by step; false with the line and what was wrong. */
bool play(struct stage *s, struct error *e);

/* facts.c: does the clause hold now?  If not, `seen` says what is. */
bool fact_holds(struct stage *s, const struct clause *k, struct str *seen);

#endif
