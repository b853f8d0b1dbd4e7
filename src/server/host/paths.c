#include "server/host/paths.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>

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

void paths_init(struct paths *p, const char *state, const char *socket)
{
	p->home = home();
	p->root = from_env(p, "PATH_ROOT", p->home, "hero");
	p->var = from_env(p, "PATH_VAR", p->root, "var");
	p->build = from_env(p, "PATH_BUILD", p->root, "build");
	p->code = from_env(p, "PATH_CODE", p->root, "code");
	p->sockets = from_env(p, "HERO_SOCKET_DIR", p->var, "sockets");
	p->state = state ? absolute(p, state) : text_fmt("%s/hero_proc", p->var);
	p->socket = socket ? absolute(p, socket) : text_fmt("%s/hero_proc/rpc.sock", p->sockets);
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
