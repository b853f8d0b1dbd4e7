/* upkeep.c - the folder of the store is as it has to be: what vanished is made again. */
#include "store/mirror.h"
#include "store/store_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

/* ---- the connection ------------------------------------------------------------------------- */

enum { CHECK_BYTES_MAX = 32 << 20 }; /* larger files are not read through at each start */

static bool hold_files(struct store *s)
{
	const struct dbfiles was = s->held;

	pthread_mutex_lock(&s->lock);
	bool ours = dbfiles_hold(&s->held, s->path);
	bool changed = was.db != s->held.db || was.wal != s->held.wal;
	s->files_changed = s->files_changed || changed;
	pthread_mutex_unlock(&s->lock);
	if (changed)
		store_wake_loop(s);
	return ours;
}

static bool is_small(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_size < CHECK_BYTES_MAX;
}

void store_writer_close(struct store *s)
{
	sqlite3_close(s->writer);
	s->writer = NULL;
}

static enum db_state open_file(struct store *s, bool check, struct error *e)
{
	bool put_back = s->opt.put_back;
	enum db_state state = db_open_writer(s->path, &put_back, &s->writer, e);

	s->was_put_back |= state == DB_OK && put_back;
	if (state == DB_OK && check && is_small(s->path))
		state = db_check(s->writer, e);
	if (state == DB_OK && !hold_files(s)) {
		error_set(e, ERR_STORAGE, "state.db: it was replaced while it was opened");
		state = DB_REFUSED;
	}
	if (state != DB_OK)
		store_writer_close(s);
	return state;
}

/* What is held is not at its place any more, and not needed any more. */
static void let_go(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	dbfiles_release(&s->held);
	pthread_mutex_unlock(&s->lock);
	atomic_fetch_add(&s->generation, 1);
}

/* ---- folders -------------------------------------------------------------------------------- */

/* mkdir -p: what is above us may have gone with us. */
static enum err make_folder(const char *dir, struct error *e)
{
	auto_free char *path = text_dup(dir);

	for (char *at = path + 1;; at++) {
		char was = *at;

		if (was && was != '/')
			continue;
		*at = '\0';
		if (mkdir(path, was ? 0755 : 0700) < 0 && errno != EEXIST)
			return error_sys(e, errno, "store: mkdir %s", path);
		*at = was;
		if (!was)
			return ERR_OK;
	}
}

static bool is_ours(int fd, const char *path)
{
	struct stat ours, there;

	return fstat(fd, &ours) == 0 && stat(path, &there) == 0 && ours.st_ino == there.st_ino &&
	       ours.st_dev == there.st_dev;
}

enum err store_open_definitions(struct store *s, struct error *e)
{
	int fd;

	if (make_folder(s->dir, e) || make_folder(s->definitions, e))
		return e->code;
	fd = open(s->definitions, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_sys(e, errno, "store: open %s", s->definitions);
	if (s->definitions_fd >= 0)
		close(s->definitions_fd);
	s->definitions_fd = fd;
	return ERR_OK;
}

static enum err look_at_folders(struct store *s, struct error *e)
{
	struct stat st;

	if (is_ours(s->definitions_fd, s->definitions))
		return ERR_OK;
	bool is_there = stat(s->definitions, &st) == 0;
	if (store_open_definitions(s, e))
		return e->code;
	pthread_mutex_lock(&s->lock);
	s->files_due.is = true;
	pthread_mutex_unlock(&s->lock);
	store_report(s, false, "%s was %s: written again", s->definitions,
	    is_there ? "replaced by another folder" : "removed");
	return ERR_OK;
}

/* ---- the database --------------------------------------------------------------------------- */

static bool has_bytes(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_size > 0;
}

enum err store_start_anew(struct store *s, const char *why, struct error *e)
{
	auto_free char *aside = NULL, *because = text_dup(why);
	size_t rows = 0;

	*e = (struct error){0}; /* it may have told why */
	store_writer_close(s);
	if (has_bytes(s->path) && db_set_aside(s->path, "corrupt", &aside, e))
		return e->code;
	db_remove(s->path); /* an empty one is worth nothing */
	let_go(s);
	if (open_file(s, false, e) != DB_OK || store_rebuild(s, &rows, e))
		return ERR_STORAGE;
	if (aside)
		store_note(s, "%s: set aside as %s, rebuilt from definitions/", because, aside);
	s->was_rebuilt = true;
	store_report(s, true, "%s%s%s; %zu rows rebuilt from definitions/", because,
	    aside ? ": set aside as " : "", aside ? aside : "", rows);
	return ERR_OK;
}

enum err store_writer_open(struct store *s, bool check, struct error *e)
{
	if (s->writer)
		return ERR_OK;
	switch (open_file(s, check, e)) {
	case DB_OK: return ERR_OK;
	case DB_REFUSED: return ERR_STORAGE;
	case DB_CORRUPT: return store_start_anew(s, e->msg, e);
	}
	return ERR_STORAGE;
}

/* From the bytes that are held; where those are no database, from definitions/. */
static enum err write_again(struct store *s, const char *why, struct error *e)
{
	auto_free char *aside = NULL;

	store_writer_close(s);
	switch (dbfiles_write_again(&s->held, s->path, &aside, e)) {
	case DB_OK: break;
	case DB_REFUSED: return ERR_STORAGE;
	case DB_CORRUPT: return store_start_anew(s, why, e);
	}
	let_go(s);
	store_report(s, false, "%s: written again, nothing is lost%s%s", why,
	    aside ? "; what stood there is " : "", aside ? aside : "");
	return store_writer_open(s, false, e);
}

enum err store_upkeep(struct store *s, struct error *e)
{
	auto_str why = {0};

	if (look_at_folders(s, e))
		return e->code;
	if (dbfiles_look(&s->held, s->path, s->writer != NULL, &why) == DBFILES_FINE)
		return ERR_OK;
	return write_again(s, str_text(&why), e);
}

/* ---- at the start --------------------------------------------------------------------------- */

enum err store_open_first(struct store *s, struct error *e)
{
	bool is_new = s->held.db < 0 && !has_bytes(s->path);
	size_t rows = 0;

	if (store_upkeep(s, e) || store_writer_open(s, true, e))
		return e->code;
	if (is_new && store_rebuild(s, &rows, e))
		return e->code;
	if (mirror_count(s->definitions_fd) < store_mirrored_rows(s))
		s->files_due.is = s->files_due.report = true;
	s->was_rebuilt |= rows > 0;
	if (rows)
		store_report(
		    s, true, "%s was removed: %zu rows rebuilt from definitions/", s->path, rows);
	return ERR_OK;
}
