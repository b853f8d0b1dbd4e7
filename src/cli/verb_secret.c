/* verb_secret.c - secrets: set from standard input, listed by name. */
#include "cli/call.h"
#include "cli/out.h"
#include "cli/table.h"
#include "cli/times.h"
#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>
#include <termios.h>

#define VALUE_BYTES_MOST (256u << 10)

/* "context:NAME" or NAME. */
static json_t *which(const char *word)
{
	const char *colon = strchr(word, ':');

	return colon ? json_pack("{s:s%, s:s}", "context", word, (size_t)(colon - word), "name",
			   colon + 1)
		     : json_pack("{s:s}", "name", word);
}

/* A word of the command line is seen by everybody (ps), so the value is read; without echo. */
static bool read_value(const char *name, struct str *out)
{
	struct termios before, quiet;
	const bool is_terminal = isatty(0) && tcgetattr(0, &before) == 0;
	char buffer[4096];
	size_t n;

	if (is_terminal) {
		fprintf(stderr, "value of %s: ", name);
		quiet = before;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(0, TCSAFLUSH, &quiet);
		if (fgets(buffer, sizeof(buffer), stdin))
			str_add(out, buffer);
		tcsetattr(0, TCSAFLUSH, &before);
		fputc('\n', stderr);
	} else {
		while (
		    (n = fread(buffer, 1, sizeof(buffer), stdin)) > 0 && out->n <= VALUE_BYTES_MOST)
			str_add_n(out, buffer, n);
	}
	explicit_bzero(buffer, sizeof(buffer));
	if (out->n && out->s[out->n - 1] == '\n')
		out->s[--out->n] = '\0';
	return out->n > 0;
}

int verb_secret_set(struct cli *c)
{
	auto_str value = {0};
	int status;

	if (!read_value(c->args[0], &value)) {
		complain(
		    "no value on standard input; as in: printf %%s \"$VALUE\" | hero_proc secret "
		    "set %s",
		    c->args[0]);
		return err_exit_status(ERR_METHOD);
	}
	json_t *params = which(c->args[0]);
	json_t *text = json_stringn(value.s, value.n);
	explicit_bzero(value.s, value.n);
	if (!text) {
		complain("a value is UTF-8 text");
		json_decref(params);
		return err_exit_status(ERR_METHOD);
	}
	json_object_set_new(params, "value", text);
	json_t *answer = cli_call(c, "secret.set", params, &status);
	if (!answer)
		return status;
	if (c->json)
		return print_json(answer);
	if (!c->quiet)
		printf("%s is version %lld; who runs has the former one until its restart\n",
		    c->args[0], (long long)json_integer_value(json_object_get(answer, "version")));
	json_decref(answer);
	return 0;
}

int verb_secret_get(struct cli *c)
{
	int status;
	json_t *answer = cli_call(c, "secret.get", which(c->args[0]), &status);

	if (!answer)
		return status;
	if (c->json)
		return print_json(answer);
	const json_t *value = json_object_get(answer, "value");
	fwrite(json_string_value(value), 1, json_string_length(value), stdout);
	putchar('\n');
	json_decref(answer);
	return 0;
}

static char *holders_of(const json_t *secret)
{
	struct str out = {0};
	size_t i;
	json_t *h;

	json_array_foreach (json_object_get(secret, "old_holders"), i, h)
		str_fmt(
		    &out, "%s%s/%s", i ? ", " : "", text_of(h, "service"), text_of(h, "action"));
	return out.n ? str_take(&out) : text_dup("-");
}

int verb_secret_list(struct cli *c)
{
	struct table t = {0};
	int status;
	json_t *answer = cli_call(c, "secret.list", NULL, &status), *secret;
	size_t i;

	if (!answer)
		return status;
	if (c->json)
		return print_json(answer);
	table_row(&t, (const char *const[]){
			  "SECRET", "CONTEXT", "VERSION", "CHANGED", "OLD VALUE HELD BY", NULL});
	json_array_foreach (json_object_get(answer, "secrets"), i, secret) {
		auto_free char *age = times_age(text_of(secret, "changed")),
			       *held = holders_of(secret);
		auto_free char *version = text_fmt(
		    "%lld", (long long)json_integer_value(json_object_get(secret, "version")));
		table_row(&t, (const char *const[]){text_of(secret, "name"),
				  text_of(secret, "context"), version, age, held, NULL});
	}
	if (i) {
		table_print(&t);
		printf("protection: %s\n", text_of(answer, "protection"));
	} else {
		puts("no secret is set");
	}
	if (*text_of(answer, "trouble"))
		printf("they can not be read: %s\n", text_of(answer, "trouble"));
	strv_release(&t.cells);
	json_decref(answer);
	return 0;
}

static int do_one(struct cli *c, const char *method, json_t *take_params, const char *done)
{
	int status;
	json_t *answer = cli_call(c, method, take_params, &status);

	if (!answer)
		return status;
	if (c->json)
		return print_json(answer);
	if (!c->quiet)
		puts(done);
	json_decref(answer);
	return 0;
}

int verb_secret_delete(struct cli *c)
{
	return do_one(c, "secret.delete", which(c->args[0]),
	    "it is forgotten; who runs has it until its end");
}

int verb_secret_rekey(struct cli *c)
{
	return do_one(c, "secret.rekey", NULL, "every secret is sealed with another key");
}
