#include "client/place.h"

#include "base/str.h"

#include <sys/stat.h>

static char *expected_place(const char *name)
{
	const char *root = getenv("PATH_ROOT"), *home = getenv("HOME");

	return root && *root ? text_fmt("%s/bin/%s", root, name)
			     : text_fmt("%s/hero/bin/%s", home ? home : "", name);
}

bool place_is_elsewhere(const char *name, const char *exec)
{
	auto_free char *expected = expected_place(name);
	struct stat there, here;

	return stat(expected, &there) != 0 || stat(exec, &here) != 0 ||
	       there.st_dev != here.st_dev || there.st_ino != here.st_ino;
}
