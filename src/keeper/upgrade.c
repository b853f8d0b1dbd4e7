#include "keeper/keeper.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS	 1000000ll
#define FAREWELL (10000 * MS) /* for the former server to end by itself */
#define TRIAL_MS 30000

extern char **environ;

/* ---- the file that is executed --------------------------------------------------- */

static int open_program(const char *path)
{
	return open(path, O_PATH | O_CLOEXEC);
}

void program_hold(struct server *s)
{
	if (s->program_fd < 0)
		s->program_fd = open_program(s->argv[0]);
}

void program_let_go(struct server *s)
{
	if (s->program_fd >= 0)
		close(s->program_fd);
	s->program_fd = -1;
}

/* By its path where that still names it: execveat(2) of a descriptor leaves its number as the
 * name of the process.  A script can be executed by its path only. */
void program_execute(const struct server *s)
{
	struct stat held, there;
	bool is_there = s->program_fd < 0 ||
			(fstat(s->program_fd, &held) == 0 && stat(s->argv[0], &there) == 0 &&
			    held.st_dev == there.st_dev && held.st_ino == there.st_ino);
	if (!is_there)
		syscall(SYS_execveat, s->program_fd, "", s->argv, environ, AT_EMPTY_PATH);
	execv(s->argv[0], s->argv);
}

/* ---- the course of an upgrade ------------------------------------------------------ */

static void swap(struct server *s)
{
	struct upgrade *u = &s->upgrade;
	char *path = s->argv[0];
	int fd = s->program_fd;
	s->argv[0] = u->other;
	s->program_fd = u->other_fd;
	u->other = path;
	u->other_fd = fd;
}

static void forget_other(struct upgrade *u)
{
	free(u->other);
	if (u->other_fd >= 0)
		close(u->other_fd);
	u->other = NULL;
	u->other_fd = -1;
}

void upgrade_ask(struct keeper *k, const char *path, uint64_t operation, int trial_ms)
{
	struct upgrade *u = &k->server.upgrade;
	char *next = u->state == UPGRADE_ASKED || u->state == UPGRADE_NEXT ? NULL : strdup(path);
	if (!next)
		return;
	*u = (struct upgrade){.state = UPGRADE_ASKED,
	    .operation = operation,
	    .other = next,
	    .other_fd = -1,
	    .trial_ms = trial_ms > 0 ? trial_ms : TRIAL_MS,
	    .until = now_ns() + FAREWELL};
}

static void go_back(struct server *s, const char *why)
{
	struct upgrade *u = &s->upgrade;
	if (!u->why[0])
		snprintf(u->why, sizeof(u->why), "%s", why);
	say("%s: %s; %s is started again", s->argv[0], u->why, u->other);
	swap(s);
	forget_other(u);
	u->state = UPGRADE_BACK;
	u->until = 0;
}

static void try_next(struct server *s)
{
	struct upgrade *u = &s->upgrade;
	program_hold(s);
	swap(s);
	u->state = UPGRADE_NEXT;
	u->until = now_ns() + u->trial_ms * MS;
	s->safe = false;
	s->n_deaths = s->delay_ms = 0;
	memset(s->deaths, 0, sizeof(s->deaths));
}

bool upgrade_server_ended(struct server *s, const siginfo_t *how)
{
	struct upgrade *u = &s->upgrade;
	char why[64];
	if (u->state == UPGRADE_ASKED) {
		try_next(s);
		return true;
	}
	if (u->state != UPGRADE_NEXT)
		return false;
	snprintf(why, sizeof(why), "it ended with %s %d before it served",
	    how->si_code == CLD_EXITED ? "exit status" : "signal", how->si_status);
	go_back(s, why);
	return true;
}

void upgrade_serves(struct keeper *k)
{
	struct upgrade *u = &k->server.upgrade;
	k->server.served = true;
	if (u->state != UPGRADE_NEXT)
		return;
	forget_other(u);
	u->state = UPGRADE_DONE;
	u->until = 0;
}

bool upgrade_is_due(const struct upgrade *u)
{
	return u->until && now_ns() >= u->until;
}

bool upgrade_time_out(struct server *s)
{
	struct upgrade *u = &s->upgrade;
	bool back = u->state == UPGRADE_NEXT && !s->running;
	if (u->state == UPGRADE_NEXT)
		snprintf(u->why, sizeof(u->why), "it did not serve within %d ms", u->trial_ms);
	u->until = 0;
	if (s->running)
		syscall(SYS_pidfd_send_signal, s->exit.fd, SIGKILL, NULL, 0);
	else if (back)
		go_back(s, u->why);
	return back;
}

void upgrade_tell(const struct upgrade *u)
{
	static const char *const words[] = {[UPGRADE_NEXT] = KEEPER_UPGRADE_NEXT,
	    [UPGRADE_DONE] = KEEPER_UPGRADE_DONE,
	    [UPGRADE_BACK] = KEEPER_UPGRADE_BACK};
	char text[sizeof(u->why) + 64];
	unsetenv(KEEPER_UPGRADE_ENV);
	if (u->state == UPGRADE_NONE || u->state == UPGRADE_ASKED)
		return;
	snprintf(text, sizeof(text), "%s %llu %s", words[u->state],
	    (unsigned long long)u->operation, u->why);
	setenv(KEEPER_UPGRADE_ENV, text, 1);
}
