#include "model/capabilities.h"

#include "base/str.h"

#include <strings.h>

/* By number, as linux/capability.h has them. */
static const char *const names[] = {"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN",
    "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT",
    "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD",
    "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ",
    "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE"};

#define PREFIX 4 /* "CAP_" */

bool capability_parse(const char *name, unsigned *number)
{
	const char *bare = strncasecmp(name, names[0], PREFIX) == 0 ? name + PREFIX : name;

	for (unsigned i = 0; i < countof(names); i++)
		if (strcasecmp(names[i] + PREFIX, bare) == 0)
			return *number = i, true;
	return false;
}

const char *capability_name(unsigned number)
{
	return number < countof(names) ? names[number] : NULL;
}

const char *capability_nearest(const char *name)
{
	return text_nearest(name, names, countof(names));
}
