#include "server/host/paths.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>

const char options_usage[] =
    "usage: hero_proc_server [--socket PATH] [--state DIR] [--log-level error|warn|info|debug]\n"
    "                        [--container] [--exit-when-done] [--safe] [--version | "
    "--version-json]\n"
    "                        [--user NAME] [--keep WORD=AMOUNT,...] [--help]\n"
    "The supervisor in the foreground.\n"
    "--container: a critical service that gives up ends it, with the exit status of that service.\n"
    "--exit-when-done: it ends when nothing that was started is left.\n"
    "--user: started by root, the server runs as that user below a keeper that is root; its\n"
    "  services may be any user but root.\n"
    "--keep: history and logs: runs=10000,jobs=20000,operations=10000,events=100000,state=256M,\n"
    "  logs=1G,service-logs=64M,age=30d are the defaults.\n";

enum err options_parse(struct options *o, int argc, char **argv, struct error *e)
{
	static const struct option known[] = {{"socket", required_argument, NULL, 's'},
	    {"state", required_argument, NULL, 'd'}, {"log-level", required_argument, NULL, 'l'},
	    {"container", no_argument, NULL, 'C'}, {"exit-when-done", no_argument, NULL, 'E'},
	    {"keep", required_argument, NULL, 'K'}, {"safe", no_argument, NULL, 'S'},
	    {"version", no_argument, NULL, 'V'}, {"version-json", no_argument, NULL, 'J'},
	    {"user", required_argument, NULL, 'u'}, {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0}};
	int c;

	o->level = REPORT_INFO;
	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 's': text_set(&o->socket, optarg); break;
		case 'd': text_set(&o->state, optarg); break;
		case 'l':
			if (!report_level_parse(optarg, &o->level))
				return error_set(
				    e, ERR_INVALID, "--log-level: `%s` is no level", optarg);
			break;
		case 'K':
			if (retention_parse(&o->keep, optarg, e))
				return e->code;
			break;
		case 'u': text_set(&o->user, optarg); break;
		case 'S': o->safe = true; break;
		case 'C': o->container = true; break;
		case 'E': o->exit_when_done = true; break;
		case 'V': o->version = true; break;
		case 'J': o->version_json = true; break;
		case 'h': o->help = true; break;
		default: return error_set(e, ERR_INVALID, "see --help");
		}
	}
	if (optind < argc)
		return error_set(
		    e, ERR_INVALID, "`%s` is one word too many, see --help", argv[optind]);
	return ERR_OK;
}

void options_release(struct options *o)
{
	free(o->socket);
	free(o->state);
	free(o->user);
	*o = (struct options){0};
}

static char *home(void)
{
	const char *h = getenv("HOME");

	if (h && *h == '/')
		return text_dup(h);
	struct passwd *pw = getpwuid(getuid());
	return text_dup(pw && pw->pw_dir ? pw->pw_dir : "/");
}

/* "${PATH_ROOT}" at `s`: its value, and how many bytes it takes. */
static const char *variable(const struct paths *p, const char *s, size_t *n)
{
	const struct {
		const char *word, *value;
	} known[] = {{"${PATH_ROOT}", p->root}, {"${PATH_VAR}", p->var},
	    {"${PATH_BUILD}", p->build}, {"${PATH_CODE}", p->code},
	    {"${HERO_SOCKET_DIR}", p->sockets}};

	for (size_t i = 0; i < countof(known); i++) {
		*n = strlen(known[i].word);
		if (known[i].value && strncmp(s, known[i].word, *n) == 0)
			return known[i].value;
	}
	return NULL;
}

char *path_expand(const struct paths *p, const char *text)
{
	auto_str out = {0};
	size_t n;

	if (text[0] == '~' && (text[1] == '/' || !text[1])) {
		str_add(&out, p->home);
		text++;
	}
	while (*text) {
		const char *value = *text == '$' ? variable(p, text, &n) : NULL;

		if (value)
			str_add(&out, value);
		else
			str_add_char(&out, *text);
		text += value ? n : 1;
	}
	return str_take(&out);
}

static char *absolute(const struct paths *p, const char *text)
{
	char cwd[PATH_MAX];
	auto_free char *path = path_expand(p, text);

	if (*path == '/' || !getcwd(cwd, sizeof(cwd)))
		return take(path);
	return text_fmt("%s/%s", cwd, path);
}

static char *from_env(const struct paths *p, const char *name, const char *base, const char *below)
{
	const char *v = getenv(name);

	return v && *v ? absolute(p, v) : text_fmt("%s/%s", base, below);
}

static char *beside(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');

	return text_fmt("%.*s/%s", (int)(slash - path), path, name);
}

void paths_init(struct paths *p, const struct options *o)
{
	p->home = home();
	p->root = from_env(p, "PATH_ROOT", p->home, "hero");
	p->var = from_env(p, "PATH_VAR", p->root, "var");
	p->build = from_env(p, "PATH_BUILD", p->root, "build");
	p->code = from_env(p, "PATH_CODE", p->root, "code");
	p->sockets = from_env(p, "HERO_SOCKET_DIR", p->var, "sockets");
	p->state = o->state ? absolute(p, o->state) : text_fmt("%s/hero_proc", p->var);
	p->socket =
	    o->socket ? absolute(p, o->socket) : text_fmt("%s/hero_proc/rpc.sock", p->sockets);
	p->admin = beside(p->socket, "admin.sock");
	p->logs = text_fmt("%s/logs", p->state);
}

void paths_release(struct paths *p)
{
	char **all[] = {&p->home, &p->root, &p->var, &p->build, &p->code, &p->sockets, &p->socket,
	    &p->admin, &p->state, &p->logs};

	for (size_t i = 0; i < countof(all); i++)
		free(*all[i]);
	*p = (struct paths){0};
}

enum err path_make(const char *dir, unsigned mode, struct error *e)
{
	auto_free char *path = text_dup(dir);

	for (char *at = path + 1;; at++) {
		if (*at && *at != '/')
			continue;
		char was = *at;

		*at = 0;
		if (mkdir(path, was ? 0755 : (mode_t)mode) < 0 && errno != EEXIST)
			return error_sys(e, errno, "mkdir `%s`", path);
		*at = was;
		if (!was)
			return ERR_OK;
	}
}
