#include "noise.h"

#include <stdio.h>

enum { SOURCES = 6 };

static uint64_t seed = 1;

static unsigned below(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

static bool collect(const struct log_line *l, void *ctx)
{
	struct lines *to = ctx;

	if (l->dropped)
		return true;
	strv_take(
	    &to->text, text_fmt("%s %.*s", l->service ? l->service : "-", (int)l->n, l->bytes));
	if (memmem(l->bytes, l->n, "needle", 6))
		strv_add(&to->marked, to->text.v[to->text.n - 1]);
	return true;
}

void lines_release(struct lines *l)
{
	strv_release(&l->text);
	strv_release(&l->marked);
}

void read_lines(struct fixture *f, struct log_filter *q, struct lines *to, struct str *next)
{
	struct error e;

	if (logs_query(f->dir, q, collect, to, next, &e))
		fail_msg("%s", e.msg);
}

void write_noise(struct fixture *f, int writes)
{
	static const char *const names[] = {"db", "web", "zoo"};
	int fds[SOURCES];
	struct str open[SOURCES] = {0};
	unsigned number = 0;

	for (int i = 0; i < SOURCES; i++)
		fds[i] = fixture_pipe(
		    f, names[i / 2], i / 2 + 1, 1, i % 2 ? LOG_STDERR : LOG_STDOUT, LOG_BLOCK);
	for (int w = 0; w < writes; w++) {
		unsigned i = below(SOURCES), cut;

		if (i == 3 && w > writes / 2)
			continue;
		for (unsigned k = below(5); k-- > 0; number++)
			str_fmt(&open[i], "%u %u some text%s of one line\n", i, number,
			    number % 1000 == 7 ? " needle" : "");
		str_fmt(&open[i], "head of %u ", number);
		cut = below((unsigned)open[i].n + 1);
		write_all(fds[i], open[i].s, cut);
		memmove(open[i].s, open[i].s + cut, open[i].n - cut);
		open[i].n -= cut;
		open[i].s[open[i].n] = '\0';
		if (w % 500 == 0)
			usleep(1500);
	}
	for (int i = 0; i < SOURCES; i++) {
		close(fds[i]);
		str_release(&open[i]);
	}
	fixture_wait_closed(f, SOURCES);
}

void page_through(struct fixture *f, const struct strv *all, struct log_filter q, size_t size)
{
	struct str next = {0};
	char *cursor = NULL;
	size_t at = 0;

	q.limit = size;
	for (size_t n = 1; n > 0;) {
		struct lines got = {0};

		q.cursor = cursor;
		read_lines(f, &q, &got, &next);
		n = got.text.n;
		assert_true(at + n <= all->n);
		for (size_t i = 0; i < n; i++, at++)
			assert_string_equal(
			    got.text.v[i], all->v[q.backwards ? all->n - 1 - at : at]);
		lines_release(&got);
		text_set(&cursor, str_text(&next));
	}
	assert_int_equal(at, all->n);
	free(cursor);
	str_release(&next);
}
