/*
 * query_fuzz.c - any bytes are an expression or an error with a place, and any line is judged.
 *
 * The first line of the input is the expression, the rest is the line.  What matches has the texts
 * that the expression said it needs.  Under clang this is a libFuzzer target
 * (-fsanitize=fuzzer -DFUZZER); under gcc main() replays the inputs below, and every file named on
 * the command line.
 */
#include "query/query.h"

#include <assert.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void judge(struct query *q, const char *text, size_t n)
{
	static const char *const names[] = {"level", "a.b", "items.0", "msg", "time", "line"};
	struct log_line l = {.service = "web",
	    .action = "main",
	    .run = "web#1",
	    .job = 1,
	    .attempt = 1,
	    .stream = LOG_STDOUT,
	    .time = 1,
	    .bytes = text,
	    .n = n};
	struct query_fields *f;
	struct query_text out[countof(names)];
	struct error e;
	bool gave_up = query_gave_up(q), yes = query_match(q, &l);

	assert(!yes || log_needles_in(query_needles(q), text, n));
	assert(gave_up || query_gave_up(q) || yes == query_match(q, &l));
	assert(query_fields_new(names, countof(names), &f, &e) == ERR_OK);
	query_fields_of(f, &l, out);
	query_fields_free(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const uint8_t *end = memchr(data, '\n', n);
	size_t len = end ? (size_t)(end - data) : n;
	auto_free char *where = text_dup_n((const char *)data, len);
	/* A copy of exactly its size: a read beyond it is seen. */
	auto_free char *line = mem_grow(NULL, n - len + 1, 1);
	struct query_fault fault;
	struct error e;
	struct query *q;

	if (end)
		memcpy(line, end + 1, n - len - 1);
	if (query_new(where, 1000000, &q, &fault, &e)) {
		assert(e.code == ERR_INVALID && fault.at <= strlen(where));
		return 0;
	}
	judge(q, line, end ? n - len - 1 : 0);
	query_free(q);
	return 0;
}

#ifndef FUZZER
static const char *const inputs[] = {
    "",
    "\n",
    "level >= warn and (status >= 500 or duration > 0.5)\n{\"level\":\"error\",\"status\":502}",
    "a.b = 1 or items.0 = 'x'\n{\"a\":{\"b\":1},\"items\":[\"x\"],\"a.b\":2}",
    "a.b exists and a exists\n{\"a\":{\"b\":1}}",
    "a = 1 and a.b.c = 2\n{\"a\":[[[]]],\"x\":\"\\",
    "msg ~ '^a+$'\nmsg=\"aaa\" =x a= b",
    "\"x\" in msg\n{\"msg\":\"\\ud83d\\ude00\\u00\"}",
    "time > -10m and time < now\n",
    "time = '2024-13-41'\n",
    "took in (1h30m, 5ms, 'x', 1e400)\ntook=90m",
    "not (not a = 1)\na=0x1",
    "(((((((\n",
    "a == 1\n",
    "a ~ '('\n",
    "\"open\n",
    "a.\"b c\" = 1\n{\"a\":{\"b c\":1}}",
    "level = info\n<999999999>x",
    "a exists\n{\"a\":\"",
    "a exists\n{\"a\"  :",
    "\xff = \xfe\n\xff=\xfe",
};

static void replay(const char *path)
{
	static char text[1 << 20];
	FILE *f = fopen(path, "rb");

	if (!f)
		return;
	size_t n = fread(text, 1, sizeof(text), f);
	fclose(f);
	LLVMFuzzerTestOneInput((const uint8_t *)text, n);
}

int main(int argc, char **argv)
{
	for (size_t i = 0; i < countof(inputs); i++)
		LLVMFuzzerTestOneInput((const uint8_t *)inputs[i], strlen(inputs[i]));
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	return 0;
}
#endif
