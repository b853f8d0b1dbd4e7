/*
 * digest.h - one number for all that happened in a story.
 *
 * Two builds whose digests of the same seeds are equal made the same decisions: every effect with
 * its time, every end of an operation with its steps, every step of a plan, and the final state of
 * each job.  Texts for people are not part of it.
 */
#ifndef HP_TESTS_SIM_DIGEST_H
#define HP_TESTS_SIM_DIGEST_H

#include "world.h"

void digest_effect(struct world *w, const struct effect *fx);
void digest_op(struct world *w, const struct op_view *v); /* that ended */
void digest_steps(struct world *w, const struct op_step *v, size_t n);
void digest_what_if(struct world *w, const struct what_if *what);
void digest_states(struct world *w); /* of all units and jobs, now */

#endif
