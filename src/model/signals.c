#include "model/signals.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Digits and nothing else, -1 otherwise. */
static int number(const char *text, int max)
{
	int n = 0;

	if (!*text)
		return -1;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		n = n * 10 + (*text - '0');
		if (n > max)
			return -1;
	}
	return n;
}

/* RTMIN, RTMIN+n, RTMAX, RTMAX-n; see signal(7). */
static int real_time(const char *text)
{
	bool max = strncmp(text, "RTMAX", 5) == 0;
	int signo = max ? SIGRTMAX : SIGRTMIN, by;

	if (!max && strncmp(text, "RTMIN", 5) != 0)
		return 0;
	text += 5;
	if (!*text)
		return signo;
	if (*text != (max ? '-' : '+') || (by = number(text + 1, SIGRTMAX - SIGRTMIN)) < 0)
		return 0;
	return max ? signo - by : signo + by;
}

int signal_parse(const char *text)
{
	int n = number(text, NSIG - 1);

	if (n >= 0)
		return n;
	if (strncmp(text, "SIG", 3) == 0)
		text += 3;
	for (int i = 1; i < NSIG; i++) {
		const char *known = sigabbrev_np(i);

		if (known && strcmp(known, text) == 0)
			return i;
	}
	return real_time(text);
}

const char *signal_name(int signo, char *buf, size_t n)
{
	const char *known = sigabbrev_np(signo);

	if (known)
		snprintf(buf, n, "SIG%s", known);
	else
		snprintf(buf, n, "%d", signo);
	return buf;
}

bool exit_code_parse(const char *text, int *code, int *signo)
{
	int n = number(text, 255);
	int sig = n < 0 && (*text < '0' || *text > '9') ? signal_parse(text) : 0;

	if (n < 0 && !sig)
		return false;
	*code = n;
	*signo = sig;
	return true;
}
