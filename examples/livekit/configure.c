/*
 * configure.c - the one-shot: writes the file that the others read, and ends.
 */
#include "../common/life.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int write_configuration(const char *path)
{
	char fresh[600];

	snprintf(fresh, sizeof(fresh), "%s.new", path);
	FILE *f = fopen(fresh, "we");
	if (!f || fprintf(f, "rooms = 12\n") < 0 || fclose(f) != 0 || rename(fresh, path) < 0) {
		fprintf(stderr, "livekit-configure: %s: %s\n", path, strerror(errno));
		return 1;
	}
	return 0;
}

int main(void)
{
	struct life l;

	life_begin(&l, "livekit-configure");
	if (!life_prepare(&l))
		return 1;
	int status = write_configuration(life_socket_path("livekit", "livekit.conf"));
	if (status == 0)
		life_write(&l, "ready");
	life_end(&l);
	return status;
}
