/*
 * schedule.h - what becomes of each due time of one schedule.
 *
 * Every due time gets exactly one answer, so `kept + late + skipped + missed` is the number of
 * due times since the schedule was set:
 *
 *   kept      its run was submitted in time
 *   late      its run was submitted by catch_up, more than SCHEDULE_GRACE_MS behind it
 *   skipped   it was paused, or a former run was not over (overlap = skip)
 *   missed    the supervisor was down, the machine suspended or the clock stepped over it
 *
 * The state is one number, the last due time that has an answer, so nothing is stored that a
 * change of the zone or of tzdata could make wrong (F102).  However many due times have
 * passed, one call answers them all, and its cost does not grow with their number (F94).
 *
 * Times are milliseconds of wall time since 1970.  A step of the wall clock: cron follows the
 * wall; an interval does not, its caller moves `answered` along (schedule_clock_stepped).  A
 * clock that was wrong, by which due times of more than a day ahead were answered, is
 * forgotten: the count starts again at the present time.
 *
 * Pure.  Depends on: base, model/words.h, cron.h.
 */
#ifndef HP_SCHEDULE_SCHEDULE_H
#define HP_SCHEDULE_SCHEDULE_H

#include "model/words.h"
#include "schedule/cron.h"

#define SCHEDULE_GRACE_MS      10000 /* a due time that is not older is still in time */
#define SCHEDULE_CATCH_UP_MOST 1000
#define SCHEDULE_AHEAD_MOST_MS (24 * 3600 * 1000LL)
#define SCHEDULE_NEVER	       INT64_MAX

/* clang-format off */
#define SCHEDULE_ANSWER_LIST(X)                                          \
	X(ANSWER_KEPT,    "kept",    "submitted in time")                \
	X(ANSWER_LATE,    "late",    "submitted by catch_up")            \
	X(ANSWER_SKIPPED, "skipped", "paused, or a former run not over") \
	X(ANSWER_MISSED,  "missed",  "nobody was there at that time")
ENUM_DECLARE(schedule_answer, SCHEDULE_ANSWER_LIST, ANSWER_COUNT);
/* clang-format on */

struct schedule {
	struct cron cron;
	const struct zone *zone; /* borrowed */
	int64_t interval_ms;	 /* above 0: instead of cron */
	enum catch_up catch_up;
	enum overlap overlap;
	int64_t jitter_ms; /* each due time is submitted up to so much later, by its hash */
	uint64_t seed;	   /* of the hash; differs between schedules */
};

/* What is stored of it. */
struct schedule_state {
	int64_t answered; /* the last due time that has an answer; at first, when it was set */
	bool paused;
	uint64_t counts[ANSWER_COUNT];
};

/* What the world is like at a call. */
struct schedule_world {
	int64_t now;
	bool has_open_run; /* of this schedule */
};

/* The answer of schedule_due(): the runs to submit, in order, and the rest in numbers. */
struct schedule_verdict {
	struct {
		int64_t *v;
		size_t n, cap;
	} runs;	     /* their due times */
	size_t kept; /* the last so many of them are in time, those before are late */
	uint64_t skipped, missed;
	bool clock_was_wrong;
};
void schedule_verdict_release(struct schedule_verdict *v);

/* When schedule_due() has something to do; SCHEDULE_NEVER. */
int64_t schedule_wake(const struct schedule *s, const struct schedule_state *state);
/* The next due time later than `after`; SCHEDULE_NEVER. */
int64_t schedule_next(const struct schedule *s, int64_t after, int64_t answered);

/* Answers every due time up to now.  *state is what is to be stored; `out` is empty before. */
void schedule_due(const struct schedule *s, struct schedule_state *state,
    const struct schedule_world *world, struct schedule_verdict *out);

/* The wall clock was set ahead by so much (negative: back). */
void schedule_clock_stepped(
    const struct schedule *s, struct schedule_state *state, int64_t ahead_ms);

#endif
