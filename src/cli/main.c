#include "cli/cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <sys/ioctl.h>

const struct verb verbs[] = {
    {"up", "[DIR|FILE...]",
	"start the daemon if needed, register manifests, start what they define", 0, -1, verb_up},
    {"down", "[DIR|FILE...]", "stop what the manifests define, or everything of class user", 0, -1,
	verb_down},
    {"apply", "[DIR|FILE...] [--yes] [--rollback-after 30s] [--prune] [--force]",
	"make the manifests the definitions; restart what changed, start what is new and wanted", 0,
	-1, verb_apply},
    {"diff", "[DIR|FILE...] [--prune]", "what apply would change; ends with 1 if anything", 0, -1,
	verb_diff},
    {"check", "FILE...", "read manifests and print every error", 1, -1, verb_check},
    {"service register", "FILE... | --from-binary BIN", "register manifests", 0, -1,
	verb_service_register},
    {"service list", "", "all services and their states", 0, 0, verb_service_list},
    {"service get", "NAME", "the definition, with every edge and where it came from", 1, 1,
	verb_service_get},
    {"service status", "NAME", "the state, the processes, and what is waited for", 1, 1,
	verb_service_status},
    {"service start", "NAME... | --all [--tag T] [--class C]", "start, with what it needs", 0, -1,
	verb_service_start},
    {"service stop", "NAME... | --all [--tag T] [--class C]", "stop, after what requires it", 0, -1,
	verb_service_stop},
    {"service restart", "NAME...", "stop, then start", 1, -1, verb_service_restart},
    {"service delete", "NAME [--with-dependents | --force]", "stop and forget", 1, 1,
	verb_service_delete},
    {"service why", "NAME [--at TIME] [--full]", "the causes of its state", 1, 1, verb_why},
    {"service kill", "NAME [--signal SIG]", "send a signal, and nothing else", 1, 1,
	verb_service_kill},
    {"service reload", "NAME [--action ACTION]", "have it read its configuration again", 1, 1,
	verb_service_reload},
    {"service ready", "NAME", "say that it is ready (readiness manual)", 1, 1, verb_service_ready},
    {"service wanted", "NAME start|stop|ignore", "the operator's word, without acting", 2, 2,
	verb_wanted},
    {"why", "NAME [--at TIME] [--full]", "the causes of its state", 1, 1, verb_why},
    {"plan", "[start|stop|restart] NAME...", "what an operation would do", 1, -1, verb_plan},
    {"what-if", "stop|fail NAME", "what would become of the others, and why", 2, 2, verb_what_if},
    {"op list", "[--state S] [-n N]", "operations, newest first", 0, 0, verb_op_list},
    {"op get", "OPERATION", "one operation, its steps and its end", 1, 1, verb_op_get},
    {"op watch", "OPERATION", "follow it to its end, and end as it does", 1, 1, verb_op_watch},
    {"op cancel", "OPERATION", "call it off: what was not executed yet is not started", 1, 1,
	verb_op_cancel},
    {"tree", "[NAME]", "what needs what", 0, 1, verb_tree},
    {"graph", "[NAME...] [--dot|--mermaid|--svg]", "the graph as lines, or as a picture", 0, -1,
	verb_graph},
    {"logs", "NAME [-n N] [-f] [--grep TEXT]", "captured output", 1, 1, verb_logs},
    {"events", "[NAME] [-f] [-n N] [--since TIME]", "what happened, and what caused it", 0, 1,
	verb_events},
    {"critical-chain", "[NAME|OPERATION]",
	"the longest path of the last start, and where its time went", 0, 1, verb_critical_chain},
    {"blame", "[NAME|OPERATION]", "what took how long in the last start", 0, 1, verb_blame},
    {"run submit", "FILE.json | ACTION...", "run actions once", 1, -1, verb_run_submit},
    {"run list", "", "runs, newest first", 0, 0, verb_run_list},
    {"run get", "RUN", "one run and its jobs", 1, 1, verb_run_get},
    {"run wait", "RUN", "wait for its end, and end with its exit code", 1, 1, verb_run_wait},
    {"run cancel", "RUN", "stop it", 1, 1, verb_run_cancel},
    {"flag set", "NAME", "open the gate flag:NAME", 1, 1, verb_flag_set},
    {"flag clear", "NAME", "close it: who starts from now on waits", 1, 1, verb_flag_clear},
    {"flag list", "", "flags that are set", 0, 0, verb_flag_list},
    {"health", "", "is the daemon well", 0, 0, verb_health},
    {"doctor", "[--repair]",
	"hold what the daemon believes against the kernel; without a daemon: why not", 0, 0,
	verb_doctor},
    {"shutdown", "", "stop everything, end the daemon", 0, 0, verb_shutdown},
    {"upgrade", "[SERVER] [--timeout 30s] [--dry-run]",
	"another server program takes over; services go on, and the former one comes back if it "
	"fails",
	0, 1, verb_upgrade},
    {"completion", "bash|zsh|fish", "completion for a shell", 1, 1, verb_completion},
};
const size_t n_verbs = countof(verbs);

