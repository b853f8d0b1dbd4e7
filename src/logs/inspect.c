#include "logs/inspect.h"

#include "logs/format.h"
#include "sys/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define TAIL_BYTES (128u << 10) /* of an index; its slots are 32 bytes */

/* Chunks grow; none begins beyond the end. */
static const char *judge_slots(const struct slot *s, size_t n, int seg_fd)
{
	uint64_t last = 0;
	struct stat st;

	for (size_t i = 0; i < n; i++) {
		if (s[i].kind > SLOT_DROP)
			return "it holds slots of no kind";
		if (s[i].kind != SLOT_CHUNK)
			continue;
		if (s[i].offset < last)
			return "its chunks do not follow each other";
		last = s[i].offset;
	}
	if (fstat(seg_fd, &st) == 0 && last > (uint64_t)st.st_size)
		return "it speaks of bytes that the segment does not hold";
	return NULL;
}

static const char *judge_index(int idx_fd, int seg_fd)
{
	struct stat st;

	if (fstat(idx_fd, &st) < 0)
		return "its size can not be read";
	off_t from = st.st_size > TAIL_BYTES ? st.st_size - TAIL_BYTES : 0;
	auto_free struct slot *slots = mem_new(TAIL_BYTES);

	from -= from % (off_t)sizeof(*slots);
	ssize_t n = pread(idx_fd, slots, TAIL_BYTES, from);
	if (n < 0)
		return strerrordesc_np(errno);
	return judge_slots(slots, (size_t)n / sizeof(*slots), seg_fd);
}

static void inspect_segment(int folder, const char *service, uint32_t number, struct strv *out)
{
	char seg[LOG_FILE_NAME_MAX], idx[LOG_FILE_NAME_MAX];

	log_file_name(seg, number, "seg");
	log_file_name(idx, number, "idx");
	auto_fd int idx_fd = openat(folder, idx, O_RDONLY | O_CLOEXEC);
	int sys = idx_fd < 0 ? errno : 0;
	auto_fd int seg_fd = openat(folder, seg, O_RDONLY | O_CLOEXEC);
	const char *why = NULL;

	if (seg_fd < 0 && errno == ENOENT)
		return; /* a quota took it away */
	if (seg_fd < 0)
		why = strerrordesc_np(errno);
	else
		why = idx_fd < 0 ? strerrordesc_np(sys) : judge_index(idx_fd, seg_fd);
	if (why)
		strv_take(out, text_fmt("%s/%s\n%s", service, idx, why));
}

static void inspect_folder(int dir, const char *service, struct strv *out)
{
	auto_fd int fd = openat(dir, service, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct log_extent have;

	if (fd < 0) {
		if (errno != ENOENT)
			strv_take(out, text_fmt("%s\n%s", service, strerrordesc_np(errno)));
		return;
	}
	have = log_folder_scan(fd, false);
	for (uint32_t n = have.last, k = 0; n && n >= have.first && k < 2; n--, k++)
		inspect_segment(fd, service, n, out);
}

void logs_inspect(const char *dir, struct strv *out)
{
	DIR *d = opendir(dir);
	msec end = clock_mono() + LOGS_INSPECT_MS;

	if (!d)
		strv_take(out, text_fmt("\n%s", strerrordesc_np(errno)));
	for (struct dirent *e; d && clock_mono() < end && (e = readdir(d));)
		if (*e->d_name != '.' && (e->d_type == DT_DIR || e->d_type == DT_UNKNOWN))
			inspect_folder(dirfd(d), e->d_name, out);
	if (d)
		closedir(d);
}
