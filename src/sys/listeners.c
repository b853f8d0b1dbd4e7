#include "sys/listeners.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <sys/socket.h>

#define STATE_LISTEN 0x0Au /* TCP_LISTEN of net/tcp_states.h */

void listeners_release(struct tcp_listeners *l)
{
	free(l->v);
	*l = (struct tcp_listeners){0};
}

/* ---- sock_diag(7) --------------------------------------------------------------------- */

static bool ask(int fd, int family, unsigned port)
{
	struct {
		struct nlmsghdr h;
		struct inet_diag_req_v2 r;
	} rq = {.h = {.nlmsg_len = sizeof(rq),
		    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
		    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
	    .r = {.sdiag_family = (unsigned char)family,
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_states = 1u << STATE_LISTEN,
		.id.idiag_sport = htons((uint16_t)port)}};

	return send(fd, &rq, sizeof(rq), 0) == (ssize_t)sizeof(rq);
}

static void add_message(struct tcp_listeners *out, struct nlmsghdr *h, unsigned port)
{
	const struct inet_diag_msg *m = NLMSG_DATA(h);
	struct tcp_listener l = {.is_v6 = m->idiag_family == AF_INET6,
	    .port = ntohs(m->id.idiag_sport),
	    .inode = m->idiag_inode,
	    .uid = m->idiag_uid};

	memcpy(l.addr, m->id.idiag_src, l.is_v6 ? 16 : 4);
	if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(*m)) && (!port || l.port == port))
		*vec_push(out) = l;
}

static bool dump(struct tcp_listeners *out, int fd, int family, unsigned port)
{
	_Alignas(struct nlmsghdr) char buf[16384];

	if (!ask(fd, family, port))
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
			add_message(out, h, port);
		}
	}
}

/* ---- proc_net(5) -------------------------------------------------------------------------- */

/* Words of 32 bits, each as the machine has it. */
static void read_address(const char *hex, struct tcp_listener *l)
{
	size_t words = strlen(hex) / 8;

	l->is_v6 = words == 4;
	for (size_t i = 0; i < words && i < 4; i++) {
		char word[9] = "";

		memcpy(word, hex + i * 8, 8);
		uint32_t n = (uint32_t)strtoul(word, NULL, 16);
		memcpy(l->addr + i * 4, &n, 4);
	}
}

static void read_table(struct tcp_listeners *out, const char *table, unsigned port)
{
	FILE *f = fopen(table, "re");
	char line[512], local[33];
	unsigned state, uid;
	unsigned long inode;

	while (f && fgets(line, sizeof(line), f)) {
		struct tcp_listener l = {0};

		if (sscanf(line, " %*u: %32[0-9A-F]:%X %*s %X %*s %*s %*s %u %*u %lu", local,
			&l.port, &state, &uid, &inode) != 5 ||
		    state != STATE_LISTEN || (port && l.port != port))
			continue;
		l.inode = inode;
		l.uid = uid;
		read_address(local, &l);
		*vec_push(out) = l;
	}
	if (f)
		fclose(f);
}

void listeners_read(struct tcp_listeners *out, unsigned port)
{
	size_t before = out->n;
	auto_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	if (fd >= 0 && dump(out, fd, AF_INET, port) && dump(out, fd, AF_INET6, port))
		return;
	out->n = before;
	read_table(out, "/proc/net/tcp", port);
	read_table(out, "/proc/net/tcp6", port);
}

/* ---- addresses ---------------------------------------------------------------------------- */

static bool is_mapped(const struct tcp_listener *l)
{
	static const unsigned char prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	return l->is_v6 && memcmp(l->addr, prefix, sizeof(prefix)) == 0;
}

static bool is_zero(const unsigned char *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (at[i])
			return false;
	return true;
}

bool listener_is_local(const struct tcp_listener *l)
{
	const unsigned char *v4 = is_mapped(l) ? l->addr + 12 : l->addr;

	if (!l->is_v6 || is_mapped(l))
		return v4[0] == 127 || is_zero(v4, 4);
	return is_zero(l->addr, 15) && l->addr[15] <= 1; /* :: and ::1 */
}

bool listener_covers(const struct tcp_listener *l, uint32_t addr)
{
	const unsigned char *v4 = is_mapped(l) ? l->addr + 12 : l->addr;

	if (l->is_v6 && !is_mapped(l))
		return is_zero(l->addr, 16);
	return !addr || is_zero(v4, 4) || memcmp(v4, &addr, 4) == 0;
}

void listener_fmt(struct str *out, const struct tcp_listener *l)
{
	char text[INET6_ADDRSTRLEN] = "?";

	inet_ntop(l->is_v6 ? AF_INET6 : AF_INET, l->addr, text, sizeof(text));
	str_fmt(out, l->is_v6 ? "[%s]:%u" : "%s:%u", text, l->port);
}
