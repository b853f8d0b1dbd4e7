/*
 * large.h - the engine over thousands of nodes: right, without recursion, and in time
 * that grows no faster than n log n.  Depends on: engine, shape.h.
 */
#ifndef HP_TESTS_SIM_LARGE_H
#define HP_TESTS_SIM_LARGE_H

#include <stdint.h>

/* Every shape at a tenth of n and at n nodes: plan, start, failures, restarts, a stop in the
 * middle, a second start, a stop of everything.  Prints a table.  Returns how many rules
 * were broken, growth included. */
unsigned large_run(uint32_t n, uint64_t seed);

#endif
