/* memfd.h - bytes as a descriptor that nobody can change.  Depends on: base. */
#ifndef HP_SYS_MEMFD_H
#define HP_SYS_MEMFD_H

#include "base/error.h"

/* A memfd with these bytes, sealed against everything (memfd_create(2)),
 * close-on-exec, at offset 0.  The caller closes it. */
enum err memfd_sealed(
    const char *name, const void *bytes, size_t n, int *out, struct error *e) attr_must_use;

#endif
