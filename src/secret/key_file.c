#include "secret/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>

ENUM_DEFINE(key_source, KEY_SOURCE_LIST, KEY_SOURCE_COUNT)

static enum err read_key(
    const char *path, bool is_ours, unsigned char key[VAULT_KEY_BYTES], struct error *e)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	unsigned char bytes[VAULT_KEY_BYTES + 1];

	if (fd < 0)
		return errno == ENOENT ? error_set(e, ERR_NOT_FOUND, "%s: there is no key", path)
				       : error_sys(e, errno, "%s", path);
	if (fstat(fd, &st) < 0)
		return error_sys(e, errno, "%s", path);
	if (is_ours && st.st_mode & 077)
		return error_set(e, ERR_STORAGE,
		    "%s: others may read the key (mode %03o); chmod 600, and change it: hero_proc "
		    "secret rekey",
		    path, st.st_mode & 0777u);
	const ssize_t n = read(fd, bytes, sizeof(bytes));
	if (n < 0)
		return error_sys(e, errno, "%s", path);
	if (n != VAULT_KEY_BYTES)
		return error_set(e, ERR_STORAGE, "%s: a key has %d bytes", path, VAULT_KEY_BYTES);
	memcpy(key, bytes, VAULT_KEY_BYTES);
	sodium_memzero(bytes, sizeof(bytes));
	return ERR_OK;
}

static enum err make_key(const char *path, unsigned char key[VAULT_KEY_BYTES], struct error *e)
{
	if (sodium_init() < 0)
		return error_set(e, ERR_SYSTEM, "libsodium can not be used here");
	randombytes_buf(key, VAULT_KEY_BYTES);
	return key_file_replace(path, key, VAULT_KEY_BYTES, e);
}

enum err key_file_read(const char *path, const char *credentials_directory, bool make,
    unsigned char key[VAULT_KEY_BYTES], enum key_source *source, struct error *e)
{
	auto_free char *credential =
	    credentials_directory ? text_fmt("%s/%s", credentials_directory, KEY_CREDENTIAL_NAME)
				  : NULL;
	struct error absent = {0};
	enum err err = credential ? read_key(credential, false, key, &absent) : ERR_NOT_FOUND;

	*source = KEY_OF_CREDENTIAL;
	if (err == ERR_NOT_FOUND) {
		*source = KEY_OF_FILE;
		err = read_key(path, true, key, &absent);
	}
	if (err == ERR_NOT_FOUND && make)
		return make_key(path, key, e);
	if (err)
		*e = absent;
	return err;
}

static bool write_all(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		const ssize_t written = write(fd, bytes, n);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return false;
		bytes += written;
		n -= (size_t)written;
	}
	return true;
}

/* The name is durable when its folder is. */
static bool sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	auto_free char *folder =
	    slash ? text_dup_n(path, (size_t)(slash - path) + 1) : text_dup(".");
	auto_fd int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && fsync(fd) == 0;
}

static bool write_new(const char *path, const void *bytes, size_t n)
{
	auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd >= 0 && fchmod(fd, 0600) == 0 && write_all(fd, bytes, n) && fsync(fd) == 0;
}

enum err key_file_replace(const char *path, const void *bytes, size_t n, struct error *e)
{
	auto_free char *beside = text_fmt("%s.new", path);

	if (!write_new(beside, bytes, n) || rename(beside, path) < 0 || !sync_folder(path)) {
		const int sys = errno;
		unlink(beside);
		return error_sys(e, sys, "%s", path);
	}
	return ERR_OK;
}
