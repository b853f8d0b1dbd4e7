#include "server/doctor/look.h"

#include "server/supervise/port_owner.h"
#include "sys/cgroups.h"
#include "sys/proc.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#define COMMAND_MAX  64
#define STATE_LISTEN 0x0Au /* TCP_LISTEN of net/tcp_states.h */

/* ---- processes: proc(5) -------------------------------------------------------------- */

static bool read_stat(struct process *p)
{
	struct proc_stat s;

	if (!proc_stat(p->pid, &s))
		return false;
	p->state = s.state;
	p->parent = s.parent;
	p->session = s.session;
	p->start_ticks = s.start_ticks;
	return true;
}

static int by_pid(const void *a, const void *b)
{
	const struct process *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

static void read_processes(struct world *w, const struct belief *b)
{
	DIR *d = opendir("/proc");
	auto_free char *buf = mem_new(HOLDER_ENVIRON_MAX);

	for (struct dirent *e; d && (e = readdir(d));) {
		struct process p = {0};

		if (!isdigit((unsigned char)*e->d_name))
			continue;
		p.pid = (pid_t)strtol(e->d_name, NULL, 10);
		if (!read_stat(&p))
			continue;
		if (p.state != 'Z' && p.state != 'X' && p.pid != b->keeper && p.pid != b->server)
			p.token = port_owner_token(p.pid, b->keeper_id, buf);
		*vec_push(&w->processes) = p;
	}
	if (d)
		closedir(d);
	if (w->processes.n)
		qsort(w->processes.v, w->processes.n, sizeof(*w->processes.v), by_pid);
}

struct process *world_find(const struct world *w, pid_t pid)
{
	struct process key = {.pid = pid};

	return w->processes.n ? bsearch(&key, w->processes.v, w->processes.n, sizeof(key), by_pid)
			      : NULL;
}

bool world_hides(const struct world *w, pid_t pid)
{
	return pid > 0 && !world_find(w, pid) && (kill(pid, 0) == 0 || errno == EPERM);
}

bool world_is_below(const struct world *w, pid_t pid, pid_t root)
{
	const struct process *p = world_find(w, pid);

	for (int i = 0; p && i < 1000 && p->pid != root && p->parent > 1; i++)
		p = world_find(w, p->parent);
	return p && p->pid == root;
}

void process_command(pid_t pid, struct str *out)
{
	str_fmt(out, "%d (", (int)pid);
	proc_command(pid, COMMAND_MAX, out);
	str_add_char(out, ')');
}

/* ---- cgroups ------------------------------------------------------------------------- */

static bool mark_members(struct world *w, const char *folder, uint64_t token)
{
	struct proc_pids pids = {0};

	bool is_there = cgroups_read(folder, &pids);

	for (size_t i = 0; i < pids.n; i++) {
		struct process *p = world_find(w, pids.v[i]);

		if (p)
			p->folder = token;
	}
	free(pids.v);
	return is_there;
}

static void read_cgroups(struct world *w, const struct belief *b)
{
	w->cgroup = b->has_cgroups ? cgroups_find(b->keeper, b->keeper_id) : NULL;
	DIR *d = w->cgroup ? opendir(w->cgroup) : NULL;

	for (struct dirent *e; d && (e = readdir(d));) {
		char *end;
		uint64_t token = strtoull(e->d_name, &end, 16);

		if (e->d_type != DT_DIR || *end || end - e->d_name != 16 || !token)
			continue;
		auto_free char *path = text_fmt("%s/%s", w->cgroup, e->d_name);
		if (mark_members(w, path, token))
			*vec_push(&w->folders) = token;
	}
	if (d)
		closedir(d);
}

/* ---- who listens ----------------------------------------------------------------------- */

/* Of one answer of sock_diag(7). */
static void add_unix(struct world *w, struct nlmsghdr *h)
{
	const struct unix_diag_msg *m = NLMSG_DATA(h);
	size_t left = h->nlmsg_len - NLMSG_LENGTH(sizeof(*m));
	struct listener l = {.inode = m->udiag_ino};

	for (const char *at = (const char *)(m + 1); left >= sizeof(struct nlattr);) {
		const struct nlattr *a = (const void *)at;
		size_t n = a->nla_len, whole = (n + 3) & ~(size_t)3; /* netlink(7) */
		const char *data = at + sizeof(*a);

		if (n < sizeof(*a) || n > left)
			break;
		if (a->nla_type == UNIX_DIAG_NAME && *data)
			l.path = text_dup_n(data, n - sizeof(*a));
		if (a->nla_type == UNIX_DIAG_VFS &&
		    n >= sizeof(*a) + sizeof(struct unix_diag_vfs)) {
			struct unix_diag_vfs v;

			memcpy(&v, data, sizeof(v));
			l.has_file = true;
			l.file = v.udiag_vfs_ino;
			l.device = v.udiag_vfs_dev;
		}
		if (whole > left)
			break;
		at += whole;
		left -= whole;
	}
	if (l.path)
		*vec_push(&w->listeners) = l;
}

/* False: no such service of this kernel. */
static bool ask_kernel(struct world *w)
{
	struct {
		struct nlmsghdr h;
		struct unix_diag_req r;
	} rq = {.h = {.nlmsg_len = sizeof(rq),
		    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
		    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
	    .r = {.sdiag_family = AF_UNIX,
		.udiag_states = 1u << STATE_LISTEN,
		.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_VFS}};
	auto_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	_Alignas(struct nlmsghdr) char buf[32768];

	if (fd < 0 || send(fd, &rq, sizeof(rq), 0) < 0)
		return false;
	for (;;) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);
		size_t left = n > 0 ? (size_t)n : 0;

		if (left == 0)
			return false;
		for (struct nlmsghdr *h = (void *)buf; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type == NLMSG_DONE)
				return true;
			if (h->nlmsg_type == NLMSG_ERROR)
				return false;
			add_unix(w, h);
		}
	}
}

