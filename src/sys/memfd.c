#include "sys/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

static bool fill(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, bytes, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		bytes += done;
		n -= (size_t)done;
	}
	return true;
}

enum err memfd_sealed(const char *name, const void *bytes, size_t n, int *out, struct error *e)
{
	auto_fd int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return error_sys(e, errno, "memfd %s", name);
	if (!fill(fd, bytes, n) || lseek(fd, 0, SEEK_SET) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return error_sys(e, errno, "memfd %s", name);
	*out = fd_take(&fd);
	return ERR_OK;
}
