#include "keeper/child.h"
#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOFILE_MANY 262144

static void __attribute__((noreturn)) usage(void)
{
	say("usage: hero_proc_keeper --state DIR --server PATH [--user UID:GID,...] [-- ARG...]");
	exit(KEEPER_EXIT_USAGE);
}

static void parse(struct keeper *k, int argc, char **argv)
{
	const char *server = NULL;
	int i = 1;
	for (; i + 1 < argc && strcmp(argv[i], "--") != 0; i += 2) {
		if (strcmp(argv[i], "--state") == 0)
			k->state_dir = argv[i + 1];
		else if (strcmp(argv[i], "--server") == 0)
			server = argv[i + 1];
		else if (strcmp(argv[i], "--user") == 0 &&
			 identity_parse(&k->server.identity, argv[i + 1]))
			continue;
		else
			usage();
	}
	if (!k->state_dir || !server || (i < argc && strcmp(argv[i], "--") != 0))
		usage();
	int rest = i < argc ? argc - i - 1 : 0;
	k->server.argv = calloc((size_t)rest + 3, sizeof(char *));
	k->server.argv[0] = realpath(server, NULL);
	if (!k->server.argv[0])
		k->server.argv[0] = strdup(server);
	for (int a = 0; a < rest; a++)
		k->server.argv[a + 1] = argv[i + 1 + a];
	k->server.argc = (size_t)rest + 1;
}

/* Sets, start times and tokens are read from there: with other numbers they would be others'. */
static void check_proc(void)
{
	char self[16], own[16];
	ssize_t n = readlink("/proc/self", self, sizeof(self) - 1);
	self[n > 0 ? n : 0] = '\0';
	snprintf(own, sizeof(own), "%d", (int)getpid());
	if (n > 0 && strcmp(self, own) == 0)
		return;
	say(n > 0 ? "/proc is that of another pid namespace: mount one here first"
		  : "/proc is not mounted");
	exit(KEEPER_EXIT_FAILED);
}

static void open_state(struct keeper *k)
{
	if (mkdir(k->state_dir, 0700) < 0 && errno != EEXIST) {
		say("%s: %s", k->state_dir, strerror(errno));
		exit(KEEPER_EXIT_FAILED);
	}
	k->state_fd = open(k->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	k->id = folder_id(k->state_dir);
	if (k->state_fd < 0 || !k->id) {
		say("%s: %s", k->state_dir, strerror(errno));
		exit(KEEPER_EXIT_FAILED);
	}
}

/* 0, 1, 2, the slots and what an estate named are open, nothing else is; every disposition is
 * the default one. */
static void clean_up_inheritance(const struct keeper *k)
{
	int fd;
	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd < SLOTS_BEGIN);
	if (k->is_heir)
		handover_close_others(k);
	else
		syscall(SYS_close_range, (unsigned)SLOTS_BEGIN, ~0u, 0u);
	if (!child_slots_open()) {
		say("/dev/null: %s", strerror(errno));
		exit(KEEPER_EXIT_FAILED);
	}
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	unsetenv(KEEPER_FD_ENV);
}

/* Four descriptors a job: above the hard limit, where that is allowed. */
static void raise_nofile(struct keeper *k)
{
	unsigned long long soft, most;
	const char *given = getenv(KEEPER_NOFILE_ENV);
	getrlimit(RLIMIT_NOFILE, &k->nofile);
	if (given && sscanf(given, "%llu:%llu", &soft, &most) == 2) /* raised by a former keeper */
		k->nofile = (struct rlimit){soft, most};
	unsetenv(KEEPER_NOFILE_ENV);
	struct rlimit hard = {k->nofile.rlim_max, k->nofile.rlim_max};
	struct rlimit many = {NOFILE_MANY, NOFILE_MANY};
	if (hard.rlim_max >= NOFILE_MANY || setrlimit(RLIMIT_NOFILE, &many) < 0)
		setrlimit(RLIMIT_NOFILE, &hard);
}

/* That of a killed keeper goes on, whatever stands in its place by now. */
static void find_program(struct keeper *k)
{
	k->server.upgrade.other_fd = -1;
	k->server.program_fd = held_take(k, KEEPER_HELD_PROGRAM);
	if (k->server.program_fd < 0 && access(k->server.argv[0], F_OK) < 0) {
		say("%s: %s", k->server.argv[0], strerror(errno));
		exit(KEEPER_EXIT_FAILED);
	}
}

static unsigned delay_max(void)
{
	const char *given = getenv(KEEPER_DELAY_MAX_ENV);
	return given ? (unsigned)strtoul(given, NULL, 10) : KEEPER_DELAY_MAX_MS;
}

int main(int argc, char **argv)
{
	static struct keeper k = {.done_end = &k.done, .set_is_empty = job_set_is_empty};
	parse(&k, argc, argv);
	handover_read(&k);
	clean_up_inheritance(&k);
	check_proc();
	find_program(&k);
	open_state(&k);
	lock_take(&k);
	handover_look_for(&k);
	strays_end(&k);
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	raise_nofile(&k);
	reserve_fill(&k);
	k.server.delay_max_ms = delay_max();
	channel_init(&k.server.channel, -1);
	k.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	journal_open(&k);
	sets_init(&k);
	handover_settle(&k);
	keeper_run(&k);
	sets_release(&k);
	return k.exit_status;
}
