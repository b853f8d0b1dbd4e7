#include "keeper/keeper.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * A server that is another user than its keeper (--user).  It asks for processes; whatever it
 * asks for, none is root or of its group, or has more capabilities than its user.
 */

/* UID:GID[,GID...], the first group is the primary one. */
bool identity_parse(struct identity *i, const char *text)
{
	char *end;
	i->uid = (uid_t)strtoul(text, &end, 10);
	if (end == text || *end != ':')
		return false;
	do {
		text = end + 1;
		unsigned long gid = strtoul(text, &end, 10);
		if (end == text || i->n == IDENTITY_GROUPS)
			return false;
		i->groups[i->n++] = (gid_t)gid;
	} while (*end == ',');
	i->given = *end == '\0';
	return i->given;
}

bool identity_take(const struct identity *i)
{
	return !i->given || (setgroups(i->n, i->groups) == 0 &&
				setresgid(i->groups[0], i->groups[0], i->groups[0]) == 0 &&
				setresuid(i->uid, i->uid, i->uid) == 0);
}

bool identity_own_file(const struct identity *i, int fd)
{
	return !i->given || fd < 0 || fchown(fd, i->uid, i->groups[0]) == 0;
}

/* Who is not named is the server's user. */
static void complete(const struct identity *i, struct spec *s)
{
	struct keeper_spec *h = (void *)s->bytes;
	if (!(h->flags & KEEPER_SPEC_USER)) {
		h->uid = i->uid;
		h->gid = i->groups[0];
	}
	if (!(h->flags & KEEPER_SPEC_GROUPS)) {
		h->n_groups = h->flags & KEEPER_SPEC_USER ? 0 : (uint32_t)i->n;
		s->groups = i->groups;
	}
	h->flags |= KEEPER_SPEC_USER | KEEPER_SPEC_GROUPS;
}

int identity_limit(const struct identity *i, struct spec *s)
{
	if (!i->given)
		return 0;
	complete(i, s);
	bool root = s->head->uid == 0 || s->head->gid == 0 || s->head->ambient;
	for (uint32_t g = 0; g < s->head->n_groups; g++)
		root = root || s->groups[g] == 0;
	return root ? EPERM : 0;
}
