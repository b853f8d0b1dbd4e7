/*
 * progress.h - what is known of an operation that is followed: its parts, the state of each,
 * what it waits for, how its last attempt ended.
 *
 * A part is an action of a service, or a service that executes nothing.  Facts come in as
 * statuses (service.status) and as events; nothing is asked for here, and nothing is drawn.
 * Depends on: base, model/signals.h, jansson.
 */
#ifndef HP_CLI_PROGRESS_H
#define HP_CLI_PROGRESS_H

#include "base/map.h"
#include "base/str.h"

#include <jansson.h>

/* What a state means for who waits for the operation. */
enum part_is { PART_IDLE, PART_WAITS, PART_BUSY, PART_READY, PART_FAILED, PART_GONE };

struct part {
	char *key;		/* "service/action"; "service" when it executes nothing */
	char *service, *action; /* action: NULL likewise */
	char *state;		/* of the job, or of the service */
	int64_t since;		/* of the state; times are microseconds since 1970 */
	int64_t began, reached; /* what it was asked for: first step, and reached; 0: not yet */
	int64_t attempt;
	int64_t again_ms; /* until the next attempt, from `since` on; -1: none */
	char *trouble;	  /* how the last attempt ended that did not succeed, or NULL */
	char *waits;	  /* what for, or NULL */
	char *heard;	  /* what a probe heard last, or it says itself; or NULL */
	char *last_line;  /* of its output, when it failed; or NULL */
	bool touched;	  /* the operation changed it */
	bool fell;	  /* its attempt failed, and the next one follows at once */
	bool wants_line;  /* it failed, and last_line is not known yet */
};

/* A service that waited for another one. */
struct need {
	char *service, *target;
};

struct progress {
	struct part **v;
	size_t n, cap;
	struct map by_key;
	struct strv services, unknown; /* known ones; those that a status is needed of */
	struct map known, asked;       /* the same texts */
	struct {
		struct need *v;
		size_t n, cap;
	} needs; /* as far as somebody waited */
	struct {
		int64_t *v;
		size_t n, cap;
	} operations; /* ours, and those that it is made of */
	bool over;    /* one of them has ended, or begun: ask for ours */
	bool done;    /* ours has, and no event of it follows */
	bool stops;   /* it wants its parts gone */
	bool resync; /* events are missing: statuses tell the states, not only what events do not */
};

void progress_init(struct progress *p);
void progress_release(struct progress *p);

/* Events of this operation are about ours; the first one is ours itself. */
void progress_add_id(struct progress *p, int64_t operation);

/* States come with events, in their order; a status may be ahead of them.  So it tells the state
 * of parts that are new, and otherwise what they wait for and what is heard of them. */
void progress_add_status(struct progress *p, const json_t *status);
/* The part that it changed, or NULL; borrowed. */
struct part *progress_add_event(struct progress *p, const json_t *event);
/* `operations`, `steps`, `started`, `names` of op.get: who else belongs to it. */
void progress_add_operation(struct progress *p, const json_t *op);
/* Steps that were taken before there was an event to see: who comes late. */
void progress_add_steps(struct progress *p, const json_t *op);
/* Asked for or needed: it stands in `unknown` unless it is known. */
void progress_add_service(struct progress *p, const char *name);
/* There is nothing to be known of it beyond its events. */
void progress_know(struct progress *p, const char *name);
/* `unknown`, which is empty then. */
struct strv progress_take_unknown(struct progress *p);

enum part_is part_is(const struct part *p);
/* "waits 0.4 s: db is starting".  `now` 0: without clocks that run, for lines that stay. */
char *part_text(const struct part *p, int64_t now);

/* The names of its services, each behind those that it waited for; owned by the caller. */
struct strv progress_order(const struct progress *p);

struct progress_count {
	size_t ready, gone, others;
	const struct part *slowest; /* to reach it; NULL: none was timed */
};
void progress_count(const struct progress *p, struct progress_count *out);

#endif
