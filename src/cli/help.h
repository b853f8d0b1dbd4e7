/*
 * help.h - what the table of verbs says of itself, and finding a verb in it.
 *
 * Depends on: cli.h, options.h.
 */
#ifndef HP_CLI_HELP_H
#define HP_CLI_HELP_H

#include "cli/cli.h"

#include <stdio.h>

/* The verb that the words begin with ("service start web", "start web"), by any of its names;
 * *used says how many words it took. */
const struct verb *help_find(const struct cli *c, char *const *words, int n, int *used);

/* "service" of "service start": a word that some verbs begin with. */
bool help_is_group(const struct cli *c, const char *word);

void help_overview(const struct cli *c, FILE *to);
void help_group(const struct cli *c, const char *group, FILE *to);
void help_verb(const struct verb *v, const char *name, FILE *to);

/* "no verb `strat`; did you mean `start`?"  Exit status. */
int help_unknown(const struct cli *c, char *const *words, int n);

#endif
