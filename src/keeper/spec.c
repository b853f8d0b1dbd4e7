#include "keeper/spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool has_array(const struct spec *s, uint32_t at, uint32_t n, size_t size)
{
	return at % 4 == 0 && at <= s->n && n <= (s->n - at) / size;
}

/* Pointers to n NUL-ended strings from `at`, after `extra` free places; or NULL. */
static char **strings(struct spec *s, uint32_t at, uint32_t n, size_t extra)
{
	if (at > s->n || n > s->n - at)
		return NULL;
	char **v = calloc(n + extra + 1, sizeof(char *));
	for (uint32_t i = 0; v && i < n; i++) {
		size_t len = strnlen(s->bytes + at, s->n - at);
		if (len == s->n - at) {
			free(v);
			return NULL;
		}
		v[extra + i] = s->bytes + at;
		at += (uint32_t)len + 1;
	}
	return v;
}

static int parse(struct spec *s)
{
	const struct keeper_spec *h = (const struct keeper_spec *)(const void *)s->bytes;
	s->head = h;
	if (h->version != KEEPER_VERSION || h->argc == 0 || h->label_at > s->n ||
	    h->label_bytes > s->n - h->label_at || h->label_bytes > KEEPER_TEXT_MAX ||
	    h->limits_at % 8 || !has_array(s, h->limits_at, h->n_limits, sizeof(*s->limits)) ||
	    !has_array(s, h->groups_at, h->n_groups, sizeof(*s->groups)) ||
	    !has_array(s, h->fds_at, h->n_fds, sizeof(*s->fds)) || h->n_fds > KEEPER_FDS_MAX ||
	    h->n_held > KEEPER_FDS_MAX || h->cwd_at >= s->n ||
	    !memchr(s->bytes + h->cwd_at, '\0', s->n - h->cwd_at))
		return EINVAL;
	s->label = s->bytes + h->label_at;
	s->cwd = h->cwd_at ? s->bytes + h->cwd_at : "/";
	s->limits = (const void *)(s->bytes + h->limits_at);
	s->groups = (const void *)(s->bytes + h->groups_at);
	s->fds = (const void *)(s->bytes + h->fds_at);
	s->argv = strings(s, h->argv_at, h->argc, 0);
	s->envp = strings(s, h->envp_at, h->envc, SPEC_ENV_EXTRA);
	if (s->envp)
		memmove(s->envp, s->envp + SPEC_ENV_EXTRA, (h->envc + 1) * sizeof(char *));
	s->held = strings(s, h->held_at, h->n_held, 0);
	return s->argv && s->envp && s->held ? 0 : EINVAL;
}

int spec_read(struct spec *s, const void *bytes, size_t n)
{
	*s = (struct spec){.n = n};
	if (n < sizeof(struct keeper_spec))
		return EINVAL;
	s->bytes = malloc(n);
	if (!s->bytes)
		return ENOMEM;
	memcpy(s->bytes, bytes, n);
	return parse(s);
}

int spec_read_memfd(struct spec *s, int memfd)
{
	struct stat st;
	*s = (struct spec){0};
	if (memfd < 0 || fstat(memfd, &st) < 0)
		return EBADF;
	if (st.st_size < (off_t)sizeof(struct keeper_spec) || st.st_size > (off_t)KEEPER_SPEC_MAX)
		return EINVAL;
	s->n = (size_t)st.st_size;
	s->bytes = malloc(s->n);
	if (!s->bytes)
		return ENOMEM;
	if (pread(memfd, s->bytes, s->n, 0) != (ssize_t)s->n)
		return EIO;
	return parse(s);
}

void spec_release(struct spec *s)
{
	free(s->argv);
	free(s->envp);
	free(s->held);
	free(s->bytes);
	*s = (struct spec){0};
}

void spec_env_put(struct spec *s, char *entry)
{
	size_t key = (size_t)(strchr(entry, '=') - entry) + 1;
	char *carry = entry;
	for (char **e = s->envp;; e++) {
		char *was = *e;
		*e = carry;
		carry = was;
		if (!was || strncmp(was, entry, key) == 0) {
			if (!was)
				e[1] = NULL;
			return;
		}
	}
}

const char *spec_path(const struct spec *s)
{
	for (char **e = s->envp; *e; e++) {
		if (strncmp(*e, "PATH=", 5) == 0)
			return *e + 5;
	}
	return "/usr/local/bin:/usr/bin:/bin";
}
