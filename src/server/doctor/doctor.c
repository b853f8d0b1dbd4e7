#include "server/doctor/look.h"
#include "server/host/json_time.h"
#include "server/supervise/perform.h"

#include "server/host/background.h"
#include "server/supervise/attempt.h"

#include "base/map.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdarg.h>
#include <time.h>

#define LOOKS	      3	    /* so many must see it */
#define LOOK_AGAIN_MS 60    /* between two of them */
#define PONG_MS	      2000  /* then the keeper does not answer */
#define PONG_AGAIN_MS 250   /* it was waited for before */
#define TOLD_MAX      1000  /* findings in a report; the rest is a number */
#define REMEMBERED    10000 /* subjects; then all are forgotten, and may be counted again */

static const struct {
	const char *compares;
	bool truth;
	void (*beside)(struct look *l);			   /* on the thread */
	void (*on_loop)(struct daemon *d, struct look *l); /* or when belief is taken */
} checks[CHECK_COUNT] = {
#define ROW(sym, str, truth_, doc) [sym] = {doc, truth_, ROW_##sym},
#define ROW_CHECK_PROCESSES	   look_processes, NULL
#define ROW_CHECK_STRAYS	   look_strays, NULL
#define ROW_CHECK_SETS		   look_sets, NULL
#define ROW_CHECK_SOCKETS	   look_sockets, NULL
#define ROW_CHECK_PORTS		   look_ports, NULL
#define ROW_CHECK_LEFTOVERS	   look_leftovers, NULL
#define ROW_CHECK_DESCRIPTORS	   look_descriptors, NULL
#define ROW_CHECK_CAPTURE	   look_capture, NULL
#define ROW_CHECK_LOGS		   look_logs, NULL
#define ROW_CHECK_STORE		   look_store, ask_store
#define ROW_CHECK_DEFINITIONS	   NULL, NULL /* by look_store */
#define ROW_CHECK_COUNTERS	   NULL, NULL /* by look_store */
#define ROW_CHECK_DISK		   look_disk, NULL
#define ROW_CHECK_KEEPER	   look_keeper, ask_keeper
#define ROW_CHECK_ENGINE	   NULL, ask_engine
#define ROW_CHECK_TIMERS	   NULL, ask_timers
#define ROW_CHECK_WANTED	   NULL, ask_wanted
    CHECK_LIST(ROW)};

/* A divergence that was counted. */
struct seen {
	usec_wall since;
	char key[];
};

struct run {
	struct daemon *d;
	bool repair, mended;
	unsigned looks;
	doctor_fn fn;
	void *ctx;
	struct look look;
	struct findings kept; /* what all looks saw until now */
	struct strv did;      /* what was mended */
	size_t n_found[CHECK_COUNT];
	msec began;
	int64_t loop_us; /* the longest stretch on the loop */
	bool beside;	 /* the thread has it */
};

struct doctor {
	struct daemon *d;
	struct run *run; /* NULL: none */
	struct event *later;
	int pings, asked; /* value of the last one; of the one that is awaited, 0: none */
	struct map seen;
	uint64_t diverged[CHECK_COUNT];
	size_t last[CHECK_COUNT]; /* findings of the last run, notes left out */
};

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- divergences ---------------------------------------------------------------------- */

static void forget_all(struct doctor *x)
{
	const char *key;
	void *value;

	for (size_t i = 0; map_next(&x->seen, &i, &key, &value);)
		free(value);
	map_release(&x->seen);
}

/* When it was seen first; counted then. */
static usec_wall note(struct doctor *x, enum check check, enum severity severity, const char *key)
{
	struct seen *s = map_get(&x->seen, key);

	if (s)
		return s->since;
	if (x->seen.n >= REMEMBERED)
		forget_all(x);
	s = mem_new(sizeof(*s) + strlen(key) + 1);
	strcpy(s->key, key);
	s->since = clock_wall();
	map_put(&x->seen, s->key, s);
	x->diverged[check] += checks[check].truth && severity != SEVERITY_NOTE;
	return s->since;
}

void doctor_found(struct daemon *d, enum check check, const char *fmt, ...)
{
	auto_str key = {0};
	va_list ap;

	str_fmt(&key, "%s ", check_str(check));
	size_t at = key.n;
	va_start(ap, fmt);
	str_vfmt(&key, fmt, ap);
	va_end(ap);
	if (!d->doctor || map_get(&d->doctor->seen, str_text(&key)))
		return;
	note(d->doctor, check, SEVERITY_ERROR, str_text(&key));
	report(REPORT_WARN, "divergence (%s): %s", check_str(check), str_text(&key) + at);
}

/* Until its exit was acknowledged a child of the keeper keeps its number, as a zombie at least: one
 * that is not there contradicts us at once, there is no news on its way.  What a former server
 * executed may be another keeper's child (ADR 21). */