enum {
	OPT_JSON = 256,
	OPT_SOCKET,
	OPT_NO_COLOR,
	OPT_VERSION,
	OPT_TIMEOUT,
	OPT_GREP,
	OPT_STREAM,
	OPT_SINCE,
	OPT_FROM_BINARY,
	OPT_NO_WAIT,
	OPT_REPLACE,
	OPT_NO_DEPS,
	OPT_WITH_DEPS,
	OPT_WITH_DEPENDENTS,
	OPT_WITH_UNNEEDED,
	OPT_FORCE,
	OPT_SIGNAL,
	OPT_ACTION,
	OPT_AT,
	OPT_FULL,
	OPT_DOT,
	OPT_MERMAID,
	OPT_SVG,
	OPT_START,
	OPT_DRY_RUN,
	OPT_ALL,
	OPT_TAG,
	OPT_CLASS,
	OPT_STATE,
	OPT_YES,
	OPT_PRUNE,
	OPT_ROLLBACK_AFTER,
	OPT_REPAIR
};

static const struct option options[] = {
    {"json", no_argument, NULL, OPT_JSON},
    {"socket", required_argument, NULL, OPT_SOCKET},
    {"no-color", no_argument, NULL, OPT_NO_COLOR},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, OPT_VERSION},
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"lines", required_argument, NULL, 'n'},
    {"follow", no_argument, NULL, 'f'},
    {"grep", required_argument, NULL, OPT_GREP},
    {"stream", required_argument, NULL, OPT_STREAM},
    {"since", required_argument, NULL, OPT_SINCE},
    {"from-binary", required_argument, NULL, OPT_FROM_BINARY},
    {"no-wait", no_argument, NULL, OPT_NO_WAIT},
    {"replace", no_argument, NULL, OPT_REPLACE},
    {"no-deps", no_argument, NULL, OPT_NO_DEPS},
    {"with-deps", no_argument, NULL, OPT_WITH_DEPS},
    {"with-dependents", no_argument, NULL, OPT_WITH_DEPENDENTS},
    {"with-unneeded", no_argument, NULL, OPT_WITH_UNNEEDED},
    {"force", no_argument, NULL, OPT_FORCE},
    {"signal", required_argument, NULL, OPT_SIGNAL},
    {"action", required_argument, NULL, OPT_ACTION},
    {"start", no_argument, NULL, OPT_START},
    {"at", required_argument, NULL, OPT_AT},
    {"full", no_argument, NULL, OPT_FULL},
    {"dot", no_argument, NULL, OPT_DOT},
    {"mermaid", no_argument, NULL, OPT_MERMAID},
    {"svg", no_argument, NULL, OPT_SVG},
    {"dry-run", no_argument, NULL, OPT_DRY_RUN},
    {"all", no_argument, NULL, OPT_ALL},
    {"tag", required_argument, NULL, OPT_TAG},
    {"class", required_argument, NULL, OPT_CLASS},
    {"state", required_argument, NULL, OPT_STATE},
    {"yes", no_argument, NULL, OPT_YES},
    {"prune", no_argument, NULL, OPT_PRUNE},
    {"rollback-after", required_argument, NULL, OPT_ROLLBACK_AFTER},
    {"repair", no_argument, NULL, OPT_REPAIR},
    {0},
};

static void usage(FILE *to)
{
	fputs(
	    "hero_proc - run services in the order they need\n\nusage: hero_proc [OPTION...] VERB "
	    "...\n\n",
	    to);
	for (size_t i = 0; i < n_verbs; i++) {
		auto_free char *left = text_fmt("%s %s", verbs[i].name, verbs[i].usage);

		fprintf(to, "  %-46s %s\n", left, verbs[i].summary);
	}
	fputs(
	    "\noptions: --json --socket PATH --timeout 10s --no-wait --dry-run --no-color -q\n"
	    "         --replace --no-deps --with-deps --with-dependents --with-unneeded --force\n"
	    "exit status: 0 done, 1 failed, 2 usage, 3 not found, 4 refused, 5 not ready, 6 timed "
	    "out,\n"
	    "             7 no daemon, 8 not allowed\n",
	    to);
}

