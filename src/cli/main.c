/* main.c - the table of verbs, and which one is meant. */
#include "cli/help.h"
#include "cli/options.h"
#include "cli/out.h"
#include "cli/verbs.h"

#define START_OPTIONS                                                                       \
	(OPTIONS_WAIT | OPTION(DRY_RUN) | OPTION(REPLACE) | OPTION(NO_DEPS) | OPTION(ALL) | \
	    OPTION(TAG) | OPTION(CLASS))
#define STOP_OPTIONS                                                                          \
	(OPTIONS_WAIT | OPTION(DRY_RUN) | OPTION(WITH_UNNEEDED) | OPTION(ALL) | OPTION(TAG) | \
	    OPTION(CLASS))
#define APPLY_OPTIONS (OPTION(PRUNE) | OPTION(FORCE) | OPTION(REPLACE) | OPTION(NO_DEPS))
#define LIST_OPTIONS  (OPTION(STATE) | OPTION(WANTED) | OPTION(CLASS) | OPTION(TAG))

/* clang-format off */
static const struct verb verbs[] = {
    {"Begin and end", "up", NULL, "[DIR|FILE...]",
	"start the supervisor if needed, and what the manifests define",
	"hero_proc up .                  # the manifests in and below this folder",
	OPTIONS_WAIT | OPTION(DRY_RUN) | OPTION(YES) | APPLY_OPTIONS, 0, -1, verb_up},
    {NULL, "down", NULL, "[DIR|FILE...]", "stop what the manifests define, or all of class user",
	"hero_proc down .\nhero_proc down                  # every service of class user",
	OPTIONS_WAIT | OPTION(DRY_RUN) | OPTION(WITH_UNNEEDED) | OPTION(TAG) | OPTION(CLASS), 0, -1,
	verb_down},
    {NULL, "start", "service start", "NAME... | --all", "start services, with what they need",
	"hero_proc start web             # what web needs is started before it",
	START_OPTIONS, 0, -1, verb_start},
    {NULL, "stop", "service stop", "NAME... | --all", "stop services, after what requires them",
	"hero_proc stop db --dry-run     # who would have to stop before db\nhero_proc stop db",
	STOP_OPTIONS, 0, -1, verb_stop},
    {NULL, "restart", "service restart", "NAME...", "stop services, then start them",
	"hero_proc restart web", OPTIONS_WAIT | OPTION(DRY_RUN) | OPTION(NO_DEPS) | OPTION(WITH_DEPS),
	1, -1, verb_restart},
    {NULL, "shutdown", NULL, "", "stop everything in reverse order, end the supervisor",
	"hero_proc shutdown", OPTIONS_WAIT, 0, 0, verb_shutdown},

    {"Look", "status", "service status", "[NAME]", "what a service does and waits for; no NAME: all",
	"hero_proc status web", LIST_OPTIONS, 0, 1, verb_status},
    {NULL, "list", "ps,service list", "", "all services and their states",
	"hero_proc list --state failed", LIST_OPTIONS, 0, 0, verb_list},
    {NULL, "why", "service why", "NAME", "why it is in its state, down to the root cause",
	"hero_proc why web\nhero_proc why web --at 10m      # as it was ten minutes ago",
	OPTION(AT) | OPTION(FULL), 1, 1, verb_why},
    {NULL, "logs", NULL, "NAME...", "what services, runs or jobs wrote",
	"hero_proc logs web -f\nhero_proc logs web#3            # one run of it\n"
	"hero_proc logs web db --where 'level >= warn' -C 2\n"
	"hero_proc logs web --count-by status --since 1h\n"
	"hero_proc logs web --around-failure --with-deps\n"
	"hero_proc logs --supervisor",
	OPTION(LINES) | OPTION(FOLLOW) | OPTION(GREP) | OPTION(WHERE) | OPTION(LEVEL) | OPTION(CONTEXT) |
	    OPTION(STREAM) | OPTION(SINCE) | OPTION(UNTIL) | OPTION(ACTION) | OPTION(WITH_DEPS) |
	    OPTION(FIELDS) | OPTION(COUNT_BY) | OPTION(RATE) | OPTION(BOOT) | OPTION(AROUND_FAILURE) |
	    OPTION(EXPORT) | OPTION(SUPERVISOR),
	0, -1, verb_logs},
    {NULL, "tree", NULL, "[NAME]", "what needs what", "hero_proc tree web\nhero_proc tree db --reverse",
	OPTION(REVERSE), 0, 1, verb_tree},
    {NULL, "graph", NULL, "[NAME...]", "the dependencies as lines, or as a picture",
	"hero_proc graph web --svg > web.svg", OPTION(DOT) | OPTION(MERMAID) | OPTION(SVG), 0, -1,
	verb_graph},
    {NULL, "events", NULL, "[NAME]", "what happened, and what caused it",
	"hero_proc events web --since 1h", OPTION(LINES) | OPTION(FOLLOW) | OPTION(SINCE), 0, 1,
	verb_events},
    {NULL, "critical-chain", NULL, "[NAME|OPERATION]", "the longest path of a start, where its time went",
	"hero_proc critical-chain web", 0, 0, 1, verb_critical_chain},
    {NULL, "blame", NULL, "[NAME|OPERATION]", "what took how long in a start", "hero_proc blame", 0, 0, 1,
	verb_blame},
    {NULL, "plan", NULL, "[start|stop|restart] NAME...", "the steps that an operation would take",
	"hero_proc plan stop db",
	OPTION(REPLACE) | OPTION(NO_DEPS) | OPTION(WITH_DEPS) | OPTION(WITH_UNNEEDED), 1, -1, verb_plan},
    {NULL, "what-if", NULL, "stop|fail NAME", "what would become of the others",
	"hero_proc what-if fail db", 0, 2, 2, verb_what_if},
    {NULL, "health", NULL, "", "is the supervisor well", "hero_proc health", 0, 0, 0, verb_health},
    {NULL, "doctor", NULL, "", "hold its belief against the kernel; or why there is none",
	"hero_proc doctor --repair", OPTION(REPAIR), 0, 0, verb_doctor},

    {"Define", "check", NULL, "FILE...", "read manifests and print every error", "hero_proc check service.toml",
	0, 1, -1, verb_check},
    {NULL, "register", "service register", "FILE... | --from-binary BIN", "register manifests, start nothing",
	"hero_proc register web/service.toml", OPTION(FROM_BINARY) | OPTION(START), 0, -1, verb_register},
    {NULL, "diff", NULL, "[DIR|FILE...]", "what apply would change; ends with 1 if anything",
	"hero_proc diff .", APPLY_OPTIONS, 0, -1, verb_diff},
    {NULL, "apply", NULL, "[DIR|FILE...]", "make the manifests the definitions; restart what changed",
	"hero_proc apply . --rollback-after 30s",
	OPTIONS_WAIT | OPTION(DRY_RUN) | OPTION(YES) | OPTION(ROLLBACK_AFTER) | APPLY_OPTIONS, 0, -1,
	verb_apply},
    {NULL, "service get", NULL, "NAME", "the definition, with every edge and its origin",
	"hero_proc service get web", 0, 1, 1, verb_get},
    {NULL, "delete", "service delete", "NAME", "stop it and forget it", "hero_proc delete web",
	OPTION(DRY_RUN) | OPTION(WITH_DEPENDENTS) | OPTION(FORCE), 1, 1, verb_delete},
    {NULL, "wanted", "service wanted", "NAME start|stop|ignore", "what is wanted of it from now on, without acting",
	"hero_proc wanted web start      # started at the next boot", OPTION(DRY_RUN), 2, 2, verb_wanted},

    {"Speak to a process", "reload", "service reload", "NAME", "have it read its configuration again",
	"hero_proc reload nginx", OPTIONS_WAIT | OPTION(ACTION), 1, 1, verb_reload},
    {NULL, "kill", "service kill", "NAME", "send a signal, and nothing else",
	"hero_proc kill web --signal HUP", OPTION(SIGNAL) | OPTION(ACTION), 1, 1, verb_kill},
    {NULL, "service ready", NULL, "NAME", "declare it ready (readiness manual)",
	"hero_proc service ready web", OPTION(ACTION), 1, 1, verb_ready},

    {"Runs, operations, flags", "run submit", NULL, "FILE.json | ACTION...", "run actions once, with what they need",
	"hero_proc run submit migrate", OPTIONS_WAIT, 1, -1, verb_run_submit},
    {NULL, "run list", NULL, "", "runs, newest first", "hero_proc run list -n 20", OPTION(LINES), 0, 0,
	verb_run_list},
    {NULL, "run get", NULL, "RUN", "one run and its jobs", "hero_proc run get web#3", 0, 1, 1, verb_run_get},
    {NULL, "run wait", NULL, "RUN", "wait for its end, and end with its exit code",
	"hero_proc run wait web#3", OPTION(TIMEOUT), 1, 1, verb_run_wait},
    {NULL, "run cancel", NULL, "RUN", "stop it", "hero_proc run cancel run#7", 0, 1, 1, verb_run_cancel},
    {NULL, "op list", NULL, "", "operations, newest first", "hero_proc op list --state active",
	OPTION(STATE) | OPTION(LINES), 0, 0, verb_op_list},
    {NULL, "op get", NULL, "OPERATION", "one operation, its steps and its end", "hero_proc op get 12", 0, 1, 1,
	verb_op_get},
    {NULL, "op watch", NULL, "OPERATION", "follow it to its end, and end as it does", "hero_proc op watch 12",
	OPTION(TIMEOUT), 1, 1, verb_op_watch},
    {NULL, "op cancel", NULL, "OPERATION", "cancel it: what was not executed yet is not started",
	"hero_proc op cancel 12", OPTION(DRY_RUN), 1, 1, verb_op_cancel},
    {NULL, "flag set", NULL, "NAME", "open the gate flag:NAME", "hero_proc flag set maintenance", 0, 1, 1,
	verb_flag_set},
    {NULL, "flag clear", NULL, "NAME", "close it: who starts from now on waits", "hero_proc flag clear maintenance",
	0, 1, 1, verb_flag_clear},
    {NULL, "flag list", NULL, "", "flags that are set", "hero_proc flag list", 0, 0, 0, verb_flag_list},
    {NULL, "secret set", NULL, "[CONTEXT:]NAME", "set a secret to what standard input says",
	"printf %s \"$TOKEN\" | hero_proc secret set TOKEN", 0, 1, 1, verb_secret_set},
    {NULL, "secret get", NULL, "[CONTEXT:]NAME", "its value, for the owner and root", "hero_proc secret get TOKEN", 0,
	1, 1, verb_secret_get},
    {NULL, "secret list", "secrets", "", "names, versions, and who holds an old value", "hero_proc secret list", 0, 0,
	0, verb_secret_list},
    {NULL, "secret delete", NULL, "[CONTEXT:]NAME", "forget it", "hero_proc secret delete TOKEN", 0, 1, 1,
	verb_secret_delete},
    {NULL, "secret rekey", NULL, "", "seal all of them with another key", "hero_proc secret rekey", 0, 0, 0,
	verb_secret_rekey},
    {NULL, "schedule list", "schedules", "[NAME]", "what runs by itself: when next, and what became of it",
	"hero_proc schedule list --state overdue", OPTION(STATE), 0, 1, verb_schedule_list},
    {NULL, "schedule next", NULL, "NAME|EXPRESSION [ZONE]", "its next due times, or those of an expression",
	"hero_proc schedule next backup\nhero_proc schedule next '30 2 * * mon-fri' Europe/Paris -n 3",
	OPTION(LINES) | OPTION(SINCE), 1, 2, verb_schedule_next},
    {NULL, "schedule pause", NULL, "NAME", "skip its due times from now on", "hero_proc schedule pause backup", 0, 1,
	1, verb_schedule_pause},
    {NULL, "schedule resume", NULL, "NAME", "run them again", "hero_proc schedule resume backup", 0, 1, 1,
	verb_schedule_resume},
    {NULL, "schedule trigger", "schedule run", "NAME", "run it now, beside its due times",
	"hero_proc run wait $(hero_proc schedule trigger backup)", 0, 1, 1, verb_schedule_trigger},

    {"This program", "upgrade", NULL, "[SERVER]", "another server takes over, services go on",
	"hero_proc upgrade --dry-run\nhero_proc upgrade", OPTIONS_WAIT | OPTION(DRY_RUN), 0, 1, verb_upgrade},
    {NULL, "completion", NULL, "bash|zsh|fish", "completion for a shell",
	"eval \"$(hero_proc completion bash)\"", 0, 1, 1, verb_completion},
    {NULL, "help", NULL, "[VERB]", "this, or a verb with its options and an example", "hero_proc help start", 0,
	0, 2, verb_help},
    {NULL, "version", NULL, "", "the version of this program", "hero_proc version", 0, 0, 0, verb_version},
};
/* clang-format on */

