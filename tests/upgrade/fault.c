/*
 * fault.c - how the name of the program makes it fail:
 *
 *	...-exits     at once, with status 9
 *	...-hangs     before it has looked at anything
 *	...-crashes   once the store is open and migrated
 *	...-late      when everything has recovered, right before it serves
 *	...-waits     in that same place it makes PROGRAM.at, and waits for PROGRAM.go
 */
#include "server/api.h"
#include "server/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum err __real_daemon_open_store(struct daemon *d, struct error *e);
enum err __wrap_daemon_open_store(struct daemon *d, struct error *e);
enum err __real_api_open(struct daemon *d, struct error *e);
enum err __wrap_api_open(struct daemon *d, struct error *e);

static bool is_called(const char *suffix)
{
	return strstr(program_invocation_short_name, suffix);
}

__attribute__((constructor)) static void begin(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--version-json") == 0)
		return;
	if (is_called("-exits"))
		_exit(9);
	while (is_called("-hangs"))
		pause();
}

enum err __wrap_daemon_open_store(struct daemon *d, struct error *e)
{
	enum err code = __real_daemon_open_store(d, e);

	if (is_called("-crashes"))
		abort();
	return code;
}

enum err __wrap_api_open(struct daemon *d, struct error *e)
{
	auto_free char *at = text_fmt("%s.at", program_invocation_name);
	auto_free char *go = text_fmt("%s.go", program_invocation_name);
	int mark = is_called("-waits") ? open(at, O_CREAT | O_CLOEXEC, 0600) : -1;

	if (is_called("-late"))
		abort();
	while (is_called("-waits") && access(go, F_OK) != 0)
		usleep(1000);
	if (mark >= 0)
		close(mark);
	return __real_api_open(d, e);
}
