#include "sys/regular_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static const char *kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR: return "a folder";
	case S_IFIFO: return "a FIFO";
	case S_IFSOCK: return "a socket";
	default: return "a device";
	}
}

static enum err open_error(const char *path, int sys, struct error *e)
{
	enum err code = sys == ENOENT || sys == ENOTDIR ? ERR_NOT_FOUND
			: sys == EACCES || sys == EPERM ? ERR_DENIED
							: ERR_SYSTEM;

	if (sys == ELOOP)
		return error_set(e, ERR_INVALID, "%s: a link that leads to itself", path);
	if (sys == ENXIO) /* a socket can not be opened at all */
		return error_set(e, ERR_INVALID, "%s: a socket, not a regular file", path);
	error_set(e, code, "%s: %s", path, strerrordesc_np(sys));
	e->sys = sys;
	return code;
}

/* O_NONBLOCK: a FIFO without a writer, and some devices, would make open(2) wait. */
enum err regular_file_read(const char *path, size_t most, struct str *out, struct error *e)
{
	auto_fd int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	char buf[16384];
	ssize_t got;
	size_t n = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return open_error(path, errno, e);
	if (!S_ISREG(st.st_mode))
		return error_set(
		    e, ERR_INVALID, "%s: %s, not a regular file", path, kind_of(st.st_mode));
	while ((got = read(fd, buf, sizeof(buf))) > 0 || (got < 0 && errno == EINTR)) {
		if (got > 0)
			str_add_n(out, buf, (size_t)got);
		n += got > 0 ? (size_t)got : 0;
		if (n > most)
			return error_set(e, ERR_LIMIT, "%s: longer than %zu bytes", path, most);
	}
	return got < 0 ? open_error(path, errno, e) : ERR_OK;
}
