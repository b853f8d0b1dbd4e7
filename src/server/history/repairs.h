/*
 * repairs.h - what vanished and was made again, since this server began: for the doctor.
 *
 * Depends on: base.
 */
#ifndef HP_SERVER_HISTORY_REPAIRS_H
#define HP_SERVER_HISTORY_REPAIRS_H

#include "base/base.h"

#define REPAIRS_MAX 32 /* the newest; the rest is a number */

struct repair {
	usec_wall at;
	char *text;
};

struct repairs {
	struct repair v[REPAIRS_MAX]; /* a ring: the number `n` stands at n % REPAIRS_MAX */
	size_t n;		      /* all there ever were */
};
void repairs_release(struct repairs *r);
void repairs_add(struct repairs *r, usec_wall at, const char *text);

#endif
