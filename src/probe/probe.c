#include "probe/probe.h"

#include "base/str.h"
#include "probe/dial.h"
#include "sys/clock.h"

#include <event2/event.h>
#include <event2/util.h>
#include <stdio.h>

#define EAGER_FIRST_MS 20
#define EAGER_PART     3   /* of the time that has passed */
#define JITTER_PART    10  /* a tenth of the interval */
#define GRID_MS	       100 /* long pauses end on it: many probes, one wake-up */

ENUM_DEFINE(probe_state, PROBE_STATE_LIST, PROBE_STATE_COUNT)

struct probe {
	struct probe_spec is;
	const struct probe_calls *calls;
	void *ctx;
	struct address to;
	struct dial dial;
	struct event *timer; /* the next try, or the deadline of this one */
	bool asking;	     /* a command is under way */
	bool heard;	     /* a line matched since the last look */
	enum probe_state state;
	usec_wall since;
	unsigned passes, failures; /* in a row */
	msec begun, counted;	   /* when the last try began; the last failure that counted */
	msec born;
	bool passed; /* once */
	char *last;
};

enum probe_state probe_state(const struct probe *p)
{
	return p->state;
}

usec_wall probe_since(const struct probe *p)
{
	return p->since;
}

const char *probe_last(const struct probe *p)
{
	return p->last ? p->last : "";
}

static void set_timer(struct probe *p, msec ms)
{
	const struct timeval tv = {ms / 1000, (suseconds_t)(ms % 1000) * 1000};

	event_add(p->timer, &tv);
}

static msec random_below(msec n)
{
	uint32_t r;

	evutil_secure_rng_get_bytes(&r, sizeof(r));
	return n > 0 ? (msec)(r % (uint64_t)n) : 0;
}

/* ---- when ------------------------------------------------------------------------ */

static bool is_eager(const struct probe *p)
{
	return p->is.eager && !p->passed;
}

/* Never past the moment at which a failure counts again. */
static msec eager_pause(const struct probe *p, msec now)
{
	msec part = (now - p->born) / EAGER_PART, left = p->counted + p->is.interval - now;
	msec pause = part > EAGER_FIRST_MS ? part : EAGER_FIRST_MS;

	return left > 0 && left < pause ? left : pause;
}

static void set_next(struct probe *p)
{
	msec now = clock_mono(), at = p->begun + p->is.interval;

	if (is_eager(p) && !p->passes && eager_pause(p, now) < p->is.interval) {
		set_timer(p, eager_pause(p, now));
		return;
	}
	at += random_below(p->is.interval / JITTER_PART);
	if (p->is.interval >= 10 * GRID_MS)
		at += GRID_MS - at % GRID_MS;
	set_timer(p, at > now ? at - now : 1);
}

/* ---- what it means ----------------------------------------------------------------- */

/* True: there is something to tell. */
static bool count(struct probe *p, bool good)
{
	enum probe_state before = p->state;

	if (good) {
		p->failures = 0;
		if (++p->passes < p->is.success_threshold)
			return false;
		p->state = PROBE_PASSING;
		p->passed = true;
		return before != p->state;
	}
	p->passes = 0;
	if (is_eager(p) && p->failures && p->begun - p->counted < p->is.interval)
		return false;
	p->counted = p->begun;
	if (++p->failures % p->is.failure_threshold != 0)
		return false;
	p->state = PROBE_FAILING;
	return true;
}

/* The owner may free the probe: nothing of it is touched afterwards. */
static void ended(struct probe *p, bool good, const char *text)
{
	enum probe_state before = p->state;

	free(p->last);
	p->last = text_dup_n(text, strnlen(text, PROBE_TEXT_MAX));
	bool tell = count(p, good);
	if (p->state != before)
		p->since = clock_wall();
	set_next(p);
	if (!good && !p->passed && p->calls->missed)
		p->calls->missed(p->ctx);
	if (tell)
		p->calls->told(p->ctx, p->state);
}

void probe_answer(struct probe *p, bool good, const char *text)
{
	if (!p->asking)
		return;
	p->asking = false;
	ended(p, good, text);
}

void probe_heard(struct probe *p)
{
	p->heard = true;
	if (p->is.once && p->state != PROBE_PASSING)
		ended(p, true, "a line matched");
}

/* ---- tries --------------------------------------------------------------------------- */

static void on_dialled(void *ctx, enum dial_end end, const char *text)
{
	ended(ctx, end == DIAL_OK, text);
}

static void look_at_log(struct probe *p)
{
	bool heard = p->heard;

	p->heard = heard && p->is.once;
	ended(p, heard, heard ? "a line matched" : "no line matched");
}

static void begin_try(struct probe *p)
{
	p->begun = clock_mono();
	if (p->is.kind == PROBE_LOG) {
		look_at_log(p);
		return;
	}
	set_timer(p, p->is.timeout);
	if (p->is.kind == PROBE_EXEC) {
		p->asking = true;
		p->calls->ask(p->ctx);
	} else {
		dial_begin(&p->dial);
	}
}

static void give_up(struct probe *p)
{
	char waits[128] = "", text[256];

	if (p->asking) {
		p->asking = false;
		p->calls->drop(p->ctx);
		snprintf(text, sizeof(text), "not over within %lld ms: killed",
		    (long long)p->is.timeout);
	} else {
		snprintf(text, sizeof(text), "%.90s %.110s: no answer within %lld ms",
		    dial_waits_for(&p->dial, waits, sizeof(waits)), p->to.name,
		    (long long)p->is.timeout);
		dial_release(&p->dial);
	}
	ended(p, false, text);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct probe *p = ctx;
	(void)fd, (void)what;

	if (p->asking || dial_is_under_way(&p->dial))
		give_up(p);
	else
		begin_try(p);
}

/* ---- life ------------------------------------------------------------------------------ */

struct probe *probe_new(struct event_base *base, const struct probe_spec *spec,
    struct address *take_to, const struct probe_calls *calls, void *ctx)
{
	struct probe *p = mem_new(sizeof(*p));

	*p = (struct probe){.is = *spec,
	    .calls = calls,
	    .ctx = ctx,
	    .passed = spec->passing,
	    .state = spec->passing ? PROBE_PASSING : PROBE_UNKNOWN,
	    .since = clock_wall(),
	    .born = clock_mono(),
	    .begun = clock_mono()};
	if (take_to) {
		p->to = *take_to;
		*take_to = (struct address){0};
	}
	dial_init(&p->dial, base, &p->to, on_dialled, p);
	p->timer = event_new(base, -1, 0, on_timer, p);
	if (spec->kind == PROBE_LOG || spec->passing)
		set_next(p); /* a line needs its time; what passed was asked a moment ago */
	else
		event_active(p->timer, EV_TIMEOUT, 1);
	return p;
}

void probe_free(struct probe *p)
{
	if (!p)
		return;
	if (p->asking)
		p->calls->drop(p->ctx);
	dial_release(&p->dial);
	event_free(p->timer);
	address_release(&p->to);
	free(p->last);
	free(p);
}
