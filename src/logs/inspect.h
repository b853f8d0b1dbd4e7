/*
 * inspect.h - segments and indexes held against each other, while they are written.
 *
 * On any thread.  Of each folder the last segments are read, the index before the size of the
 * segment, so a writer at work is no fault (format.h).  Depends on: base, format.h.
 */
#ifndef HP_LOGS_INSPECT_H
#define HP_LOGS_INSPECT_H

#include "base/str.h"

#define LOGS_INSPECT_MS 2000 /* what is not read by then is not judged */

/* A sentence for each fault, "web/00000003.idx\nits slots ..." */
void logs_inspect(const char *dir, struct strv *out);

#endif
