/*
 * flood.c - a service that writes much: LINES lines of 100 bytes a second on its output.
 *
 *	flood LINES
 *
 * In portions of a hundredth of a second, each line in a write of its own, until it is told
 * to end.  It does not make up for time in which its reader was slow.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 100, PORTIONS = 100 };

int main(int argc, char **argv)
{
	char line[LINE];
	long each = argc > 1 ? strtol(argv[1], NULL, 10) / PORTIONS : 0;
	struct timespec pause = {.tv_nsec = 1000000000l / PORTIONS};

	if (each <= 0)
		return 2;
	memset(line, 'x', sizeof(line));
	line[LINE - 1] = '\n';
	for (;;) {
		for (long i = 0; i < each; i++) {
			if (write(STDOUT_FILENO, line, LINE) != LINE)
				return 1;
		}
		nanosleep(&pause, NULL);
	}
}
