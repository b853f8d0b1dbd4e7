#include "probe/gate.h"

#include "base/map.h"
#include "base/str.h"
#include "probe/dial.h"
#include "probe/folder.h"
#include "sys/clock.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <sys/stat.h>

#define RETRY_FIRST_MS 1
#define RETRY_MAX_MS   100
#define TRY_TIME_MS    2000 /* of one connection with its GET */
/* No event tells that a folder above the watched one was renamed away. */
#define SLOW_LOOK_MS 5000

struct gate_hub {
	struct event_base *base;
	struct folders *folders;
};

enum kind { IS_ADDRESS, IS_FILE, IS_NO_FILE };

struct gate_watch {
	struct gate_hub *hub;
	enum kind kind;
	char *path; /* of the file, or of the socket; NULL: there is nothing to watch */
	struct address to;
	struct dial dial;
	gate_open_fn fn;
	void *ctx;
	gate_event_fn event;
	void *event_ctx;
	uint64_t told; /* hash of the text */
	struct folder_watch *folder;
	struct event *timer; /* the next try, or the deadline of this one */
	bool again;	     /* the folder changed while a try was under way */
	bool slow_look;	     /* the timer is that of absent() */
	unsigned pause_ms;
	char last[192];
};

const char *gate_watch_last(const struct gate_watch *w)
{
	return w->last;
}

void gate_watch_on_event(struct gate_watch *w, gate_event_fn fn, void *ctx)
{
	w->event = fn;
	w->event_ctx = ctx;
}

static void notify(struct gate_watch *w)
{
	uint64_t hash = text_hash(w->last);

	if (!w->event || hash == w->told)
		return;
	w->told = hash;
	w->event(w->event_ctx, w->last);
}

/* ---- tries ---------------------------------------------------------------------- */

static void set_timer(struct gate_watch *w, unsigned ms)
{
	const struct timeval tv = {ms / 1000, (suseconds_t)(ms % 1000) * 1000};

	event_add(w->timer, &tv);
}

static void opened(struct gate_watch *w)
{
	gate_open_fn fn = w->fn;

	event_del(w->timer);
	w->last[0] = '\0';
	if (fn) {
		w->fn = NULL; /* once */
		fn(w->ctx);
	}
}

static void failed(struct gate_watch *w)
{
	if (w->again)
		w->pause_ms = RETRY_FIRST_MS;
	w->again = false;
	set_timer(w, w->pause_ms);
	notify(w);
	w->pause_ms = w->pause_ms * 2 < RETRY_MAX_MS ? w->pause_ms * 2 : RETRY_MAX_MS;
}

/* All that wait look at the same moment: one wake-up for thousands. */
static unsigned next_slow_look(void)
{
	return SLOW_LOOK_MS - (unsigned)(clock_mono() % SLOW_LOOK_MS);
}

/* Nothing there: the folder tells of a change. */
static void absent(struct gate_watch *w)
{
	w->pause_ms = RETRY_FIRST_MS;
	w->slow_look = true;
	set_timer(w, folder_watch_is_live(w->folder) ? next_slow_look() : RETRY_MAX_MS);
	notify(w);
}

static void on_dialled(void *ctx, enum dial_end end, const char *text)
{
	struct gate_watch *w = ctx;

	snprintf(w->last, sizeof(w->last), "%s", text);
	switch (end) {
	case DIAL_OK: opened(w); break;
	case DIAL_ABSENT: absent(w); break;
	case DIAL_FAILED: failed(w); break;
	}
}

static void try_file(struct gate_watch *w)
{
	struct stat st;
	bool there = stat(w->path, &st) == 0;

	snprintf(
	    w->last, sizeof(w->last), "%.150s: %s", w->path, there ? "is there" : "no such file");
	if (there == (w->kind == IS_FILE))
		opened(w);
	else
		absent(w);
}

