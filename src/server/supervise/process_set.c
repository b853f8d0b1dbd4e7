#include "server/supervise/process_set.h"
#include "server/supervise/supervision_state.h"

#include "server/supervise/port_owner.h"
#include "sys/cgroups.h"

#include <inttypes.h>

#define SHOWN_MAX   4
#define COMMAND_MAX 60
#define MEMBERS_MAX 10000 /* a fork bomb is named, not counted */

/* ---- by cgroup, and without ---------------------------------------------------------- */

static bool by_cgroup(const struct attempt *at, struct proc_pids *out)
{
	const struct supervision *d = at->d;
	auto_free char *all =
	    d->keeper.has_cgroups ? cgroups_find(d->keeper.pid, d->keeper.id) : NULL;
	auto_free char *own = all ? text_fmt("%s/%016" PRIx64, all, at->token) : NULL;

	return own && cgroups_read(own, out);
}

static void add_below(struct proc_pids *out, size_t from)
{
	for (size_t i = from; i < out->n && out->n < MEMBERS_MAX; i++)
		proc_children(out->v[i], out);
}

static bool has(const struct proc_pids *pids, pid_t pid)
{
	for (size_t i = 0; i < pids->n; i++)
		if (pids->v[i] == pid)
			return true;
	return false;
}

static bool is_leader(const struct supervision *d, pid_t pid)
{
	const struct attempt *at = attempt_next(d, NULL);

	while (at && at->leader != pid)
		at = attempt_next(d, at);
	return at;
}

static bool is_orphan_of(const struct attempt *at, pid_t pid, char *environ_buf)
{
	struct proc_stat s;

	if (pid == getpid() || is_leader(at->d, pid) || !proc_stat(pid, &s) || proc_is_over(&s))
		return false;
	return s.session == at->leader ||
	       port_owner_token(pid, at->d->keeper.id, environ_buf) == at->token;
}

/* What lost its parent is a child of the keeper; of one that was adopted, of anybody. */
static void add_orphans(const struct attempt *at, struct proc_pids *out)
{
	auto_free char *buf = mem_new(HOLDER_ENVIRON_MAX);
	struct proc_pids all = {0};

	if (!at->ours || !proc_children(at->d->keeper.pid, &all)) {
		all.n = 0;
		proc_all(&all);
	}
	for (size_t i = 0; i < all.n && out->n < MEMBERS_MAX; i++) {
		if (has(out, all.v[i]) || !is_orphan_of(at, all.v[i], buf))
			continue;
		*vec_push(out) = all.v[i];
		add_below(out, out->n - 1);
	}
	free(all.v);
}

/* ---- all of it
 * ----------------------------------------------------------------------------------- */

static void add_leader(const struct attempt *at, struct proc_pids *out)
{
	pid_t pid = attempt_pid(at); /* 0: it ended, and the number may be another's */

	if (pid > 0)
		*vec_push(out) = pid;
}

bool process_set_part(const struct attempt *at, unsigned part, struct proc_pids *out)
{
	switch (part) {
	case 0: add_leader(at, out); return true;
	case 1:
		add_leader(at, out);
		if (!by_cgroup(at, out))
			add_below(out, 0);
		return true;
	case 2: add_orphans(at, out); return true;
	default: return false;
	}
}

static bool is_alive(pid_t pid)
{
	struct proc_stat s;

	return proc_stat(pid, &s) && !proc_is_over(&s);
}

void process_set_read(const struct attempt *at, struct proc_pids *out)
{
	struct proc_pids all = {0};

	add_leader(at, &all);
	if (!by_cgroup(at, &all)) {
		add_below(&all, 0);
		add_orphans(at, &all);
	}
	for (size_t i = 0; i < all.n; i++)
		if (!has(out, all.v[i]) && is_alive(all.v[i]))
			*vec_push(out) = all.v[i];
	free(all.v);
}

bool process_set_describe(const struct proc_pids *pids, struct str *out)
{
	for (size_t i = 0; i < pids->n && i < SHOWN_MAX; i++) {
		str_fmt(out, "%spid %d (", i ? ", " : "", (int)pids->v[i]);
		proc_command(pids->v[i], COMMAND_MAX, out);
		str_add_char(out, ')');
	}
	if (pids->n > SHOWN_MAX)
		str_fmt(out, " and %zu more", pids->n - SHOWN_MAX);
	return pids->n;
}
