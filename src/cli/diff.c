#include "cli/diff.h"

#include "cli/out.h"

static void print_change(const char *color, char mark, const json_t *change)
{
	json_t *reasons = json_object_get(change, "reasons"), *reason;
	size_t i;

	printf("%s%c %-24s%s", paint(color), mark, text_of(change, "name"), plain());
	json_array_foreach (reasons, i, reason)
		printf(
		    "%s%s", i ? "\n                           " : " ", json_string_value(reason));
	putchar('\n');
}

static void print_changes(const json_t *diff)
{
	static const struct {
		const char *list, *color;
		char mark;
	} lists[] = {{"added", "\033[32m", '+'}, {"removed", "\033[31m", '-'},
	    {"renamed", "\033[36m", '>'}, {"changed", "\033[33m", '~'}};
	json_t *change;
	size_t k;

	for (size_t i = 0; i < countof(lists); i++)
		json_array_foreach (json_object_get(diff, lists[i].list), k, change)
			print_change(lists[i].color, lists[i].mark, change);
	k = json_array_size(json_object_get(diff, "unchanged"));
	if (k)
		printf("  %zu unchanged\n", k);
}

static void print_touched(const json_t *diff, const char *list, const char *word, const char *color)
{
	json_t *row;
	size_t i;

	json_array_foreach (json_object_get(diff, list), i, row)
		printf("%s%-9s%s %-24s %s\n", paint(color), word, plain(), text_of(row, "name"),
		    text_of(row, "reason"));
}

void diff_print(const json_t *diff)
{
	json_t *broken;
	size_t i;

	print_changes(diff);
	json_array_foreach (json_object_get(diff, "broken"), i, broken)
		printf("%swill not go%s without --force: %s, which is removed\n", paint("\033[31m"),
		    plain(), json_string_value(broken));
	print_touched(diff, "stops", "stops", "\033[31m");
	print_touched(diff, "restarts", "restarts", "\033[33m");
	print_touched(diff, "starts", "starts", "\033[32m");
}

size_t diff_count(const json_t *diff, const char *list)
{
	return json_array_size(json_object_get(diff, list));
}

bool diff_is_any(const json_t *diff)
{
	return diff_count(diff, "added") || diff_count(diff, "removed") ||
	       diff_count(diff, "renamed") || diff_count(diff, "changed");
}