static void try_now(struct gate_watch *w)
{
	if (!w->fn)
		return;
	if (w->kind != IS_ADDRESS) {
		try_file(w);
		return;
	}
	set_timer(w, TRY_TIME_MS);
	dial_begin(&w->dial);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct gate_watch *w = ctx;

	(void)fd;
	(void)what;
	if (!dial_is_under_way(&w->dial)) {
		if (w->slow_look)
			folder_watch_renew(w->folder);
		w->slow_look = false;
		try_now(w);
		return;
	}
	char waits[64];
	snprintf(w->last, sizeof(w->last), "%s %.100s: no answer",
	    dial_waits_for(&w->dial, waits, sizeof(waits)), w->to.name);
	dial_release(&w->dial);
	failed(w);
}

static void on_folder(void *ctx)
{
	struct gate_watch *w = ctx;

	if (dial_is_under_way(&w->dial)) {
		w->again = true; /* this try looks at what was there before */
		return;
	}
	w->pause_ms = RETRY_FIRST_MS;
	try_now(w);
}

/* ---- what the text means ------------------------------------------------------------ */

/* "unix:/x health" is what the server says of a socket that is also asked GET /health. */
static enum err parse_address(struct gate_watch *w, const char *text, struct error *e)
{
	const char *space = strncmp(text, "unix:", 5) == 0 ? strrchr(text, ' ') : NULL;
	auto_free char *where = text_dup_n(text, space ? (size_t)(space - text) : strlen(text));

	w->kind = IS_ADDRESS;
	if (address_parse(&w->to, where, e))
		return e->code;
	if (space && strcmp(space, " health") == 0)
		w->to.get = text_dup("/health");
	if (w->to.is_unix)
		w->path = text_dup(w->to.name);
	dial_init(&w->dial, w->hub->base, &w->to, on_dialled, w);
	return ERR_OK;
}

static enum err parse(struct gate_watch *w, const char *text, struct error *e)
{
	if (strncmp(text, "file:/", 6) != 0 && strncmp(text, "!file:/", 7) != 0)
		return parse_address(w, text, e);
	w->kind = *text == '!' ? IS_NO_FILE : IS_FILE;
	w->path = text_dup(strchr(text, '/'));
	return ERR_OK;
}

/* ---- life ------------------------------------------------------------------------------ */

enum err gate_watch_new(struct gate_hub *h, const char *text, gate_open_fn fn, void *ctx,
    struct gate_watch **out, struct error *e)
{
	struct gate_watch *w = mem_new(sizeof(*w));

	*w = (struct gate_watch){.hub = h, .fn = fn, .ctx = ctx, .pause_ms = RETRY_FIRST_MS};
	w->timer = event_new(h->base, -1, 0, on_timer, w);
	if (!w->timer || parse(w, text, e) ||
	    (w->path && folder_watch_new(h->folders, w->path, on_folder, w, &w->folder, e))) {
		bool no_timer = !w->timer;

		gate_watch_free(w);
		return no_timer ? error_sys(e, ENOMEM, "gate") : e->code;
	}
	event_active(w->timer, EV_TIMEOUT, 1); /* the first try, from the loop */
	*out = w;
	return ERR_OK;
}

void gate_watch_free(struct gate_watch *w)
{
	if (!w)
		return;
	dial_release(&w->dial);
	folder_watch_free(w->folder);
	if (w->timer)
		event_free(w->timer);
	free(w->path);
	address_release(&w->to);
	free(w);
}

enum err gate_hub_new(struct event_base *base, struct gate_hub **out, struct error *e)
{
	struct gate_hub *h = mem_new(sizeof(*h));

	h->base = base;
	if (folders_new(base, &h->folders, e)) {
		free(h);
		return e->code;
	}
	*out = h;
	return ERR_OK;
}

void gate_hub_free(struct gate_hub *h)
{
	if (!h)
		return;
	folders_free(h->folders);
	free(h);
}
