/* verb_why.c - the causes of a state. */
#include "cli/call.h"
#include "cli/out.h"
#include "cli/verbs.h"

/* Root causes in red, what a process said dimmed, what to do in bold. */
static const char *color_of_line(const char *line)
{
	if (strstr(line, "<- root cause"))
		return "\033[31m";
	if (line[strspn(line, " ")] == '|')
		return "\033[2m";
	return strncmp(line, "next:", 5) == 0 || strncmp(line, "try:", 4) == 0 ? "\033[1m"
									       : "\033[39m";
}

static void print_causes(const char *text)
{
	while (*text) {
		auto_free char *line = text_dup_n(text, strcspn(text, "\n"));

		printf("%s%s%s\n", paint(color_of_line(line)), line, plain());
		text += strlen(line);
		text += *text == '\n';
	}
}

int verb_why(struct cli *c)
{
	int status;
	json_t *v = cli_call(c, "service.why",
	    json_pack("{s:s, s:s?, s:b}", "name", c->args[0], "at", c->at, "full", c->full),
	    &status);

	if (!v)
		return status;
	if (c->json)
		return print_json(v);
	print_causes(text_of(v, "text"));
	json_decref(v);
	return 0;
}
