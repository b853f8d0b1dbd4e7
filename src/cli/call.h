/*
 * call.h - calls of the supervisor, and how their errors and warnings are shown.
 *
 * Depends on: cli.h, client, jansson.
 */
#ifndef HP_CLI_CALL_H
#define HP_CLI_CALL_H

#include "cli/cli.h"

#include <jansson.h>

/* Call; on an error it was printed and *status is the exit status, NULL comes back.
 * take_params may be NULL. */
json_t *cli_call(struct cli *c, const char *method, json_t *take_params, int *status);
/* The same without printing. */
json_t *cli_try(struct cli *c, const char *method, json_t *take_params, struct hp_error *e);

int cli_fail(struct cli *c, struct hp_error *e); /* print, release, exit status */
/* `error`: {code, message, data...} of an operation that has ended; on standard error only. */
int cli_fail_error(const json_t *error);

/* Once a program: what was done is in memory only. */
void cli_warn_unstored(const json_t *answer);
/* The answer's `warnings`, with their places and hints. */
void cli_warn(const struct cli *c, const json_t *answer);

/* c->args as a list */
json_t *cli_words(const struct cli *c);

#endif
