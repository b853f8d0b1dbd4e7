#include "server/container.h"

#include <event2/event.h>

static bool is_left(const struct unit_view *u)
{
	switch (u->state) {
	case SERVICE_WAITING_DEPS:
	case SERVICE_STARTING:
	case SERVICE_RUNNING:
	case SERVICE_DEGRADED:
	case SERVICE_STOPPING: return true;
	case SERVICE_INACTIVE:
	case SERVICE_BLOCKED:
	case SERVICE_EXITED:
	case SERVICE_FAILED:
	case SERVICE_STATE_COUNT: break;
	}
	return false;
}

/* A critical service with an action that no attempt follows: its exit status as a shell says it. */
static int culprit_status(const struct daemon *d, unit_id unit)
{
	struct job_view j;

	for (size_t i = 0; engine_job_at(d->engine, unit, i, &j); i++) {
		if (j.core.state != JOB_FAILED)
			continue;
		if (j.core.last.code > 0)
			return j.core.last.code;
		return j.core.last.signal ? 128 + j.core.last.signal : 1;
	}
	return 0;
}

static void look(evutil_socket_t fd, short what, void *ctx)
{
	struct daemon *d = ctx;
	struct unit_view u;
	bool left = false;
	(void)fd, (void)what;

	d->container_looks = false;
	for (unit_id id = 0; !d->shutting_down && id < engine_unit_count(d->engine); id++) {
		if (!engine_unit(d->engine, id, &u))
			continue;
		int status = u.critical && d->options->container ? culprit_status(d, id) : 0;

		left = left || is_left(&u);
		if (!status)
			continue;
		auto_free char *who = text_fmt("critical service %s, which gave up", u.name);
		d->exit_status = status;
		daemon_shutdown(d, who);
	}
	if (!left && d->options->exit_when_done && !d->shutting_down)
		daemon_shutdown(d, "--exit-when-done: nothing is left");
}

/* Once for all that changes in one turn of the loop, when the engine is at rest. */
void container_unit_changed(struct daemon *d, unit_id unit)
{
	(void)unit;
	if ((!d->options->container && !d->options->exit_when_done) || d->container_looks)
		return;
	d->container_looks = true;
	event_base_once(d->base, -1, EV_TIMEOUT, look, d, NULL);
}
