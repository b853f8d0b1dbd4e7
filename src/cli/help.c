#include "cli/help.h"

#include "cli/options.h"
#include "cli/out.h"

/* ---- finding -------------------------------------------------------------------------- */

static bool has_name(const struct verb *v, const char *name)
{
	size_t n = strlen(name);

	if (strcmp(v->name, name) == 0)
		return true;
	for (const char *at = v->also; at && *at; at += strcspn(at, ","), at += *at == ',')
		if (strcspn(at, ",") == n && strncmp(at, name, n) == 0)
			return true;
	return false;
}

const struct verb *help_find(const struct cli *c, char *const *words, int n, int *used)
{
	for (int take = n < 2 ? n : 2; take > 0; take--) {
		auto_free char *name =
		    take == 2 ? text_fmt("%s %s", words[0], words[1]) : text_dup(words[0]);

		for (size_t i = 0; i < c->n_verbs; i++)
			if (has_name(&c->verbs[i], name)) {
				*used = take;
				return &c->verbs[i];
			}
	}
	return NULL;
}

/* Each name of each verb. */
static void all_names(const struct cli *c, struct strv *out)
{
	for (size_t i = 0; i < c->n_verbs; i++) {
		strv_add(out, c->verbs[i].name);
		for (const char *at = c->verbs[i].also; at && *at;
		     at += strcspn(at, ","), at += *at == ',')
			strv_take(out, text_dup_n(at, strcspn(at, ",")));
	}
}

static bool begins_with_word(const char *name, const char *word)
{
	size_t n = strlen(word);

	return strncmp(name, word, n) == 0 && name[n] == ' ';
}

bool help_is_group(const struct cli *c, const char *word)
{
	struct strv names = {0};
	bool found = false;

	all_names(c, &names);
	for (size_t i = 0; i < names.n && !found; i++)
		found = begins_with_word(names.v[i], word);
	strv_release(&names);
	return found;
}

/* ---- what people of other tools type -------------------------------------------------- */

static const struct {
	const char *word, *ours;
} elsewhere[] = {{"enable", "hero_proc wanted NAME start"},
    {"disable", "hero_proc wanted NAME stop"}, {"log", "hero_proc logs NAME"},
    {"journalctl", "hero_proc logs NAME"}, {"tail", "hero_proc logs NAME -f"},
    {"show", "hero_proc status NAME"}, {"cat", "hero_proc service get NAME"},
    {"inspect", "hero_proc service get NAME"}, {"describe", "hero_proc status NAME"},
    {"add", "hero_proc register FILE"}, {"install", "hero_proc register FILE"},
    {"rm", "hero_proc delete NAME"}, {"remove", "hero_proc delete NAME"},
    {"daemon-reload", "hero_proc apply DIR"}, {"reread", "hero_proc diff DIR"},
    {"update", "hero_proc apply DIR"}, {"init", "hero_proc up DIR"},
    {"deps", "hero_proc tree NAME"}, {"list-dependencies", "hero_proc tree NAME"},
    {"is-active", "hero_proc status NAME"}, {"signal", "hero_proc kill NAME --signal HUP"},
    {"exit", "hero_proc shutdown"}, {"quit", "hero_proc shutdown"},
    {"validate", "hero_proc check FILE"}, {"config", "hero_proc check FILE"},
    {"ping", "hero_proc health"}, {"info", "hero_proc health"}, {"jobs", "hero_proc run list"}};

static const char *word_of_ours(const char *word)
{
	for (size_t i = 0; i < countof(elsewhere); i++)
		if (strcmp(elsewhere[i].word, word) == 0)
			return elsewhere[i].ours;
	return NULL;
}

/* The nearest name of a verb, or group of verbs; the caller frees. */
static char *nearest(const struct cli *c, const char *word, bool with_groups)
{
	struct strv names = {0};

	all_names(c, &names);
	for (uint32_t i = 0, n = names.n; with_groups && i < n; i++)
		if (strchr(names.v[i], ' '))
			strv_take(&names, text_dup_n(names.v[i], strcspn(names.v[i], " ")));
	char *found = text_dup(text_nearest(word, (const char *const *)names.v, names.n));
	strv_release(&names);
	return found;
}

