/*
 * libzstd.h - libzstd, loaded when the first segment is closed or a closed one is read.
 *
 * It costs a server whose services write little nothing at all.  Depends on: base, libzstd (at run
 * time).
 */
#ifndef HP_LOGS_LIBZSTD_H
#define HP_LOGS_LIBZSTD_H

#include "base/error.h"

#include <zstd.h>

/* clang-format off */
#define ZSTD_FUNCTIONS(X)         \
	X(ZSTD_createCCtx)        \
	X(ZSTD_freeCCtx)          \
	X(ZSTD_compressCCtx)      \
	X(ZSTD_compressBound)     \
	X(ZSTD_decompress)        \
	X(ZSTD_isError)           \
	X(ZSTD_getErrorName)
/* clang-format on */
#define ZSTD_MEMBER_(name) __typeof__(name) *name;
struct zstd {
	ZSTD_FUNCTIONS(ZSTD_MEMBER_)
};

/* Loaded once, on any thread; NULL: it is not there, and *e says why. */
const struct zstd *zstd_load(struct error *e);

#endif