#define SPAN_MAX_MS 1e12 /* thirty years */

/* "500ms", "10s", "2m", or milliseconds */
static bool parse_span(const char *s, msec *out)
{
	char *end;
	double n = strtod(s, &end);
	msec unit = !*end || strcmp(end, "ms") == 0 ? 1
		    : strcmp(end, "s") == 0	    ? 1000
		    : strcmp(end, "m") == 0	    ? 60000
		    : strcmp(end, "h") == 0	    ? 3600000
						    : 0;

	if (end == s || !unit || !(n >= 0 && n * (double)unit <= SPAN_MAX_MS))
		return false; /* not a number compares false */
	*out = (msec)(n * (double)unit);
	return true;
}

static bool parse_count(const char *s, int64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoll(s, &end, 10);
	return !errno && end != s && !*end && *out >= 0;
}

static int bad_usage(const char *word, const char *what_it_is_not)
{
	fprintf(stderr, "hero_proc: `%s` is %s\n", word, what_it_is_not);
	return err_exit_status(ERR_METHOD);
}

static bool is_group(const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i < n_verbs; i++)
		if (strncmp(verbs[i].name, word, n) == 0 && verbs[i].name[n] == ' ')
			return true;
	return false;
}

/* After the first word of a group it is the second that is wrong. */
static int unknown_verb(char **given, int n_given)
{
	auto_free char *word = n_given > 1 && is_group(given[0])
				   ? text_fmt("%s %s", given[0], given[1])
				   : text_dup(given[0]);
	const char *words[countof(verbs) + 3] = {"service", "run", "op"};
	size_t n = is_group(word) ? 0 : 3;

	for (size_t i = 0; i < n_verbs; i++)
		words[n++] = verbs[i].name;
	const char *near = text_nearest(word, words, n);
	fprintf(stderr, "hero_proc: no verb `%s`%s%s%s\n", word,
	    near ? "; did you mean `" : "; see hero_proc --help", near ? near : "",
	    near ? "`?" : "");
	return 2;
}

/* "service start web": the longest name that the words begin with. */
static const struct verb *find_verb(char **words, int n, int *used)
{
	for (int take = n < 2 ? n : 2; take > 0; take--) {
		auto_free char *name =
		    take == 2 ? text_fmt("%s %s", words[0], words[1]) : text_dup(words[0]);

		for (size_t i = 0; i < n_verbs; i++)
			if (strcmp(verbs[i].name, name) == 0) {
				*used = take;
				return &verbs[i];
			}
	}
	return NULL;
}

static int take_option(struct cli *c, int opt)
{
	switch (opt) {
	case OPT_JSON: c->json = true; break;
	case OPT_SOCKET: c->socket = optarg; break;
	case OPT_NO_COLOR: c->color = false; break;
	case 'q': c->quiet = true; break;
	case 'f': c->follow = true; break;
	case 'n':
		if (!parse_count(optarg, &c->lines))
			return bad_usage(optarg, "not a number of lines");
		break;
	case OPT_GREP: c->grep = optarg; break;
	case OPT_STREAM: c->stream = optarg; break;
	case OPT_SINCE: c->since = optarg; break;
	case OPT_FROM_BINARY: c->from_binary = optarg; break;
	case OPT_NO_WAIT: c->no_wait = true; break;
	case OPT_REPLACE: c->replace = true; break;
	case OPT_NO_DEPS: c->no_deps = true; break;
	case OPT_WITH_DEPS: c->with_deps = true; break;
	case OPT_WITH_DEPENDENTS: c->with_dependents = true; break;
	case OPT_WITH_UNNEEDED: c->with_unneeded = true; break;
	case OPT_FORCE: c->force = true; break;
	case OPT_SIGNAL: c->signal = optarg; break;
	case OPT_ACTION: c->action = optarg; break;
	case OPT_START: c->start = true; break;
	case OPT_AT: c->at = optarg; break;
	case OPT_FULL: c->full = true; break;
	case OPT_DOT: c->format = "dot"; break;
	case OPT_MERMAID: c->format = "mermaid"; break;
	case OPT_SVG: c->format = "svg"; break;
	case OPT_DRY_RUN: c->dry_run = true; break;
	case OPT_ALL: c->all = true; break;
	case OPT_TAG: c->tag = optarg; break;
	case OPT_CLASS: c->class = optarg; break;
	case OPT_STATE: c->state = optarg; break;
	case OPT_YES: c->yes = true; break;
	case OPT_PRUNE: c->prune = true; break;
	case OPT_REPAIR: c->repair = true; break;
	case OPT_ROLLBACK_AFTER:
		if (!parse_span(optarg, &c->rollback_after) || !c->rollback_after)
			return bad_usage(optarg, "not a duration: write 30s or 500ms");
		break;
	case OPT_TIMEOUT:
		if (!parse_span(optarg, &c->timeout))
			return bad_usage(optarg, "not a duration: write 10s or 500ms");
		break;
	default: return 2; /* getopt said why */
	}
	return 0;
}

