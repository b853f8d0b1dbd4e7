#include "cli/info.h"

#include "client/http.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#define INFO_BYTES (8u << 20) /* a manifest of 1 MiB, escaped */
#define INFO_MS	   10000

/* In a group of its own, so that it can be ended with what it has started.  errno. */
static int spawn_it(const char *binary, int out, pid_t *pid)
{
	const char *const argv[] = {binary, "--info", NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t usual;

	sigemptyset(&usual);
	sigaddset(&usual, SIGPIPE);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigdefault(&attributes, &usual);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	int sys =
	    posix_spawnp(pid, binary, &files, &attributes, (char *const *)(uintptr_t)argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return sys;
}

/* Until it closes its output. */
static enum err read_all(int fd, struct str *out, struct error *e)
{
	const msec deadline = http_deadline(INFO_MS);
	char buf[8192];
	ssize_t n = 1;

	while (n != 0) {
		msec left = deadline - http_now();
		int ready =
		    poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, left > 0 ? (int)left : 0);

		if (ready == 0)
			return error_set(
			    e, ERR_TIMEOUT, "it did not end within %d s", INFO_MS / 1000);
		n = ready < 0 ? -1 : read(fd, buf, sizeof(buf));
		if (n < 0 && errno != EINTR)
			return error_sys(e, errno, "read");
		str_add_n(out, buf, n > 0 ? (size_t)n : 0);
		if (out->n > INFO_BYTES)
			return error_set(e, ERR_LIMIT, "it prints more than %u bytes", INFO_BYTES);
	}
	return ERR_OK;
}

static enum err judge(int ended, struct error *e)
{
	if (WIFSIGNALED(ended))
		return error_set(e, ERR_SYSTEM, "it was ended by %s", strsignal(WTERMSIG(ended)));
	if (WEXITSTATUS(ended))
		return error_set(e, ERR_SYSTEM, "it ended with exit code %d", WEXITSTATUS(ended));
	return ERR_OK;
}

static enum err run_it(const char *binary, struct str *out, struct error *e)
{
	int ends[2], sys, ended = 0;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return error_sys(e, errno, "pipe");
	auto_fd int reader = ends[0];
	sys = spawn_it(binary, ends[1], &pid);
	close(ends[1]);
	if (sys)
		return error_set(e,
		    sys == ENOENT   ? ERR_NOT_FOUND
		    : sys == EACCES ? ERR_DENIED
				    : ERR_SYSTEM,
		    "%s", strerrordesc_np(sys));
	if (read_all(reader, out, e))
		kill(-pid, SIGKILL);
	while (waitpid(pid, &ended, 0) < 0 && errno == EINTR)
		continue;
	return e->code ? e->code : judge(ended, e);
}

enum err info_read(const char *binary, json_t **out, struct error *e)
{
	auto_str text = {0};

	*e = (struct error){0};
	if (run_it(binary, &text, e) == ERR_OK) {
		json_t *info = json_loadb(str_text(&text), text.n, 0, NULL);

		if (json_is_string(json_object_get(info, "manifest"))) {
			*out = info;
			return ERR_OK;
		}
		json_decref(info);
		error_set(e, ERR_SYSTEM, "it printed no manifest");
	}
	return error_wrap(e, "%s --info", binary);
}
