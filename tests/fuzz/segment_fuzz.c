/*
 * segment_fuzz.c - any bytes in the files of a service's log are lines, or are left out.
 *
 * The first byte says which files the rest becomes: a segment and its index, a sealed segment, or a
 * catalog beside good segments.  Then it is read in every direction.  Under clang this is a
 * libFuzzer target (-fsanitize=fuzzer -DFUZZER); under gcc main() replays the inputs below, damaged
 * copies of good files, and every file named on the command line.
 */
#include "logs/query.h"
#include "logs/seal.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static char dir[] = "/tmp/hp-fuzz-XXXXXX";

static void put(const char *name, const void *bytes, size_t n)
{
	auto_free char *path = text_fmt("%s/web/%s", dir, name);
	auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
}

static void drop(const char *name)
{
	auto_free char *path = text_fmt("%s/web/%s", dir, name);

	unlink(path);
}

static bool add_up(const struct log_line *l, void *ctx)
{
	uint64_t *sum = ctx;

	for (size_t i = 0; i < l->n; i++)
		*sum += (unsigned char)l->bytes[i];
	return ++sum[1] < 100000;
}

static void read_all(void)
{
	const struct log_filter filters[] = {{.limit = 1000}, {.tail = 5}, {.grep = "needle"},
	    {.backwards = true, .limit = 3}, {.since = 5, .until = 1000, .limit = 10},
	    {.grep = "line", .context = 2, .limit = 10}, {.cursor = "web/1.3.1.9.1", .limit = 10}};

	for (size_t i = 0; i < countof(filters); i++) {
		uint64_t sum[2] = {0};
		auto_str next = {0};
		struct error e;

		logs_query(dir, &filters[i], add_up, sum, &next, &e);
	}
}

static void make_folder(void)
{
	auto_free char *path = NULL;

	if (dir[sizeof(dir) - 2] != 'X')
		return;
	assert(mkdtemp(dir));
	path = text_fmt("%s/web", dir);
	assert(mkdir(path, 0700) == 0);
}

/* A segment of some lines of two sources. */
static void put_good(void)
{
	static const char lines[] = "line one\nline two of needle\npart|err\n of it\nlast\n";
	const struct slot slots[] = {
	    {.kind = SLOT_SOURCE, .names = 1, .source = 1, .offset = 7, .count = LOG_STDOUT},
	    {.kind = SLOT_NAME},
	    {.kind = SLOT_SOURCE, .names = 1, .source = 1, .offset = 7, .count = LOG_STDERR},
	    {.kind = SLOT_NAME},
	    {.kind = SLOT_CHUNK, .source = 0, .time = 10, .offset = 0},
	    {.kind = SLOT_CHUNK, .source = 2, .time = 20, .offset = 33},
	    {.kind = SLOT_CHUNK, .source = 0, .time = 30, .offset = 37},
	    {.kind = SLOT_END, .source = 0, .time = 40, .offset = sizeof(lines) - 1},
	};

	put("00000001.seg", lines, sizeof(lines) - 1);
	put("00000001.idx", slots, sizeof(slots));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	make_folder();
	if (n < 2)
		return 0;
	switch (data[0] % 3) {
	case 0: /* half an index, half a segment */
		put("00000001.idx", data + 1, (n - 1) / 2);
		put("00000001.seg", data + 1 + (n - 1) / 2, n - 1 - (n - 1) / 2);
		break;
	case 1: put("00000001.zst", data + 1, n - 1); break;
	case 2:
		put_good();
		put("catalog", data + 1, n - 1);
		break;
	}
	put("00000002.seg", "", 0);
	put("00000002.idx", "", 0);
	read_all();
	drop("00000001.idx");
	drop("00000001.seg");
	drop("00000001.zst");
	drop("catalog");
	return 0;
}

#ifndef FUZZER
static size_t slurp(const char *name, char *to, size_t room)
{
	auto_free char *path = text_fmt("%s/web/%s", dir, name);
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, to, room);

	return n > 0 ? (size_t)n : 0;
}

/* Good files, each byte of them changed in turn. */
static void damage(char *bytes, size_t n)
{
	for (size_t i = 1; i < n; i++)
		for (unsigned how = 0; how < 3; how++) {
			char was = bytes[i];

			bytes[i] = (char)(how == 0 ? ~was : how == 1 ? was ^ 1 : (char)0xff);
			LLVMFuzzerTestOneInput((const uint8_t *)bytes, n);
			bytes[i] = was;
		}
	for (size_t len = 2; len < n; len += 3)
		LLVMFuzzerTestOneInput((const uint8_t *)bytes, len);
}

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
	static char raw[8192], sealed[8192];
	struct seal_footer foot;
	struct error e;
	size_t n;

	make_folder();
	put_good();
	n = slurp("00000001.idx", raw + 1, 4096);
	n += slurp("00000001.seg", raw + 1 + n, 4096);
	if (seal_write(dir, "web", 1, &foot, &e) == ERR_OK) {
		size_t size = slurp(SEAL_TMP, sealed + 1, sizeof(sealed) - 1);

		sealed[0] = 1;
		damage(sealed, size + 1);
	}
	drop(SEAL_TMP);
	damage(raw, n + 1);
	raw[0] = 2;
	damage(raw, 113);
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	auto_free char *command = text_fmt("rm -r %s", dir);
	return system(command) != 0;
}
#endif
