/*
 * manifest_fuzz.c - any bytes are a manifest or an error with a place.
 *
 * What is accepted survives the store and the TOML writer with the same meaning.
 * Under clang this is a libFuzzer target (-fsanitize=fuzzer -DFUZZER); under gcc
 * main() replays the inputs below, and every file named on the command line.
 */
#include "manifest/manifest.h"

#include <assert.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_store(const struct service_def *s, const char *meaning)
{
	json_t *stored = service_def_stored(s);
	struct service_def back;
	struct diags d = {0};

	assert(service_def_read_json(stored, "store", true, &d, &back));
	auto_free char *again = service_def_meaning(&back);
	assert(strcmp(meaning, again) == 0);
	service_def_release(&back);
	diags_release(&d);
	json_decref(stored);
}

static void check_writer(const struct service_def *s, const char *meaning)
{
	auto_str text = {0};
	struct manifest m;
	struct diags d = {0};
	struct error e = {0};

	manifest_write(s, &text);
	enum err code = manifest_read(str_text(&text), text.n,
	    &(struct manifest_options){.path = "web/service.toml"}, &m, &d, &e);
	if (code == ERR_OK) {
		auto_free char *again = service_def_meaning(&m.v[0]);
		assert(m.n == 1 && strcmp(meaning, again) == 0);
	} else if (text.n < 1u << 19) {
		fprintf(stderr, "%s\n%s", e.msg, str_text(&text));
		abort();
	}
	manifest_release(&m);
	diags_release(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct manifest m;
	struct diags d = {0};
	struct error e = {0};
	auto_str out = {0};
	enum err code = manifest_read((const char *)data, n,
	    &(struct manifest_options){.path = "web/service.toml"}, &m, &d, &e);

	assert((code != ERR_OK) == diags_has_error(&d));
	assert(code == ERR_OK ? m.n > 0 : m.n == 0);
	for (size_t i = 0; i < d.n; i++) {
		assert(d.v[i].line > 0);
		diag_print(&d.v[i], &out);
	}
	for (size_t i = 0; i < m.n && i < 4; i++) {
		auto_free char *meaning = service_def_meaning(&m.v[i]);

		check_store(&m.v[i], meaning);
		check_writer(&m.v[i], meaning);
	}
	manifest_release(&m);
	diags_release(&d);
	return 0;
}

#ifndef FUZZER
static const char *const inputs[] = {
    "",
    "[service]\nname = \"a\"\nrequires = [\"b\", {name = \"c\", timeout = \"1h30m\"}]\nconflicts = "
    "[\"d\"]\n",
    "[[binaries]]\nname = \"w\"\n[[dependencies]]\nrepo = \"o/r\"\nbin_name = \"b\"\nsocket_name = "
    "\"rpc.sock\"\n",
    "[[binaries]]\nname = \"w\"\n[[dependencies]]\nbin = \"b\"\nkind = [\"wants\", "
    "\"after\"]\nwhen = {env = \"A\", is = \"b\"}\n",
    "[service]\nname = \"z\"\nexec = \"sleep 9\"\n[lifecycle]\nrestart = "
    "\"on-failure\"\nmax_restarts = 0\n",
    "[[binaries]]\nname = \"w\"\nkind = \"job\"\nexec = [\"/bin/true\", \"\\u00e9\"]\nretry_policy "
    "= {jitter = 0.5}\n",
    "[[binaries]]\nname = \"w\"\nreadiness = {fd = 3}\nlimits = {nofile = \"10:20\"}\numask = "
    "\"022\"\n",
    "[[binaries]]\nname = \"w\"\n[[binaries.sockets]]\nname = \"rpc.sock\"\n[[binaries.tcp]]\nport "
    "= 8080\n",
    "\xef\xbb\xbf[[binaries]]\r\nname = \"w\"\r\nxx = 1979-05-27T07:32:00Z\r\n",
    "[[dependencies]]\nbin = [[[[1]]]]\n[dependencies]\n",
    "name = \"x\nexec = 1\n",
    "\xff\xfe\n",
};

static void replay(const char *path)
{
	static char text[2 << 20];
	FILE *f = fopen(path, "rb");

	if (!f)
		return;
	size_t n = fread(text, 1, sizeof(text), f);
	fclose(f);
	LLVMFuzzerTestOneInput((const uint8_t *)text, n);
}

int main(int argc, char **argv)
{
	for (size_t i = 0; i < countof(inputs); i++)
		LLVMFuzzerTestOneInput((const uint8_t *)inputs[i], strlen(inputs[i]));
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	return 0;
}
#endif
