#include "spawn/spec.h"

#include <errno.h>

#define STEP_STR(sym, str, doc) [sym] = (str),
static const char *const step_words[KEEPER_STEP_COUNT] = {KEEPER_STEP_LIST(STEP_STR)};

const char *keeper_step_str(enum keeper_step step)
{
	return (size_t)step < KEEPER_STEP_COUNT ? step_words[step] : "?";
}

static uint32_t add_strings(struct str *t, const char *const *v, uint32_t *n)
{
	uint32_t at = (uint32_t)t->n;
	for (*n = 0; v && v[*n]; ++*n)
		str_add_n(t, v[*n], strlen(v[*n]) + 1);
	return at;
}

static uint32_t add_bytes(struct str *t, const void *bytes, size_t n)
{
	uint32_t at = (uint32_t)t->n;
	if (n)
		str_add_n(t, bytes, n);
	return at;
}

static uint32_t add_limits(struct str *t, const struct spawn_spec *s)
{
	uint32_t at = (uint32_t)t->n;
	for (size_t i = 0; i < s->n_limits; i++) {
		struct keeper_limit l = {
		    .resource = (uint32_t)s->limits[i].resource,
		    .soft = s->limits[i].soft,
		    .hard = s->limits[i].hard,
		};
		add_bytes(t, &l, sizeof(l));
	}
	return at;
}

/* Numbers come first: what follows needs no alignment. */
static void pack(
    struct str *t, const struct spawn_spec *s, const uint32_t *fd_numbers, size_t n_fds)
{
	struct keeper_spec h = {.version = KEEPER_VERSION};
	add_bytes(t, &h, sizeof(h));
	while (t->n % 8)
		str_add_char(t, '\0');
	h.flags = (s->has_user ? KEEPER_SPEC_USER : 0) | (s->has_umask ? KEEPER_SPEC_UMASK : 0) |
		  (s->has_nice ? KEEPER_SPEC_NICE : 0) | (s->has_oom ? KEEPER_SPEC_OOM : 0) |
		  (s->no_new_privs ? KEEPER_SPEC_NO_NEW_PRIVS : 0) |
		  (s->has_bounding ? KEEPER_SPEC_BOUNDING : 0) |
		  (s->has_groups ? KEEPER_SPEC_GROUPS : 0);
	h.bounding = s->bounding;
	h.ambient = s->ambient;
	h.uid = s->uid;
	h.gid = s->gid;
	h.umask = s->umask;
	h.nice = s->nice;
	h.oom_score_adj = s->oom_score_adj;
	h.limits_at = add_limits(t, s);
	h.n_limits = (uint32_t)s->n_limits;
	h.groups_at = add_bytes(t, s->groups, s->n_groups * sizeof(gid_t));
	h.n_groups = (uint32_t)s->n_groups;
	h.fds_at = add_bytes(t, fd_numbers, n_fds * sizeof(*fd_numbers));
	h.n_fds = (uint32_t)n_fds;
	h.held_at = (uint32_t)t->n;
	h.n_held = (uint32_t)s->n_hold;
	for (size_t i = 0; i < s->n_hold; i++)
		add_bytes(t, s->hold[i].name, strlen(s->hold[i].name) + 1);
	h.label_at = add_bytes(t, s->label, s->label_bytes);
	h.label_bytes = (uint32_t)s->label_bytes;
	h.argv_at = add_strings(t, s->argv, &h.argc);
	h.envp_at = add_strings(t, s->envp, &h.envc);
	if (s->cwd)
		h.cwd_at = add_bytes(t, s->cwd, strlen(s->cwd) + 1);
	memcpy(t->s, &h, sizeof(h));
}

enum err spawn_spec_pack(const struct spawn_spec *s, const uint32_t *fd_numbers, size_t n_fds,
    struct str *out, struct error *e)
{
	if (s->label_bytes > KEEPER_TEXT_MAX)
		return error_set(e, ERR_LIMIT, "label: longer than %d bytes", KEEPER_TEXT_MAX);
	pack(out, s, fd_numbers, n_fds);
	if (out->n > KEEPER_SPEC_MAX)
		return error_set(e, ERR_LIMIT,
		    "arguments and environment: %zu bytes, at most %u are possible", out->n,
		    KEEPER_SPEC_MAX);
	return ERR_OK;
}

enum err spawn_step_error(
    enum keeper_step step, int sys, const char *argv0, const char *cwd, struct error *e)
{
	const char *what = step == KEEPER_STEP_EXEC    ? argv0
			   : step == KEEPER_STEP_CHDIR ? cwd
						       : NULL;
	if (!sys)
		return error_set(e, ERR_TIMEOUT, "%s `%s`: hangs (does its file system answer?)",
		    keeper_step_str(step), what ? what : "");
	if (what)
		return error_sys(e, sys, "%s `%s`", keeper_step_str(step), what);
	return error_sys(e, sys, "%s", keeper_step_str(step));
}

bool spawn_is_transient(int sys)
{
	return sys == EAGAIN || sys == EMFILE || sys == ENFILE || sys == ENOMEM || sys == ENOSPC ||
	       sys == EINTR;
}
