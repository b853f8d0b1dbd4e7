/*
 * storm.h - more bad luck than the stories of sim.c have: for the nightly run.
 *
 * A storm draws from dice of its own, so a seed tells the same story with and without
 * it, plus what the storm does.  Depends on: world.h.
 */
#ifndef HP_TESTS_SIM_STORM_H
#define HP_TESTS_SIM_STORM_H

#include "base/base.h"

struct world;

/* clang-format off */
#define FAULT_LIST(X)                                                                          \
	X(FAULT_SERVER_KILLED, "server_killed", "SIGKILL of the server, between any two events")\
	X(FAULT_KEEPER_KILLED, "keeper_killed", "every process is gone and nobody knows its status")\
	X(FAULT_EXIT_LOST,     "exit_lost",     "one process is gone, its status is lost")      \
	X(FAULT_SIGNAL,        "signal",        "one process is killed from outside")           \
	X(FAULT_OOM,           "oom",           "one process is killed for want of memory")     \
	X(FAULT_NO_DESCRIPTOR, "no_descriptor", "for a while nothing can be executed (EMFILE, EAGAIN)")\
	X(FAULT_NO_PROGRAM,    "no_program",    "for a while every program is missing (ENOENT)") \
	X(FAULT_PROBE,         "probe",         "a probe ends the attempt")                     \
	X(FAULT_STALE_NEWS,    "stale_news",    "news of a former attempt arrives late")        \
	X(FAULT_SUSPENDED,     "suspended",     "the machine slept: every timer is late by minutes")
ENUM_DECLARE(fault, FAULT_LIST, FAULT_COUNT);
/* clang-format on */

struct storm {
	bool blows;
	uint64_t dice;
	msec no_descriptor_until, no_program_until;
	unsigned long faults[FAULT_COUNT];
};

/* After any event: perhaps a fault.  kill_server: how this world does it. */
void storm_blow(struct world *w, void (*kill_server)(struct world *));
/* What keeps the next program from being executed: NULL, or words; *transient says which kind. */
const char *storm_refuses_exec(struct world *w, bool *transient);

#endif