static int run_verb(struct cli *c)
{
	int used = 0;
	const struct verb *v = find_verb(c->args, c->n, &used);

	if (!v)
		return unknown_verb(c->args, c->n);
	c->args += used;
	c->n -= used;
	if (c->n < v->min || (v->max >= 0 && c->n > v->max)) {
		fprintf(stderr, "usage: hero_proc %s %s\n", v->name, v->usage);
		return 2;
	}
	c->client = hp_client_new(c->socket);
	int status = v->run(c);
	hp_client_free(c->client);
	return status;
}

int main(int argc, char **argv)
{
	const char *no_color = getenv("NO_COLOR");
	struct winsize size = {0};
	struct cli c = {.live = isatty(STDOUT_FILENO), .lines = -1};
	int opt;

	c.color = c.live && !(no_color && *no_color);
	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	c.width = size.ws_col ? size.ws_col : 100;
	c.height = size.ws_row ? size.ws_row : 24;
	while ((opt = getopt_long(argc, argv, "qhfn:", options, NULL)) != -1) {
		if (opt == 'h') {
			usage(stdout);
			return 0;
		}
		if (opt == OPT_VERSION) {
			puts("hero_proc " HERO_PROC_VERSION);
			return 0;
		}
		int bad = take_option(&c, opt);
		if (bad)
			return bad;
	}
	c.args = argv + optind;
	c.n = argc - optind;
	if (!c.n) {
		usage(stderr);
		return 2;
	}
	return run_verb(&c);
}

int verb_completion(struct cli *c)
{
	bool bash = strcmp(c->args[0], "bash") == 0, zsh = strcmp(c->args[0], "zsh") == 0;

	if (!bash && !zsh && strcmp(c->args[0], "fish") != 0)
		return bad_usage(c->args[0], "no shell of ours: bash, zsh or fish");
	if (!bash && !zsh) {
		for (size_t i = 0; i < n_verbs; i++)
			printf("complete -c hero_proc -n __fish_use_subcommand -a '%.*s' -d '%s'\n",
			    (int)strcspn(verbs[i].name, " "), verbs[i].name, verbs[i].summary);
		return 0;
	}
	if (zsh)
		puts("autoload -U +X bashcompinit && bashcompinit");
	puts(
	    "_hero_proc() {\n\tlocal first=${COMP_WORDS[1]} cur=${COMP_WORDS[COMP_CWORD]} "
	    "words=''");
	puts("\tif [ \"$COMP_CWORD\" -eq 1 ]; then");
	fputs("\t\twords='", stdout);
	for (size_t i = 0; i < n_verbs; i++)
		printf("%.*s ", (int)strcspn(verbs[i].name, " "), verbs[i].name);
	puts(
	    "'\n\telif [ \"$COMP_CWORD\" -eq 2 ] && { [ \"$first\" = service ] || [ \"$first\" = "
	    "run ] || [ \"$first\" = op ]; }; then");
	static const char *const groups[] = {"service ", "run ", "op "};

	for (size_t g = 0; g < countof(groups); g++) {
		const char *group = groups[g];

		printf("\t\t[ \"$first\" = %.*s ] && words='", (int)strlen(group) - 1, group);
		for (size_t i = 0; i < n_verbs; i++)
			if (strncmp(verbs[i].name, group, strlen(group)) == 0)
				printf("%s ", verbs[i].name + strlen(group));
		puts("'");
	}
	puts(
	    "\telse\n\t\twords=$(hero_proc service list --json 2>/dev/null | tr ',' '\\n' | sed -n "
	    "'s/.*\"name\":\"\\([^\"]*\\)\".*/\\1/p')");
	puts(
	    "\tfi\n\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -F _hero_proc "
	    "hero_proc");
	return 0;
}
