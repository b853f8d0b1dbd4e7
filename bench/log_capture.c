/*
 * log_capture.c - captures its standard input, a pipe, below DIR as the server does, until its end.
 *
 *	log_capture DIR [seal]
 *
 * With `seal` closed segments are sealed at once, and it ends when all but the last are.
 */
#include "logs/logs.h"

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

static bool ended;

static void on_closed(uint64_t token, enum log_stream stream, void *ctx)
{
	(void)token, (void)stream, (void)ctx;
	ended = true;
}

int main(int argc, char **argv)
{
	const struct log_ident id = {.service = "bench",
	    .action = "main",
	    .run = "bench#1",
	    .job = 1,
	    .token = 1,
	    .attempt = 1,
	    .stream = LOG_STDOUT};
	struct logs_options o = {.no_seal = argc < 3,
	    .seal_delay = -1,
	    .service_bytes = 1ull << 40,
	    .total_bytes = 1ull << 40};
	struct logs *l;
	struct error e;

	if (argc < 2)
		return 2;
	if (argc < 3)
		o.service_bytes = o.total_bytes = 0; /* as the server: quotas hold */
	if (logs_open(argv[1], &o, &l, &e) || logs_attach(l, &id, dup(STDIN_FILENO), &e)) {
		fprintf(stderr, "%s\n", e.msg);
		return 1;
	}
	logs_on_closed(l, on_closed, NULL);
	while (!ended) {
		struct pollfd p = {.fd = logs_event_fd(l), .events = POLLIN};

		poll(&p, 1, -1);
		logs_dispatch(l);
	}
	for (uint64_t before = 0; argc > 2; before = logs_stats(l).sealed)
		if (before == logs_stats(l).sealed && before && usleep(300000) == 0 &&
		    before == logs_stats(l).sealed)
			break;
	logs_close(l);
	return 0;
}
