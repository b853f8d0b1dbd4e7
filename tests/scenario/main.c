/*
 * main.c - scenarios in virtual time.
 *
 *	scenario FILE|FOLDER...                plays them; the last line counts
 *	scenario --json PACE STAGE FILE        prints one for the runner over real processes
 */
#include "stage.h"

#include <glob.h>
#include <stdio.h>
#include <sys/stat.h>

static int print(const char *pace, const char *folder, const char *path)
{
	const struct script_options o = {.pace = atoi(pace) > 0 ? atoi(pace) : 1, .stage = folder};
	struct script script;
	struct error e = {0};

	if (script_read(path, &o, &script, &e)) {
		fprintf(stderr, "%s\n", e.msg);
		return 2;
	}
	json_t *j = script_json(&script);
	json_dumpf(j, stdout, JSON_COMPACT);
	json_decref(j);
	script_release(&script);
	return 0;
}

/* A known fault (`# open:`) has to fail, so that its remark goes when it is mended. */
static bool tell(const char *path)
{
	const struct script_options o = {.pace = 1, .stage = "/stage"};
	struct script script;
	struct stage stage;
	struct error e = {0};

	if (script_read(path, &o, &script, &e)) {
		printf("%s\n", e.msg);
		return false;
	}
	bool ok = true;
	if (!script.only || strcmp(script.only, "sim") == 0) {
		stage_open(&stage, &script, "/stage");
		ok = play(&stage, &e);
		stage_close(&stage);
		if (!ok)
			printf("%s%s\n", script.open ? "open: " : "", e.msg);
		else if (script.open)
			printf("%s: it holds now, its remark `open` may go\n", path);
		ok = ok != (script.open != NULL);
	}
	script_release(&script);
	return ok;
}

static int tell_all(const char *path, int *failed)
{
	auto_free char *pattern = text_fmt("%s/*.scn", path);
	struct stat st;
	glob_t g = {0};
	int n = 1;

	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
		*failed += !tell(path);
		return n;
	}
	n = glob(pattern, 0, NULL, &g) == 0 ? (int)g.gl_pathc : 0;
	for (int i = 0; i < n; i++)
		*failed += !tell(g.gl_pathv[i]);
	globfree(&g);
	return n;
}

int main(int argc, char **argv)
{
	int n = 0, failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 5 && strcmp(argv[1], "--json") == 0)
		return print(argv[2], argv[3], argv[4]);
	for (int i = 1; i < argc; i++)
		n += tell_all(argv[i], &failed);
	printf("%d scenarios, %d failed\n", n, failed);
	return failed != 0 || n == 0;
}
