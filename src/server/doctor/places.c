/* places.c - who listens where a service says that it does. */
#include "server/doctor/look.h"

#include "server/supervise/claim.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/sysmacros.h>

/* Bound to this very file.  The device that sock_diag tells is that of the kernel (20 bits of
 * minor), which some file systems show otherwise: then the name decides. */
static bool is_at_file(const struct listener *l, const char *path, const struct stat *st)
{
	uint32_t device = major(st->st_dev) << 20 | minor(st->st_dev);

	if (!l->path)
		return false;
	if (!l->has_file)
		return strcmp(l->path, path) == 0;
	return l->file == (uint32_t)st->st_ino &&
	       (l->device == device || strcmp(l->path, path) == 0);
}

/* Asked only where the lists say that nobody is there. */
static bool is_refused(const char *path)
{
	pid_t ignored;

	return claim_listener(path, &ignored) == 0;
}

static bool is_at_port(const struct listener *l, const struct declared *p)
{
	static const unsigned char any[16];
	uint32_t v4;

	if (l->path || l->tcp.port != p->port)
		return false;
	if (p->is_local)
		return listener_is_local(&l->tcp);
	memcpy(&v4, p->addr, sizeof(v4));
	return p->is_v6 ? l->tcp.is_v6 && (memcmp(l->tcp.addr, p->addr, 16) == 0 ||
					      memcmp(l->tcp.addr, any, 16) == 0)
			: listener_covers(&l->tcp, v4);
}

/* Members of the set that have it open; -1: none has, and not all of them can be looked at. */
static int set_holds(const struct look *l, const struct declared *p, unsigned long inode)
{
	auto_free char *link = text_fmt("socket:[%lu]", inode);
	const struct claim *c = belief_claim(&l->belief, p->token);
	bool unsure = false;

	for (size_t i = 0; i < l->world.processes.n; i++) {
		const struct process *m = &l->world.processes.v[i];

		if (m->state == 'Z' ||
		    (m->folder != p->token && m->token != p->token && !(c && m->session == c->pid)))
			continue;
		int holds = process_holds(m->pid, link);
		if (holds > 0)
			return 1;
		unsure = unsure || holds < 0;
	}
	return unsure ? -1 : 0;
}

static void describe_holder(const struct look *l, unsigned long inode, struct str *out)
{
	auto_free char *link = text_fmt("socket:[%lu]", inode);

	for (size_t i = 0; i < l->world.processes.n; i++)
		if (process_holds(l->world.processes.v[i].pid, link) > 0) {
			str_add(out, "pid ");
			process_command(l->world.processes.v[i].pid, out);
			return;
		}
	str_add(out, "a process that can not be seen");
}

static struct finding *add_place(
    struct look *l, enum check check, const struct declared *p, const char *name)
{
	struct finding *f =
	    look_add(l, check, SEVERITY_ERROR, "%016llx %s", (unsigned long long)p->token, name);

	finding_of(f, p->service, p->action, 0);
	text_set(&f->path, name);
	f->ours = text_fmt("%s/%s is %s on it", p->service, p->action,
	    p->ready ? "ready, and listens" : "the one to listen");
	f->repair = text_fmt("restart %s", p->service);
	f->mend = MEND_RESTART;
	return f;
}

/* Of all that listen there: is one of the set among them? */
static void judge(struct look *l, enum check check, const struct declared *p, const char *name,
    const unsigned long *inodes, size_t n, const char *nobody)
{
	int best = 0;

	for (size_t i = 0; i < n && best <= 0; i++) {
		int holds = set_holds(l, p, inodes[i]);

		best = holds ? holds : best;
	}
	if (best || (!n && !(p->ready && p->must)))
		return;
	struct finding *f = add_place(l, check, p, name);
	if (!n) {
		f->kernel = text_dup(nobody);
		return;
	}
	auto_str who = {0};
	describe_holder(l, inodes[0], &who);
	f->kernel = text_fmt("%s listens on it, which is none of its processes", str_text(&who));
}

#define LISTENERS_MAX 16

void look_sockets(struct look *l)
{
	for (size_t i = 0; i < l->belief.places.n; i++) {
		const struct declared *p = &l->belief.places.v[i];
		unsigned long inodes[LISTENERS_MAX];
		struct stat st;
		size_t n = 0;

		if (!p->path || !p->active || !l->world.lists_sockets)
			continue;
		bool is_there = lstat(p->path, &st) == 0 && S_ISSOCK(st.st_mode);
		for (size_t k = 0; is_there && k < l->world.listeners.n && n < LISTENERS_MAX; k++)
			if (is_at_file(&l->world.listeners.v[k], p->path, &st))
				inodes[n++] = l->world.listeners.v[k].inode;
		if (is_there && !n && !is_refused(p->path))
			continue;
		judge(l, CHECK_SOCKETS, p, p->path, inodes, n,
		    is_there ? "nobody listens on it" : "there is no such socket file");
	}
}

void look_ports(struct look *l)
{
	for (size_t i = 0; i < l->belief.places.n; i++) {
		const struct declared *p = &l->belief.places.v[i];
		unsigned long inodes[LISTENERS_MAX];
		char name[64], text[INET6_ADDRSTRLEN];
		size_t n = 0;

		if (p->path || !p->active)
			continue;
		if (p->is_local)
			snprintf(name, sizeof(name), "127.0.0.1:%u", p->port);
		else
			snprintf(name, sizeof(name), p->is_v6 ? "[%s]:%u" : "%s:%u",
			    inet_ntop(p->is_v6 ? AF_INET6 : AF_INET, p->addr, text, sizeof(text)),
			    p->port);
		for (size_t k = 0; k < l->world.listeners.n && n < LISTENERS_MAX; k++)
			if (is_at_port(&l->world.listeners.v[k], p))
				inodes[n++] = l->world.listeners.v[k].inode;
		judge(l, CHECK_PORTS, p, name, inodes, n, "nobody listens on it");
	}
}

/* The next start removes it before it executes anything; until then a client finds a door
 * that nobody opens. */
void look_leftovers(struct look *l)
{
	for (size_t i = 0; i < l->belief.places.n; i++) {
		const struct declared *p = &l->belief.places.v[i];
		struct stat st;
		bool listens = false;

		if (!p->path || p->token || !l->world.lists_sockets || lstat(p->path, &st) < 0 ||
		    !S_ISSOCK(st.st_mode))
			continue;
		for (size_t k = 0; !listens && k < l->world.listeners.n; k++)
			listens = is_at_file(&l->world.listeners.v[k], p->path, &st);
		if (listens || !is_refused(p->path))
			continue;
		struct finding *f = look_add(l, CHECK_LEFTOVERS, SEVERITY_NOTE, "%s", p->path);
		finding_of(f, p->service, p->action, 0);
		f->path = text_dup(p->path);
		f->ours = text_fmt("%s is at rest", p->service);
		f->kernel = text_dup("its socket file is there, nobody listens on it");
		f->repair = text_fmt("remove %s", p->path);
		f->mend = MEND_UNLINK;
		f->file = st.st_ino;
		f->device = st.st_dev;
	}
}
