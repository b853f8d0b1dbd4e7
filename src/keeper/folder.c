#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * The state folder was removed, moved or replaced while we live: it is made again at its path, with
 * the lock and the journal.  A folder that was moved away stays locked, so nobody starts a second
 * supervisor on it.
 */

static bool is_at_its_place(const struct keeper *k)
{
	struct stat ours, there;
	return fstat(k->state_fd, &ours) == 0 && stat(k->state_dir, &there) == 0 &&
	       ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

static void make_with_parents(const char *dir)
{
	char *path = strdup(dir);
	for (char *at = path ? path + 1 : NULL; at && *at; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		mkdir(path, 0755);
		*at = '/';
	}
	free(path);
	mkdir(dir, 0700);
}

/* One that is gone for good needs no lock. */
static void keep_former(struct keeper *k)
{
	struct stat st;
	const bool is_gone = fstat(k->state_fd, &st) == 0 && st.st_nlink == 0;
	int *slot = &k->former_dirs[k->n_former++ % FORMER_DIRS];
	if (is_gone) {
		k->n_former--;
		close(k->state_fd);
		return;
	}
	if (*slot > 0)
		close(*slot);
	*slot = k->state_fd;
}

void folder_renew(struct keeper *k)
{
	if (!is_at_its_place(k)) {
		make_with_parents(k->state_dir);
		const int fd = open(k->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0) {
			say("%s is not there any more, and can not be made again: %s", k->state_dir,
			    strerror(errno));
			if (fd >= 0)
				close(fd);
			return;
		}
		identity_own_file(&k->server.identity, fd);
		keep_former(k);
		k->state_fd = fd;
		say("%s was removed or moved: it is made again", k->state_dir);
	}
	lock_renew(k);
	journal_renew(k);
}
