#include "cli/interrupt.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static char farewell[512];
static volatile sig_atomic_t length, resized;

static void end(int signo)
{
	ssize_t ignored = write(STDERR_FILENO, farewell, (size_t)length);
	(void)ignored;

	signal(signo, SIG_DFL);
	raise(signo);
}

static void note_size(int signo)
{
	(void)signo;
	resized = 1;
}

static void on(int signo, void (*handler)(int), int flags)
{
	struct sigaction a = {.sa_handler = handler, .sa_flags = flags};

	sigemptyset(&a.sa_mask);
	sigaction(signo, &a, NULL);
}

/* An ignored INT (nohup, a job of a shell in the background) stays ignored. */
static bool is_ignored(int signo)
{
	struct sigaction now;

	return sigaction(signo, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

void interrupt_say(const char *text)
{
	static const int signals[] = {SIGINT, SIGTERM};

	length = 0;
	if (text) {
		snprintf(
		    farewell, sizeof(farewell), "%s%s\n", isatty(STDERR_FILENO) ? "\n" : "", text);
		length = (sig_atomic_t)strlen(farewell);
	}
	for (size_t i = 0; i < countof(signals); i++)
		if (!is_ignored(signals[i]))
			on(signals[i], text ? end : SIG_DFL, SA_RESTART);
	on(SIGWINCH, note_size, 0);
}

bool interrupt_resized(void)
{
	bool was = resized;

	resized = 0;
	return was;
}
