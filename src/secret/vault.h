/*
 * vault.h - named secrets, sealed.
 *
 * A value is sealed with the key of the vault (XChaCha20-Poly1305, libsodium) the moment it
 * comes in, and opened only into memory that is locked, guarded and left out of core files.
 * Context, name and version are authenticated with it, so one sealed value can not be passed
 * off as another.  The vault itself is memory: vault_write() gives the text of its file,
 * key_file.h and the caller put it on a disk.
 *
 * One thread.  Depends on: base, libsodium, jansson.
 */
#ifndef HP_SECRET_VAULT_H
#define HP_SECRET_VAULT_H

#include "base/error.h"
#include "base/str.h"

#define VAULT_KEY_BYTES		32
#define SECRET_VALUE_BYTES_MOST (256u << 10)

struct vault;

/* A value in the clear, for as short as possible; always NUL-ended behind its n bytes. */
struct secret_value {
	char *bytes;
	size_t n;
};
#define auto_secret attr_cleanup(secret_value_release) struct secret_value
void secret_value_release(struct secret_value *v); /* overwritten first */

struct secret_info { /* borrowed until the vault changes */
	const char *context, *name;
	uint64_t version; /* 1 at first, greater after each vault_set */
	usec_wall changed;
};

/* Copies the key.  ERR_SYSTEM: libsodium or locked memory is not to be had. */
enum err vault_new(const unsigned char key[VAULT_KEY_BYTES], struct vault **out, struct error *e);
void vault_free(struct vault *v);

/* Context NULL: "default".  ERR_INVALID names what is wrong with name or size. */
enum err vault_set(struct vault *v, const char *context, const char *name, const void *value,
    size_t n, usec_wall now, uint64_t *version, struct error *e);
/* ERR_NOT_FOUND; ERR_STORAGE: it was sealed with another key, or changed since. */
enum err vault_get(struct vault *v, const char *context, const char *name, struct secret_value *out,
    struct error *e);
bool vault_remove(struct vault *v, const char *context, const char *name);
bool vault_info(
    const struct vault *v, const char *context, const char *name, struct secret_info *out);
bool vault_at(const struct vault *v, size_t i, struct secret_info *out); /* by context and name */
const char *vault_nearest(const struct vault *v, const char *context, const char *name);

/* The text of its file, which holds nothing in the clear but names, versions and times. */
void vault_write(const struct vault *v, struct str *out);
/* Into an empty vault.  ERR_STORAGE: no such file, or one of another key. */
enum err vault_read(struct vault *v, const char *text, struct error *e);
/* Everything sealed anew; on failure nothing has changed. */
enum err vault_change_key(
    struct vault *v, const unsigned char key[VAULT_KEY_BYTES], struct error *e);

#endif
