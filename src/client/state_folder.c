#include "client/state_folder.h"

#include "base/str.h"

#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>

char *state_folder_default(void)
{
	const char *var = getenv("PATH_VAR"), *root = getenv("PATH_ROOT"), *home = getenv("HOME");
	const struct passwd *user = home && *home ? NULL : getpwuid(getuid());

	if (var && *var)
		return text_fmt("%s/hero_proc", var);
	if (root && *root)
		return text_fmt("%s/var/hero_proc", root);
	return text_fmt("%s/hero/var/hero_proc", user ? user->pw_dir : home ? home : "");
}

pid_t state_folder_holder(const char *path)
{
	struct stat st;
	char line[256];
	unsigned long inode;
	int pid, holder = 0;
	FILE *f = stat(path, &st) == 0 ? fopen("/proc/locks", "re") : NULL;

	while (f && !holder && fgets(line, sizeof(line), f))
		if (strstr(line, "FLOCK") && !strstr(line, "->") &&
		    sscanf(line, "%*s %*s %*s %*s %d %*x:%*x:%lu", &pid, &inode) == 2 &&
		    inode == st.st_ino)
			holder = pid;
	if (f)
		fclose(f);
	return holder;
}
