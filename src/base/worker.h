/*
 * worker.h - a thread for work that others do not wait for.
 *
 * Its signals are blocked: they are the loop's.  When it wakes it preempts nobody
 * (SCHED_BATCH, sched(7)): what writes rows or lines goes after what starts and stops.
 *
 * Depends on: base.
 */
#ifndef HP_BASE_WORKER_H
#define HP_BASE_WORKER_H

#include "base/error.h"

#include <pthread.h>

/* `name`: at most 15 characters.  The caller joins it. */
enum err worker_start(pthread_t *out, const char *name, size_t stack_bytes, void *(*fn)(void *),
    void *ctx, struct error *e) attr_must_use;

#endif
