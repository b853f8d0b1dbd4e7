/*
 * graph_self.c - a node that starts itself: --start, --stop, --status and --info from the
 * manifest in the file beside it (its own path and `.toml`); otherwise it is graph_node.
 */
#include <hero_proc.h>
#include <stdio.h>
#include <unistd.h>

static int serve(int argc, char **argv)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	(void)argc;
	path[n > 0 ? n : 0] = '\0';
	char *slash = __builtin_strrchr(path, '/');
	snprintf(slash + 1, sizeof(path) - (size_t)(slash + 1 - path), "graph_node");
	execv(path, argv);
	return 127;
}

int main(int argc, char **argv)
{
	static char text[1 << 16];
	char path[4200];
	ssize_t n = readlink("/proc/self/exe", path, 4096);

	snprintf(path + (n > 0 ? n : 0), 8, ".toml");
	FILE *f = fopen(path, "re");
	size_t len = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	if (f)
		fclose(f);
	text[len] = '\0';
	return hero_service_main(argc, argv, text, serve);
}
