/*
 * log_writer.c - writes LINES lines of 100 bytes to its output, BATCH of them in each write.
 *
 *	log_writer LINES BATCH
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE = 100, BATCH_MAX = 1000 };

int main(int argc, char **argv)
{
	static char lines[LINE * BATCH_MAX];
	long n = argc > 2 ? atol(argv[1]) : 0, batch = argc > 2 ? atol(argv[2]) : 0;

	if (n <= 0 || batch <= 0 || batch > BATCH_MAX)
		return 2;
	memset(lines, 'x', sizeof(lines));
	for (size_t i = LINE - 1; i < sizeof(lines); i += LINE)
		lines[i] = '\n';
	for (; n > 0; n -= batch)
		for (size_t done = 0, size = (size_t)(n < batch ? n : batch) * LINE; done < size;) {
			ssize_t w = write(STDOUT_FILENO, lines + done, size - done);

			if (w < 0)
				return 1;
			done += (size_t)w;
		}
	return 0;
}
