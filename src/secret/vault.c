#include "secret/vault.h"

#include <errno.h>
#include <jansson.h>
#include <sodium.h>

#define FORMAT	      1
#define NONCE_BYTES   crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_BYTES     crypto_aead_xchacha20poly1305_ietf_ABYTES
#define BASE64	      sodium_base64_VARIANT_ORIGINAL
#define CHECK_CONTEXT "" /* no context is called so: a value that tells the right key */
#define CHECK_NAME    "key check"

_Static_assert(VAULT_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "key");

struct sealed {
	unsigned char *bytes; /* nonce, ciphertext, tag */
	size_t n;
};

struct secret {
	char *context, *name;
	uint64_t version;
	usec_wall changed;
	struct sealed sealed;
};

struct vault {
	unsigned char *key; /* sodium_malloc */
	struct secret *v;   /* sorted by context, name */
	size_t n, cap;
};

static void secret_release(struct secret *s)
{
	free(s->context);
	free(s->name);
	free(s->sealed.bytes);
	*s = (struct secret){0};
}

void secret_value_release(struct secret_value *v)
{
	sodium_free(v->bytes); /* overwrites */
	*v = (struct secret_value){0};
}

static void *locked_memory(size_t n, struct error *e)
{
	void *p = sodium_malloc(n);

	if (!p)
		error_sys(e, errno, "memory for a secret");
	return p;
}

enum err vault_new(const unsigned char key[VAULT_KEY_BYTES], struct vault **out, struct error *e)
{
	if (sodium_init() < 0)
		return error_set(e, ERR_SYSTEM, "libsodium can not be used here");
	unsigned char *copy = locked_memory(VAULT_KEY_BYTES, e);
	if (!copy)
		return e->code;
	memcpy(copy, key, VAULT_KEY_BYTES);
	sodium_mprotect_readonly(copy);
	*out = mem_new(sizeof(**out));
	(*out)->key = copy;
	return ERR_OK;
}

static void clear(struct vault *v)
{
	for (size_t i = 0; i < v->n; i++)
		secret_release(&v->v[i]);
	free(v->v);
	v->v = NULL;
	v->n = v->cap = 0;
}

void vault_free(struct vault *v)
{
	if (!v)
		return;
	clear(v);
	sodium_free(v->key);
	free(v);
}

/* ---- sealing ---- */

/* What is authenticated beside the value: lengths first, so that no two triples are alike. */
static void add_identity(struct str *out, const char *context, const char *name, uint64_t version)
{
	str_fmt(out, "%zu:%s%zu:%s%llu", strlen(context), context, strlen(name), name,
	    (unsigned long long)version);
}

static struct sealed seal(
    const unsigned char *key, const struct secret *s, const void *value, size_t n)
{
	auto_str identity = {0};
	struct sealed out = {mem_new(NONCE_BYTES + n + TAG_BYTES), 0};
	unsigned long long written;

	add_identity(&identity, s->context, s->name, s->version);
	randombytes_buf(out.bytes, NONCE_BYTES);
	crypto_aead_xchacha20poly1305_ietf_encrypt(out.bytes + NONCE_BYTES, &written, value, n,
	    (const unsigned char *)identity.s, identity.n, NULL, out.bytes, key);
	out.n = NONCE_BYTES + (size_t)written;
	return out;
}

static enum err unseal(
    const unsigned char *key, const struct secret *s, struct secret_value *out, struct error *e)
{
	auto_str identity = {0};
	const size_t room = s->sealed.n - NONCE_BYTES - TAG_BYTES;
	auto_secret value = {.bytes = locked_memory(room + 1, e)};
	unsigned long long n;

	if (!value.bytes)
		return e->code;
	add_identity(&identity, s->context, s->name, s->version);
	if (crypto_aead_xchacha20poly1305_ietf_decrypt((unsigned char *)value.bytes, &n, NULL,
		s->sealed.bytes + NONCE_BYTES, s->sealed.n - NONCE_BYTES,
		(const unsigned char *)identity.s, identity.n, s->sealed.bytes, key) != 0)
		return error_set(e, ERR_STORAGE,
		    "secret `%s`: sealed with another key, or changed on the disk", s->name);
	value.bytes[n] = 0;
	*out = (struct secret_value){take(value.bytes), (size_t)n};
	return ERR_OK;
}

