#include "zone_file.h"

#include "base/str.h"

#include <stdio.h>

struct zone *zone_of_machine(const char *name)
{
	auto_free char *path = text_fmt("/usr/share/zoneinfo/%s", name);
	static char bytes[1 << 20];
	struct error e;
	struct zone *z = NULL;
	FILE *f = fopen(path, "re");

	if (!f)
		return NULL;
	const size_t n = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	return zone_read(bytes, n, &z, &e) == ERR_OK ? z : NULL;
}
