/*
 * secrets.h - the secrets of this supervisor: secret/vault.h on its disk.
 *
 * STATE/secrets holds the sealed values, STATE/secrets.key the key, unless systemd gives one
 * ($CREDENTIALS_DIRECTORY/hero_proc.key).  Key and file are made with the first secret.  A
 * change is written beside the loop, one after the other, and answered when it is durable; one
 * that can not be written is taken back.
 *
 * Loop thread.  Owner: the daemon.  Depends on: base, secret, server/host/background.h.
 */
#ifndef HP_SERVER_HOST_SECRETS_H
#define HP_SERVER_HOST_SECRETS_H

#include "secret/key_file.h"
#include "secret/vault.h"

struct background;
struct secrets;

struct secrets *secrets_new(const char *state, struct background *background);
void secrets_free(struct secrets *s);

/* Why stored secrets can not be read; NULL: they can. */
const char *secrets_trouble(const struct secrets *s);
enum key_source secrets_key_source(const struct secrets *s);

enum err secrets_get(struct secrets *s, const char *context, const char *name,
    struct secret_value *out, struct error *e);
bool secrets_at(const struct secrets *s, size_t i, struct secret_info *out);

/* Called once, on the loop; `version` 0: it was removed. */
typedef void (*secrets_done_fn)(void *ctx, const struct error *e, uint64_t version);
/* `value` NULL removes.  ERR_NOT_FOUND when there is nothing to remove. */
void secrets_change(struct secrets *s, const char *context, const char *name, const char *value,
    size_t n, secrets_done_fn done, void *ctx);
/* Another key, everything sealed anew; not where the key is a credential. */
void secrets_change_key(struct secrets *s, secrets_done_fn done, void *ctx);

#endif
