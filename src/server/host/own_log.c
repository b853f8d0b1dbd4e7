#include "server/host/own_log.h"

#include "base/str.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

/* Ours, and written at its end whoever shortens it. */
static bool is_ours(const char *path)
{
	const int flags = fcntl(STDERR_FILENO, F_GETFL);

	return flags >= 0 && flags & O_APPEND && text_eq(text_last_part(path), OWN_LOG_NAME);
}

/* The keeper has the same open file, so it is emptied, not replaced. */
static void begin_again(const char *path, off_t bytes)
{
	auto_free char *old = text_fmt("%s.old", path);
	auto_fd int from = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	auto_fd int to = open(old, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	while (from >= 0 && to >= 0 && bytes > 0) {
		const ssize_t n = sendfile(to, from, NULL, (size_t)bytes);
		if (n <= 0)
			break;
		bytes -= n;
	}
	(void)!ftruncate(STDERR_FILENO, 0);
}

void own_log_bound(void)
{
	char path[PATH_MAX];
	struct stat st;

	if (fstat(STDERR_FILENO, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= OWN_LOG_BYTES)
		return;
	const ssize_t n = readlink("/proc/self/fd/2", path, sizeof(path) - 1);
	if (n <= 0)
		return;
	path[n] = '\0';
	if (is_ours(path))
		begin_again(path, st.st_size);
}
