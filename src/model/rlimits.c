#include "model/rlimits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	int resource;
} names[] = {{"as", RLIMIT_AS}, {"core", RLIMIT_CORE}, {"cpu", RLIMIT_CPU}, {"data", RLIMIT_DATA},
    {"fsize", RLIMIT_FSIZE}, {"locks", RLIMIT_LOCKS}, {"memlock", RLIMIT_MEMLOCK},
    {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE}, {"nofile", RLIMIT_NOFILE},
    {"nproc", RLIMIT_NPROC}, {"rss", RLIMIT_RSS}, {"rtprio", RLIMIT_RTPRIO},
    {"rttime", RLIMIT_RTTIME}, {"sigpending", RLIMIT_SIGPENDING}, {"stack", RLIMIT_STACK}};

bool rlimit_name_parse(const char *name, int *resource)
{
	for (size_t i = 0; i < countof(names); i++)
		if (strcmp(names[i].name, name) == 0)
			return *resource = names[i].resource, true;
	return false;
}

static const char *one(const char *s, rlim_t *out)
{
	char *end;

	if (strncmp(s, "unlimited", 9) == 0)
		return *out = RLIM_INFINITY, s + 9;
	if (*s < '0' || *s > '9')
		return NULL;
	errno = 0;
	*out = strtoull(s, &end, 10);
	return errno ? NULL : end;
}

bool rlimit_value_parse(const char *value, rlim_t *soft, rlim_t *hard)
{
	rlim_t s, h;
	const char *end = one(value, &s);

	h = s;
	if (end && *end == ':')
		end = one(end + 1, &h);
	if (!end || *end || s > h)
		return false;
	*soft = s;
	*hard = h;
	return true;
}
