/*
 * str.h - growable text, and lists of it.
 *
 * A struct str is always NUL-ended when s is not NULL; `{0}` is the empty text.
 * Allocation failure ends the process through abort(): a supervisor that can
 * not get a few bytes has a keeper that starts it again (DESIGN 1), and that is
 * more honest than thousands of untested branches.
 *
 * Depends on: base.h.
 */
#ifndef HP_BASE_STR_H
#define HP_BASE_STR_H

#include "base/base.h"

#include <stdarg.h>

struct str {
	char *s;
	size_t n, cap;
};
#define auto_str attr_cleanup(str_release) struct str

void str_release(struct str *t);
void str_clear(struct str *t);
void str_reserve(struct str *t, size_t more); /* room for so many bytes more */
void str_add(struct str *t, const char *s);
void str_add_n(struct str *t, const char *s, size_t n);
void str_add_char(struct str *t, char c);
void str_fmt(struct str *t, const char *fmt, ...) attr_fmt(2, 3);
void str_vfmt(struct str *t, const char *fmt, va_list ap) attr_fmt(2, 0);
char *str_take(struct str *t);		   /* the caller frees; never NULL */
const char *str_text(const struct str *t); /* never NULL */

/* The allocations of the house: they return memory or do not return. */
void *mem_new(size_t n);			/* zeroed */
void *mem_grow(void *p, size_t n, size_t size); /* realloc of n * size, checked */
char *text_dup(const char *s);			/* NULL gives NULL */
char *text_dup_n(const char *s, size_t n);
char *text_fmt(const char *fmt, ...) attr_fmt(1, 2);
void text_set(char **slot, const char *s);    /* frees the old, keeps a copy */
bool text_eq(const char *a, const char *b);   /* NULL equals NULL only */
const char *text_last_part(const char *path); /* behind the last slash; NULL gives NULL */

/* Append room for one more T to a {v, n, cap} vector; evaluates to a pointer to it
 * (zeroed).  It begins with what the smallest block of malloc (24 bytes) holds, or one: most
 * lists of a service are that short. */
#define VEC_FIRST(size) ((size) < 24 ? 24 / (size) : 1)
#define vec_push(vec)                                                                         \
	__extension__({                                                                       \
		__typeof__(vec) vec_ = (vec);                                                 \
		if (vec_->n == vec_->cap) {                                                   \
			vec_->cap = vec_->cap                                                 \
					? vec_->cap * 2                                       \
					: (__typeof__(vec_->cap))VEC_FIRST(sizeof(*vec_->v)); \
			vec_->v = mem_grow(vec_->v, vec_->cap, sizeof(*vec_->v));             \
		}                                                                             \
		memset(&vec_->v[vec_->n], 0, sizeof(*vec_->v));                               \
		&vec_->v[vec_->n++];                                                          \
	})

/* A list of texts that it owns. */
struct strv {
	char **v;
	uint32_t n, cap;
};
void strv_release(struct strv *l);
void strv_add(struct strv *l, const char *s);
void strv_take(struct strv *l, char *take_s);
bool strv_has(const struct strv *l, const char *s);
void strv_copy(struct strv *to, const struct strv *from); /* appends */
bool strv_eq(const struct strv *a, const struct strv *b);

/* The candidate nearest to `word` by edit distance, or NULL when none is near
 * enough to be what was meant.  Borrowed from `words`. */
const char *text_nearest(const char *word, const char *const *words, size_t n);

#endif
