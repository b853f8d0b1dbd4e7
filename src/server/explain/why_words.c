#include "server/explain/why_words.h"
#include "server/host/json_time.h"

#include "server/supervise/launch.h"

#define YOUNG_US 3000000 /* an attempt */

static const char *text_in(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static int64_t int_in(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static bool is(const json_t *o, const char *key, const char *word)
{
	return text_eq(text_in(o, key), word);
}

/* "3.2 s", "5 min" */
void why_span(struct str *out, usec_wall us)
{
	double s = us > 0 ? (double)us / 1e6 : 0;

	if (s < 1)
		str_fmt(out, "%d ms", (int)(s * 1000));
	else if (s < 60)
		str_fmt(out, "%.1f s", s);
	else if (s < 7200)
		str_fmt(out, "%d min", (int)(s / 60));
	else
		str_fmt(out, "%d h", (int)(s / 3600));
}

json_t *why_node(const char *subject, const struct str *fact, int64_t since)
{
	return json_pack("{s:s, s:s, s:o, s:[]}", "subject", subject, "fact", str_text(fact),
	    "since", json_time(since), "because");
}

/* Printed pieces are cut, never refused. */
void why_set(json_t *o, const char *key, const char *fmt, ...)
{
	va_list ap;
	char text[512];

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_t *s = json_string(text);
	json_object_set_new(o, key, s ? s : json_string("?"));
}

void why_mark_root(json_t *n)
{
	json_object_set_new(n, "root", json_true());
}

/* ---- one job in words ---------------------------------------------------------- */

static bool ended_badly(const json_t *j)
{
	return is(j, "state", "failed") || is(j, "state", "retrying");
}

static void add_ending(const json_t *j, struct str *out)
{
	char name[16];
	const char *reason = text_in(j, "reason"), *why = text_in(j, "why");
	int64_t signal = int_in(j, "signal"), code = int_in(j, "exit_code");
	bool told = false;

	if (text_eq(reason, "start_timeout"))
		str_fmt(out, ": not ready within start_timeout_ms%s%s", why ? ": " : "",
		    why ? why : "");
	else if (why)
		str_fmt(out, ": %s", why);
	else if (text_eq(reason, "timeout"))
		str_add(out, ": it ran longer than timeout_ms");
	else if (signal)
		str_fmt(out, ": ended by %s", signal_name((int)signal, name, sizeof(name)));
	else if (json_is_true(json_object_get(j, "lost")))
		str_add(out, ": its exit status is not known");
	else if (code >= 0)
		str_fmt(out, ": exit code %d", (int)code);
	if (reason && !text_eq(reason, "exit_code") && !text_eq(reason, "signal")) {
		str_fmt(out, " (%s", reason);
		told = true;
	}
	if (int_in(j, "attempt") > 0) {
		str_fmt(out, "%sattempt %d", told ? ", " : " (", (int)int_in(j, "attempt"));
		if (int_in(j, "max_attempts"))
			str_fmt(out, " of %d", (int)int_in(j, "max_attempts"));
		told = true;
	}
	str_add(out, told ? ")" : "");
}

/* An action by the name that people use: `service/action`, or the service's if it is its only
 * one. */
void why_title(const json_t *p, const char *action, struct str *out)
{
	const char *name = text_in(p, "name");
	bool only = json_array_size(json_object_get(p, "jobs")) < 2;

	str_add(out, name);
	if (action && *action && strcmp(action, name) != 0 && !only)
		str_fmt(out, "/%s", action);
}

static void describe_job(usec_wall now, const json_t *p, const json_t *j, struct str *out)
{
	const char *state = text_in(j, "state"), *note = text_in(j, "note");

	why_title(p, text_in(j, "action"), out);
	if (is(j, "state", "failed") || is(j, "state", "retrying")) {
		str_add(out, is(j, "state", "failed") ? " failed " : " is retrying, it ended ");
		why_span(out, now - int_in(j, "since"));
		str_add(out, " ago");
		add_ending(j, out);
		return;
	}
	str_fmt(out, " is %s%s, for ", state, is(j, "state", "running") ? ", not ready" : "");
	why_span(out, now - int_in(j, "since"));
	if (text_in(j, "why")) /* pending, or its chdir or exec hangs */
		str_fmt(out, ": %s", text_in(j, "why"));
	else if (note)
		str_fmt(out, ": %s", note);
	if (text_in(j, "left"))
		str_fmt(out, "; left: %s", text_in(j, "left"));
	const json_t *before = json_object_get(j, "before");
	if (before && (is(j, "state", "running") || is(j, "state", "starting"))) {
		str_add(out, "; the one before ended ");
		why_span(out, now - int_in(before, "since"));
		str_add(out, " ago");
		add_ending(before, out);
	}
}

/* One that has just begun says less than how the one before ended. */
static const json_t *attempt_to_quote(usec_wall now, const json_t *j)
{
	const json_t *before = json_object_get(j, "before");

	return before && is(j, "state", "running") && now - int_in(j, "since") < YOUNG_US ? before
											  : j;
}

bool why_is_trouble(const json_t *p, const json_t *j)
{
	static const char *const words[] = {
	    "failed", "retrying", "pending", "skipped", "starting", "running", "stopping"};

	for (size_t i = 0; i < countof(words); i++)
		if (is(j, "state", words[i]))
			return true;
	return is(j, "state", "ready") && text_in(j, "note") && is(p, "state", "degraded");
}

/* "hero_proc logs shop --action app" */
static void add_logs(const json_t *p, const json_t *j, struct str *out)
{
	str_fmt(out, "hero_proc logs %s", text_in(p, "name"));
	if (json_array_size(json_object_get(p, "jobs")) > 1)
		str_fmt(out, " --action %s", text_in(j, "action"));
}

/* What follows by itself, and what somebody can do. */
static void advise(usec_wall now, const json_t *p, const json_t *j, json_t *n)
{
	const char *name = text_in(p, "name"), *reason = text_in(j, "reason");
	int64_t next = int_in(j, "next");
	auto_str in = {0}, title = {0}, logs = {0};

	why_title(p, text_in(j, "action"), &title);
	add_logs(p, j, &logs);
	if (is(j, "state", "stopping") && int_in(j, "kill_at") > now) {
		why_span(&in, int_in(j, "kill_at") - now);
		why_set(n, "next", "what is left gets KILL in %s", str_text(&in));
	} else if (is(j, "state", "retrying")) {
		why_span(&in, next - now);
		why_set(n, "next", "the next attempt of %s follows in %s", str_text(&title),
		    next ? str_text(&in) : "a moment");
		why_set(n, "hint", "hero_proc service start %s    (an attempt at once)", name);
	} else if (is(j, "state", "failed") && text_eq(reason, "spawn_error")) {
		why_set(n, "next", "no attempt follows by itself");
		why_set(n, "hint", "mend what can not be executed, then hero_proc service start %s",
		    name);
	} else if (is(j, "state", "failed") && strchr(name, '#')) {
		why_set(n, "hint", "hero_proc run get %s", name); /* an ad-hoc run */
	} else if (is(j, "state", "failed")) {
		why_set(n, "next", "no attempt follows by itself");
		why_set(n, "hint", "%s; once it is mended: hero_proc service start %s",
		    str_text(&logs), name);
	} else if (is(j, "state", "running")) {
		why_set(n, "next", "%s goes on as soon as it is ready", name);
		why_set(n, "hint", "%s", str_text(&logs));
	}
}

json_t *why_job_node(usec_wall now, const json_t *p, const json_t *j)
{
	auto_str fact = {0};

	describe_job(now, p, j, &fact);
	json_t *n = why_node(text_in(p, "name"), &fact, int_in(j, "since"));
	if (!is(j, "state", "skipped")) /* what it needed is the cause */
		why_mark_root(n);
	advise(now, p, j, n);
	if ((ended_badly(j) && !is(j, "reason", "spawn_error")) || is(j, "state", "running")) {
		json_object_set(n, "action", json_object_get(j, "action"));
		json_object_set(n, "attempt", json_object_get(attempt_to_quote(now, j), "attempt"));
	}
	return n;
}

/* ---- one unit in words ----------------------------------------------------------- */

bool why_is_well(const json_t *p)
{
	return is(p, "state", "running") || is(p, "state", "exited");
}

/* On the way, the reason of its last attempt is not the reason of its state. */
static bool rests(const json_t *p)
{
	return is(p, "state", "blocked") || is(p, "state", "failed") ||
	       is(p, "state", "degraded") || is(p, "state", "inactive");
}

void why_describe_unit(usec_wall now, const json_t *p, struct str *out)
{
	const char *subject = text_in(p, "reason_subject");

	str_fmt(out, "%s is %s", text_in(p, "name"),
	    json_is_true(json_object_get(p, "known")) ? text_in(p, "state") : "not registered");
	if (is(p, "wanted", "stop"))
		str_add(out, ", stopped by the operator");
	else if (text_in(p, "reason") && !is(p, "reason", "cancelled") && rests(p))
		str_fmt(out, subject ? ", %s(%s)" : ", %s", text_in(p, "reason"), subject);
	if (int_in(p, "since") > 0) {
		str_add(out, ", for ");
		why_span(out, now - int_in(p, "since"));
	}
	if (is(p, "wanted", "start"))
		str_add(out, "; wanted start");
}

/* A unit at the end of the way whose jobs say nothing: its state is the cause. */
json_t *why_state_node(usec_wall now, const json_t *p)
{
	auto_str fact = {0};
	const char *name = text_in(p, "name");

	why_describe_unit(now, p, &fact);
	json_t *n = why_node(name, &fact, int_in(p, "since"));
	why_mark_root(n);
	if (is(p, "wanted", "stop"))
		why_set(n, "hint", "hero_proc service start %s", name);
	return n;
}

json_t *why_conflict_node(const json_t *p)
{
	const char *name = text_in(p, "name"), *other = text_in(p, "conflict");
	auto_str fact = {0};

	str_fmt(
	    &fact, "%s conflicts with %s, which is %s", name, other, text_in(p, "conflict_state"));
	json_t *n = why_node(name, &fact, int_in(p, "since"));
	why_mark_root(n);
	if (!is(p, "state", "inactive"))
		why_set(n, "next", "%s starts by itself when %s is inactive", name, other);
	why_set(n, "hint", "hero_proc service start %s --replace    (stops %s)", name, other);
	return n;
}

/* ---- edges ------------------------------------------------------------------------ */

static const char *to_be(const json_t *e)
{
	static const char *const words[][2] = {{"started", "to be started"},
	    {"ready", "to be ready"}, {"healthy", "to be healthy"}, {"completed", "to end"},
	    {"succeeded", "to succeed"}};

	for (size_t i = 0; i < countof(words); i++)
		if (is(e, "condition", words[i][0]))
			return words[i][1];
	return "";
}

void why_describe_edge(const json_t *p, const json_t *e, bool leaf, struct str *out)
{
	const char *target = text_in(e, "target"), *action = text_in(e, "target_action");

	why_title(p, text_in(e, "action"), out);
	str_add(out, is(p, "state", "degraded") ? " needs " : " waits for ");
	if (text_in(e, "gate")) {
		str_add(out, text_in(e, "gate"));
		if (!json_is_true(json_object_get(e, "gate_only")))
			str_fmt(out, " of %s", target);
		str_fmt(out, ": %s", text_in(e, "last") ? text_in(e, "last") : "no answer yet");
	} else if (leaf) {
		str_fmt(out, "%s, which is not registered", target);
	} else {
		str_add(out, target);
		if (action && strcmp(action, target) != 0)
			str_fmt(out, "/%s", action);
		str_fmt(out, " %s", to_be(e));
		if (int_in(e, "timed_out_ms"))
			str_fmt(out, "; that timed out after %lld ms",
			    (long long)int_in(e, "timed_out_ms"));
	}
	if (text_in(e, "source") && strncmp(text_in(e, "source"), "rpc ", 4) != 0)
		str_fmt(out, " (%s)", text_in(e, "source"));
}

void why_advise_edge(const json_t *p, const json_t *e, const json_t *target, json_t *n)
{
	auto_str title = {0};

	why_title(p, text_in(e, "action"), &title);
	const char *name = str_text(&title);
	why_mark_root(n);
	if (text_in(e, "gate")) {
		why_set(n, "next", "%s starts by itself as soon as it answers", name);
		if (!json_is_true(json_object_get(e, "gate_only")))
			why_set(n, "hint", "hero_proc logs %s", text_in(e, "target"));
	} else if (!target || json_is_false(json_object_get(target, "known"))) {
		if (!is(p, "state", "inactive"))
			why_set(n, "next", "%s starts by itself when %s is registered", name,
			    text_in(e, "target"));
		why_set(n, "hint", "hero_proc service register FILE, or mend the name");
	}
}
