/* reserve.c - room for a start on a full disk: a file that is removed for it. */
#include "store/store_priv.h"

#include <fcntl.h>
#include <sys/stat.h>

/* All of it, or as much as there is room for. */
void store_make_reserve(const struct store *s)
{
	auto_fd int fd = open(s->reserve, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	off_t n = RESERVE_BYTES;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size >= n)
		return;
	while (n > st.st_size && posix_fallocate(fd, 0, n) != 0)
		n -= RESERVE_STEP;
	if (n < st.st_size)
		n = st.st_size;
	if (ftruncate(fd, n > 0 ? n : 0) < 0 || n <= 0)
		unlink(s->reserve);
}