/* ---- the list ---- */

static int compare(const struct secret *s, const char *context, const char *name)
{
	const int c = strcmp(s->context, context);

	return c ? c : strcmp(s->name, name);
}

/* Where it is, or where it would be. */
static size_t position(const struct vault *v, const char *context, const char *name)
{
	size_t low = 0, high = v->n;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		if (compare(&v->v[middle], context, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static const char *context_of(const char *context)
{
	return context && *context ? context : "default";
}

static struct secret *find(const struct vault *v, const char *context, const char *name)
{
	const size_t i = position(v, context_of(context), name);

	return i < v->n && compare(&v->v[i], context_of(context), name) == 0 ? &v->v[i] : NULL;
}

static struct secret *insert(struct vault *v, const char *context, const char *name)
{
	const size_t i = position(v, context, name);

	vec_push(v);
	memmove(&v->v[i + 1], &v->v[i], (v->n - 1 - i) * sizeof(*v->v));
	v->v[i] = (struct secret){.context = text_dup(context), .name = text_dup(name)};
	return &v->v[i];
}

static enum err check(const char *name, size_t n, struct error *e)
{
	if (!*name || strlen(name) > 255)
		return error_set(e, ERR_INVALID, "a secret's name has 1 to 255 bytes");
	if (n > SECRET_VALUE_BYTES_MOST)
		return error_set(e, ERR_INVALID, "secret `%s`: %zu bytes; at most %u", name, n,
		    SECRET_VALUE_BYTES_MOST);
	return ERR_OK;
}

enum err vault_set(struct vault *v, const char *context, const char *name, const void *value,
    size_t n, usec_wall now, uint64_t *version, struct error *e)
{
	if (check(name, n, e))
		return e->code;
	struct secret *s = find(v, context, name);
	if (!s)
		s = insert(v, context_of(context), name);
	free(s->sealed.bytes);
	s->version++;
	s->changed = now;
	s->sealed = seal(v->key, s, value, n);
	*version = s->version;
	return ERR_OK;
}

enum err vault_get(struct vault *v, const char *context, const char *name, struct secret_value *out,
    struct error *e)
{
	const struct secret *s = find(v, context, name);

	if (!s)
		return error_set(
		    e, ERR_NOT_FOUND, "no secret `%s` in context `%s`", name, context_of(context));
	return unseal(v->key, s, out, e);
}

bool vault_remove(struct vault *v, const char *context, const char *name)
{
	struct secret *s = find(v, context, name);

	if (!s)
		return false;
	secret_release(s);
	memmove(s, s + 1, (size_t)(v->v + --v->n - s) * sizeof(*s));
	return true;
}

static struct secret_info info_of(const struct secret *s)
{
	return (struct secret_info){s->context, s->name, s->version, s->changed};
}

bool vault_info(
    const struct vault *v, const char *context, const char *name, struct secret_info *out)
{
	const struct secret *s = find(v, context, name);

	if (s)
		*out = info_of(s);
	return s != NULL;
}

bool vault_at(const struct vault *v, size_t i, struct secret_info *out)
{
	if (i >= v->n)
		return false;
	*out = info_of(&v->v[i]);
	return true;
}

const char *vault_nearest(const struct vault *v, const char *context, const char *name)
{
	const char **names = mem_new((v->n + 1) * sizeof(*names));
	size_t n = 0;

	for (size_t i = 0; i < v->n; i++)
		if (strcmp(v->v[i].context, context_of(context)) == 0)
			names[n++] = v->v[i].name;
	const char *near = text_nearest(name, names, n);
	free(names);
	return near;
}

enum err vault_change_key(
    struct vault *v, const unsigned char key[VAULT_KEY_BYTES], struct error *e)
{
	struct vault *next;

	if (vault_new(key, &next, e))
		return e->code;
	for (size_t i = 0; i < v->n; i++) {
		struct secret *s = insert(next, v->v[i].context, v->v[i].name);
		auto_secret value = {0};
		if (unseal(v->key, &v->v[i], &value, e)) {
			vault_free(next);
			return e->code;
		}
		s->version = v->v[i].version;
		s->changed = v->v[i].changed;
		s->sealed = seal(next->key, s, value.bytes, value.n);
	}
	const struct vault former = *v;
	*v = *next;
	*next = former;
	vault_free(next);
	return ERR_OK;
}

/* ---- its file ---- */

static char *base64_of(const struct sealed *s)
{
	const size_t room = sodium_base64_encoded_len(s->n, BASE64);
	char *text = mem_new(room);

	return sodium_bin2base64(text, room, s->bytes, s->n, BASE64);
}

static bool sealed_of(const char *text, struct sealed *out)
{
	const size_t room = strlen(text);
	unsigned char *bytes = mem_new(room + 1);
	size_t n = 0;

	if (sodium_base642bin(bytes, room, text, room, NULL, &n, NULL, BASE64) != 0 ||
	    n < NONCE_BYTES + TAG_BYTES) {
		free(bytes);
		return false;
	}
	*out = (struct sealed){bytes, n};
	return true;
}

static json_t *row_of(const struct secret *s)
{
	auto_free char *sealed = base64_of(&s->sealed);

	return json_pack("{s:s, s:s, s:I, s:I, s:s}", "context", s->context, "name", s->name,
	    "version", (json_int_t)s->version, "changed", (json_int_t)s->changed, "sealed", sealed);
}

static json_t *key_check(const struct vault *v)
{
	struct secret s = {.context = text_dup(CHECK_CONTEXT), .name = text_dup(CHECK_NAME)};

	s.sealed = seal(v->key, &s, "", 0);
	auto_free char *text = base64_of(&s.sealed);
	secret_release(&s);
	return json_string(text);
}

void vault_write(const struct vault *v, struct str *out)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < v->n; i++)
		json_array_append_new(rows, row_of(&v->v[i]));
	json_t *file = json_pack(
	    "{s:i, s:o, s:o}", "format", FORMAT, "key_check", key_check(v), "secrets", rows);
	auto_free char *text = json_dumps(file, JSON_INDENT(1));
	str_add(out, text);
	str_add_char(out, '\n');
	json_decref(file);
}

static bool add_row(struct vault *v, const json_t *row)
{
	const char *context, *name, *text;
	json_int_t version, changed;
	struct sealed sealed;

	if (json_unpack((json_t *)(uintptr_t)row, "{s:s, s:s, s:I, s:I, s:s}", "context", &context,
		"name", &name, "version", &version, "changed", &changed, "sealed", &text) != 0 ||
	    version < 1 || find(v, context, name) || !sealed_of(text, &sealed))
		return false;
	struct secret *s = insert(v, context, name);
	s->version = (uint64_t)version;
	s->changed = changed;
	s->sealed = sealed;
	return true;
}

static enum err check_key(const struct vault *v, const json_t *file, struct error *e)
{
	const char *text = json_string_value(json_object_get(file, "key_check"));
	struct secret s = {.context = text_dup(CHECK_CONTEXT), .name = text_dup(CHECK_NAME)};
	auto_secret nothing = {0};
	enum err err = ERR_OK;

	if (!text || !sealed_of(text, &s.sealed))
		err = error_set(e, ERR_STORAGE, "it is broken");
	else if (unseal(v->key, &s, &nothing, e))
		err = error_set(e, ERR_STORAGE, "it was sealed with another key");
	secret_release(&s);
	return err;
}

static enum err read_rows(struct vault *v, const json_t *file, struct error *e)
{
	size_t i;
	json_t *row;

	if (json_integer_value(json_object_get(file, "format")) != FORMAT)
		return error_set(e, ERR_STORAGE, "its format is not known to this version");
	if (check_key(v, file, e))
		return e->code;
	json_array_foreach (json_object_get(file, "secrets"), i, row)
		if (!add_row(v, row))
			return error_set(e, ERR_STORAGE, "entry %zu is broken", i + 1);
	return ERR_OK;
}

enum err vault_read(struct vault *v, const char *text, struct error *e)
{
	json_error_t je;
	json_t *file = json_loads(text, JSON_REJECT_DUPLICATES, &je);
	enum err err = file ? read_rows(v, file, e)
			    : error_set(e, ERR_STORAGE, "line %d: %s", je.line, je.text);

	if (err) {
		clear(v);
		error_wrap(e, "the file of secrets");
	}
	json_decref(file);
	return err;
}
