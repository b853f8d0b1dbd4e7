/*
 * probe.h - one probe: asks the same thing again and again, and counts (SPEC 4).
 *
 * The first try is made at once, the next ones begin `interval` apart, a little later
 * by chance; an eager one asks more often until it first passes.  Tries never overlap, and
 * one that takes longer than `timeout` counts as failed.  `success_threshold` passes in a row make
 *it passing, `failure_threshold` failures in a row failing.  Asked are unix, tcp and http here
 *(dial.h); exec and log are asked by the owner, through probe_calls:
 *
 *	exec  `ask` begins a command, which ends in probe_answer(), or in `drop` when its
 *	      time is over or the probe is freed: nothing of it may go on then
 *	log   the owner says probe_heard() for each line that matches; with `once` the first
 *	      one is the answer for good, else each interval needs one
 *
 * Belongs to the thread of its loop.  Depends on: base, model, libevent.
 */
#ifndef HP_PROBE_PROBE_H
#define HP_PROBE_PROBE_H

#include "model/address.h"
#include "model/words.h"

#define PROBE_TEXT_MAX 512 /* bytes of an answer that are kept */

struct event_base;
struct probe;

/* clang-format off */
#define PROBE_STATE_LIST(X)                                                                \
	X(PROBE_UNKNOWN, "unknown", "no threshold was reached yet")                        \
	X(PROBE_PASSING, "passing", "success_threshold answers in a row were good")        \
	X(PROBE_FAILING, "failing", "failure_threshold answers in a row were not")
ENUM_DECLARE(probe_state, PROBE_STATE_LIST, PROBE_STATE_COUNT);
/* clang-format on */

struct probe_spec {
	enum probe_kind kind;
	msec interval, timeout;
	unsigned failure_threshold, success_threshold;
	/* Until it first passes, a try follows after a third of the time that has passed so far,
	 * from 20 ms up to `interval`: what is ready after 300 ms is seen within 400.  Failures
	 * count once an interval, so a threshold stays a time; after a first success the others
	 * of `success_threshold` are an interval apart. */
	bool eager;
	bool once;    /* of log */
	bool passing; /* what it begins as, after a restart of the server */
};

/* All from the loop, never from within probe_new(). */
struct probe_calls {
	void (*ask)(void *ctx);
	void (*drop)(void *ctx);
	/* The state changed, or failures went on: told again after each further
	 * failure_threshold of them.  May free the probe. */
	void (*told)(void *ctx, enum probe_state state);
	/* Before it first passed, after each answer that was not good; must not free the probe. */
	void (*missed)(void *ctx);
};

/* `take_to`: what unix, tcp and http ask; its content moves into the probe. */
struct probe *probe_new(struct event_base *base, const struct probe_spec *spec,
    struct address *take_to, const struct probe_calls *calls, void *ctx);
void probe_free(struct probe *p); /* NULL does nothing */

void probe_answer(struct probe *p, bool good, const char *text); /* may free the probe */
void probe_heard(struct probe *p);				 /* may free the probe */

enum probe_state probe_state(const struct probe *p);
usec_wall probe_since(const struct probe *p); /* of the state */
/* The last answer in words, "" before the first; borrowed until the next. */
const char *probe_last(const struct probe *p);

#endif
