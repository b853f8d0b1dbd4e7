/*
 * log_counts.h - lines counted instead of shown: by the values of fields, and over time.
 *
 * Depends on: log_filter.h.
 */
#ifndef HP_CLI_LOG_COUNTS_H
#define HP_CLI_LOG_COUNTS_H

#include "cli/cli.h"

/* The exit status. */
int log_counts_by(struct cli *c);   /* --count-by */
int log_counts_rate(struct cli *c); /* --rate: a bar for each stretch of time */

#endif
