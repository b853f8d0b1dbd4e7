/*
 * rate.c - how fast one pipe may fill the disk.
 *
 * A bucket of one second's bytes.  Once it is empty nothing passes until a tenth of a second's
 * bytes are in it again: so there are ten gaps a second at most, not one for each line.
 */
#include "logs/capture.h"

enum { MSEC_EACH = 1000, PART = 10 };

static int64_t part_of(const struct log_pipe *p)
{
	return (int64_t)(p->rate / PART) + 1;
}

static void fill(struct log_pipe *p, msec now)
{
	if (!p->filled_at) {
		p->tokens = (int64_t)p->rate;
	} else if (now > p->filled_at) {
		msec span = now - p->filled_at < MSEC_EACH ? now - p->filled_at : MSEC_EACH;

		p->tokens += (int64_t)p->rate * span / MSEC_EACH;
	}
	if (p->tokens > (int64_t)p->rate)
		p->tokens = (int64_t)p->rate;
	p->filled_at = now;
}

uint64_t log_rate_room(struct log_pipe *p)
{
	msec now;

	if (!p->rate)
		return UINT64_MAX;
	now = clock_mono();
	fill(p, now);
	if (p->throttled && p->tokens < part_of(p)) {
		p->parked_until = now + (part_of(p) - p->tokens) * MSEC_EACH / (int64_t)p->rate + 1;
		return 0;
	}
	p->throttled = false;
	return (uint64_t)p->tokens;
}

void log_rate_took(struct log_pipe *p, uint64_t n)
{
	if (!p->rate)
		return;
	p->tokens -= (int64_t)n;
	p->throttled |= p->tokens <= 0;
}
