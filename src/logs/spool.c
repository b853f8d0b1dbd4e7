#include "logs/spool.h"

#include "base/str.h"
#include "logs/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>

struct spool *spool_new(const char *name)
{
	struct spool *sp = mem_new(sizeof(*sp));

	sp->name = text_dup(name);
	sp->seg_fd = sp->idx_fd = -1;
	return sp;
}

void spool_free(struct spool *sp)
{
	if (!sp)
		return;
	spool_close(sp);
	free(sp->name);
	free(sp);
}

static int folder_open(const struct spool *sp, int logs_fd)
{
	return openat(logs_fd, sp->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

static uint64_t remove_one(int folder, uint32_t segment, const char *suffix)
{
	char name[LOG_FILE_NAME_MAX];
	struct stat st = {0};

	log_file_name(name, segment, suffix);
	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || unlinkat(folder, name, 0) < 0)
		return 0;
	return (uint64_t)st.st_size;
}

static bool has_file(int folder, uint32_t segment, const char *suffix)
{
	char name[LOG_FILE_NAME_MAX];

	log_file_name(name, segment, suffix);
	return faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A process that was killed between the two may have left a segment in both forms; the sealed one
 * is whole. */
static void finish_sealing(const struct spool *sp, int folder)
{
	struct seal_footer foot;

	unlinkat(folder, SEAL_TMP, 0);
	for (uint32_t n = sp->first; n && n < sp->last; n++) {
		if (!has_file(folder, n, "zst") || !has_file(folder, n, "seg"))
			continue;
		if (log_sealed_footer(folder, n, &foot)) {
			catalog_add(folder, &foot, n, sp->first);
			remove_one(folder, n, "idx");
			remove_one(folder, n, "seg");
		} else {
			remove_one(folder, n, "zst");
		}
	}
}

void spool_scan(struct spool *sp, int logs_fd)
{
	auto_fd int folder = folder_open(sp, logs_fd);
	auto_fd int fd = folder < 0 ? -1 : openat(folder, "dropped", O_RDONLY | O_CLOEXEC);
	char text[32] = "";
	struct log_extent x;

	if (folder < 0)
		return;
	x = log_folder_scan(folder, false);
	sp->first = x.first;
	sp->last = x.last;
	finish_sealing(sp, folder);
	x = log_folder_scan(folder, true);
	sp->bytes = x.bytes;
	if (fd >= 0 && pread(fd, text, sizeof(text) - 1, 0) > 0)
		sp->dropped = strtoull(text, NULL, 10);
}

static enum err open_one(const struct spool *sp, int folder, const char *suffix, int *out,
    uint64_t *size, struct error *e)
{
	char name[LOG_FILE_NAME_MAX];
	auto_fd int fd = -1;
	struct stat st;

	log_file_name(name, sp->last, suffix);
	fd = openat(folder, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(e, errno, "log of %s: open %s", sp->name, name);
	*size = (uint64_t)st.st_size;
	*out = fd_take(&fd);
	return ERR_OK;
}

enum err spool_open(struct spool *sp, int logs_fd, struct error *e)
{
	auto_fd int folder = -1;

	if (sp->seg_fd >= 0)
		return ERR_OK;
	if (mkdirat(logs_fd, sp->name, 0700) < 0 && errno != EEXIST)
		return error_sys(e, errno, "log of %s: mkdir", sp->name);
	folder = folder_open(sp, logs_fd);
	if (folder < 0)
		return error_sys(e, errno, "log of %s: open the folder", sp->name);
	if (sp->last == 0)
		sp->first = sp->last = 1;
	if (open_one(sp, folder, "idx", &sp->idx_fd, &sp->idx_size, e) ||
	    open_one(sp, folder, "seg", &sp->seg_fd, &sp->seg_size, e)) {
		spool_close(sp);
		return e->code;
	}
	sp->idx_size -= sp->idx_size % sizeof(struct slot);
	sp->last_source = SOURCE_NONE;
	return ERR_OK;
}

void spool_close(struct spool *sp)
{
	if (sp->seg_fd >= 0)
		close(sp->seg_fd);
	if (sp->idx_fd >= 0)
		close(sp->idx_fd);
	sp->seg_fd = sp->idx_fd = -1;
}

enum err spool_rotate(struct spool *sp, int logs_fd, struct error *e)
{
	spool_close(sp);
	sp->last++;
	if (spool_open(sp, logs_fd, e)) {
		sp->last--;
		return e->code;
	}
	return ERR_OK;
}

enum err spool_put(struct spool *sp, const struct slot *s, size_t n, struct error *e)
{
	ssize_t done = pwrite(sp->idx_fd, s, n * sizeof(*s), (off_t)sp->idx_size);

	if (done != (ssize_t)(n * sizeof(*s)))
		return error_sys(
		    e, done < 0 ? errno : ENOSPC, "log of %s: write the index", sp->name);
	sp->idx_size += (uint64_t)done;
	sp->bytes += (uint64_t)done;
	return ERR_OK;
}

/* "action\0run\0" in pieces of 31 bytes; returns how many. */
static size_t name_slots(struct slot_name out[SLOT_NAMES_MAX], const char *action, const char *run)
{
	char text[SLOT_NAMES_MAX * sizeof(out->text)] = "";
	size_t a = strnlen(action, 255), r = strnlen(run, 255);
	size_t n = (a + r + 2 + sizeof(out->text) - 1) / sizeof(out->text);

	memcpy(text, action, a);
	memcpy(text + a + 1, run, r);
	for (size_t i = 0; i < n; i++) {
		out[i].kind = SLOT_NAME;
		memcpy(out[i].text, text + i * sizeof(out->text), sizeof(out->text));
	}
	return n;
}

enum err spool_put_source(struct spool *sp, const struct slot *s, const char *action,
    const char *run, uint32_t *out, struct error *e)
{
	struct slot all[1 + SLOT_NAMES_MAX];
	struct slot_name names[SLOT_NAMES_MAX];
	size_t n = name_slots(names, action ? action : "", run ? run : "");
	uint32_t number = (uint32_t)(sp->idx_size / sizeof(struct slot));

	all[0] = *s;
	all[0].kind = SLOT_SOURCE;
	all[0].names = (uint16_t)n;
	memcpy(&all[1], names, n * sizeof(*names));
	if (spool_put(sp, all, 1 + n, e))
		return e->code;
	*out = number;
	return ERR_OK;
}

void spool_grew(struct spool *sp, uint64_t n)
{
	sp->seg_size += n;
	sp->bytes += n;
}

/* Fits one page and is written at once: a kill leaves the old or the new text,
 * both of twenty digits. */
static void note_dropped(const struct spool *sp, int folder)
{
	auto_fd int fd = openat(folder, "dropped", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	char text[32];
	int n = snprintf(text, sizeof(text), "%020llu\n", (unsigned long long)sp->dropped);

	if (fd >= 0 && pwrite(fd, text, (size_t)n, 0) != n)
		return; /* the count in memory stays right and is written next time */
}

bool spool_drop_oldest(struct spool *sp, int logs_fd)
{
	auto_fd int folder = -1;
	struct seal_footer foot;
	uint64_t seg, idx;

	if (sp->first == 0 || (sp->first == sp->last && sp->seg_fd >= 0))
		return false;
	folder = folder_open(sp, logs_fd);
	if (folder < 0)
		return false;
	if (log_sealed_footer(folder, sp->first, &foot))
		sp->dropped += foot.bytes;
	seg = remove_one(folder, sp->first, "seg");
	idx = remove_one(folder, sp->first, "idx") + remove_one(folder, sp->first, "zst");
	sp->bytes -= seg + idx < sp->bytes ? seg + idx : sp->bytes;
	sp->dropped += seg;
	note_dropped(sp, folder);
	if (sp->first++ == sp->last)
		sp->last++; /* numbers are never used twice: cursors point at them */
	return true;
}

int64_t spool_oldest_time(const struct spool *sp, int logs_fd)
{
	auto_fd int folder = sp->first && sp->bytes ? folder_open(sp, logs_fd) : -1;
	char name[LOG_FILE_NAME_MAX];
	struct stat st;

	if (folder < 0)
		return 0;
	log_file_name(name, sp->first, "seg");
	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return st.st_mtim.tv_sec;
	log_file_name(name, sp->first, "zst");
	return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : st.st_mtim.tv_sec;
}

/* The age of what is in it counts, not that of the file. */
static void keep_times(int folder, const char *from, const char *to)
{
	struct stat st;

	if (fstatat(folder, from, &st, AT_SYMLINK_NOFOLLOW) == 0)
		utimensat(
		    folder, to, (struct timespec[]){st.st_atim, st.st_mtim}, AT_SYMLINK_NOFOLLOW);
}

bool spool_take_sealed(
    struct spool *sp, int logs_fd, uint32_t number, const struct seal_footer *foot)
{
	auto_fd int folder = folder_open(sp, logs_fd);
	char raw[LOG_FILE_NAME_MAX], sealed[LOG_FILE_NAME_MAX];
	uint64_t was;
	struct stat st;

	log_file_name(raw, number, "seg");
	log_file_name(sealed, number, "zst");
	if (folder < 0 || number < sp->first || number >= sp->last) {
		if (folder >= 0)
			unlinkat(folder, SEAL_TMP, 0);
		return false;
	}
	keep_times(folder, raw, SEAL_TMP);
	if (fstatat(folder, SEAL_TMP, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    renameat(folder, SEAL_TMP, folder, sealed) < 0)
		return false;
	catalog_add(folder, foot, number, sp->first);
	was = remove_one(folder, number, "idx") + remove_one(folder, number, "seg");
	sp->bytes = sp->bytes - (was < sp->bytes ? was : sp->bytes) + (uint64_t)st.st_size;
	return true;
}
