/*
 * key_file.h - where the key of the vault comes from, and files that only their owner reads.
 *
 * A credential of systemd ($CREDENTIALS_DIRECTORY/hero_proc.key: 32 bytes) is taken when it is
 * there: it can be sealed to the TPM and is in memory only.  Else the key is a file beside the
 * vault, made at the first need: it protects a copy of the vault's file, not one of the folder.
 *
 * These functions block on the disk.  Any thread.  Depends on: base, vault.h, libsodium.
 */
#ifndef HP_SECRET_KEY_FILE_H
#define HP_SECRET_KEY_FILE_H

#include "secret/vault.h"

/* clang-format off */
#define KEY_SOURCE_LIST(X)                                                                  \
	X(KEY_OF_FILE,       "file",       "beside the secrets: protects a copy of their file alone") \
	X(KEY_OF_CREDENTIAL, "credential", "of systemd: not on this disk in the clear")
ENUM_DECLARE(key_source, KEY_SOURCE_LIST, KEY_SOURCE_COUNT);
/* clang-format on */

#define KEY_CREDENTIAL_NAME "hero_proc.key"

/* `path`: of the key's file; `make`: if there is none, a new one.  ERR_NOT_FOUND without it.
 * ERR_STORAGE: others may read it, it has another size, or it can not be read. */
enum err key_file_read(const char *path, const char *credentials_directory, bool make,
    unsigned char key[VAULT_KEY_BYTES], enum key_source *source, struct error *e);

/* All of it or nothing, durable, mode 0600. */
enum err key_file_replace(const char *path, const void *bytes, size_t n, struct error *e);

#endif
