/* A binary that carries its service.toml: what hero_service_main makes of one. */
#include "hero_proc.h"

#include <stdio.h>

static int serve(int argc, char **argv)
{
	printf("serves %s\n", argc > 1 ? argv[1] : "");
	return 42;
}

int main(int argc, char **argv)
{
	return hero_service_main(
	    argc, argv, "[[binaries]]\nname = \"own_service\"\nkind = \"server\"\n", serve);
}
