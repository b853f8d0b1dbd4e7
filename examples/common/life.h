/*
 * life.h - what every example program has in common: it keeps a diary, it can be
 * told by its environment to be slow, stuck, sick or broken, and it answers
 * GET /health on a Unix socket until it is asked to go.
 *
 * The diary is the file $HERO_TRACE: one line per fact, one write(2) per line,
 * `<name> <pid> <fact> <nanoseconds of CLOCK_MONOTONIC>`, where fact is
 *   main   first thing in main()
 *   ready  the moment before it can answer for the first time
 *   stop   SIGTERM or SIGINT arrived
 *   end    the moment before it exits
 *
 * Environment, for tests and for play.  <NAME> is the program's name in capitals
 * with _ for every other character.
 *   HERO_DELAY_<NAME>, HERO_DELAY_MS    milliseconds of work before readiness
 *   HERO_HOLD_<NAME>                    path; not ready while that file exists
 *   HERO_SICK_<NAME>                    path; it listens, but /health says 503 while that file
 * exists HERO_CRASH_<NAME>                   n; the first n starts end with status 3 before
 * readiness HERO_STOP_<NAME>                    milliseconds between SIGTERM and the end; -1:
 * SIGTERM is ignored
 */
#ifndef HERO_EXAMPLE_LIFE_H
#define HERO_EXAMPLE_LIFE_H

#include <stdbool.h>

struct life {
	const char *name;
	int signals; /* signalfd for SIGTERM and SIGINT */
};

/* Call it first in main(): writes `main`, blocks the signals that ask to go. */
void life_begin(struct life *l, const char *name);

/* Does what the environment asks for before readiness.  False: asked to go meanwhile. */
bool life_prepare(struct life *l);

/* Writes one line to the diary. */
void life_write(const struct life *l, const char *fact);

/* Waits until asked to go, at most `ms` (-1: for ever).  True: asked to go. */
bool life_wait(struct life *l, int ms);

/* Listens on the Unix socket `path` and answers GET /health with 200 and anything
 * else with 404, until asked to go.  Returns the exit status of the program. */
int life_answer(struct life *l, const char *path);

/* After the request to go: waits as the environment says, writes `end`. */
void life_end(struct life *l);

/* $HERO_SOCKET_DIR/<folder>/<socket>; makes the folder.  Static storage. */
const char *life_socket_path(const char *folder, const char *socket);

#endif
