/* logs_helper.h - a folder, a pipe and a capture for the tests of logs/. */
#ifndef HP_TESTS_LOGS_HELPER_H
#define HP_TESTS_LOGS_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "logs/logs.h"
#include "logs/query.h"

struct fixture {
	char root[64];
	char *dir; /* root/logs */
	struct logs *logs;
	size_t closed;
};
int fixture_setup(void **state);
int fixture_teardown(void **state);
void fixture_open(struct fixture *f, const struct logs_options *o);

/* Attach a pipe and return its write end. */
int fixture_pipe(struct fixture *f, const char *service, int64_t job, uint32_t attempt,
    enum log_stream stream, enum log_policy policy);
void fixture_wait_closed(struct fixture *f, size_t n); /* dispatches until n pipes ended */
void write_all(int fd, const char *s, size_t n);
void write_text(int fd, const char *s);

/* Lines of a query, each followed by '\n', in one text. */
struct got {
	struct str text;
	size_t n, truncated, dropped;
	usec_wall first, last;
};
bool got_line(const struct log_line *l, void *ctx);
char *fixture_read(struct fixture *f, struct log_filter *q, struct str *next); /* caller frees */

/* Until `cond` holds or ten seconds are over. */
#define wait_until(cond)                    \
	do {                                \
		int tries_ = 10000;         \
		while (!(cond) && --tries_) \
			usleep(1000);       \
		assert_true(tries_ > 0);    \
	} while (0)

#endif
