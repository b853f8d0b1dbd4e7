/* follow.c - an operation while it happens: who waits for what, until its end. */
#include "cli/follow.h"

#include "cli/out.h"

#include <time.h>

#define LOOK_MS	       100
#define LOOK_SELDOM_MS 10000 /* nobody sees what is between */
#define LINES_MOST     40    /* services that are looked at each time: one call each */

struct view {
	struct cli *c;
	json_t *seen;	/* service -> line that was printed last */
	size_t steps;	/* printed so far */
	int live_lines; /* of the block that is redrawn */
};

static void nap(msec ms)
{
	const struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

static msec now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (msec)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static char *line_of(const json_t *status)
{
	const char *state = text_of(status, "state");
	json_t *waits = json_object_get(status, "waiting_on"), *w;
	struct str line = {0};
	size_t i;

	str_fmt(&line, "%-24s %s%s%s", text_of(status, "name"), paint_state(state), state, plain());
	json_array_foreach (waits, i, w)
		str_fmt(&line, "%s%s", i ? "; " : "  waits: ", text_of(w, "text"));
	return str_take(&line);
}

static void clear_block(struct view *v)
{
	for (int i = 0; i < v->live_lines; i++)
		fputs("\033[A\033[2K", stdout);
	v->live_lines = 0;
}

static void show_one(struct view *v, const char *name)
{
	struct hp_error e;
	json_t *status = cli_try(v->c, "service.status", json_pack("{s:s}", "name", name), &e);

	if (!status) {
		hp_error_release(&e);
		return;
	}
	auto_free char *line = line_of(status);
	if (out_is_terminal()) {
		print_cut(line, out_width());
		v->live_lines++;
	} else if (strcmp(text_of(v->seen, name), line) != 0) {
		puts(line);
		json_object_set_new(v->seen, name, json_string(line));
	}
	json_decref(status);
}

/* What was asked for, and everything a step touched. */
static json_t *involved(const json_t *op, const json_t *names)
{
	json_t *set = json_object(), *v;
	size_t i;

	json_array_foreach (names, i, v)
		json_object_set_new(set, json_string_value(v), json_true());
	json_array_foreach (json_object_get(op, "started"), i, v)
		if (json_is_string(v))
			json_object_set_new(set, json_string_value(v), json_true());
	json_array_foreach (json_object_get(op, "steps"), i, v)
		json_object_set_new(set, text_of(v, "service"), json_true());
	return set;
}

static void show(struct view *v, const json_t *op, const json_t *names)
{
	json_t *set = involved(op, names), *ignored;
	const char *name;
	int shown = 0, room = LINES_MOST;

	if (out_is_terminal() && room > out_height() - 2)
		room = out_height() - 2; /* what has scrolled away can not be redrawn */
	if (out_is_terminal())
		clear_block(v);
	json_object_del(set, "");
	json_object_foreach (set, name, ignored)
		if (shown++ < room)
			show_one(v, name);
	if (out_is_terminal() && shown > room && ++v->live_lines)
		printf("and %d more\n", shown - room);
	fflush(stdout);
	json_decref(set);
}

static int end_of(struct cli *c, json_t *op, const char *done_word)
{
	const char *state = text_of(op, "operation_state");
	json_t *note, *names = json_object_get(op, "names"), *v;
	size_t i;

	if (c->json)
		print_json(json_incref(op));
	cli_warn_unstored(op);
	if (strcmp(state, "done") == 0) {
		bool changed = json_array_size(json_object_get(op, "steps")) > 0 ||
			       (strcmp(text_of(op, "kind"), "apply") == 0 &&
				   json_is_true(json_object_get(op, "changed")));

		json_array_foreach (json_object_get(op, "notes"), i, note)
			if (!c->json)
				printf("note: %s\n", json_string_value(note));
		json_array_foreach (names, i, v)
			if (!c->json && !c->quiet)
				printf("%s: %s\n", json_string_value(v),
				    changed ? done_word : "nothing to do");
		return 0;
	}
	struct hp_error e = {.code = (int)json_integer_value(json_object_get(op, "code"))};
	json_t *error = json_object_get(op, "error");
	if (!e.code)
		e.code = (int)json_integer_value(json_object_get(error, "code"));
	if (!e.code)
		e.code = err_rpc_code(ERR_START_FAILED);
	const char *message =
	    *text_of(op, "message") ? text_of(op, "message") : text_of(error, "message");
	snprintf(e.message, sizeof(e.message), "%s", *message ? message : state);
	json_t *chain = json_object_get(op, "chain");
	json_t *data =
	    json_pack("{s:O?}", "chain", chain ? chain : json_object_get(error, "chain"));
	e.data = json_dumps(data, 0);
	json_decref(data);
	bool json = c->json;
	c->json = false;
	int status = cli_fail(c, &e);
	c->json = json;
	return status;
}

#define GAP_MS 5000 /* a server that is followed by another one answers again by then */

static bool is_no_daemon(const struct cli *c, const struct hp_error *e)
{
	return e->code == err_rpc_code(ERR_NO_DAEMON) &&
	       access(hp_client_socket(c->client), F_OK) == 0;
}

/* The operation as soon as it has ended, at the latest after `most`; NULL: `status` says why not.
 * A call that a server left behind is asked of the next one. */
static json_t *look(struct cli *c, int64_t operation, msec most, int *status)
{
	struct hp_error e;

	for (msec waited = 0;; waited += LOOK_MS) {
		json_t *params = json_pack("{s:I, s:I}", "operation", (json_int_t)operation,
		    "timeout_ms", (json_int_t)most);
		json_t *op = cli_try(c, "op.watch", params, &e);

		if (!op && e.code == err_rpc_code(ERR_TIMEOUT)) {
			op = json_loads(
			    e.data ? e.data : "", JSON_ALLOW_NUL, NULL); /* as it is now */
			hp_error_release(&e);
		}
		if (op)
			return op;
		if (!is_no_daemon(c, &e) || waited >= GAP_MS)
			break;
		hp_error_release(&e);
		nap(LOOK_MS);
	}
	*status = cli_fail(c, &e);
	return NULL;
}

static msec next_look(const struct cli *c, msec left)
{
	msec pause = c->quiet || c->json ? LOOK_SELDOM_MS : LOOK_MS;

	return c->timeout && left < pause ? (left > 0 ? left : 1) : pause;
}

int follow_operation(struct cli *c, int64_t operation, json_t *names, const char *done_word)
{
	struct view v = {.c = c, .seen = json_object()};
	msec began = now();
	int status = 0;
	bool active = true;

	while (active) {
		json_t *op = look(c, operation, next_look(c, began + c->timeout - now()), &status);

		if (!op)
			break;
		active = strcmp(text_of(op, "operation_state"), "active") == 0;
		if (!c->quiet && !c->json)
			show(&v, op, names);
		if (!active)
			status = end_of(c, op, done_word);
		json_decref(op);
		if (active && c->timeout && now() - began >= c->timeout) {
			complain("not within %lld ms; operation %lld goes on",
			    (long long)c->timeout, (long long)operation);
			status = err_exit_status(ERR_TIMEOUT);
			break;
		}
	}
	json_decref(v.seen);
	return status;
}
