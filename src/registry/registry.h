/*
 * registry.h - the one funnel: every definition of the daemon passes here.
 *
 * What comes in are contributions: a struct service_def as the manifest reader
 * or the JSON reader produced it, and the source that speaks (a manifest, a
 * caller).  What comes out is one *effective* definition per service: the union
 * of its contributions, normalised, checked, and with every edge resolved.
 * Manifest text, service.define, service.set, action.set and run.submit all end
 * here, so the effective definition depends on the meaning only, never on the
 * way in.
 *
 * Union.  Contributions are united in the order of their source texts.  The
 * same action in several sources: its keys must be equal (edges apart), its
 * edges are united.  Of the keys of the service itself, texts and the status
 * come from the first source that writes them, `critical` and class system hold
 * if any source says so, lists are united.
 *
 * Edges.  requires, wants and after of the service stand in `depends_on` of
 * each started action (of_service); the service keeps them in `dependencies`
 * too, which is what counts for a target (a service without started actions).
 * A list is sorted by target text, gate, kinds, condition; edges equal in all of
 * these are one: the first source's policies win, optional holds only if all say
 * so, the source texts are joined with ", ".  An edge with `when` is left out
 * unless the action's env says so (an absent variable is not equal); it stays in
 * the contribution.  A group (`any`) is an edge to each member, resolved like others.
 *
 * Resolution: SPEC 2.2, redone for whoever is affected by a change.  A gate's
 * path: an absolute one as it is; the target's declared socket of that name;
 * else <socket folder of the target>/<socket>; for an absent target
 * <last part of repo, else the key>/<socket>; all below hero_socket_dir.
 *
 * Two shapes.  An action is a *binary instance*, known by context and name, if
 * its executable is called like it or one of the two services in question is.
 * A new service all of whose started actions are such instances of existing
 * services, with equal keys and edges, answers unchanged with the owners and is
 * not stored.  Otherwise the same instance, socket path or TCP port in two
 * services is refused naming the owner, except between services that conflict
 * with each other (never both active, so the claim is never shared).
 * Generic names are safe by this rule: `main = ["sleep", "9"]` in a and in b.
 *
 * Pure: no I/O, no clock, no environment.  Not thread-safe: one owner.
 * Depends on: base, model, manifest/diag.h, graph.
 */
#ifndef HP_REGISTRY_REGISTRY_H
#define HP_REGISTRY_REGISTRY_H

#include "base/error.h"
#include "manifest/diag.h"
#include "model/definition.h"

struct registry;

struct registry_config {
	const char *hero_socket_dir; /* absolute; copied */
	bool partial;		     /* a part of the whole: absent targets are not warned of */
};

struct registry *registry_new(const struct registry_config *cfg);
void registry_free(struct registry *reg);

/* clang-format off */
#define CONTRIBUTION_MODE_LIST(X)                                                                \
	X(CONTRIBUTE_REGISTER, "register", "a manifest: replaces all that its source contributed before")\
	X(CONTRIBUTE_DEFINE,   "define",   "creates; refused if it exists with another definition")      \
	X(CONTRIBUTE_SET,      "set",      "creates or replaces the whole service, other sources included")\
	X(CONTRIBUTE_ACTION,   "action",   "action.set: its actions replace those of other sources")
ENUM_DECLARE(contribution_mode, CONTRIBUTION_MODE_LIST, CONTRIBUTION_MODE_COUNT);
/* clang-format on */

/* What one source says about one service.  Borrowed, copied by registry_apply.
 *
 * CONTRIBUTE_REGISTER: `source` names one manifest; a service that this source
 * contributed to before and does not name now loses that contribution, and goes
 * with its last one.  Give texts without a path different sources.
 *
 * Without a definition: that manifest is not there any more; all it contributed goes.
 *
 * CONTRIBUTE_ACTION: only its actions count; their keys win over other sources.  An action
 * that says nothing about depends_on keeps the edges that others give it.  A
 * def without name holds actions of no service; such an action inherits the
 * edges of the one registered action of that name and context. */
struct contribution {
	const struct service_def *def;
	const char *source;
	enum contribution_mode mode;
};

enum {
	REGISTRY_DRY_RUN = 1, /* tell what would be, change nothing */
	REGISTRY_LOAD = 2,    /* stored contributions, in any order: the modes do not refuse or
			       * withdraw; what does not fit is left out with a warning */
};

/* clang-format off */
#define CHANGE_KIND_LIST(X)                                                  \
	X(CHANGE_UNCHANGED, "unchanged", "as it was, apart from lines")      \
	X(CHANGE_CREATED,   "created",   "new")                              \
	X(CHANGE_UPDATED,   "updated",   "its definition changed")           \
	X(CHANGE_REMOVED,   "removed",   "no source speaks of it any more")  \
	X(CHANGE_RESOLVED,  "resolved",  "an edge leads elsewhere now")
ENUM_DECLARE(change_kind, CHANGE_KIND_LIST, CHANGE_KIND_COUNT);
/* clang-format on */

