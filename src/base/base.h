/* base.h - the few words every other file may use.  Depends on: libc. */
#ifndef HP_BASE_BASE_H
#define HP_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define countof(a)	(sizeof(a) / sizeof((a)[0]))
#define attr_fmt(f, a)	__attribute__((format(printf, f, a)))
#define attr_must_use	__attribute__((warn_unused_result))
#define attr_cleanup(f) __attribute__((cleanup(f)))
#define attr_unused	__attribute__((unused))

/* Milliseconds on CLOCK_MONOTONIC, or a span of them; never wall time. */
typedef int64_t msec;
#define MSEC_NEVER INT64_MAX

/* Microseconds of wall time since 1970, for records and people. */
typedef int64_t usec_wall;

/* Scope-bound owners: the variable owns, leaving the scope releases. */
static inline void free_at_exit(void *pp)
{
	free(*(void **)pp);
}
static inline void close_at_exit(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define auto_free attr_cleanup(free_at_exit)
#define auto_fd	  attr_cleanup(close_at_exit)

/* Hand ownership on; the scope-bound owner is left empty. */
#define take(p)                             \
	__extension__({                     \
		__typeof__(p) taken_ = (p); \
		(p) = NULL;                 \
		taken_;                     \
	})
static inline int fd_take(int *fd)
{
	int taken = *fd;
	*fd = -1;
	return taken;
}

/* clang-format off */
/* One list makes the enum, its spelling and its parser: they cannot drift. */
#define ENUM_SYM_(sym, str, ...) sym,
#define ENUM_STR_(sym, str, ...) [sym] = (str),
#define ENUM_DECLARE(name, LIST, count)                                        \
	enum name { LIST(ENUM_SYM_) count };                                   \
	extern const char *const name##_words[(count) + 1]; /* NULL-ended */   \
	const char *name##_str(enum name v);                                   \
	bool name##_parse(const char *s, enum name *out)
#define ENUM_DEFINE(name, LIST, count)                                         \
	const char *const name##_words[(count) + 1] = { LIST(ENUM_STR_) };     \
	const char *name##_str(enum name v)                                    \
	{                                                                      \
		return (size_t)v < (count) ? name##_words[v] : "?";            \
	}                                                                      \
	bool name##_parse(const char *s, enum name *out)                       \
	{                                                                      \
		for (size_t i = 0; i < (count); i++)                           \
			if (strcmp(s, name##_words[i]) == 0)                   \
				return *out = (enum name)i, true;              \
		return false;                                                  \
	}
/* clang-format on */

#endif
