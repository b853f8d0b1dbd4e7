/*
 * chaos_worker.c - a service that keeps account of itself.
 *
 * chaos_worker FOLDER NAME [key=number]...
 *   pause_us=N  between two lines; 0: no line at all
 *   flood=N     every 200th time, so many batches of 100 lines at once
 *   life_ms=N   ends by itself after at most so long, with a status of its own choice
 *   code=N      that status; absent: 1 to 99 by chance
 *   ready_ms=N  a newline on descriptor 3 after so long
 *   deaf=1      ignores SIGTERM
 *
 * Each line on standard output is `TOKEN NUMBER`, TOKEN that of the attempt, NUMBER from 1.
 * FOLDER/marks gets a line per fact, in one write: `start TOKEN NAME PID DEAF` once SIGTERM is
 * handled, `end TOKEN NAME PID STATUS` just before exit.  FOLDER/lines/TOKEN holds the number
 * of the last line that write(2) took, shared with the kernel, so that SIGKILL leaves it true.
 * A batch is below PIPE_BUF: it is taken as a whole or not at all (pipe(7)).
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define BATCH 100

static volatile sig_atomic_t asked;
static const char *token, *name;
static int marks;
static volatile uint64_t *taken;

static void on_term(int signo)
{
	(void)signo;
	asked = 1;
}

static long number(int argc, char **argv, const char *key, long otherwise)
{
	size_t n = strlen(key);

	for (int i = 3; i < argc; i++)
		if (strncmp(argv[i], key, n) == 0 && argv[i][n] == '=')
			return strtol(argv[i] + n + 1, NULL, 10);
	return otherwise;
}

static void mark(const char *fact, long value)
{
	char line[256];
	int n = snprintf(
	    line, sizeof(line), "%s %s %s %d %ld\n", fact, token, name, (int)getpid(), value);

	if (write(marks, line, (size_t)n) != n)
		_exit(120);
}

static void open_account(const char *folder)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/marks", folder);
	marks = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	snprintf(path, sizeof(path), "%s/lines/%s", folder, token);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (marks < 0 || fd < 0 || ftruncate(fd, sizeof(*taken)) < 0)
		_exit(121);
	taken = mmap(NULL, sizeof(*taken), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (taken == MAP_FAILED)
		_exit(122);
	close(fd);
}

/* Repeated when a signal interrupts it; it blocks while nobody reads. */
static void say(unsigned lines)
{
	char text[BATCH * 40];
	size_t n = 0;

	for (unsigned i = 1; i <= lines; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s %llu\n", token,
		    (unsigned long long)(*taken + i));
	while (write(STDOUT_FILENO, text, n) != (ssize_t)n)
		if (asked)
			return;
	*taken += lines;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void rest(long us)
{
	nanosleep(&(struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000}, NULL);
}

int main(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = on_term};

	token = getenv("HERO_PROC_TOKEN");
	if (argc < 3 || !token)
		return 2;
	name = argv[2];
	long deaf = number(argc, argv, "deaf", 0), pause_us = number(argc, argv, "pause_us", 20000);
	if (deaf)
		sa.sa_handler = SIG_IGN;
	sigaction(SIGTERM, &sa, NULL);
	open_account(argv[1]);
	mark("start", deaf);
	srand((unsigned)strtoul(token, NULL, 16) ^ (unsigned)getpid());
	long ready_ms = number(argc, argv, "ready_ms", 0), flood = number(argc, argv, "flood", 0);
	long life = number(argc, argv, "life_ms", 0), code = number(argc, argv, "code", -1);
	int64_t end = life ? now_ms() + rand() % life : INT64_MAX;
	if (ready_ms) {
		rest(ready_ms * 1000);
		(void)!write(3, "\n", 1);
	}
	while (!asked && now_ms() < end) {
		if (pause_us)
			say(1);
		for (long i = 0; flood && rand() % 200 == 0 && i < flood && !asked; i++)
			say(BATCH);
		rest(pause_us ? pause_us : 50000);
	}
	int status = asked ? 0 : code >= 0 ? (int)code : 1 + rand() % 99;
	mark("end", status);
	return status;
}
