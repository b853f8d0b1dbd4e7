#include "cli/daemon.h"

#include "cli/call.h"
#include "cli/out.h"
#include "client/state_folder.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define DAEMON_MS 10000 /* until it must answer */

static bool answers(struct cli *c)
{
	struct hp_error e;
	json_t *v = cli_try(c, "system.ping", NULL, &e);

	if (!v) {
		bool there = err_from_rpc_code(e.code) != ERR_NO_DAEMON;

		hp_error_release(&e);
		return there;
	}
	json_decref(v);
	return true;
}

/* Beside our own binary, in the build tree, or on PATH. */
static char *find_server(void)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	static const char *const places[] = {"/hero_proc_server", "/../server/hero_proc_server"};

	self[n > 0 ? n : 0] = '\0';
	if (strrchr(self, '/'))
		*strrchr(self, '/') = '\0';
	for (size_t i = 0; i < countof(places); i++) {
		char *path = text_fmt("%s%s", self, places[i]);

		if (access(path, X_OK) == 0)
			return path;
		free(path);
	}
	return text_dup("hero_proc_server");
}

static void become_daemon(struct cli *c, const char *server)
{
	auto_free char *state = state_folder_default();
	auto_free char *log = text_fmt("%s/supervisor.log", state);
	const char *ours = getenv("HERO_PROC_SOCKET"); /* a word of clients: the daemon is told */
	const char *told = c->socket ? c->socket : ours && *ours ? ours : NULL;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	signal(SIGPIPE, SIG_DFL);
	for (char *p = log + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		mkdir(log, strchr(p + 1, '/') ? 0755 : 0700);
	}
	int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	dup2(null, 0);
	dup2(out >= 0 ? out : null, 1);
	dup2(out >= 0 ? out : null, 2);
	closefrom(3); /* a lock or a pipe of the caller is not kept */
	if (told)
		execlp(server, server, "--socket", told, (char *)NULL);
	else
		execlp(server, server, (char *)NULL);
	_exit(127);
}

/* A living one that does not answer is not joined by a second. */
static bool is_held(struct cli *c)
{
	auto_free char *state = state_folder_default();
	const pid_t holder = state_folder_holder(state);

	if (holder)
		complain(
		    "the supervisor, pid %d, holds %s, but nobody listens on %s; hero_proc doctor "
		    "looks why",
		    (int)holder, state, hp_client_socket(c->client));
	return holder != 0;
}

static msec now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (msec)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int daemon_ensure(struct cli *c)
{
	const struct timespec pause = {0, 10000000};
	auto_free char *server = find_server();
	bool gave_way = false;
	int ended;

	if (answers(c))
		return 0;
	if (is_held(c))
		return err_exit_status(ERR_NO_DAEMON);
	const msec until = now_ms() + DAEMON_MS;
	pid_t pid = fork();
	if (pid == 0)
		become_daemon(c, server);
	while (pid > 0 && now_ms() < until) {
		if (answers(c))
			return 0;
		/* One that found another before it gives way: that one will answer. */
		if (!gave_way && waitpid(pid, &ended, WNOHANG) == pid) {
			gave_way =
			    WIFEXITED(ended) && WEXITSTATUS(ended) == err_exit_status(ERR_CONFLICT);
			if (!gave_way)
				break;
		}
		nanosleep(&pause, NULL);
	}
	if (!is_held(c))
		complain("%s did not come up; hero_proc logs --supervisor", server);
	return err_exit_status(ERR_NO_DAEMON);
}
