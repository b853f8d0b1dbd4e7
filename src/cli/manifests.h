/*
 * manifests.h - the manifests that a command line speaks of.
 *
 * Depends on: cli.h, jansson.
 */
#ifndef HP_CLI_MANIFESTS_H
#define HP_CLI_MANIFESTS_H

#include "cli/cli.h"

#include <jansson.h>

/* Read manifests below files and folders: [{path, text}]; NULL after an error was printed.
 * None at all is an error, unless *folders takes the folders that were looked into. */
json_t *manifests_below(struct cli *c, json_t *folders, int *status);

#endif
