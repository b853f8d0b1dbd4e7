/* verb_doctor.c - what the doctor found; without a daemon, what can be seen from outside. */
#include "cli/call.h"
#include "cli/out.h"
#include "cli/outside.h"
#include "cli/times.h"
#include "cli/verbs.h"
#include "client/http.h"

static const char *paint_severity(const char *severity)
{
	if (strcmp(severity, "error") == 0)
		return paint("\033[31m");
	return paint(strcmp(severity, "warn") == 0 ? "\033[33m" : "\033[2m");
}

static void print_checks(const json_t *report)
{
	json_t *row;
	size_t i;

	json_array_foreach (json_object_get(report, "checks"), i, row) {
		long long n = json_integer_value(json_object_get(row, "findings"));
		auto_free char *found =
		    n ? text_fmt("%lld finding%s", n, n == 1 ? "" : "s") : text_dup("ok");

		printf("%-12s %s%-11s%s %s\n", text_of(row, "name"),
		    paint(n ? "\033[31m" : "\033[32m"), found, plain(), text_of(row, "compares"));
	}
}

static void print_subject(const json_t *subject, struct str *out)
{
	json_int_t pid = json_integer_value(json_object_get(subject, "pid"));
	const char *service = text_of(subject, "service"), *action = text_of(subject, "action"),
		   *path = text_of(subject, "path");

	if (*service)
		str_fmt(out, " %s", service);
	if (*action && strcmp(action, service) != 0)
		str_fmt(out, "/%s", action);
	if (pid)
		str_fmt(out, " pid %lld", (long long)pid);
	if (*path)
		str_fmt(out, " %s", path);
}

static void print_finding(const json_t *f)
{
	const char *severity = text_of(f, "severity"), *repair = text_of(f, "repair");
	auto_free char *age = times_age(text_of(f, "since"));
	auto_str subject = {0};

	print_subject(json_object_get(f, "subject"), &subject);
	printf("\n%s%s%s %s:%s\n", paint_severity(severity), severity, plain(), text_of(f, "check"),
	    str_text(&subject));
	printf("    we say:    %s\n    there is:  %s\n", text_of(f, "ours"), text_of(f, "kernel"));
	printf("    seen:      %s ago\n", age);
	if (*repair)
		printf("    --repair:  %s\n", repair);
}

static void print_report(const json_t *v)
{
	json_t *o;
	size_t i;

	print_checks(v);
	json_array_foreach (json_object_get(v, "findings"), i, o)
		print_finding(o);
	if (json_array_size(json_object_get(v, "repaired")))
		puts("\nrepaired:");
	json_array_foreach (json_object_get(v, "repaired"), i, o)
		printf("    %s\n", json_string_value(o));
}

static int without_daemon(struct cli *c, const char *why)
{
	int status = err_exit_status(ERR_NO_DAEMON);
	json_t *rows = outside_look(hp_client_socket(c->client)), *row;
	size_t i;

	if (c->json) {
		print_json(json_pack("{s:b, s:b, s:o}", "ok", 0, "daemon", 0, "outside", rows));
		return status;
	}
	complain("%s", why);
	json_array_foreach (rows, i, row) {
		bool ok = json_is_true(json_object_get(row, "ok"));

		printf("%-12s %s%-7s%s %s\n", text_of(row, "name"),
		    paint(ok ? "\033[32m" : "\033[31m"), ok ? "ok" : "look", plain(),
		    text_of(row, "says"));
		if (*text_of(row, "try"))
			printf("    try: %s\n", text_of(row, "try"));
	}
	json_decref(rows);
	return status;
}

/* The keeper holds the socket, so who connects while there is no server waits for the next one,
 * for ever when there will be none.  The doctor does not. */
#define PATIENCE_MS 5000

static bool is_anybody_there(const char *socket_path, struct error *e)
{
	msec end = http_deadline(PATIENCE_MS);
	struct http_conn conn;

	if (http_open(&conn, socket_path, e))
		return e->code != ERR_NO_DAEMON; /* not allowed, say: the call tells */
	bool answers = http_send(&conn, "GET", "/health", NULL, end, e) == ERR_OK &&
		       http_receive_head(&conn, end, e) == ERR_OK;
	http_close(&conn);
	return answers;
}

int verb_doctor(struct cli *c)
{
	struct error silence = {0};
	struct hp_error e;

	if (!is_anybody_there(hp_client_socket(c->client), &silence))
		return without_daemon(c, silence.msg);
	json_t *v = cli_try(c, "system.doctor", json_pack("{s:b}", "repair", c->repair), &e);
	if (!v)
		return cli_fail(c, &e);
	bool ok = json_is_true(json_object_get(v, "ok"));
	if (c->json)
		print_json(json_incref(v));
	else
		print_report(v);
	json_decref(v);
	return ok ? 0 : 1;
}
