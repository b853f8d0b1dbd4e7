#include "server/supervise/notified.h"
#include "server/supervise/supervision_state.h"

#include "rpc/json_out.h"
#include "server/history/records.h"
#include "server/supervise/perform.h"
#include "server/supervise/probes.h"
#include "server/supervise/reload.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>

#define EXTEND_MAX_MS (24 * 3600000LL) /* of one EXTEND_TIMEOUT_USEC, from when it was said */
#define STATUS_MAX    1024
#define WORDS_MAX     256

enum phase { PHASE_NONE, PHASE_RELOADING, PHASE_STOPPING };

struct notified {
	struct attempt *at;
	enum phase phase;
	char *status;
	pid_t main_pid;
	msec ready_at;
	msec watchdog; /* longest silence; 0: none */
	msec word;     /* when WATCHDOG=1 was said last */
	bool triggered;
	struct event *timer;
};

/* One line, taken apart in place. */
struct word {
	msec at;
	char *key, *value;
};

static struct notified *notified_of(struct attempt *at)
{
	if (!at->notified) {
		at->notified = mem_new(sizeof(*at->notified));
		at->notified->at = at;
	}
	return at->notified;
}

static const struct action_def *action_of(const struct attempt *at, struct job_view *j)
{
	unit_id unit;

	if (!engine_job(at->d->engine, at->job, j, &unit))
		return NULL;
	return supervision_action(at->d, unit, j->name, NULL);
}

void notified_prepare(const struct action_def *a, struct launch *l)
{
	char usec[24];

	l->spec.notify = a->readiness.kind == READY_NOTIFY || a->watchdog > 0;
	l->spec.watchdog = a->watchdog > 0;
	if (!l->spec.watchdog)
		return;
	snprintf(usec, sizeof(usec), "%" PRId64, a->watchdog * 1000);
	launch_set_env(l, "WATCHDOG_USEC", usec);
}

void notified_end(struct attempt *at)
{
	struct notified *n = take(at->notified);

	if (!n)
		return;
	if (n->timer)
		event_free(n->timer);
	free(n->status);
	free(n);
}

/* ---- the watchdog ------------------------------------------------------------------ */

/* The moment at which its silence is too long. */
static msec due_at(const struct notified *n, const struct job_view *j)
{
	return (n->word > j->since ? n->word : j->since) + n->watchdog;
}

static void arm(struct notified *n, msec after)
{
	if (after < 1)
		after = 1;
	event_add(
	    n->timer, &(struct timeval){.tv_sec = after / 1000, .tv_usec = after % 1000 * 1000});
}

/* Time is up, as far as we heard: whatever waits at the keeper is to be heard first. */
static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct notified *n = ctx;
	(void)fd, (void)what;

	spawner_ping(n->at->d->spawner, n->at->token, 0);
}

static void watch(struct notified *n)
{
	struct job_view j;

	if (n->watchdog == 0 || !action_of(n->at, &j))
		return;
	if (!n->timer)
		n->timer = evtimer_new(n->at->d->base, on_timer, n);
	arm(n, j.core.state == JOB_READY ? due_at(n, &j) - clock_mono() : n->watchdog);
}

static void fail(struct attempt *at, const char *why)
{
	struct supervision *d = at->d;

	engine_probe_failed(d->engine, clock_mono(), at->token, why);
	perform_effects(d);
}

void notified_on_pong(struct supervision *d, uint64_t token, int value)
{
	struct attempt *at = attempt_find(d, token);
	struct notified *n = at ? at->notified : NULL;
	msec now = clock_mono();
	struct job_view j;
	(void)value;

	if (!n || at->exited || n->watchdog == 0 || !action_of(at, &j))
		return;
	if (j.core.state != JOB_READY || due_at(n, &j) > now) {
		watch(n);
		return;
	}
	auto_free char *why =
	    text_fmt("no WATCHDOG=1 for %" PRId64 " ms (watchdog_ms = %" PRId64 ")",
		now - due_at(n, &j) + n->watchdog, n->watchdog);
	fail(at, why);
}

void notified_begin(struct attempt *at)
{
	struct job_view j;
	const struct action_def *a = action_of(at, &j);

	if (!a || a->watchdog == 0)
		return;
	notified_of(at)->watchdog = a->watchdog;
	watch(at->notified);
}

/* ---- words ------------------------------------------------------------------------- */

/* What people read: one line, valid UTF-8, nothing that speaks to a terminal. */
static char *readable(const char *text)
{
	auto_str quoted = {0};
	auto_free char *cut = text_dup_n(text, strnlen(text, STATUS_MAX));

	for (char *p = cut; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
	json_out_text(&quoted, NULL, cut);
	json_t *j = json_loads(str_text(&quoted), JSON_DECODE_ANY, NULL);
	char *out = text_dup(json_is_string(j) ? json_string_value(j) : "");
	json_decref(j);
	return out;
}

/* Microseconds of a value, in ms, rounded up; false: it is no number. */
static bool usec_parse(const char *text, msec *out)
{
	char *end;

	errno = 0;
	unsigned long long usec = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno)
		return false;
	*out = (msec)(usec / 1000 + (usec % 1000 != 0));
	return true;
}

static void extend(struct attempt *at, const struct word *w)
{
	msec by, now = clock_mono();

	if (!usec_parse(w->value, &by))
		return;
	by = by > EXTEND_MAX_MS ? EXTEND_MAX_MS : by;
	if (w->at + by > now)
		engine_extend(at->d->engine, now, at->token, w->at + by - now);
}