void doctor_glance(struct daemon *d)
{
	for (const struct attempt *at = NULL; (at = attempt_next(d->supervision, at));)
		if (at->ours && !at->exited && attempt_pid(at) > 0 &&
		    kill(attempt_pid(at), 0) < 0 && errno == ESRCH)
			doctor_found(d, CHECK_PROCESSES, "%016llx", (unsigned long long)at->token);
}

void doctor_metrics(const struct daemon *d, struct str *out)
{
	str_add(out,
	    "# TYPE hero_proc_truth_divergence counter\n"
	    "# HELP hero_proc_truth_divergence What we believed and the kernel did not.\n");
	for (size_t i = 0; i < CHECK_COUNT; i++)
		if (checks[i].truth)
			str_fmt(out, "hero_proc_truth_divergence_total{check=\"%s\"} %llu\n",
			    check_str((enum check)i), (unsigned long long)d->doctor->diverged[i]);
	str_add(out,
	    "# TYPE hero_proc_doctor_findings gauge\n"
	    "# HELP hero_proc_doctor_findings Of the last run of the doctor.\n");
	for (size_t i = 0; i < CHECK_COUNT; i++)
		str_fmt(out, "hero_proc_doctor_findings{check=\"%s\"} %zu\n",
		    check_str((enum check)i), d->doctor->last[i]);
}

/* ---- the report ----------------------------------------------------------------------- */

/* A path may hold bytes that are no UTF-8. */
static void set_text(json_t *o, const char *key, const char *text)
{
	json_t *s = text ? json_string(text) : json_null();

	json_object_set_new(o, key, s ? s : json_string("(not UTF-8)"));
}

static json_t *finding_json(const struct finding *f)
{
	json_t *subject = json_object();
	json_t *o = json_pack("{s:s, s:s, s:o}", "check", check_str(f->check), "severity",
	    severity_str(f->severity), "subject", subject);

	set_text(subject, "service", f->service);
	set_text(subject, "action", f->action);
	json_object_set_new(subject, "pid", f->pid ? json_integer(f->pid) : json_null());
	set_text(subject, "path", f->path);
	set_text(o, "ours", f->ours);
	set_text(o, "kernel", f->kernel);
	json_object_set_new(o, "since", json_time(f->since));
	set_text(o, "repair", f->repair);
	return o;
}

static json_t *report_json(const struct run *r)
{
	json_t *rows = json_array(), *findings = json_array(), *repaired = json_array();
	size_t n = 0;

	for (size_t i = 0; i < CHECK_COUNT; i++)
		json_array_append_new(
		    rows, json_pack("{s:s, s:s, s:I, s:I}", "name", check_str((enum check)i),
			      "compares", checks[i].compares, "findings", (json_int_t)r->n_found[i],
			      "took_us", (json_int_t)r->look.took_us[i]));
	for (size_t i = 0; i < r->kept.n; i++) {
		if (i < TOLD_MAX)
			json_array_append_new(findings, finding_json(&r->kept.v[i]));
		n += r->kept.v[i].severity != SEVERITY_NOTE;
	}
	for (size_t i = 0; i < r->did.n; i++)
		json_array_append_new(repaired, json_string(r->did.v[i]));
	size_t left_off = r->kept.n > TOLD_MAX ? r->kept.n - TOLD_MAX : 0;
	return json_pack("{s:b, s:o, s:o, s:I, s:o, s:I, s:I, s:I}", "ok", n == 0, "checks", rows,
	    "findings", findings, "left_off", (json_int_t)left_off, "repaired", repaired, "looks",
	    (json_int_t)r->looks, "took_ms", (json_int_t)(clock_mono() - r->began), "loop_us",
	    (json_int_t)r->loop_us);
}

static void look_release(struct look *l)
{
	belief_release(&l->belief);
	world_release(&l->world);
	findings_release(&l->found);
	strv_release(&l->did);
}

static void run_free(struct run *r)
{
	look_release(&r->look);
	findings_release(&r->kept);
	strv_release(&r->did);
	free(r);
}

static void finish(struct doctor *x)
{
	struct run *r = take(x->run);

	memcpy(x->last, r->n_found, sizeof(x->last));
	r->fn(r->ctx, report_json(r));
	run_free(r);
	perform_trim_later(x->d->supervision); /* it took some memory */
}

/* ---- looks ---------------------------------------------------------------------------- */

static void work(void *ctx)
{
	struct run *r = ctx;

	world_read(&r->look.world, &r->look.belief);
	for (size_t i = 0; i < CHECK_COUNT; i++) {
		int64_t begun = now_us();

		if (checks[i].beside)
			checks[i].beside(&r->look);
		r->look.took_us[i] += now_us() - begun;
	}
}

static void begin_look(struct doctor *x, bool keeper_answers);

