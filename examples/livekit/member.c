/*
 * member.c - livekit-server, lk-backend and livekit_control: each reads the
 * configuration once, answers on its own socket, and is lost without the file.
 *
 * Built with -DNAME, -DFOLDER and -DSOCKET.
 */
#include "../common/life.h"

#include <stdio.h>

static bool read_configuration(void)
{
	FILE *f = fopen(life_socket_path("livekit", "livekit.conf"), "re");
	int rooms = 0;
	bool ok = f && fscanf(f, "rooms = %d", &rooms) == 1;

	if (f)
		fclose(f);
	return ok;
}

int main(void)
{
	struct life l;

	life_begin(&l, NAME);
	if (!read_configuration()) {
		fprintf(stderr, NAME ": there is no configuration\n");
		return 2;
	}
	if (!life_prepare(&l)) {
		life_end(&l);
		return 0;
	}
	return life_answer(&l, life_socket_path(FOLDER, SOCKET));
}
