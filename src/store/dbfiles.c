#include "store/dbfiles.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

ENUM_DEFINE(dbfiles_state, DBFILES_STATE_LIST, DBFILES_STATE_COUNT)

static const char magic[16] = "SQLite format 3"; /* sqlite.org/fileformat.html, 1.3 */

void dbfiles_release(struct dbfiles *f)
{
	int *fds[] = {&f->db, &f->wal};

	for (size_t i = 0; i < countof(fds); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

static int open_again(int fd, int flags)
{
	char link[64];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return fd < 0 ? -1 : open(link, flags | O_CLOEXEC);
}

int dbfiles_give(int fd)
{
	return open_again(fd, O_PATH);
}

int dbfiles_take(int take_fd)
{
	int fd = open_again(take_fd, O_RDONLY);

	if (take_fd >= 0)
		close(take_fd);
	return fd;
}

static bool is_same(int fd, const char *path, bool *is_there)
{
	struct stat ours, there;

	*is_there = stat(path, &there) == 0;
	return fd >= 0 && *is_there && fstat(fd, &ours) == 0 && ours.st_ino == there.st_ino &&
	       ours.st_dev == there.st_dev;
}

static off_t size_of(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 ? st.st_size : 0;
}

static void hold(int *fd, const char *path)
{
	if (*fd >= 0)
		close(*fd);
	*fd = open(path, O_RDONLY | O_CLOEXEC);
}

bool dbfiles_hold(struct dbfiles *f, const char *path)
{
	auto_free char *wal = text_fmt("%s-wal", path);
	bool is_there;

	if (f->db < 0)
		hold(&f->db, path);
	else if (!is_same(f->db, path, &is_there))
		return false;
	if (!is_same(f->wal, wal, &is_there))
		hold(&f->wal, wal);
	return true;
}

static enum dbfiles_state look_at_log(
    const struct dbfiles *f, const char *path, bool in_use, struct str *why)
{
	auto_free char *wal = text_fmt("%s-wal", path);
	bool is_there;

	if (f->wal < 0 || is_same(f->wal, wal, &is_there) || (!in_use && size_of(f->wal) == 0))
		return DBFILES_FINE;
	str_fmt(why, "%s %s", wal, is_there ? "was replaced by another file" : "was removed");
	return is_there ? DBFILES_REPLACED : DBFILES_MISSING;
}

enum dbfiles_state dbfiles_look(
    const struct dbfiles *f, const char *path, bool in_use, struct str *why)
{
	char begin[sizeof(magic)];
	bool is_there;

	if (f->db < 0)
		return DBFILES_FINE; /* none was opened yet */
	if (!is_same(f->db, path, &is_there)) {
		str_fmt(
		    why, "%s %s", path, is_there ? "was replaced by another file" : "was removed");
		return is_there ? DBFILES_REPLACED : DBFILES_MISSING;
	}
	if (pread(f->db, begin, sizeof(begin), 0) != sizeof(begin) ||
	    memcmp(begin, magic, sizeof(begin)) != 0) {
		str_fmt(why, "%s was %s", path, size_of(f->db) ? "overwritten" : "emptied");
		return DBFILES_EMPTIED;
	}
	return look_at_log(f, path, in_use, why);
}

/* ---- writing again ------------------------------------------------------------------------ */

static bool copy_bytes(int from, int to)
{
	char block[1 << 15];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(from, block, sizeof(block), at)) > 0) {
		if (write(to, block, (size_t)n) != n) {
			errno = errno ? errno : ENOSPC;
			return false;
		}
		at += n;
	}
	return n == 0;
}

static enum err copy_file(int from, const char *path, struct error *e)
{
	auto_fd int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	errno = to < 0 ? errno : 0;
	if (to < 0 || !copy_bytes(from, to) || fdatasync(to) < 0)
		return error_sys(e, errno, "state.db: write again: %s", path);
	return ERR_OK;
}

/* What SQLite made beside a database. */
static void unlink_beside(const char *path)
{
	auto_free char *wal = text_fmt("%s-wal", path), *shm = text_fmt("%s-shm", path);

	unlink(wal);
	unlink(shm);
}

/* What is another's is kept; what is ours is in the copy, which replaces it. */
static enum err make_room(const struct dbfiles *f, const char *path, char **aside, struct error *e)
{
	bool is_there;

	*aside = NULL;
	if (!is_same(f->db, path, &is_there) && is_there)
		return db_set_aside(path, "replaced", aside, e);
	unlink_beside(path);
	return ERR_OK;
}

enum db_state dbfiles_write_again(
    const struct dbfiles *f, const char *path, char **aside, struct error *e)
{
	auto_free char *made = text_fmt("%s.new", path);
	auto_free char *wal = text_fmt("%s-wal", made);
	enum db_state state = DB_REFUSED;

	unlink_beside(made);
	if (copy_file(f->db, made, e) == ERR_OK &&
	    (size_of(f->wal) == 0 || copy_file(f->wal, wal, e) == ERR_OK))
		state = db_make_whole(made, e);
	if (state == DB_OK && make_room(f, path, aside, e))
		state = DB_REFUSED;
	if (state == DB_OK && rename(made, path) < 0) {
		error_sys(e, errno, "state.db: write again: rename");
		state = DB_REFUSED;
	}
	if (state != DB_OK) {
		unlink(made);
		unlink_beside(made);
	}
	return state;
}
