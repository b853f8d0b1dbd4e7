/* spec.h - a spawn request, read and checked.  Depends on: libc, keeper_protocol.h. */
#ifndef HP_KEEPER_SPEC_H
#define HP_KEEPER_SPEC_H

#include "keeper/keeper_protocol.h"

#include <stdbool.h>
#include <stddef.h>

struct spec {
	char *bytes; /* a copy; everything below points into it */
	size_t n;
	const struct keeper_spec *head;
	char **argv, **envp; /* envp has room for SPEC_ENV_EXTRA more in front */
	const char *cwd;
	const char *label;
	const struct keeper_limit *limits;
	const uint32_t *groups, *fds;
	char **held; /* names, head->n_held of them */
};
#define SPEC_ENV_EXTRA 4

/* 0, or errno; EINVAL: malformed.  To be released in any case. */
int spec_read(struct spec *s, const void *bytes, size_t n);
int spec_read_memfd(struct spec *s, int memfd);
void spec_release(struct spec *s);

/* Put "KEY=VALUE" first in envp, dropping the KEY that is there.  `entry` is borrowed. */
void spec_env_put(struct spec *s, char *entry);

/* The value of PATH in envp, or the default of execvp(3). */
const char *spec_path(const struct spec *s);

#endif
