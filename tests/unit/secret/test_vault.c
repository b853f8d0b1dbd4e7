#include "secret/key_file.h"
#include "secret/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <cmocka.h>

static const unsigned char key_a[VAULT_KEY_BYTES] = {1}, key_b[VAULT_KEY_BYTES] = {2};

static struct vault *with_key(const unsigned char *key)
{
	struct vault *v;
	struct error e;

	assert_int_equal(vault_new(key, &v, &e), ERR_OK);
	return v;
}

static uint64_t set(struct vault *v, const char *context, const char *name, const char *value)
{
	uint64_t version;
	struct error e;

	assert_int_equal(
	    vault_set(v, context, name, value, strlen(value), 5, &version, &e), ERR_OK);
	return version;
}

static void has(struct vault *v, const char *context, const char *name, const char *value)
{
	auto_secret got = {0};
	struct error e = {0};

	if (vault_get(v, context, name, &got, &e) != ERR_OK)
		fail_msg("%s", e.msg);
	assert_string_equal(got.bytes, value);
	assert_int_equal(got.n, strlen(value));
}

static void a_value_is_of_its_context_and_its_version_grows(void **state)
{
	struct vault *v = with_key(key_a);
	struct secret_info info;
	auto_secret nothing = {0};
	struct error e;

	(void)state;
	assert_int_equal(set(v, NULL, "password", "one"), 1);
	assert_int_equal(set(v, "prod", "password", "two"), 1);
	assert_int_equal(set(v, NULL, "password", "three"), 2);
	has(v, "default", "password", "three");
	has(v, "prod", "password", "two");
	assert_true(vault_at(v, 1, &info));
	assert_string_equal(info.context, "prod");
	assert_false(vault_at(v, 2, &info));
	assert_int_equal(vault_get(v, "prod", "passwort", &nothing, &e), ERR_NOT_FOUND);
	assert_string_equal(vault_nearest(v, "prod", "passwort"), "password");
	assert_true(vault_remove(v, NULL, "password"));
	assert_false(vault_remove(v, NULL, "password"));
	vault_free(v);
}

static void its_file_holds_nothing_in_the_clear_and_is_read_back(void **state)
{
	struct vault *v = with_key(key_a), *w = with_key(key_a);
	auto_str text = {0};
	struct error e = {0};

	(void)state;
	set(v, NULL, "token", "correct horse battery staple");
	set(v, NULL, "empty", "");
	vault_write(v, &text);
	assert_null(strstr(text.s, "horse"));
	assert_int_equal(vault_read(w, text.s, &e), ERR_OK);
	has(w, NULL, "token", "correct horse battery staple");
	has(w, NULL, "empty", "");
	vault_free(v);
	vault_free(w);
}

static void another_key_reads_nothing(void **state)
{
	struct vault *v = with_key(key_a), *w = with_key(key_b);
	auto_str text = {0};
	struct error e = {0};
	struct secret_info info;

	(void)state;
	vault_write(v, &text); /* an empty one tells, too */
	assert_int_equal(vault_read(w, text.s, &e), ERR_STORAGE);
	assert_non_null(strstr(e.msg, "another key"));
	assert_false(vault_at(w, 0, &info));
	vault_free(v);
	vault_free(w);
}

/* Whoever can write the file can not give one service the secret of another. */
static void a_sealed_value_under_another_name_is_refused(void **state)
{
	struct vault *v = with_key(key_a), *w = with_key(key_a);
	auto_str text = {0};
	auto_secret got = {0};
	struct error e = {0};

	(void)state;
	set(v, NULL, "aaaa", "value");
	vault_write(v, &text);
	memcpy(strstr(text.s, "aaaa"), "bbbb", 4);
	assert_int_equal(vault_read(w, text.s, &e), ERR_OK);
	assert_int_equal(vault_get(w, NULL, "bbbb", &got, &e), ERR_STORAGE);
	vault_free(v);
	vault_free(w);
}

static void a_broken_file_is_refused_at_every_length(void **state)
{
	struct vault *v = with_key(key_a), *w = with_key(key_a);
	auto_str text = {0};
	struct error e = {0};
	struct secret_info info;

	(void)state;
	set(v, NULL, "a", "value");
	vault_write(v, &text);
	for (size_t n = 0; n + 2 < text.n; n++) {
		auto_free char *cut = text_dup_n(text.s, n);
		assert_int_equal(vault_read(w, cut, &e), ERR_STORAGE);
		assert_false(vault_at(w, 0, &info));
	}
	vault_free(v);
	vault_free(w);
}

static void a_changed_key_keeps_values_and_versions(void **state)
{
	struct vault *v = with_key(key_a), *w = with_key(key_b);
	auto_str text = {0};
	struct error e = {0};

	(void)state;
	set(v, NULL, "a", "one");
	set(v, NULL, "a", "two");
	assert_int_equal(vault_change_key(v, key_b, &e), ERR_OK);
	vault_write(v, &text);
	assert_int_equal(vault_read(w, text.s, &e), ERR_OK);
	has(w, NULL, "a", "two");
	assert_int_equal(set(w, NULL, "a", "three"), 3);
	vault_free(v);
	vault_free(w);
}

static void what_is_too_large_or_has_no_name_is_refused(void **state)
{
	struct vault *v = with_key(key_a);
	static char large[SECRET_VALUE_BYTES_MOST + 1];
	uint64_t version;
	struct error e;

	(void)state;
	assert_int_equal(
	    vault_set(v, NULL, "a", large, sizeof(large), 0, &version, &e), ERR_INVALID);
	assert_int_equal(vault_set(v, NULL, "", "x", 1, 0, &version, &e), ERR_INVALID);
	vault_free(v);
}

static void a_key_is_made_once_and_refused_when_others_may_read_it(void **state)
{
	char folder[] = "/tmp/vault_test.XXXXXX";
	unsigned char first[VAULT_KEY_BYTES], again[VAULT_KEY_BYTES];
	enum key_source source;
	struct error e = {0};
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(folder));
	auto_free char *path = text_fmt("%s/secrets.key", folder);
	assert_int_equal(key_file_read(path, NULL, false, first, &source, &e), ERR_NOT_FOUND);
	e = (struct error){0};
	assert_int_equal(key_file_read(path, NULL, true, first, &source, &e), ERR_OK);
	assert_int_equal(e.code, ERR_OK); /* left alone */
	assert_int_equal(key_file_read(path, folder, true, again, &source, &e), ERR_OK);
	assert_memory_equal(first, again, VAULT_KEY_BYTES);
	assert_int_equal(source, KEY_OF_FILE);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(key_file_read(path, NULL, true, again, &source, &e), ERR_STORAGE);
	auto_free char *credential = text_fmt("%s/%s", folder, KEY_CREDENTIAL_NAME);
	assert_int_equal(rename(path, credential), 0);
	assert_int_equal(key_file_read(path, folder, true, again, &source, &e), ERR_OK);
	assert_int_equal(source, KEY_OF_CREDENTIAL);
	unlink(credential);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_value_is_of_its_context_and_its_version_grows),
	    cmocka_unit_test(its_file_holds_nothing_in_the_clear_and_is_read_back),
	    cmocka_unit_test(another_key_reads_nothing),
	    cmocka_unit_test(a_sealed_value_under_another_name_is_refused),
	    cmocka_unit_test(a_broken_file_is_refused_at_every_length),
	    cmocka_unit_test(a_changed_key_keeps_values_and_versions),
	    cmocka_unit_test(what_is_too_large_or_has_no_name_is_refused),
	    cmocka_unit_test(a_key_is_made_once_and_refused_when_others_may_read_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
