/*
 * cli.h - what every verb of hero_proc gets: its words, its options, the supervisor.
 *
 * A verb is a function in a row of the table in main.c; it returns the exit status
 * (SPEC 10).  Depends on: base, client.
 */
#ifndef HP_CLI_CLI_H
#define HP_CLI_CLI_H

#include "base/error.h"
#include "base/str.h"
#include "hero_proc.h"

struct cli {
	hp_client *client;
	const struct verb *verbs; /* the table */
	size_t n_verbs;
	char **args; /* words after the verb */
	int n;
	/* options: options.c has the rows */
	bool json, quiet, no_color, help, version, follow, force, no_wait, replace, no_deps,
	    with_deps, with_dependents, with_unneeded, start, full, dry_run, all, yes, prune,
	    repair, reverse, rate, boot, around_failure, supervisor;
	msec timeout;	     /* of the caller's wait; 0: none */
	msec rollback_after; /* 0: no rollback */
	int64_t lines;	     /* -1: not said */
	int64_t context;     /* lines around each */
	const char *grep, *stream, *since, *until, *at, *format, *from_binary, *socket, *signal,
	    *action, *tag, *class, *state, *wanted, *where, *level, *fields, *count_by, *export;
};

struct verb {
	const char *section; /* of the overview, above this row; NULL: the same as before */
	const char *name;    /* "service start", "up" */
	const char *also;    /* other names, "start,begin"; NULL: none */
	const char *args;    /* what follows it */
	const char *summary; /* one line */
	const char *example; /* lines of a shell */
	uint64_t options;    /* those that it knows beside the common ones: OPTION(...) | ... */
	int min, max;	     /* words; max -1: any */
	int (*run)(struct cli *c);
};

#endif
