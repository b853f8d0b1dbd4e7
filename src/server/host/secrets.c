#include "server/host/secrets.h"

#include "server/host/background.h"
#include "server/host/clock.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>

#define FILE_BYTES_MOST (64u << 20)

/* One change, from its request to its answer. */
struct change {
	struct secrets *secrets;
	struct change *next;
	char *context, *name;
	struct secret_value value; /* bytes NULL: remove */
	bool is_key;
	unsigned char key[VAULT_KEY_BYTES];
	secrets_done_fn done;
	void *ctx;
	uint64_t version;
	struct str before, after; /* the file's text */
	struct error error;
};

struct secrets {
	struct background *background;
	char *path, *key_path, *trouble;
	enum key_source source;
	struct vault *vault;	      /* NULL: there is none yet */
	struct change *first, **last; /* the first is under way */
};

static bool read_text_file(const char *path, struct str *out)
{
	char buffer[16384];
	FILE *f = fopen(path, "re");
	size_t n;

	while (f && (n = fread(buffer, 1, sizeof(buffer), f)) > 0 && out->n < FILE_BYTES_MOST)
		str_add_n(out, buffer, n);
	const bool ok = f && !ferror(f);
	if (f)
		fclose(f);
	return ok;
}

static enum err open_vault(struct secrets *s, bool make, struct error *e)
{
	unsigned char key[VAULT_KEY_BYTES];

	if (key_file_read(s->key_path, getenv("CREDENTIALS_DIRECTORY"), make, key, &s->source, e))
		return e->code;
	const enum err err = vault_new(key, &s->vault, e);
	sodium_memzero(key, sizeof(key));
	return err;
}

/* What is there at the start; nothing there is no trouble. */
static enum err load(struct secrets *s, struct error *e)
{
	auto_str text = {0};

	if (access(s->path, F_OK) != 0 && errno == ENOENT)
		return ERR_OK;
	if (open_vault(s, false, e))
		return e->code;
	if (!read_text_file(s->path, &text))
		return error_sys(e, errno, "%s", s->path);
	return vault_read(s->vault, str_text(&text), e);
}

struct secrets *secrets_new(const char *state, struct background *background)
{
	struct secrets *s = mem_new(sizeof(*s));
	struct error e = {0};

	*s = (struct secrets){.background = background,
	    .path = text_fmt("%s/secrets", state),
	    .key_path = text_fmt("%s/secrets.key", state),
	    .last = &s->first};
	if (load(s, &e)) {
		s->trouble = text_dup(e.msg);
		vault_free(take(s->vault));
	}
	return s;
}

static void change_free(struct change *c)
{
	free(c->context);
	free(c->name);
	secret_value_release(&c->value);
	sodium_memzero(c->key, sizeof(c->key));
	str_release(&c->before);
	str_release(&c->after);
	free(c);
}

void secrets_free(struct secrets *s)
{
	if (!s)
		return;
	vault_free(s->vault);
	free(s->path);
	free(s->key_path);
	free(s->trouble);
	free(s);
}

const char *secrets_trouble(const struct secrets *s)
{
	return s->trouble;
}

enum key_source secrets_key_source(const struct secrets *s)
{
	return s->source;
}

enum err secrets_get(struct secrets *s, const char *context, const char *name,
    struct secret_value *out, struct error *e)
{
	if (s->trouble)
		return error_set(e, ERR_STORAGE, "secret `%s`: %s", name, s->trouble);
	if (s->vault && vault_get(s->vault, context, name, out, e) == ERR_OK)
		return ERR_OK;
	if (s->vault && e->code != ERR_NOT_FOUND)
		return e->code;
	const char *near = s->vault ? vault_nearest(s->vault, context, name) : NULL;
	return error_set(e, ERR_NOT_FOUND,
	    "there is no secret `%s` in context `%s`%s%s%s; hero_proc secret set %s", name,
	    context ? context : "default", near ? ", did you mean `" : "", near ? near : "",
	    near ? "`?" : "", name);
}

bool secrets_at(const struct secrets *s, size_t i, struct secret_info *out)
{
	return s->vault && vault_at(s->vault, i, out);
}

/* ---- changes, one after the other ---- */

