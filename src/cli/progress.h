/*
 * progress.h - what is known of an operation that is followed: its parts.
 *
 * Facts come in as events, and as what the supervisor tells of an operation (op.get, see
 * docs/operations.md).  States come with events, in their order; what is told may be ahead of
 * them.  So it tells the state of parts that are new, and otherwise what they wait for and how
 * they failed.  Nothing is asked for here, and nothing is drawn.  Depends on: part.h.
 */
#ifndef HP_CLI_PROGRESS_H
#define HP_CLI_PROGRESS_H

#include "base/map.h"
#include "cli/part.h"

/* A service that waited for another one. */
struct need {
	char *service, *target;
};

struct progress {
	struct part **v;
	size_t n, cap;
	struct map by_key, known; /* parts; services that have one */
	struct {
		struct need *v;
		size_t n, cap;
	} needs; /* as far as somebody waited */
	struct {
		int64_t *v;
		size_t n, cap;
	} operations; /* ours, and those that it is made of */
	bool over;    /* one of them has ended */
	bool done;    /* ours has, and no event of it follows */
	bool stops;   /* it wants its parts gone */
	bool resync;  /* events are missing: what is told is the state, too */
};

void progress_init(struct progress *p);
void progress_release(struct progress *p);

/* Events of this operation are about ours; the first one is ours itself. */
void progress_add_id(struct progress *p, int64_t operation);
/* The part that it changed, or NULL; borrowed. */
struct part *progress_add_event(struct progress *p, const json_t *event);
void progress_add_operation(struct progress *p, const json_t *op); /* of op.get */
/* A service of its `progress`, or of service.status. */
void progress_add_service(struct progress *p, const json_t *told);

/* The names of its services, each behind those that it waited for; in a stop in the order in
 * which they stopped.  Owned by the caller. */
struct strv progress_order(const struct progress *p);

struct progress_count {
	size_t ready, gone, others;
	const struct part *slowest; /* to reach it; NULL: none was timed */
};
void progress_count(const struct progress *p, struct progress_count *out);

#endif
