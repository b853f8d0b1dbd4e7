/*
 * bed.h - a real keeper in a folder of its own, whose channel the test holds.
 *
 * $KEEPER_EXE and $FAKE_SERVER_EXE name the programs (meson sets them).  Events
 * that arrive are noted per token, in order; bed_until() runs the loop until a
 * condition holds or ten seconds are over.
 */
#ifndef TEST_BED_H
#define TEST_BED_H

#include "base/base.h"
#include "spawn/spawner.h"

#include <event2/event.h>

struct seen {
	uint64_t token;
	pid_t pid;
	uint64_t start_ticks;
	int pidfd;
	enum keeper_step step;
	int sys;
	bool failed, spawned, exited, empty, listed, listed_exited, listed_empty, listed_acked;
	bool out_of_order; /* exited before spawned, empty before exited, or anything twice */
	struct keeper_exit_info how;
	char notified[256];
	char label[64];
};

struct bed {
	char dir[64], state[80], path[96];
	int listen_fd, server_fd;
	pid_t keeper, server;
	bool safe, has_cgroups, listed_all, lost;
	char server_path[96], upgrade[128]; /* of the present server: argv[0], KEEPER_UPGRADE_ENV */
	int shutdown_asked;
	struct event_base *base;
	struct urgent *urgent;
	struct spawner *spawner;
	struct seen seen[2100];
	size_t n_seen;
	int held_fd;
	char held_name[64];
	uint64_t next_token;
};

void bed_open(struct bed *b, bool cgroups); /* a keeper is started, its server has come */
void bed_close(struct bed *b);		    /* shut down, checked to end with status 0 */
void bed_accept(struct bed *b);		    /* the next server */
void bed_kill_server(struct bed *b);	    /* SIGKILL, and accept the next one */
void bed_end_server(struct bed *b, int status);
int bed_wait_keeper(struct bed *b); /* its exit status; -1: not within the bound */
pid_t bed_exec_keeper(const char *state, int err_fd);

struct seen *bed_seen(struct bed *b, uint64_t token);
bool bed_until(struct bed *b, bool (*fn)(struct bed *, void *), void *arg);
bool bed_until_spawned(struct bed *b, uint64_t token);
bool bed_until_exited(struct bed *b, uint64_t token);
bool bed_until_empty(struct bed *b, uint64_t token);
bool bed_until_listed(struct bed *b);

/* Run /bin/sh with a script; out_fd is its standard output, -1: none.  The token. */
uint64_t bed_sh(struct bed *b, const char *script, int out_fd, bool notify);
uint64_t bed_exec(struct bed *b, struct spawn_spec *s);
char *bed_output(struct bed *b, const char *script); /* what it printed; the caller frees */
size_t count_fds(pid_t pid);

/* Of the one that the present test has. */
extern struct bed bed;
int bed_setup_with_cgroups(void **state);
int bed_setup_without_cgroups(void **state);
int bed_teardown(void **state);
#define WITH(t)	   cmocka_unit_test_setup_teardown(t, bed_setup_with_cgroups, bed_teardown)
#define WITHOUT(t) cmocka_unit_test_setup_teardown(t, bed_setup_without_cgroups, bed_teardown)
#define BOTH(t)	   WITH(t), WITHOUT(t)

#endif