static void write_file(void *ctx)
{
	struct change *c = ctx;
	struct secrets *s = c->secrets;

	/* A key that is not durable would make what it seals unreadable, so it goes first; the
	 * former one seals nothing that is needed once the file is there. */
	if (c->is_key && key_file_replace(s->key_path, c->key, VAULT_KEY_BYTES, &c->error))
		return;
	(void)!key_file_replace(s->path, c->after.s, c->after.n, &c->error);
}

static void begin_next(struct secrets *s);

static void finish(struct change *c)
{
	struct secrets *s = c->secrets;

	s->first = c->next;
	if (!s->first)
		s->last = &s->first;
	c->done(c->ctx, &c->error, c->version);
	change_free(c);
	begin_next(s);
}

/* Back to what the disk has. */
static void take_back(struct change *c)
{
	struct secrets *s = c->secrets;
	struct error e = {0};
	struct vault *former = NULL;
	unsigned char key[VAULT_KEY_BYTES];

	if (key_file_read(s->key_path, getenv("CREDENTIALS_DIRECTORY"), false, key, &s->source,
		&e) == ERR_OK &&
	    vault_new(key, &former, &e) == ERR_OK &&
	    vault_read(former, str_text(&c->before), &e) == ERR_OK) {
		vault_free(s->vault);
		s->vault = former;
	} else {
		vault_free(former);
		text_set(&s->trouble, e.msg);
	}
	sodium_memzero(key, sizeof(key));
}

static void on_written(void *ctx)
{
	struct change *c = ctx;

	if (c->error.code)
		take_back(c);
	finish(c);
}

static enum err apply(struct change *c)
{
	struct secrets *s = c->secrets;
	struct error *e = &c->error;

	if (s->trouble)
		return error_set(e, ERR_STORAGE, "%s", s->trouble);
	if (!s->vault && open_vault(s, true, e))
		return e->code;
	vault_write(s->vault, &c->before);
	if (c->is_key) {
		if (s->source == KEY_OF_CREDENTIAL)
			return error_set(e, ERR_INVALID_STATE,
			    "the key is a credential of systemd: change it there");
		randombytes_buf(c->key, sizeof(c->key));
		if (vault_change_key(s->vault, c->key, e))
			return e->code;
	} else if (c->value.bytes) {
		if (vault_set(s->vault, c->context, c->name, c->value.bytes, c->value.n,
			clock_wall(), &c->version, e))
			return e->code;
	} else if (!vault_remove(s->vault, c->context, c->name)) {
		return error_set(e, ERR_NOT_FOUND, "there is no secret `%s` in context `%s`",
		    c->name, c->context ? c->context : "default");
	}
	vault_write(s->vault, &c->after);
	return ERR_OK;
}

static void begin_next(struct secrets *s)
{
	struct change *c = s->first;

	if (!c)
		return;
	if (apply(c))
		finish(c);
	else
		background_run(s->background, write_file, on_written, c);
}

static void add_change(struct change *c)
{
	struct secrets *s = c->secrets;
	const bool is_idle = !s->first;

	*s->last = c;
	s->last = &c->next;
	if (is_idle)
		begin_next(s);
}

void secrets_change(struct secrets *s, const char *context, const char *name, const char *value,
    size_t n, secrets_done_fn done, void *ctx)
{
	struct change *c = mem_new(sizeof(*c));

	*c = (struct change){.secrets = s,
	    .context = text_dup(context),
	    .name = text_dup(name),
	    .done = done,
	    .ctx = ctx};
	if (value && sodium_init() >= 0 && (c->value.bytes = sodium_malloc(n + 1))) {
		memcpy(c->value.bytes, value, n);
		c->value.bytes[n] = '\0';
		c->value.n = n;
	} else if (value) {
		error_sys(&c->error, ENOMEM, "memory for a secret");
		done(ctx, &c->error, 0);
		change_free(c);
		return;
	}
	add_change(c);
}

void secrets_change_key(struct secrets *s, secrets_done_fn done, void *ctx)
{
	struct change *c = mem_new(sizeof(*c));

	*c = (struct change){.secrets = s, .is_key = true, .done = done, .ctx = ctx};
	add_change(c);
}
