/*
 * state.h - what the files of the registry share; nobody else includes it.
 *
 * An entry is one service: its contributions and the effective definition built
 * from them.  An entry never changes once it is linked, only the resolutions of
 * its edges do; a transaction links a new entry in place of the old one and
 * links the old one again when it is refused.  So the indexes are functions of
 * the linked entries, and resolutions are functions of the indexes.
 */
#ifndef HP_REGISTRY_STATE_H
#define HP_REGISTRY_STATE_H

#include "base/map.h"
#include "registry/registry.h"

struct share {
	char *source;
	enum contribution_mode mode;
	struct service_def *def; /* NULL: the effective one says all of it; entry_part_def() */
};

struct entry {
	char *name; /* "/context/action" for an action of no service */
	struct share
	    *v; /* by source; one source has at most one part of mode action, one of others */
	uint32_t n, cap;
	struct service_def def; /* effective */
	uint64_t revision;	/* registry_revision() */
	size_t at;		/* its place in registry.entries */
	uint32_t seen, node;	/* order.c: number of the search that saw it, its first node */
};
struct entry_list {
	struct entry **v;
	uint32_t n, cap;
};

struct holder {
	struct entry *entry;
	const struct action_def *action;
};
struct holder_list {
	struct holder *v;
	uint32_t n, cap;
};

/* All that is known under one name: the service, the actions, and who asks for it. */
struct name_slot {
	char *key;
	struct entry *service;
	struct holder_list actions; /* of services */
	struct entry_list users; /* entries with an edge of that key, siblings apart; each once */
};

/* What may be in several hands but should not: "unix:/path", "tcp:80"; and two
 * plain indexes of the same form: "from:SOURCE", "conflict:NAME". */
struct claim_slot {
	char *key;
	struct holder_list holders;
};

struct registry {
	char *dir; /* hero_socket_dir */
	bool partial;
	struct map names;  /* name -> struct name_slot */
	struct map claims; /* key -> struct claim_slot */
	struct entry_list entries;
	bool sorted;
	size_t n_services;
	uint64_t revisions; /* given so far */
	size_t n_conflicts; /* entries that declare any */
	uint32_t search;    /* number of the last search of order.c */
};

/* entry.c: entries and the indexes */
struct entry *entry_new(const char *name);
void entry_free(struct entry *e);
struct share *entry_find_part(
    const struct entry *e, const char *source, enum contribution_mode mode);
void entry_put_part(struct entry *e, const struct contribution *c, const struct service_def *def);
const struct service_def *entry_part_def(const struct entry *e, const struct share *p);
void entry_copy_parts(struct entry *to, const struct entry *from);
void entry_drop_part(struct entry *e, const struct share *p);
void definition_drop_action(struct service_def *s, const char *name);
bool entry_is_loose(const struct entry *e); /* an action of no service */
void entry_link(struct registry *reg, struct entry *e);
void entry_unlink(struct registry *reg, struct entry *e);
struct entry *registry_entry(const struct registry *reg, const char *name);
struct name_slot *registry_slot(const struct registry *reg, const char *name);
struct claim_slot *registry_claim(const struct registry *reg, const char *prefix, const char *name);
char *socket_path(const char *dir, const struct service_def *s, const struct socket_def *d);
void entry_list_add(struct entry_list *l, struct entry *e);

/* unite.c: contributions to one definition */
struct judge;
/* Fills e->def, reports unequal keys.  The parts are not written to afterwards. */
void entry_unite(struct judge *j, struct entry *e);
void definition_normalise(struct service_def *s, const char *source);
bool dep_is_sibling(const struct service_def *s, const struct dep *d);

/* compare.c: meaning, without places */
const char *action_difference(const struct action_def *a, const struct action_def *b);
bool dep_list_same(const struct dep_list *a, const struct dep_list *b);
int dep_order(const struct dep *a, const struct dep *b);
const char *dep_target(const struct dep *d, struct str *scratch);
const char *service_difference(const struct service_def *a, const struct service_def *b);
/* Lines and places included, resolution apart. */
bool definition_identical(const struct service_def *a, const struct service_def *b);

/* resolve.c */
bool entry_resolve(const struct registry *reg, struct entry *e); /* did anything change? */
const struct action_def *slot_action(const struct name_slot *slot, const struct entry *e);
void loose_refresh(const struct registry *reg, struct entry *e);
void inherit_edges(struct dep_list *to, const struct action_def *from,
    const struct service_def *owner, const struct service_def *heir);

/* judge.c: what is refused and what is warned of */
struct judge {
	struct registry *reg;
	struct diags *diags;
	struct error *e;
	enum err code; /* the first refusal */
	bool lenient;  /* REGISTRY_LOAD: refusals are told as warnings */
	struct strv *chain;
	struct strv culprits;
};
void judge_refuse(struct judge *j, const struct entry *culprit, enum err code,
    const struct place *at, const char *key, const char *hint, const char *fmt, ...) attr_fmt(7, 8);
void judge_warn(struct judge *j, const struct place *at, const char *key, const char *hint,
    const char *fmt, ...) attr_fmt(5, 6);
void place_fmt(struct str *out, const struct place *at, const char *fallback);

/* check.c */
void check_entry(struct judge *j, const struct entry *e);
void check_claims(struct judge *j, const struct entry *e);

/* owner.c: two shapes of one thing */
/* The next action elsewhere that is the same binary instance as `a` of `e`; *at begins at 0. */
const struct holder *instance_next(
    const struct registry *reg, const struct entry *e, const struct action_def *a, size_t *at);
bool entry_find_owners(const struct registry *reg, const struct entry *e, struct strv *out);

/* order.c: circles and conflicts */
/* Through the roots, of which the first n_changed are what the transaction brought. */
void check_order(struct judge *j, const struct entry_list *roots, size_t n_changed);

#endif
