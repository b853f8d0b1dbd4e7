/*
 * service.c - hero_db, hero_proxy, hero_collab_server and hero_collab_web.
 *
 * One source, four programs: each is built with its NAME, FOLDER and SOCKET and
 * with its own service.toml inside (MANIFEST, a header made by tools/embed.sh).  Without an option
 * it serves; `--start`,
 * `--stop`, `--status` and `--info` come from hero_service_main, which asks the
 * supervisor and so takes the same way as everybody else.
 */
#include <hero_proc.h>
#include <stdlib.h>

#include "../common/life.h"
#include MANIFEST

static int serve(int argc, char **argv)
{
	struct life l;

	(void)argc, (void)argv;
	life_begin(&l, NAME);
	if (!life_prepare(&l)) {
		life_end(&l);
		return 0;
	}
	const char *folder = getenv("HERO_FOLDER"); /* a definition may put the socket elsewhere */
	return life_answer(&l, life_socket_path(folder ? folder : FOLDER, SOCKET));
}

int main(int argc, char **argv)
{
	return hero_service_main(argc, argv, service_toml, serve);
}
