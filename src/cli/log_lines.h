/*
 * log_lines.h - how captured lines look: time, who wrote it, the text.
 *
 * A pipe gets every byte as it was written; on a terminal none is obeyed.
 * Depends on: out.h, jansson.
 */
#ifndef HP_CLI_LOG_LINES_H
#define HP_CLI_LOG_LINES_H

#include "base/str.h"

#include <jansson.h>

/* Who is named in front of a line. */
struct log_labels {
	bool service, action; /* which names; an action of its service's name is the service */
	int width;	      /* of the longest */
};

/* The lines of `service` may come from the actions of `status` (service.status). */
void log_labels_add(struct log_labels *l, const json_t *status);
void log_line_print(const struct log_labels *l, const json_t *line);
/* In Hero's form: time, service, action, run, job, attempt, stream and the line, with a tab
 * between; in the line \\ is a backslash, \t a tab, \n a newline. */
void log_line_export(const json_t *line);

#endif
