#include "base/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

ENUM_DEFINE(err, ERR_LIST, ERR_COUNT)

/* clang-format off */
#define ROW(sym, name, rpc, exit_status, meaning) [sym] = { rpc, exit_status, meaning },
/* clang-format on */
static const struct {
	int rpc, exit_status;
	const char *meaning;
} rows[ERR_COUNT] = {ERR_LIST(ROW)};

int err_rpc_code(enum err code)
{
	return rows[code].rpc;
}

int err_exit_status(enum err code)
{
	return rows[code].exit_status;
}

const char *err_meaning(enum err code)
{
	return rows[code].meaning;
}

enum err err_from_rpc_code(int code)
{
	for (size_t i = 0; i < ERR_COUNT; i++)
		if (rows[i].rpc == code)
			return (enum err)i;
	return ERR_BUG;
}

enum err error_set(struct error *e, enum err code, const char *fmt, ...)
{
	va_list ap;

	assert(code != ERR_OK);
	*e = (struct error){.code = code};
	va_start(ap, fmt);
	vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	return e->code;
}

enum err error_sys(struct error *e, int sys, const char *fmt, ...)
{
	char what[sizeof(e->msg)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	*e = (struct error){.code = ERR_SYSTEM, .sys = sys};
	snprintf(e->msg, sizeof(e->msg), "%.400s: %s", what, strerrordesc_np(sys));
	return e->code;
}

enum err error_wrap(struct error *e, const char *fmt, ...)
{
	char context[sizeof(e->msg)], cause[sizeof(e->msg)];
	va_list ap;

	assert(e->code != ERR_OK);
	va_start(ap, fmt);
	vsnprintf(context, sizeof(context), fmt, ap);
	va_end(ap);
	memcpy(cause, e->msg, sizeof(cause));

	int room = (int)(sizeof(e->msg) - sizeof(": ") - strlen(cause));
	if (room > 0) {
		int n = snprintf(e->msg, sizeof(e->msg), "%.*s: %s", room, context, cause);
		assert(n > 0 && n < (int)sizeof(e->msg));
	}
	return e->code;
}
