/* verb_completion.c - completion for a shell, from the table of verbs. */
#include "cli/options.h"
#include "cli/out.h"
#include "cli/verbs.h"

/* Each name of each verb, with its summary. */
typedef void (*name_fn)(const char *name, const char *summary, void *ctx);

static void each_name(const struct cli *c, name_fn fn, void *ctx)
{
	for (size_t i = 0; i < c->n_verbs; i++) {
		const struct verb *v = &c->verbs[i];

		fn(v->name, v->summary, ctx);
		for (const char *at = v->also; at && *at;
		     at += strcspn(at, ","), at += *at == ',') {
			auto_free char *other = text_dup_n(at, strcspn(at, ","));

			fn(other, v->summary, ctx);
		}
	}
}

/* ---- words, once each ------------------------------------------------------------------- */

struct words {
	const char *group; /* NULL: first words; else the second ones behind it */
	struct strv found;
};

static void add_word(const char *name, const char *summary, void *ctx)
{
	struct words *w = ctx;
	size_t n = w->group ? strlen(w->group) : 0;
	(void)summary;

	if (n && (strncmp(name, w->group, n) != 0 || name[n] != ' '))
		return;
	name += n ? n + 1 : 0;
	auto_free char *word = text_dup_n(name, strcspn(name, " "));
	if (!strv_has(&w->found, word))
		strv_add(&w->found, word);
}

static void add_group(const char *name, const char *summary, void *ctx)
{
	struct strv *groups = ctx;
	auto_free char *word = text_dup_n(name, strcspn(name, " "));
	(void)summary;

	if (strchr(name, ' ') && !strv_has(groups, word))
		strv_add(groups, word);
}

static void print_words(const struct cli *c, const char *group)
{
	struct words w = {.group = group};

	each_name(c, add_word, &w);
	for (size_t i = 0; i < w.found.n; i++)
		printf("%s%s", i ? " " : "", w.found.v[i]);
	strv_release(&w.found);
}

/* ---- shells ----------------------------------------------------------------------------- */

#define NAMES                                                                    \
	"hero_proc service list --json 2>/dev/null | tr ',{' '\\n\\n' | sed -n " \
	"'s/^\"name\":\"\\([^\"]*\\)\",*$/\\1/p'"

static void print_fish_line(const char *name, const char *summary, void *ctx)
{
	size_t n = strcspn(name, " ");
	(void)ctx;

	if (name[n])
		printf(
		    "complete -c hero_proc -f -n '__fish_seen_subcommand_from %.*s' -a '%s' -d "
		    "'%s'\n",
		    (int)n, name, name + n + 1, summary);
	else
		printf("complete -c hero_proc -f -n __fish_use_subcommand -a '%s' -d '%s'\n", name,
		    summary);
}

static void print_fish(const struct cli *c)
{
	struct strv groups = {0};

	each_name(c, print_fish_line, NULL);
	each_name(c, add_group, &groups);
	for (size_t i = 0; i < groups.n; i++)
		printf("complete -c hero_proc -f -n __fish_use_subcommand -a '%s'\n", groups.v[i]);
	for (size_t i = 0; options_name(i); i++)
		printf("complete -c hero_proc -l '%s'\n", options_name(i));
	strv_release(&groups);
}

static void print_bash(const struct cli *c)
{
	struct strv groups = {0};

	fputs(
	    "_hero_proc() {\n\tlocal first=${COMP_WORDS[1]} cur=${COMP_WORDS[COMP_CWORD]} "
	    "words=''\n\tif [[ $cur == -* ]]; then\n\t\twords='",
	    stdout);
	for (size_t i = 0; options_name(i); i++)
		printf("--%s ", options_name(i));
	fputs("'\n\telif [ \"$COMP_CWORD\" -eq 1 ]; then\n\t\twords='", stdout);
	print_words(c, NULL);
	puts("'");
	each_name(c, add_group, &groups);
	for (size_t i = 0; i < groups.n; i++) {
		printf("\telif [ \"$COMP_CWORD\" -eq 2 ] && [ \"$first\" = %s ]; then\n\t\twords='",
		    groups.v[i]);
		print_words(c, groups.v[i]);
		puts("'");
	}
	puts("\telse\n\t\twords=$(" NAMES
	     ")\n\tfi\n\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\n"
	     "complete -o default -F _hero_proc hero_proc");
	strv_release(&groups);
}

int verb_completion(struct cli *c)
{
	const char *shell = c->args[0];
	bool bash = strcmp(shell, "bash") == 0, zsh = strcmp(shell, "zsh") == 0;

	if (!bash && !zsh && strcmp(shell, "fish") != 0)
		return complain("`%s` is no shell of ours: bash, zsh or fish", shell),
		       err_exit_status(ERR_METHOD);
	if (zsh)
		puts("autoload -U +X bashcompinit && bashcompinit");
	if (bash || zsh)
		print_bash(c);
	else
		print_fish(c);
	return 0;
}
