/*
 * change.h - one transaction under way; state.h has the picture.
 *
 * Contributions are staged one after another: the entry built anew takes the
 * place of the old one in the indexes.  Then everything affected is resolved,
 * then all is judged.  Refused: the old entries are linked again and what was
 * affected is resolved again, which restores the former state exactly.
 */
#ifndef HP_REGISTRY_CHANGE_H
#define HP_REGISTRY_CHANGE_H

#include "registry/state.h"

struct swap {
	char *name;
	struct entry *old; /* unlinked while staged; NULL: there was none */
	struct entry *new; /* linked; NULL: removed */
	bool staged;	   /* old and new differ */
	enum change_kind kind;
	struct strv owners;
};
struct change {
	struct registry *reg;
	struct judge j;
	bool load;
	struct swap *v;
	size_t n, cap;
	struct map by_name;	      /* name -> index + 1 */
	struct map seen;	      /* "source\nname" of this transaction's manifests */
	struct strv seen_keys;	      /* owns the keys of seen */
	struct entry_list affected;   /* others whose edges may lead elsewhere */
	struct entry_list redirected; /* those whose edges do */
};

/* stage.c */
void change_stage(struct change *c, const struct contribution *in);
void change_stage_former(struct change *c, const struct registry_former *f);
void change_withdraw(
    struct change *c, const char *source); /* what a manifest said before and does not say now */

/* Take parts away from one entry: keep answers false for a part that goes, and may change it. */
typedef bool (*keep_fn)(struct share *p, const void *what);
bool keep_other_sources(struct share *p, const void *source);
bool keep_no_part(struct share *p, const void *what);
bool keep_other_actions(struct share *p, const void *action);
bool change_stage_without(struct change *c, const char *name, keep_fn keep, const void *what);
void names_from_source(const struct registry *reg, const char *source, struct strv *out);

/* settle.c */
void change_resolve(struct change *c);
void change_judge(struct change *c);
void change_tell(const struct change *c, struct registry_outcome *out);
void change_finish(
    struct change *c, bool keep, struct registry_outcome *out); /* commit or roll back */
void change_release(struct change *c);

#endif
