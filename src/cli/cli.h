/*
 * cli.h - what every verb of hero_proc shares: options, calls, output.
 *
 * A verb is a function in a row of the table in main.c; it returns the exit
 * status (SPEC 10).  Depends on: base, client, jansson.
 */
#ifndef HP_CLI_CLI_H
#define HP_CLI_CLI_H

#include "base/error.h"
#include "base/str.h"
#include "hero_proc.h"

#include <jansson.h>

struct cli {
	hp_client *client;
	bool json, quiet, follow, force, no_wait, replace, no_deps, with_deps, with_dependents,
	    with_unneeded, start, full, dry_run, all, yes, prune, repair;
	bool color; /* stdout is a terminal and NO_COLOR is not set */
	bool live;  /* stdout is a terminal */
	bool told_unstored;
	int width, height;   /* of the terminal */
	msec timeout;	     /* of the caller's wait; 0: none */
	msec rollback_after; /* 0: no rollback */
	int64_t lines;
	const char *grep, *stream, *since, *at, *format, *from_binary, *socket, *signal, *action,
	    *tag, *class, *state;
	char **args; /* words after the verb */
	int n;
};

struct verb {
	const char *name;  /* "service start" */
	const char *usage; /* what follows it */
	const char *summary;
	int min, max; /* words; max -1: any */
	int (*run)(struct cli *c);
};
extern const struct verb verbs[];
extern const size_t n_verbs;

/* Call; on an error it was printed and *status is the exit status, NULL comes back.
 * take_params may be NULL. */
json_t *cli_call(struct cli *c, const char *method, json_t *take_params, int *status);
/* The same without printing. */
json_t *cli_try(struct cli *c, const char *method, json_t *take_params, struct hp_error *e);
int cli_fail(struct cli *c, struct hp_error *e);	 /* print, release, exit status */
void tell_unstored(struct cli *c, const json_t *answer); /* once: it is in memory only, on stderr */
void cli_warn(
    const struct cli *c, const json_t *answer); /* its `warnings`, with their places and hints */

int cli_json(json_t *take_v);			       /* one line; 0 */
const char *text_of(const json_t *o, const char *key); /* "" when absent */

/* Colours by meaning; empty texts without a terminal. */
const char *paint_state(const struct cli *c, const char *state);
const char *paint(const struct cli *c, const char *code);
const char *plain(const struct cli *c);

void print_cut(const char *s, int width); /* one line of at most so many columns */

/* A table with aligned columns; cells are copied. */
struct table {
	struct strv cells;
	size_t columns;
};
void table_row(struct table *t, const char *const *cells);
void table_print(struct table *t, const struct cli *c); /* and releases it */

char *age_of(const char *iso_time); /* "2m 3s"; the caller frees */

/* Wait for an operation with its progress, then its end; prints what failed. */
int follow_operation(struct cli *c, int64_t operation, json_t *names, const char *done_word);

/* The steps of a dry run, numbered; exit status. */
int print_plan(struct cli *c, json_t *take_answer);

/* start, stop, restart of names (NULL: the method chooses), with everything around it. */
int change_services(struct cli *c, const char *method, json_t *take_names, const char *done_word);

int verb_up(struct cli *c);
int verb_down(struct cli *c);
int verb_shutdown(struct cli *c);
int verb_upgrade(struct cli *c);
int verb_check(struct cli *c);
int verb_apply(struct cli *c);
int verb_diff(struct cli *c);
int verb_service_register(struct cli *c);
int verb_service_list(struct cli *c);
int verb_service_get(struct cli *c);
int verb_service_status(struct cli *c);
int verb_service_start(struct cli *c);
int verb_service_stop(struct cli *c);
int verb_service_restart(struct cli *c);
int verb_service_delete(struct cli *c);
int verb_service_reload(struct cli *c);
int verb_service_kill(struct cli *c);
int verb_service_ready(struct cli *c);
int verb_wanted(struct cli *c);
int verb_why(struct cli *c);
int verb_plan(struct cli *c);
int verb_what_if(struct cli *c);
int verb_op_list(struct cli *c);
int verb_op_get(struct cli *c);
int verb_op_watch(struct cli *c);
int verb_op_cancel(struct cli *c);
int verb_tree(struct cli *c);
int verb_logs(struct cli *c);
int verb_graph(struct cli *c);
int verb_events(struct cli *c);
int verb_critical_chain(struct cli *c);
int verb_blame(struct cli *c);
int verb_flag_set(struct cli *c);
int verb_flag_clear(struct cli *c);
int verb_flag_list(struct cli *c);
int verb_health(struct cli *c);
int verb_doctor(struct cli *c);
int verb_run_submit(struct cli *c);
int verb_run_list(struct cli *c);
int verb_run_get(struct cli *c);
int verb_run_wait(struct cli *c);
int verb_run_cancel(struct cli *c);
int verb_completion(struct cli *c);

/* Read manifests below files and folders: [{path, text}]; NULL after an error was printed.
 * None at all is an error, unless *folders takes the folders that were looked into. */
json_t *manifests_below(struct cli *c, json_t *folders, int *status);

/* Apply; what differs is shown first.  take_params: manifests, and how. */
int apply_manifests(struct cli *c, json_t *take_params, const char *done_word);

#endif
