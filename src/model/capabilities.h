/*
 * capabilities.h - sets of Linux capabilities as people write them: CAP_NET_BIND_SERVICE, or
 * net_bind_service.  A set is a mask of bits by the numbers of capabilities(7).
 *
 * Depends on: base.
 */
#ifndef HP_MODEL_CAPABILITIES_H
#define HP_MODEL_CAPABILITIES_H

#include "base/base.h"

bool capability_parse(const char *name, unsigned *number);
const char *capability_name(unsigned number);	  /* NULL: there is none */
const char *capability_nearest(const char *name); /* a suggestion, or NULL */

#endif