struct registry_change {
	char *name; /* of the service; of an action without service: "/context/action" */
	enum change_kind kind;
	struct strv owners; /* CHANGE_UNCHANGED: the services that run these binaries already */
	struct strv differences; /* CHANGE_UPDATED: sentences, service_differences() */
	struct strv dropped;	 /* sources that spoke of it before and do not now */
	struct service_def
	    *before;	    /* CHANGE_UPDATED that restarts, CHANGE_REMOVED: as it was; or NULL */
	char *renamed_from; /* CHANGE_CREATED: the removed service of the same source that differs
			     * in nothing but its name, or NULL */
	bool stored;	    /* to the letter: there is nothing to write */
	bool restarts;	    /* CHANGE_UPDATED: it takes a restart to make it true of what runs */
};
struct registry_outcome {
	struct registry_change *v; /* in the order of the input, then by name */
	size_t n, cap;
	struct strv chain; /* of a refused cycle or conflict, one edge each */
	char *culprit;	   /* refused: the service at fault, or NULL */
};
void registry_outcome_release(struct registry_outcome *out);
const struct registry_change *registry_outcome_find(
    const struct registry_outcome *out, const char *name);

/* What differs between two definitions of one service, a sentence each: "script changed",
 * "environment PORT: 8080 -> 8081", "edge to db added (web/service.toml:12)"; of several actions
 * with the action in front. */
void service_differences(
    const struct service_def *a, const struct service_def *b, struct strv *out);
/* Is it one service under two names?  An action called like its service is renamed with it. */
bool service_is_renamed(const struct service_def *a, const struct service_def *b);
/* Does it execute the same, in the same order? */
bool service_executes_same(const struct service_def *a, const struct service_def *b);

/* One transaction, all or nothing.  ERR_INVALID, ERR_CYCLE, ERR_CONFLICT: every
 * reason is in diags as an error, *e has the first.  Warnings go to diags in
 * either case.  CHANGE_RESOLVED, CHANGE_CREATED, CHANGE_UPDATED: tell the engine. */
enum err registry_apply(struct registry *reg, const struct contribution *in, size_t n,
    unsigned flags, struct registry_outcome *out, struct diags *diags,
    struct error *e) attr_must_use;

/* Back to what was: each of these has exactly these contributions again, and goes without any.
 * One transaction, refused as registry_apply() refuses. */
struct registry_former {
	const char *name;
	struct contribution *v;
	size_t n, cap;
};
enum err registry_restore(struct registry *reg, const struct registry_former *in, size_t n,
    struct registry_outcome *out, struct diags *diags, struct error *e) attr_must_use;

/* Names of the sources that contribute anything, by name. */
void registry_sources(const struct registry *reg, struct strv *out);

/* Names of the services that need `name` (requires or wants it or an action of it), by name. */
void registry_dependents(const struct registry *reg, const char *name, struct strv *out);

/* The same of a name that nothing has (any more): who hard-requires it, and is not optional. */
void registry_missed_by(const struct registry *reg, const char *name, struct strv *out);

/* Remove a service with all its contributions.  The caller asked for dependents
 * before; theirs become unresolved.  ERR_NOT_FOUND with a suggestion.  ERR_CYCLE,
 * ERR_CONFLICT (all three): what is left would be a set that no registration makes. */
enum err registry_delete(struct registry *reg, const char *name, struct registry_outcome *out,
    struct error *e) attr_must_use;

/* Remove an action from its service, or one of no service (service NULL). */
enum err registry_delete_action(struct registry *reg, const char *service, const char *context,
    const char *action, struct registry_outcome *out, struct error *e) attr_must_use;

/* Withdraw all that a source contributed. */
enum err registry_remove_source(struct registry *reg, const char *source,
    struct registry_outcome *out, struct error *e) attr_must_use;

size_t registry_count(const struct registry *reg); /* services */

/* The effective, resolved definition; NULL: none.  Borrowed until the next change. */
const struct service_def *registry_find(const struct registry *reg, const char *name);
/* The same of an action of no service: `name` as in registry_change, "/context/action". */
const struct service_def *registry_find_loose(const struct registry *reg, const char *name);

/* Another one whenever it executes something else, or in another order; 0: no such service. */
uint64_t registry_revision(const struct registry *reg, const char *name);

/* The first service whose name is greater than `after` (NULL: the first of all); NULL: the end. */
const struct service_def *registry_next(struct registry *reg, const char *after);
const struct service_def *registry_next_loose(struct registry *reg, const char *after);

/* The one action of that name in a context (NULL: default).  service NULL: any,
 * then the action of no service; a service's name: in that one only.  Not unique:
 * ERR_INVALID with candidates; absent: ERR_NOT_FOUND with a suggestion.
 * *service is its definition (name NULL: of no service).  candidates may be NULL. */
enum err registry_find_action(const struct registry *reg, const char *context,
    const char *service_name, const char *name, const struct service_def **service,
    const struct action_def **action, struct strv *candidates, struct error *e) attr_must_use;

/* The registered service name nearest to `word`, or NULL.  Borrowed. */
const char *registry_suggest(struct registry *reg, const char *word);

/* The contributions of one service by source, as given or with its edges in order, which
 * means the same in any union (resolutions are not part of it); false beyond the last.  Feeding all
 * of them back with REGISTRY_LOAD restores it. name: as in registry_change.  Borrowed until the
 * next change. */
bool registry_contribution(
    const struct registry *reg, const char *name, size_t i, struct contribution *out);

/* Make a submitted run whole, in place.  An action without a command names a
 * registered one ("name" or "service/name") and becomes a copy of it with the
 * run's own inputs, env, and depends_on if given.  An action that says nothing
 * about depends_on inherits the edges of the registered action of its name.  A
 * sibling edge so inherited stays one if the run has that action, else it leads
 * to the owner's.  Then edges are normalised, resolved and checked like any
 * definition's; call again for a waiting run when the registry changed. */
enum err registry_resolve_run(struct registry *reg, struct service_def *run, struct diags *diags,
    struct strv *chain, struct error *e) attr_must_use;

#endif
