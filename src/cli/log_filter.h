/*
 * log_filter.h - which lines the options of `logs` ask for.
 *
 * Depends on: cli.h, call.h, jansson.
 */
#ifndef HP_CLI_LOG_FILTER_H
#define HP_CLI_LOG_FILTER_H

#include "cli/cli.h"

#include <jansson.h>

/* Parameters of logs.query without cursor and bounds. */
json_t *log_filter(const struct cli *c);
/* "a,b" as a list. */
json_t *log_filter_names(const char *text);

/* --boot and --around-failure become --since and --until.  0, or the exit status. */
int log_filter_span(struct cli *c);

#endif