static int wrong_words(const struct verb *v, const char *name, int n)
{
	if (n < v->min)
		complain("`%s` needs more: hero_proc %s %s", name, name, v->args);
	else
		complain("`%s` takes %s: hero_proc %s%s%s", name,
		    v->max ? "less" : "no word behind it", name, *v->args ? " " : "", v->args);
	return err_exit_status(ERR_METHOD);
}

static int run_verb(struct cli *c, uint64_t seen)
{
	int used = 0;
	const struct verb *v = help_find(c, c->args, c->n, &used);

	if (!v)
		return help_unknown(c, c->args, c->n);
	auto_free char *name =
	    used == 2 ? text_fmt("%s %s", c->args[0], c->args[1]) : text_dup(c->args[0]);
	c->args += used;
	c->n -= used;
	if (!options_check(seen, v->options, name))
		return err_exit_status(ERR_METHOD);
	if (c->n < v->min || (v->max >= 0 && c->n > v->max))
		return wrong_words(v, name, c->n);
	c->client = hp_client_new(c->socket);
	int status = v->run(c);
	hp_client_free(c->client);
	return status;
}

static int run(struct cli *c, uint64_t seen)
{
	if (c->version)
		return verb_version(c);
	if (c->help)
		return verb_help(c);
	if (c->n)
		return run_verb(c, seen);
	help_overview(c, stderr);
	return err_exit_status(ERR_METHOD);
}

int main(int argc, char **argv)
{
	struct cli c = {.verbs = verbs, .n_verbs = countof(verbs), .lines = -1};
	uint64_t seen = 0;

	out_open();
	int status = options_read(&c, argc, argv, &seen);
	out_style(c.no_color);
	return out_close(status ? status : run(&c, seen));
}
