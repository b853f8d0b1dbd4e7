#include "manifest/judge.h"

#include "base/regex.h"
#include "model/definition.h"
#include "model/log_policy.h"
#include "model/rlimits.h"
#include "model/signals.h"

#include <stdio.h>

static const char *text_of(const void *text)
{
	return *(char *const *)text;
}

/* The entry of a list, told under the key of the list. */
static struct node entry(const struct node *list, size_t i)
{
	const struct node *c = list->kind == NODE_ARRAY ? list->first : NULL;

	while (c && i--)
		c = c->next;
	struct node at = c ? *c : *list;
	at.key = list->key;
	return at;
}

bool judge_signal(struct reader *r, const void *text, const struct node *n)
{
	if (signal_parse(text_of(text)))
		return true;
	reader_error(r, n, "a name as in signal(7), such as SIGTERM, or a number",
	    "`%s`: `%s` is no signal", n->key, text_of(text));
	return false;
}

/* A word that begins like a signal is meant as one; all else is a command. */
bool judge_reload(struct reader *r, const void *command, const struct node *n)
{
	const char *text = ((const struct command *)command)->text;

	if (!text || strncmp(text, "SIG", 3) != 0 || signal_parse(text))
		return true;
	reader_error(
	    r, n, "a signal such as SIGHUP, or a command", "`%s`: `%s` is no signal", n->key, text);
	return false;
}

bool judge_exit_codes(struct reader *r, const void *strv, const struct node *n)
{
	const struct strv *l = strv;
	int code, signo;

	for (size_t i = 0; i < l->n; i++) {
		struct node at = entry(n, i);

		if (exit_code_parse(l->v[i], &code, &signo))
			continue;
		reader_error(r, &at, "0 to 255, or a signal such as SIGTERM",
		    "`%s`: `%s` is neither an exit status nor a signal", n->key, l->v[i]);
		return false;
	}
	return true;
}

/* Written as a table, each limit has a place of its own. */
static const struct node *limit_node(const struct node *n, const char *name)
{
	const struct node *own = n->kind == NODE_TABLE ? node_get(n, name) : NULL;

	return own ? own : n;
}

bool judge_limits(struct reader *r, const void *env, const struct node *n)
{
	const struct env_list *l = env;
	bool ok = true;

	for (size_t i = 0; i < l->n; i++) {
		const char *name = l->v[i].name, *value = l->v[i].value ? l->v[i].value : "";
		const struct node *at = limit_node(n, name);
		int resource;
		rlim_t soft, hard;

		if (!rlimit_name_parse(name, &resource)) {
			reader_error(r, at, "nofile, nproc, core, as, cpu, ... as in setrlimit(2)",
			    "`%s`: there is no limit `%s`", n->key, name);
			ok = false;
		} else if (!rlimit_value_parse(value, &soft, &hard)) {
			reader_error(r, at,
			    "a number or \"unlimited\", or two of them: \"1024:4096\"",
			    "`%s`: `%s = %s` is not soft or soft:hard", n->key, name, value);
			ok = false;
		}
	}
	return ok;
}

bool judge_log(struct reader *r, const void *env, const struct node *n)
{
	const struct env_list *l = env;
	struct log_policy_def ignored;
	bool ok = true;

	for (size_t i = 0; i < l->n; i++) {
		const char *name = l->v[i].name, *value = l->v[i].value ? l->v[i].value : "";
		const char *right = log_policy_entry(&ignored, name, value);

		if (!right)
			continue;
		reader_error(r, limit_node(n, name), right, "`%s`: `%s = %s` is not understood",
		    n->key, name, value);
		ok = false;
	}
	return ok;
}

bool judge_umask(struct reader *r, const void *text, const struct node *n)
{
	const char *t = text_of(text);
	size_t digits = strspn(t, "01234567");

	if (digits >= 1 && digits <= 4 && !t[digits] && strtol(t, NULL, 8) <= 0777)
		return true;
	reader_error(r, n, "write \"022\"", "`%s`: `%s` is not octal", n->key, t);
	return false;
}

bool judge_regex(struct reader *r, const void *text, const struct node *n)
{
	struct regex *re = NULL;
	struct error e = {0};

	if (regex_new(text_of(text), &re, &e)) {
		reader_error(
		    r, n, "the syntax is that of pcre2pattern(3)", "`%s`: %s", n->key, e.msg);
		return false;
	}
	regex_free(re);
	return true;
}

bool regex_matches_everything(const char *expression)
{
	static const char *const lines[] = {"x", "\x01", "0", " ", "\t~"};
	struct regex *re;
	struct error ignored;
	size_t hits = 0;

	if (regex_new(expression, &re, &ignored))
		return false; /* refused already */
	for (size_t i = 0; i < countof(lines); i++)
		hits += regex_match(re, lines[i], strlen(lines[i])) == 1;
	regex_free(re);
	return hits == countof(lines);
}
