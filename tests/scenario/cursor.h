/*
 * cursor.h - one line of a scenario, word by word.
 *
 * Words are separated by blanks; `,` `(` `)` `<` and a closing `:` are words of
 * their own; "quoted text" is one word.  Every function that answers false has
 * set the error, with file and line.
 */
#ifndef HP_TESTS_SCENARIO_CURSOR_H
#define HP_TESTS_SCENARIO_CURSOR_H

#include "script.h"

struct cursor {
	const char *path;
	int line;
	const struct script_options *o;
	struct strv words;
	size_t at;
	struct error *e;
};

bool cursor_split(struct cursor *c, const char *text);
bool cursor_fail(struct cursor *c, const char *fmt, ...) attr_fmt(2, 3); /* false */
const char *cursor_peek(const struct cursor *c);			 /* NULL: the end */
const char *cursor_take(struct cursor *c);				 /* NULL: the end */
bool cursor_try(struct cursor *c, const char *word); /* takes it if it is next */
bool cursor_name(struct cursor *c, const char *what, char **out);
bool cursor_names(struct cursor *c, struct strv *out); /* one or more, with or without commas */
bool cursor_list(struct cursor *c, struct strv *out);  /* one, more after commas only */
bool cursor_number(struct cursor *c, int64_t *out);
bool cursor_is_number(const struct cursor *c);
bool cursor_time(struct cursor *c, msec *out);
bool cursor_end(struct cursor *c);			  /* nothing may follow */
bool cursor_how(struct cursor *c, int *code, int *signo); /* a status or a signal */

/* Attributes of a service up to the end of the line; called once a line. */
struct making {
	struct casting *is;
	json_t *action; /* the present one, or NULL */
	bool named;	/* by `action` */
	bool target;
};
bool making_begin(struct making *m, struct casting *is);
bool making_read(struct making *m, struct cursor *c);
void making_end(struct making *m);

json_t *making_action(struct making *m); /* the present one, or the one named like the service */
json_t *json_sub(json_t *o, const char *key, json_t *(*make)(void)); /* o[key], made if absent */
/* One of `words`, put into o[key]. */
bool cursor_word(
    struct cursor *c, const char *what, const char *const *words, json_t *o, const char *key);

/* edges.c */
bool making_requires(struct making *m, struct cursor *c);
bool making_wants(struct making *m, struct cursor *c);
bool making_after(struct making *m, struct cursor *c);
bool making_conflicts(struct making *m, struct cursor *c);

#endif
