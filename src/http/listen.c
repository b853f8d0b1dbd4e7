#include "http/listen.h"

#include "base/str.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static enum err make_folder(const char *path, struct error *e)
{
	auto_free char *dir = text_dup(path);

	for (char *p = dir + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		if (mkdir(dir, 0750) != 0 && errno != EEXIST)
			return error_sys(e, errno, "%s", dir);
		*p = '/';
	}
	return ERR_OK;
}

/* Only "connection refused" says that nobody listens (unix(7)): any other failure, of
 * ours for want of descriptors as well, says nothing about the owner of the file. */
static enum err remove_stale(const struct sockaddr_un *at, struct error *e)
{
	struct stat st;

	if (lstat(at->sun_path, &st) != 0)
		return errno == ENOENT ? ERR_OK : error_sys(e, errno, "%s", at->sun_path);
	if (!S_ISSOCK(st.st_mode))
		return error_set(e, ERR_CONFLICT, "%s is there and is no socket", at->sun_path);
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_sys(e, errno, "socket");
	if (connect(fd, (const struct sockaddr *)at, sizeof(*at)) == 0 || errno == EAGAIN)
		return error_set(e, ERR_CONFLICT, "somebody answers on %s", at->sun_path);
	if (errno == EPROTOTYPE)
		return error_set(e, ERR_CONFLICT, "%s is a socket of another type", at->sun_path);
	if (errno != ECONNREFUSED && errno != ENOENT)
		return error_sys(e, errno, "connect %s", at->sun_path);
	if (unlink(at->sun_path) != 0 && errno != ENOENT)
		return error_sys(e, errno, "%s", at->sun_path);
	return ERR_OK;
}

enum err listen_unix(const char *path, struct listening *out, struct error *e)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct stat st;

	if (strlen(path) >= sizeof(at.sun_path))
		return error_set(e, ERR_LIMIT, "%s: a socket's path has at most %zu bytes", path,
		    sizeof(at.sun_path) - 1);
	memcpy(at.sun_path, path, strlen(path) + 1);
	if (make_folder(path, e) || remove_stale(&at, e))
		return e->code;
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t before = umask(0117);
	int bound = fd < 0 ? -1 : bind(fd, (const struct sockaddr *)&at, sizeof(at));
	umask(before);
	if (bound != 0 || listen(fd, 512) != 0 || lstat(path, &st) != 0)
		return error_sys(e, errno, "%s", path);
	*out = (struct listening){fd_take(&fd), {st.st_dev, st.st_ino}};
	return ERR_OK;
}

enum err listen_share(const char *path, gid_t group, struct error *e)
{
	auto_free char *folder = text_dup_n(path, (size_t)(strrchr(path, '/') - path));

	if (chown(folder, (uid_t)-1, group) != 0)
		return error_sys(e, errno, "%s: group %u", folder, (unsigned)group);
	if (chown(path, (uid_t)-1, group) != 0)
		return error_sys(e, errno, "%s: group %u", path, (unsigned)group);
	return ERR_OK;
}

bool listen_is_at(const char *path, const struct listen_id *id)
{
	struct stat st;

	return id->ino && lstat(path, &st) == 0 && st.st_dev == id->dev && st.st_ino == id->ino;
}

void listen_remove(const char *path, const struct listen_id *id)
{
	if (listen_is_at(path, id))
		unlink(path);
}
