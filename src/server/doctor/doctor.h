/*
 * doctor.h - holds what the server believes against what the kernel says.
 *
 * A run looks at everything (look.h: the table of checks), and mends on request what its
 * findings name.  Off the loop's way: the loop copies what it believes (belief.h, some
 * microseconds an attempt), a thread (background.h) reads /proc, folders and the database,
 * the loop gets the findings.  What one look found must be seen by LOOKS looks with
 * LOOK_AGAIN_MS between them and all news of the keeper heard in between, so an exit that
 * is on its way is none.
 *
 * A divergence is a finding of a check about belief and kernel.  It is counted once, by
 * check, when it is first seen: by a run, by recovery, by news of the keeper about what we
 * did not know, by the glance after activity (an idle server does not look).
 *
 * Depends on: server/daemon.h, jansson.
 */
#ifndef HP_SERVER_DOCTOR_H
#define HP_SERVER_DOCTOR_H

#include "server/daemon.h"

#include <jansson.h>

/* clang-format off */
/*        symbol               name           is it belief against kernel, what is compared */
#define CHECK_LIST(X)                                                                              \
	X(CHECK_PROCESSES,   "processes",   true,  "every attempt that we call alive has its process") \
	X(CHECK_STRAYS,      "strays",      true,  "every process with one of our tokens belongs to an attempt that we call alive") \
	X(CHECK_SETS,        "sets",        true,  "what we wait for has processes, what we call empty has none, no cgroup is left over") \
	X(CHECK_SOCKETS,     "sockets",     true,  "the sockets of a ready service are listened on by its own processes") \
	X(CHECK_PORTS,       "ports",       true,  "the ports of a ready service are listened on by its own processes") \
	X(CHECK_LEFTOVERS,   "leftovers",   false, "no socket file of a service at rest lies about") \
	X(CHECK_DESCRIPTORS, "descriptors", false, "server and keeper hold as many descriptors as their work needs, far from the limit") \
	X(CHECK_CAPTURE,     "capture",     true,  "the output of every attempt that the keeper holds is read by the logs") \
	X(CHECK_LOGS,        "logs",        false, "the folder of the logs can be written, segments and indexes fit together, quotas hold") \
	X(CHECK_STORE,       "store",       false, "the database is sound, in force, and not behind") \
	X(CHECK_DEFINITIONS, "definitions", false, "the files below definitions/ say what the rows say") \
	X(CHECK_COUNTERS,    "counters",    false, "no number is about to be given twice") \
	X(CHECK_DISK,        "disk",        false, "there is room for state, logs and sockets") \
	X(CHECK_KEEPER,      "keeper",      true,  "the keeper is the one that we know, and answers") \
	X(CHECK_ENGINE,      "engine",      true,  "counts, states and timers equal a recount from facts") \
	X(CHECK_TIMERS,      "timers",      true,  "what is due is waited for, and nothing is overdue") \
	X(CHECK_WANTED,      "wanted",      false, "what is wanted runs, or is on its way")
/* clang-format on */
enum check {
#define CHECK_SYM_(sym, str, truth, doc) sym,
	CHECK_LIST(CHECK_SYM_) CHECK_COUNT
#undef CHECK_SYM_
};
const char *check_str(enum check c);

struct doctor;
struct doctor *doctor_new(struct daemon *d);
void doctor_free(struct doctor *x);

/* One run at a time (ERR_BUSY).  `fn` is called once, on the loop, with the report:
 * ok, checks[], findings[], left_off, repaired[], looks, took_ms, loop_us. */
typedef void (*doctor_fn)(void *ctx, json_t *take_report);
enum err doctor_begin(
    struct daemon *d, bool repair, doctor_fn fn, void *ctx, struct error *e) attr_must_use;

/* A divergence was met on the way: counted and reported once for a subject. */
void doctor_found(struct daemon *d, enum check check, const char *fmt, ...) attr_fmt(3, 4);
/* Some 0.3 us for each process that we call alive; after activity, never at rest. */
void doctor_glance(struct daemon *d);
/* The keeper answered what doctor_begin asked. */
void doctor_on_pong(struct daemon *d, int value);
/* Its lines of GET /metrics. */
void doctor_metrics(const struct daemon *d, struct str *out);

#endif
