/*
 * screen.h - a block of lines at the end of a terminal that is drawn again and again.
 *
 * A frame is one write: the lines are written over those before, the rest is erased behind
 * them, so nothing flickers; the cursor rests below the block, so whatever ends us leaves the
 * terminal as it should be.  Depends on: base.
 */
#ifndef HP_CLI_SCREEN_H
#define HP_CLI_SCREEN_H

#include "base/str.h"

struct screen {
	struct strv shown; /* the lines of the last frame */
	int width;	   /* of the terminal then */
};

/* Lines are cut to the width; no more of them than the terminal has rows, less one. */
void screen_draw(struct screen *s, const struct strv *lines);
/* What was drawn stays where it is. */
void screen_release(struct screen *s);

#endif