static void set_watchdog(struct notified *n, const struct word *w)
{
	msec period;

	if (!usec_parse(w->value, &period) || period > INT32_MAX)
		return;
	n->watchdog = period;
	n->word = w->at > n->word ? w->at : n->word;
	if (period == 0 && n->timer)
		event_del(n->timer);
	watch(n);
}

static void set_status(struct notified *n, const char *value)
{
	free(n->status);
	n->status = *value ? readable(value) : NULL;
}

/* READY=1 counts as readiness only where it was declared; a library may say it unasked. */
static void heard_ready(struct notified *n, const struct word *w)
{
	struct job_view j;
	const struct action_def *a = action_of(n->at, &j);

	n->ready_at = w->at > n->ready_at ? w->at : n->ready_at;
	n->phase = PHASE_NONE;
	if (a && action_readiness(a) == READY_NOTIFY && !probes_hold_ready(n->at))
		engine_ready(n->at->d->engine, clock_mono(), n->at->token);
}

static void heard(struct notified *n, const struct word *w)
{
	bool yes = strcmp(w->value, "1") == 0;

	if (strcmp(w->key, "READY") == 0 && yes)
		heard_ready(n, w);
	else if (strcmp(w->key, "RELOADING") == 0 && yes)
		n->phase = PHASE_RELOADING;
	else if (strcmp(w->key, "STOPPING") == 0 && yes)
		n->phase = PHASE_STOPPING;
	else if (strcmp(w->key, "STATUS") == 0)
		set_status(n, w->value);
	else if (strcmp(w->key, "MAINPID") == 0)
		n->main_pid = (pid_t)strtol(w->value, NULL, 10);
	else if (strcmp(w->key, "EXTEND_TIMEOUT_USEC") == 0)
		extend(n->at, w);
	else if (strcmp(w->key, "WATCHDOG") == 0 && yes)
		n->word = w->at > n->word ? w->at : n->word;
	else if (strcmp(w->key, "WATCHDOG") == 0 && strcmp(w->value, "trigger") == 0)
		n->triggered = true;
	else if (strcmp(w->key, "WATCHDOG_USEC") == 0)
		set_watchdog(n, w);
}

static size_t split(char *text, struct word *out)
{
	size_t n = 0;
	char *rest = text;

	for (char *line; n < WORDS_MAX && (line = strsep(&rest, "\n"));) {
		char *key;
		msec at = strtoll(line, &key, 10);
		char *value = *key == ' ' ? strchr(key, '=') : NULL;

		if (!value)
			continue;
		*value++ = 0;
		out[n++] = (struct word){at, key + 1, value};
	}
	return n;
}

void notified_take(struct attempt *at, const char *text)
{
	struct supervision *d = at->d;
	struct notified *n = notified_of(at);
	auto_free char *copy = text_dup(text);
	struct word words[WORDS_MAX];

	for (size_t i = split(copy, words); i-- > 0;) /* the oldest first */
		heard(n, &words[i]);
	if (n->triggered)
		engine_probe_failed(d->engine, clock_mono(), at->token, "it said WATCHDOG=trigger");
	reload_heard(at);
	perform_effects(d);
}

static void add_word(struct str *out, msec at, const char *word, const char *value)
{
	str_fmt(out, "%s%" PRId64 " %s=%s", out->n ? "\n" : "", at, word, value);
}

void notified_words(const struct attempt *at, struct str *out)
{
	const struct notified *n = at->notified;
	msec now = clock_mono();
	char number[24];

	if (!n)
		return;
	if (n->phase == PHASE_STOPPING)
		add_word(out, now, "STOPPING", "1");
	if (n->phase == PHASE_RELOADING)
		add_word(out, now, "RELOADING", "1");
	if (n->ready_at)
		add_word(out, n->ready_at, "READY", "1");
	if (n->status)
		add_word(out, now, "STATUS", n->status);
	snprintf(number, sizeof(number), "%d", (int)n->main_pid);
	if (n->main_pid > 0)
		add_word(out, now, "MAINPID", number);
	if (n->word)
		add_word(out, n->word, "WATCHDOG", "1");
	snprintf(number, sizeof(number), "%" PRId64, n->watchdog * 1000);
	if (n->watchdog)
		add_word(out, n->word, "WATCHDOG_USEC", number);
}

/* ---- questions ----------------------------------------------------------------------- */

const char *notified_status(const struct attempt *at)
{
	return at->notified ? at->notified->status : NULL;
}

bool notified_is_reloading(const struct attempt *at)
{
	return at->notified && at->notified->phase == PHASE_RELOADING;
}

msec notified_ready_at(const struct attempt *at)
{
	return at->notified ? at->notified->ready_at : 0;
}

void notified_show(const struct attempt *at, struct str *action)
{
	const struct notified *n = at->notified;

	if (!n || at->exited)
		return;
	if (n->status)
		json_out_text(action, "status", n->status);
	if (n->phase != PHASE_NONE)
		json_out_text(
		    action, "notified", n->phase == PHASE_STOPPING ? "stopping" : "reloading");
	if (n->main_pid > 0)
		json_out_int(action, "main_pid", n->main_pid);
	if (n->watchdog)
		json_out_int(action, "watchdog_ms", n->watchdog);
}