int help_unknown(const struct cli *c, char *const *words, int n)
{
	bool group = help_is_group(c, words[0]);
	auto_free char *word =
	    group && n > 1 ? text_fmt("%s %s", words[0], words[1]) : text_dup(words[0]);
	auto_free char *near = nearest(c, word, !group);
	const char *ours = word_of_ours(words[0]);

	if (group && n == 1) {
		fflush(stdout);
		help_group(c, words[0], stderr);
	} else if (ours && !group) {
		complain("no verb `%s`; that is `%s`", word, ours);
	} else if (near) {
		complain("no verb `%s`; did you mean `%s`?", word, near);
	} else {
		complain("no verb `%s`; `hero_proc help` lists them", word);
	}
	return err_exit_status(ERR_METHOD);
}

/* ---- showing -------------------------------------------------------------------------- */

static void print_row(const struct verb *v, FILE *to)
{
	fprintf(to, "  %-16s %s\n", v->name, v->summary);
}

void help_overview(const struct cli *c, FILE *to)
{
	fputs(
	    "hero_proc: starts services in the order they need, and says why one does not run\n\n"
	    "usage: hero_proc VERB [NAME...] [--OPTION...]\n"
	    "       hero_proc help VERB         its words, its options, an example\n",
	    to);
	for (size_t i = 0; i < c->n_verbs; i++) {
		if (c->verbs[i].section)
			fprintf(to, "\n%s:\n", c->verbs[i].section);
		print_row(&c->verbs[i], to);
	}
	fputs(
	    "\neverywhere: --json, -q, --no-color, --socket PATH\n"
	    "exit status: 0 done, 1 failed, 2 usage, 3 not found, 4 refused,\n"
	    "             5 not ready, 6 timed out, 7 no daemon, 8 not allowed\n",
	    to);
}

void help_group(const struct cli *c, const char *group, FILE *to)
{
	struct strv names = {0};

	fprintf(to, "usage: hero_proc %s ...\n\n", group);
	all_names(c, &names);
	for (size_t i = 0; i < names.n; i++) {
		char *words[] = {names.v[i]};
		int used;

		if (begins_with_word(names.v[i], group))
			fprintf(
			    to, "  %-18s %s\n", names.v[i], help_find(c, words, 1, &used)->summary);
	}
	fprintf(to, "\n`hero_proc help %s VERB` tells more.\n", group);
	strv_release(&names);
}

/* The names other than the one that was asked for. */
static void print_also(const struct verb *v, const char *name, FILE *to)
{
	const char *before = "also:  hero_proc ";

	if (strcmp(v->name, name) != 0) {
		fprintf(to, "%s%s", before, v->name);
		before = ", hero_proc ";
	}
	for (const char *at = v->also; at && *at; at += strcspn(at, ","), at += *at == ',') {
		auto_free char *other = text_dup_n(at, strcspn(at, ","));

		if (strcmp(other, name) == 0)
			continue;
		fprintf(to, "%s%s", before, other);
		before = ", hero_proc ";
	}
	if (*before == ',')
		fputc('\n', to);
}

void help_verb(const struct verb *v, const char *name, FILE *to)
{
	fprintf(to, "hero_proc %s: %s\n\nusage: hero_proc %s%s%s%s\n", name, v->summary, name,
	    *v->args ? " " : "", v->args, v->options ? " [OPTION...]" : "");
	print_also(v, name, to);
	if (v->options) {
		fputs("\noptions:\n", to);
		options_print(v->options, to);
	}
	fputs("\neverywhere: --json, -q, --no-color, --socket PATH\n", to);
	if (!v->example)
		return;
	fputs("\nexample:\n", to);
	for (const char *at = v->example; *at; at += strcspn(at, "\n"), at += *at == '\n')
		fprintf(to, "  %.*s\n", (int)strcspn(at, "\n"), at);
}
