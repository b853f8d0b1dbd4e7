/*
 * vanished.c - folders and files that were removed, moved or replaced: made again.
 *
 * The open segment and its index are in our descriptors, whatever became of their names: they are
 * written again as they were.  Closed segments that are gone are lost, and that is reported.
 */
#include "logs/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_MSEC   100 /* while something is written */
#define RESTORE_TMP "restore.tmp"

static bool is_same(int folder, const char *name, int fd)
{
	struct stat there, ours;

	return fstatat(folder, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &ours) == 0 &&
	       there.st_ino == ours.st_ino && there.st_dev == ours.st_dev;
}

static void tell(struct logs *l, const char *text)
{
	pthread_mutex_lock(&l->lock);
	if (l->repaired.n)
		str_add_char(&l->repaired, '\n');
	str_add(&l->repaired, text);
	pthread_mutex_unlock(&l->lock);
	log_ring(l);
}

/* ---- the folder of all logs -------------------------------------------------------------------
 */

/* The descriptor keeps its number: the sealer has it, too. */
static bool folder_make(struct logs *l)
{
	auto_fd int fd = -1;
	auto_free char *text = text_fmt("%s vanished and was made again", l->dir);

	if (is_same(AT_FDCWD, l->dir, l->dir_fd))
		return true;
	if (mkdir(l->dir, 0700) < 0 && errno != EEXIST)
		return false; /* the folder above it is not there yet */
	fd = open(l->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || dup3(fd, l->dir_fd, O_CLOEXEC) < 0)
		return false;
	tell(l, text);
	return true;
}

/* ---- one service ------------------------------------------------------------------------------
 */

static int service_folder(struct logs *l, const struct spool *sp, bool make)
{
	if (make && mkdirat(l->dir_fd, sp->name, 0700) < 0 && errno != EEXIST)
		return -1;
	return openat(l->dir_fd, sp->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

static bool copy_bytes(int from, int to, uint64_t size)
{
	auto_free char *buf = mem_new(LOG_COPY_BYTES);

	for (uint64_t at = 0; at < size;) {
		const uint64_t left = size - at;
		const ssize_t n =
		    pread(from, buf, left < LOG_COPY_BYTES ? left : LOG_COPY_BYTES, (off_t)at);

		if (n <= 0 || pwrite(to, buf, (size_t)n, (off_t)at) != n)
			return false;
		at += (uint64_t)n;
	}
	return true;
}

/* The file of *fd gets its name again; *fd is that file afterwards. */
static bool restore(int folder, const char *name, int *fd, uint64_t size)
{
	auto_fd int made =
	    openat(folder, RESTORE_TMP, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (made < 0)
		return false;
	if (!copy_bytes(*fd, made, size) || renameat(folder, RESTORE_TMP, folder, name) < 0) {
		unlinkat(folder, RESTORE_TMP, 0);
		return false;
	}
	close(*fd);
	*fd = fd_take(&made);
	return true;
}

/* What is in the folder counts; the rest is lost, and its numbers are not used again. */
static void recount(struct logs *l, struct spool *sp, int folder, const char *how)
{
	const struct log_extent x = log_folder_scan(folder, true);
	const uint64_t lost = sp->bytes > x.bytes ? sp->bytes - x.bytes : 0;
	auto_free char *gone =
	    lost ? text_fmt("; %llu bytes of earlier output are lost", (unsigned long long)lost)
		 : text_dup("; nothing is lost");
	auto_free char *text = text_fmt("the log of %s vanished%s%s", sp->name, how, gone);

	sp->bytes = x.bytes;
	sp->first = x.first ? x.first : sp->last;
	log_recount(l, sp);
	tell(l, text);
}

/* Its open segment is not where it was. */
static void restore_open(struct logs *l, struct spool *sp, const char *seg, const char *idx)
{
	auto_fd int folder = service_folder(l, sp, true);

	if (folder < 0)
		return; /* looked at again */
	if (restore(folder, idx, &sp->idx_fd, sp->idx_size) &&
	    restore(folder, seg, &sp->seg_fd, sp->seg_size)) {
		recount(l, sp, folder, " and was written again");
		return;
	}
	if (errno == ENOSPC || errno == EDQUOT || errno == EROFS)
		return; /* the bytes stay in our descriptors until there is room */
	spool_close(sp);
	l->open_spools--;
	sp->last++;
	recount(l, sp, folder, " and begins anew");
}

static void look_at_open(struct logs *l, struct spool *sp)
{
	auto_fd int folder = service_folder(l, sp, false);
	char seg[LOG_FILE_NAME_MAX], idx[LOG_FILE_NAME_MAX];

	log_file_name(seg, sp->last, "seg");
	log_file_name(idx, sp->last, "idx");
	if (folder < 0 || !is_same(folder, seg, sp->seg_fd) || !is_same(folder, idx, sp->idx_fd))
		restore_open(l, sp, seg, idx);
}

static bool is_there(struct logs *l, const struct spool *sp)
{
	auto_fd int folder = service_folder(l, sp, false);
	static const char *const suffix[] = {"seg", "idx"};
	char name[LOG_FILE_NAME_MAX];

	for (size_t i = 0; i < countof(suffix); i++) {
		log_file_name(name, sp->last, suffix[i]);
		if (folder < 0 || faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			return false;
	}
	return true;
}

static void look_at_closed(struct logs *l, struct spool *sp)
{
	auto_fd int folder = -1;

	if (!sp->last || !sp->bytes || is_there(l, sp))
		return;
	folder = service_folder(l, sp, true);
	if (folder < 0)
		return;
	sp->last++;
	recount(l, sp, folder, " and begins anew");
}

/* ---- when -------------------------------------------------------------------------------------
 */

void log_vanished_look(struct logs *l, bool all)
{
	l->looked_at = clock_mono();
	if (!folder_make(l))
		return;
	for (struct spool *sp = log_spools(l); sp; sp = sp->next) {
		if (sp->seg_fd >= 0)
			look_at_open(l, sp);
		else if (all)
			look_at_closed(l, sp);
	}
}

void log_vanished_check(struct logs *l, struct spool *sp)
{
	if (sp->seg_fd >= 0) {
		if (clock_mono() - l->looked_at >= LOOK_MSEC)
			log_vanished_look(l, false);
	} else if (folder_make(l)) {
		look_at_closed(l, sp);
	}
}
