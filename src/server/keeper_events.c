#include "server/keeper_events.h"

#include "server/daemon.h"
#include "server/doctor/doctor.h"
#include "server/recovery/handover.h"
#include "server/recovery/recover.h"
#include "server/supervise/attempt.h"
#include "server/supervise/notified.h"
#include "server/supervise/perform.h"

#include <event2/event.h>

static bool is_for_recovery(const struct daemon *d, uint64_t token)
{
	return d->recovery && !attempt_find(d->supervision, token);
}

static void on_spawned(void *ctx, uint64_t token, pid_t pid)
{
	struct daemon *d = ctx;

	attempt_on_spawned(d->supervision, token, pid);
}

static void on_hangs(void *ctx, uint64_t token, enum keeper_step step)
{
	struct daemon *d = ctx;

	attempt_on_hangs(d->supervision, token, step);
}

static void on_failed(void *ctx, uint64_t token, enum keeper_step step, int sys)
{
	struct daemon *d = ctx;

	attempt_on_failed(d->supervision, token, step, sys);
}

static void on_exited(void *ctx, uint64_t token, const struct keeper_exit_info *how, bool empty)
{
	struct daemon *d = ctx;

	if (!is_for_recovery(d, token) || !recover_on_exited(d, token, how, empty))
		attempt_on_exited(d->supervision, token, how, empty);
}

static void on_empty(void *ctx, uint64_t token)
{
	struct daemon *d = ctx;

	if (is_for_recovery(d, token))
		recover_on_empty(d, token);
	attempt_on_empty(d->supervision, token);
}

static void on_notified(void *ctx, uint64_t token, const char *text)
{
	struct daemon *d = ctx;

	if (is_for_recovery(d, token))
		recover_on_notified(d, token, text);
	attempt_on_notified(d->supervision, token, text);
}

static void on_pong(void *ctx, uint64_t token, int value)
{
	struct daemon *d = ctx;

	if (token)
		notified_on_pong(d->supervision, token, value);
	else
		doctor_on_pong(d, value);
}

static void on_shutdown_asked(void *ctx, int times)
{
	struct daemon *d = ctx;

	d->shutdown_asked = times;
	if (!d->recovery)
		daemon_shutdown(d, "signal");
}

static void on_hello(void *ctx, pid_t keeper, bool has_cgroups, uint64_t boot)
{
	struct daemon *d = ctx;

	supervision_on_hello(d->supervision, keeper, has_cgroups, boot);
}

static void on_room(void *ctx)
{
	struct daemon *d = ctx;

	perform_room(d->supervision);
}

static void on_lost_keeper(void *ctx)
{
	struct daemon *d = ctx;

	d->exit_status = KEEPER_EXIT_FAILED;
	d->keeper_lost = !d->shutting_down;
	if (d->keeper_lost)
		handover_witness(d);
	event_base_loopbreak(d->base);
}

const struct spawner_events keeper_events = {
    .spawned = on_spawned,
    .hangs = on_hangs,
    .failed = on_failed,
    .exited = on_exited,
    .set_empty = on_empty,
    .notified = on_notified,
    .pong = on_pong,
    .listed = recover_on_listed,
    .held = recover_on_held,
    .listed_all = recover_on_listed_all,
    .shutdown_asked = on_shutdown_asked,
    .hello = on_hello,
    .room = on_room,
    .lost_keeper = on_lost_keeper,
};