static void on_later(evutil_socket_t fd, short what, void *ctx)
{
	struct doctor *x = ctx;
	(void)fd, (void)what;

	if (x->asked) { /* and no answer came */
		x->asked = 0;
		begin_look(x, false);
		return;
	}
	x->run->looks++;
	x->asked = ++x->pings;
	msec wait = x->run->looks > 1 && !x->run->look.keeper_answers ? PONG_AGAIN_MS : PONG_MS;
	event_add(
	    x->later, &(struct timeval){.tv_sec = wait / 1000, .tv_usec = wait % 1000 * 1000});
	spawner_ping(x->d->spawner, 0, x->asked);
}

void doctor_on_pong(struct daemon *d, int value)
{
	struct doctor *x = d->doctor;

	if (!x->run || !x->asked || value != x->asked)
		return;
	x->asked = 0;
	evtimer_del(x->later);
	begin_look(x, true);
}

static void mend_all(struct doctor *x);

static void settle(struct doctor *x)
{
	struct run *r = x->run;

	memset(r->n_found, 0, sizeof(r->n_found));
	for (size_t i = 0; i < r->kept.n; i++) {
		struct finding *f = &r->kept.v[i];

		f->since = note(x, f->check, f->severity, f->key);
		r->n_found[f->check] += f->severity != SEVERITY_NOTE;
	}
	if (r->repair && !r->mended && r->kept.n)
		mend_all(x);
	else
		finish(x);
}

static void looked(void *ctx)
{
	struct run *r = ctx;
	struct doctor *x = r->d->doctor;

	r->beside = false;
	if (r->looks % LOOKS == 1) {
		findings_release(&r->kept);
		r->kept = r->look.found;
		r->look.found = (struct findings){0};
	} else {
		findings_keep_common(&r->kept, &r->look.found);
	}
	if (r->kept.n && r->looks % LOOKS) {
		event_add(x->later, &(struct timeval){.tv_usec = LOOK_AGAIN_MS * 1000});
		return;
	}
	settle(x);
}

static void begin_look(struct doctor *x, bool keeper_answers)
{
	struct run *r = x->run;
	int64_t begun = now_us();

	look_release(&r->look);
	r->look = (struct look){.keeper_answers = keeper_answers};
	belief_take(x->d, &r->look.belief);
	for (size_t i = 0; i < CHECK_COUNT; i++) {
		int64_t at = now_us();

		if (checks[i].on_loop)
			checks[i].on_loop(x->d, &r->look);
		r->look.took_us[i] = now_us() - at;
	}
	int64_t took = now_us() - begun;
	r->loop_us = took > r->loop_us ? took : r->loop_us;
	r->beside = true;
	background_run(x->d->background, work, looked, r);
}

enum err doctor_begin(struct daemon *d, bool repair, doctor_fn fn, void *ctx, struct error *e)
{
	struct doctor *x = d->doctor;

	if (x->run)
		return error_set(e, ERR_BUSY, "the doctor is at work for another caller");
	x->run = mem_new(sizeof(*x->run));
	*x->run =
	    (struct run){.d = d, .repair = repair, .fn = fn, .ctx = ctx, .began = clock_mono()};
	on_later(-1, 0, x);
	return ERR_OK;
}

/* ---- mending ---------------------------------------------------------------------------- */

static void mend_work(void *ctx)
{
	struct run *r = ctx;

	for (size_t i = 0; i < r->kept.n; i++)
		if (mend_beside(&r->look, &r->kept.v[i]))
			r->kept.v[i].mend = MEND_NOTHING;
}

static void mended(void *ctx)
{
	struct run *r = ctx;

	r->beside = false;
	for (size_t i = 0; i < r->kept.n; i++)
		mend_on_loop(r->d, &r->look, &r->kept.v[i]);
	for (size_t i = 0; i < r->look.did.n; i++) {
		report(REPORT_INFO, "doctor: %s", r->look.did.v[i]);
		strv_add(&r->did, r->look.did.v[i]);
	}
	r->mended = true;
	while (r->looks % LOOKS)
		r->looks++;
	event_add(r->d->doctor->later, &(struct timeval){.tv_usec = LOOK_AGAIN_MS * 1000});
}

static void mend_all(struct doctor *x)
{
	x->run->beside = true;
	background_run(x->d->background, mend_work, mended, x->run);
}

/* ---- life ------------------------------------------------------------------------------- */

struct doctor *doctor_new(struct daemon *d)
{
	struct doctor *x = mem_new(sizeof(*x));

	x->d = d;
	x->later = evtimer_new(d->base, on_later, x);
	return x;
}

/* A thread that is at work keeps its run; it is never told (background.h). */
void doctor_free(struct doctor *x)
{
	if (!x)
		return;
	event_free(x->later);
	if (x->run && !x->run->beside)
		run_free(x->run);
	forget_all(x);
	free(x);
}