/* Without sock_diag: names only. */
static void read_unix(struct world *w)
{
	FILE *f = fopen("/proc/net/unix", "re");
	char line[512], path[256];
	unsigned flags, state;
	unsigned long inode;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %*s %*s %x %*s %x %lu %255s", &flags, &state, &inode, path) ==
			4 &&
		    flags & 0x10000 && *path == '/')
			*vec_push(&w->listeners) =
			    (struct listener){.inode = inode, .path = text_dup(path)};
	w->lists_sockets = w->lists_sockets || f;
	if (f)
		fclose(f);
}

static void read_tcp(struct world *w)
{
	struct tcp_listeners all = {0};

	listeners_read(&all, 0);
	for (size_t i = 0; i < all.n; i++)
		*vec_push(&w->listeners) =
		    (struct listener){.inode = all.v[i].inode, .tcp = all.v[i]};
	listeners_release(&all);
}

bool process_links(pid_t pid, const char *prefix, struct strv *out)
{
	auto_free char *path = text_fmt("/proc/%d/fd", pid);
	DIR *d = opendir(path);
	char target[64];

	if (!d)
		return false;
	for (struct dirent *e; (e = readdir(d));) {
		ssize_t n = readlinkat(dirfd(d), e->d_name, target, sizeof(target) - 1);

		target[n > 0 ? n : 0] = '\0';
		if (n > 0 && strncmp(target, prefix, strlen(prefix)) == 0)
			strv_add(out, target);
	}
	closedir(d);
	return true;
}

int process_holds(pid_t pid, const char *link)
{
	struct strv links = {0};
	int found = process_links(pid, link, &links) ? strv_has(&links, link) : -1;

	strv_release(&links);
	return found;
}

void world_read(struct world *w, const struct belief *b)
{
	*w = (struct world){0};
	read_processes(w, b);
	w->is_partial = world_hides(w, b->server) || world_hides(w, b->keeper);
	read_cgroups(w, b);
	w->lists_sockets = ask_kernel(w);
	if (!w->lists_sockets)
		read_unix(w);
	read_tcp(w);
}

void world_release(struct world *w)
{
	for (size_t i = 0; i < w->listeners.n; i++)
		free(w->listeners.v[i].path);
	free(w->processes.v);
	free(w->folders.v);
	free(w->listeners.v);
	free(w->cgroup);
	*w = (struct world){0};
}
