#include "logs_helper.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st, (void)kind, (void)ftw;
	return remove(path);
}

int fixture_setup(void **state)
{
	struct fixture *f = mem_new(sizeof(*f));

	strcpy(f->root, "/tmp/hp-logs-XXXXXX");
	if (!mkdtemp(f->root))
		return -1;
	f->dir = text_fmt("%s/logs", f->root);
	*state = f;
	return 0;
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	logs_close(f->logs);
	nftw(f->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(f->dir);
	free(f);
	return 0;
}

static void on_closed(uint64_t token, enum log_stream stream, void *ctx)
{
	(void)token, (void)stream;
	((struct fixture *)ctx)->closed++;
}

void fixture_open(struct fixture *f, const struct logs_options *o)
{
	struct error e = {0};

	assert_int_equal(logs_open(f->dir, o, &f->logs, &e), ERR_OK);
	logs_on_closed(f->logs, on_closed, f);
}

int fixture_pipe(struct fixture *f, const char *service, int64_t job, uint32_t attempt,
    enum log_stream stream, enum log_policy policy)
{
	struct log_ident id = {.service = service,
	    .action = "main",
	    .run = "r-1",
	    .job = job,
	    .token = (uint64_t)job * 100 + attempt,
	    .attempt = attempt,
	    .stream = stream,
	    .policy = policy};
	struct error e = {0};
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(logs_attach(f->logs, &id, fds[0], &e), ERR_OK);
	return fds[1];
}

void fixture_wait_closed(struct fixture *f, size_t n)
{
	struct pollfd p = {.fd = logs_event_fd(f->logs), .events = POLLIN};

	while (f->closed < n) {
		assert_int_equal(poll(&p, 1, 30000), 1);
		logs_dispatch(f->logs);
	}
}

void write_all(int fd, const char *s, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, s, n);

		assert_true(w > 0);
		s += w;
		n -= (size_t)w;
	}
}

void write_text(int fd, const char *s)
{
	write_all(fd, s, strlen(s));
}

bool got_line(const struct log_line *l, void *ctx)
{
	struct got *g = ctx;

	if (l->dropped) {
		g->dropped += l->dropped;
		return true;
	}
	str_add_n(&g->text, l->bytes, l->n);
	str_add_char(&g->text, '\n');
	g->n++;
	g->truncated += l->truncated;
	g->first = g->first ? g->first : l->time;
	g->last = l->time;
	return true;
}

char *fixture_read(struct fixture *f, struct log_filter *q, struct str *next)
{
	struct got g = {0};
	struct error e = {0};

	if (logs_query(f->dir, q, got_line, &g, next, &e))
		fail_msg("%s", e.msg);
	return str_take(&g.text);
}
