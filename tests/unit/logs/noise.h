/* noise.h - many lines of several services, and what queries make of them. */
#ifndef HP_TESTS_NOISE_H
#define HP_TESTS_NOISE_H

#include "logs_helper.h"

struct lines {
	struct strv text;
	struct strv marked; /* those that hold the word */
};

/* Three services of two streams each, whose writes end anywhere in a line; every thousandth line
 * holds the word.  Some streams are over in the middle, and some end without a newline. */
void write_noise(struct fixture *f, int writes);

void lines_release(struct lines *l);
void read_lines(struct fixture *f, struct log_filter *q, struct lines *to, struct str *next);
/* Pages one after the other are the whole, each line once. */
void page_through(struct fixture *f, const struct strv *all, struct log_filter q, size_t size);

#endif
