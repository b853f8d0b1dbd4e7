/*
 * options.h - the options of the command line: one table for reading, checking and help.
 *
 * Depends on: cli.h.
 */
#ifndef HP_CLI_OPTIONS_H
#define HP_CLI_OPTIONS_H

#include "cli/cli.h"

#include <stdio.h>

/* clang-format off */
/*        symbol               name               letter value        kind      member           documentation */
#define OPTION_LIST(X)                                                                                              \
	X(OPTION_JSON,            "json",            0,   NULL,        FLAG,     json,            "print JSON")        \
	X(OPTION_QUIET,           "quiet",           'q', NULL,        FLAG,     quiet,           "print nothing but errors")\
	X(OPTION_NO_COLOR,        "no-color",        0,   NULL,        FLAG,     no_color,        "no colours; NO_COLOR=1 does the same")\
	X(OPTION_SOCKET,          "socket",          0,   "PATH",      TEXT,     socket,          "of the supervisor")  \
	X(OPTION_HELP,            "help",            'h', NULL,        FLAG,     help,            "help on this verb")  \
	X(OPTION_VERSION,         "version",         'V', NULL,        FLAG,     version,         "the version of this program")\
	X(OPTION_TIMEOUT,         "timeout",         0,   "SPAN",      SPAN,     timeout,         "wait at most so long (30s, 500ms); it goes on after")\
	X(OPTION_NO_WAIT,         "no-wait",         0,   NULL,        FLAG,     no_wait,         "do not wait until it has happened")\
	X(OPTION_DRY_RUN,         "dry-run",         0,   NULL,        FLAG,     dry_run,         "show the steps, change nothing")\
	X(OPTION_LINES,           "lines",           'n', "N",         COUNT,    lines,           "the last so many; 0 for all")\
	X(OPTION_FOLLOW,          "follow",          'f', NULL,        FLAG,     follow,          "go on with what comes")\
	X(OPTION_GREP,            "grep",            0,   "TEXT",      TEXT,     grep,            "lines with that text")\
	X(OPTION_WHERE,           "where",           0,   "EXPR",      TEXT,     where,           "lines for which that holds: 'status >= 500'")\
	X(OPTION_LEVEL,           "level",           0,   "LEVEL",     TEXT,     level,           "lines of that level or above: warn")\
	X(OPTION_CONTEXT,         "context",         'C', "N",         COUNT,    context,         "so many lines around each, too")\
	X(OPTION_FIELDS,          "fields",          0,   "A,B",       TEXT,     fields,          "these fields of JSON and logfmt lines, not the line")\
	X(OPTION_COUNT_BY,        "count-by",        0,   "A,B",       TEXT,     count_by,        "how many lines have which values of these fields")\
	X(OPTION_RATE,            "rate",            0,   NULL,        FLAG,     rate,            "how many lines over time, drawn")\
	X(OPTION_BOOT,            "boot",            0,   NULL,        FLAG,     boot,            "since the machine was started")\
	X(OPTION_AROUND_FAILURE,  "around-failure",  0,   NULL,        FLAG,     around_failure,  "30 s before to 5 s after it failed last")\
	X(OPTION_EXPORT,          "export",          0,   "FORM",      TEXT,     export,          "every line, as `hero` (tabs between) or `jsonl`")\
	X(OPTION_STREAM,          "stream",          0,   "STREAM",    TEXT,     stream,          "stdout, stderr or inserted")\
	X(OPTION_SINCE,           "since",           0,   "TIME",      TIME,     since,           "from then on: 10m (ago), 14:30, 2026-05-01 14:30")\
	X(OPTION_UNTIL,           "until",           0,   "TIME",      TIME,     until,           "up to then: as for --since")         \
	X(OPTION_AT,              "at",              0,   "TIME",      TIME,     at,              "as it was then: 5m (ago), 14:30, '#123' (an event)")\
	X(OPTION_FULL,            "full",            0,   NULL,        FLAG,     full,            "the whole tree of causes")\
	X(OPTION_REVERSE,         "reverse",         0,   NULL,        FLAG,     reverse,         "what needs it, instead of what it needs")\
	X(OPTION_DOT,             "dot",             0,   NULL,        NAME,     format,          "as a picture for graphviz")\
	X(OPTION_MERMAID,         "mermaid",         0,   NULL,        NAME,     format,          "as a picture for Markdown")\
	X(OPTION_SVG,             "svg",             0,   NULL,        NAME,     format,          "as a picture for a browser")\
	X(OPTION_ALL,             "all",             0,   NULL,        FLAG,     all,             "every service of class user")\
	X(OPTION_TAG,             "tag",             0,   "TAG",       TEXT,     tag,             "only services with that tag")\
	X(OPTION_CLASS,           "class",           0,   "CLASS",     TEXT,     class,           "only services of that class (user, system)")\
	X(OPTION_STATE,           "state",           0,   "STATE",     TEXT,     state,           "only what is in that state")\
	X(OPTION_WANTED,          "wanted",          0,   "WORD",      TEXT,     wanted,          "only what is wanted so (start, stop, ignore)")\
	X(OPTION_ACTION,          "action",          0,   "ACTION",    TEXT,     action,          "one action of the service")\
	X(OPTION_SIGNAL,          "signal",          0,   "SIG",       TEXT,     signal,          "a name or a number (TERM)")\
	X(OPTION_START,           "start",           0,   NULL,        FLAG,     start,           "and start what was registered")\
	X(OPTION_FROM_BINARY,     "from-binary",     0,   "BIN",       TEXT,     from_binary,     "take the manifest that `BIN --info` prints")\
	X(OPTION_REPLACE,         "replace",         0,   NULL,        FLAG,     replace,         "stop first what conflicts with it")\
	X(OPTION_NO_DEPS,         "no-deps",         0,   NULL,        FLAG,     no_deps,         "start nothing that it needs: refused unless that runs")\
	X(OPTION_WITH_DEPS,       "with-deps",       0,   NULL,        FLAG,     with_deps,       "and what it requires, too")\
	X(OPTION_WITH_UNNEEDED,   "with-unneeded",   0,   NULL,        FLAG,     with_unneeded,   "stop also what nothing needs any more")\
	X(OPTION_WITH_DEPENDENTS, "with-dependents", 0,   NULL,        FLAG,     with_dependents, "and everything that requires it")\
	X(OPTION_FORCE,           "force",           0,   NULL,        FLAG,     force,           "even if others require it")\
	X(OPTION_PRUNE,           "prune",           0,   NULL,        FLAG,     prune,           "remove definitions that no manifest has")\
	X(OPTION_YES,             "yes",             'y', NULL,        FLAG,     yes,             "do not ask")         \
	X(OPTION_ROLLBACK_AFTER,  "rollback-after",  0,   "SPAN",      SPAN_SET, rollback_after,  "go back if it is not ready within that")\
	X(OPTION_SUPERVISOR,      "supervisor",      0,   NULL,        FLAG,     supervisor,      "what the supervisor itself said")\
	X(OPTION_REPAIR,          "repair",          0,   NULL,        FLAG,     repair,          "mend what is found")
/* clang-format on */

#define OPTION_SYMBOL_(symbol, ...) symbol,
enum option_id { OPTION_LIST(OPTION_SYMBOL_) OPTION_COUNT };

#define OPTION(name) (UINT64_C(1) << OPTION_##name)
#define OPTIONS_COMMON                                                                     \
	(OPTION(JSON) | OPTION(QUIET) | OPTION(NO_COLOR) | OPTION(SOCKET) | OPTION(HELP) | \
	    OPTION(VERSION))
#define OPTIONS_WAIT (OPTION(TIMEOUT) | OPTION(NO_WAIT))

/* Reads argv into `c`; the words stay in c->args.  *seen takes the options that were there.
 * 0, or the exit status after what is wrong was said. */
int options_read(struct cli *c, int argc, char **argv, uint64_t *seen);

/* False after the first option of `seen` that `name` does not know was named. */
bool options_check(uint64_t seen, uint64_t known, const char *name);

/* One line for each of `which`: "  --timeout SPAN    wait at most so long". */
void options_print(uint64_t which, FILE *to);

/* "--timeout", of the i-th; NULL beyond the last.  For completion. */
const char *options_name(size_t i);

#endif
