/*
 * json_time.h - an instant in JSON, in the words of SPEC 10; null for 0.
 *
 * Depends on: base, rpc/json_out.h, jansson.
 */
#ifndef HP_SERVER_HOST_JSON_TIME_H
#define HP_SERVER_HOST_JSON_TIME_H

#include "base/str.h"

#include <jansson.h>

json_t *json_time(usec_wall t);
void json_time_out(struct str *out, const char *key, usec_wall t);

#endif
