/*
 * out.h - what is written to the standard output, and how it looks.
 *
 * Standard output is one funnel: out_open() puts itself under stdout, so every printf of
 * every verb is seen to arrive.  What can not be written is exit status 1 with the reason
 * (out_close()); a reader that took a part and left (`| head`) is no reason for words.
 * Depends on: base, jansson.
 */
#ifndef HP_CLI_OUT_H
#define HP_CLI_OUT_H

#include "base/str.h"

#include <jansson.h>
#include <stdio.h>

/* Before anything is written.  Descriptors 0 to 2 that are closed are filled, so that no
 * socket of ours becomes one of them. */
void out_open(void);
/* The exit status, which is `status` unless that is 0 and something could not be written. */
int out_close(int status);
/* At once, as one write(2) if the system allows. */
void out_write(const char *bytes, size_t n);
/* Nobody takes it any more: what goes on for long may end. */
bool out_is_broken(void);

/* How it looks; set once from the environment, the terminal and the options. */
void out_style(bool no_color);
bool out_is_terminal(void);
int out_width(void);  /* of the terminal now; 100 where there is none */
int out_height(void); /* 24 where there is none */

/* Colours by meaning; empty texts without a terminal, with NO_COLOR or --no-color. */
const char *paint(const char *code);
const char *paint_state(const char *state);
const char *plain(void);

/* Pieces of drawings: UTF-8 where the locale is, else ASCII. */
enum glyph {
	GLYPH_BRANCH, /* an entry of a tree with others below */
	GLYPH_LAST,   /* the last one */
	GLYPH_TRUNK,  /* beside deeper entries, others follow below */
	GLYPH_SPACE,  /* beside deeper entries of the last one */
	GLYPH_DONE,
	GLYPH_FAILED,
	GLYPH_BUSY,
	GLYPH_IDLE,
	GLYPH_CUT, /* one column: the line went on */
	GLYPH_COUNT
};
const char *glyph(enum glyph g);

/* Columns of a terminal: escape sequences (SGR) take none. */
int columns_of(const char *s);
/* Appends so much of `s` as fits into `width` columns, with GLYPH_CUT for the rest; colours end
 * with it. */
void add_cut(struct str *out, const char *s, int width);
void print_cut(const char *s, int width); /* and a newline */

/* What another program wrote, for a terminal, which obeys none of it: control characters are
 * shown as ^X (but for the tab), what is no UTF-8 as \xNN; colours (SGR) pass where ours do. */
void add_harmless(struct str *out, const char *s, size_t n);

/* The same on one line: what is white is a space, at most so many bytes of it. */
void add_one_line(struct str *out, const char *s, size_t most);

int print_json(json_t *take_v); /* one line; 0 */

/* On standard error, in order with what was printed before: "hero_proc: ...". */
void complain(const char *fmt, ...) attr_fmt(1, 2);

const char *text_of(const json_t *o, const char *key);	/* "" when absent */
json_int_t number_of(const json_t *o, const char *key); /* 0 when absent */
json_int_t number_in(const json_t *o, const char *key, json_int_t otherwise);

#endif
