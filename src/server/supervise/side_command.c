#include "server/supervise/side_command.h"
#include "server/supervise/supervision_state.h"

#include "base/utf8.h"
#include "server/history/records.h"
#include "server/supervise/attempt.h"
#include "server/supervise/attempt_label.h"
#include "server/supervise/execution_error.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

struct side_command {
	struct side_command *next;
	struct supervision *d;
	uint64_t token;
	side_command_fn fn; /* NULL: nobody waits for it */
	void *ctx;
	struct launch launch; /* what was asked for, to tell of it */
	int out;	      /* the reading end of its output */
	struct event *readable;
	char text[ASIDE_TEXT_MAX + 1];
	size_t n;
	bool exited;
	struct keeper_exit_info how;
};

static void side_command_free(struct side_command *a)
{
	struct side_command **at = &a->d->asides;

	while (*at && *at != a)
		at = &(*at)->next;
	if (*at)
		*at = a->next;
	if (a->readable)
		event_free(a->readable);
	if (a->out >= 0)
		close(a->out);
	launch_release(&a->launch);
	free(a);
}

static struct side_command *find(const struct supervision *d, uint64_t token)
{
	struct side_command *a = d->asides;

	while (a && a->token != token)
		a = a->next;
	return a;
}

/* ---- what it says --------------------------------------------------------------- */

/* False: nothing more is there now. */
static bool read_some(struct side_command *a)
{
	char buf[4096];
	ssize_t n = read(a->out, buf, sizeof(buf));

	if (n <= 0)
		return false;
	size_t room = ASIDE_TEXT_MAX - a->n, keep = (size_t)n < room ? (size_t)n : room;
	memcpy(a->text + a->n, buf, keep);
	a->n += keep;
	return true;
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct side_command *a = ctx;
	(void)fd, (void)what;

	errno = 0;
	if (!read_some(a) && errno != EAGAIN && errno != EINTR)
		event_del(a->readable);
}

static void describe(const struct side_command *a, struct str *out)
{
	char name[16];
	size_t n = a->n;

	while (n > 0 && (a->text[n - 1] == '\n' || a->text[n - 1] == ' '))
		n--;
	if (a->how.code == CLD_EXITED)
		str_fmt(out, "exit code %d", a->how.status);
	else
		str_add(out, signal_name(a->how.status, name, sizeof(name)));
	if (n) {
		str_add(out, ": ");
		utf8_readable(out, a->text, n, ASIDE_TEXT_MAX);
	}
}

/* ---- its life --------------------------------------------------------------------- */

static enum err spawn(struct side_command *a, struct launch *l, int take_out, struct error *e)
{
	auto_fd int out = take_out;
	auto_str label = {0};
	struct attempt_label is = {
	    .unit = (char *)(uintptr_t) "-", .action = (char *)(uintptr_t) "-", .aux = true};

	attempt_label_write(&is, &label);
	l->spec.token = a->token;
	l->spec.label = label.s;
	l->spec.label_bytes = label.n;
	launch_add_fd(l, out, 1);
	launch_add_fd(l, out, 2);
	return spawner_spawn(a->d->spawner, launch_finish(l), e);
}

static enum err open_output(struct side_command *a, int *out_write, struct error *e)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return error_sys(e, errno, "pipe");
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	a->out = p[0];
	a->readable = event_new(a->d->base, p[0], EV_READ | EV_PERSIST, on_readable, a);
	event_add(a->readable, NULL);
	*out_write = p[1];
	return ERR_OK;
}

enum err side_command_start(struct supervision *d, const struct action_def *def,
    const struct command *command, pid_t main_pid, side_command_fn fn, void *ctx,
    struct side_command **out, struct error *e)
{
	struct side_command *a = mem_new(sizeof(*a));
	struct launch *l = &a->launch;
	char pid[16];
	int output = -1;

	*a = (struct side_command){.d = d, .next = d->asides, .fn = fn, .ctx = ctx, .out = -1};
	a->token = AUX_TOKEN_BIT | records_take(d->history, COUNTER_TOKEN);
	d->asides = a;
	snprintf(pid, sizeof(pid), "%d", main_pid);
	enum err rc = command ? launch_init_command(l, def, command, &d->around, e)
			      : launch_init(l, def, &d->around, e);
	if (rc == ERR_OK)
		rc = open_output(a, &output, e);
	if (rc == ERR_OK) {
		launch_set_env(l, "MAINPID", pid);
		rc = spawn(a, l, output, e);
	}
	if (rc != ERR_OK)
		side_command_free(a);
	else
		*out = a;
	return rc;
}

void side_command_kill(struct side_command *a)
{
	if (!a)
		return;
	a->fn = NULL;
	spawner_signal(a->d->spawner, a->token, SIGKILL, KEEPER_SCOPE_KILL);
}

/* ---- news ---------------------------------------------------------------------------- */

static void end(struct side_command *a, bool good, const char *text)
{
	side_command_fn fn = a->fn;
	void *ctx = a->ctx;

	side_command_free(a);
	if (fn)
		fn(ctx, good, text);
}

bool side_command_on_failed(struct supervision *d, uint64_t token, enum keeper_step step, int sys)
{
	struct side_command *a = find(d, token);
	auto_str why = {0};

	if (!a)
		return false;
	execution_error_describe(&a->launch, "", step, sys, &why);
	end(a, false, why.s);
	return true;
}

bool side_command_on_exited(
    struct supervision *d, uint64_t token, const struct keeper_exit_info *how, bool empty)
{
	struct side_command *a = find(d, token);

	if (!a)
		return false;
	a->exited = true;
	a->how = *how;
	spawner_ack(d->spawner, token);
	if (empty)
		return side_command_on_empty(d, token);
	spawner_signal(d->spawner, token, SIGKILL, KEEPER_SCOPE_KILL); /* what it left behind */
	return true;
}

bool side_command_on_empty(struct supervision *d, uint64_t token)
{
	struct side_command *a = find(d, token);
	auto_str text = {0};

	if (!a)
		return false;
	while (a->n < ASIDE_TEXT_MAX && read_some(a))
		;
	describe(a, &text);
	end(a, a->how.code == CLD_EXITED && a->how.status == 0, str_text(&text));
	return true;
}

const struct side_command *side_command_next(
    const struct supervision *d, const struct side_command *after, uint64_t *token)
{
	const struct side_command *a = after ? after->next : d->asides;

	if (a)
		*token = a->token;
	return a;
}

void asides_free(struct supervision *d)
{
	while (d->asides)
		side_command_free(d->asides);
}
