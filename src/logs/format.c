#include "logs/format.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

void log_file_name(char out[LOG_FILE_NAME_MAX], uint32_t segment, const char *suffix)
{
	snprintf(out, LOG_FILE_NAME_MAX, "%08u.%s", segment % 100000000u, suffix);
}

uint32_t log_file_number(const char *name)
{
	char *end;
	unsigned long n = strtoul(name, &end, 10);

	bool segment = strcmp(end, ".seg") == 0 || strcmp(end, ".zst") == 0;

	return end == name + 8 && segment ? (uint32_t)n : 0;
}

static uint64_t size_at(int folder_fd, const char *name)
{
	struct stat st;

	return fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)st.st_size : 0;
}

struct log_extent log_folder_scan(int folder_fd, bool want_bytes)
{
	struct log_extent x = {0};
	int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d && fd >= 0)
		close(fd);
	for (struct dirent *de; d && (de = readdir(d));) {
		uint32_t n = log_file_number(de->d_name);

		if (want_bytes && (n || strstr(de->d_name, ".idx")))
			x.bytes += size_at(folder_fd, de->d_name);
		if (n && (!x.first || n < x.first))
			x.first = n;
		if (n > x.last)
			x.last = n;
	}
	if (d)
		closedir(d);
	return x;
}
