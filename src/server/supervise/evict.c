#include "server/supervise/evict.h"
#include "server/supervise/supervision_state.h"

#include "server/supervise/perform.h"
#include "server/supervise/port_owner.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <sys/syscall.h>

struct eviction {
	struct eviction *next;
	struct supervision *d;
	pid_t pid;
	int fd;
	bool killed;
	char *service, *action; /* who waits for it */
	struct event *gone, *patience;
};

static void release(struct eviction *v)
{
	struct eviction **p = &v->d->evictions;

	while (*p != v)
		p = &(*p)->next;
	*p = v->next;
	event_free(v->gone);
	event_free(v->patience);
	close(v->fd);
	free(v->service);
	free(v->action);
	free(v);
}

void evictions_free(struct supervision *d)
{
	while (d->evictions)
		release(d->evictions);
}

static void on_gone(evutil_socket_t fd, short what, void *ctx)
{
	struct eviction *v = ctx;
	struct supervision *d = v->d;
	auto_free char *service = take(v->service);
	auto_free char *action = take(v->action);
	(void)fd, (void)what;

	release(v);
	engine_try_now(d->engine, clock_mono(), service, action);
	perform_effects(d);
}

static void on_patience(evutil_socket_t fd, short what, void *ctx)
{
	struct eviction *v = ctx;
	(void)fd, (void)what;

	report(
	    REPORT_WARN, "%s: pid %d did not end when told to; it is killed", v->service, v->pid);
	v->killed = true;
	syscall(SYS_pidfd_send_signal, v->fd, SIGKILL, NULL, 0);
}

/* What this process descends from may not be ended, whatever it holds. */
static bool is_above_us(pid_t pid)
{
	pid_t at = getpid();

	while (at > 1 && at != pid)
		at = port_owner_parent(at);
	return at == pid;
}

static bool is_protected(struct supervision *d, pid_t pid, const char *what, struct error *e)
{
	auto_free char *buf = mem_new(HOLDER_ENVIRON_MAX);
	uint64_t token = port_owner_token(pid, d->keeper.id, buf);
	job_id j = token ? engine_job_by_token(d->engine, token) : ID_NONE;
	struct job_view v;
	struct unit_view u;
	unit_id unit;
	char command[32];

	port_owner_command(pid, command, sizeof(command));
	if (j != ID_NONE && engine_job(d->engine, j, &v, &unit) && engine_unit(d->engine, unit, &u))
		error_set(e, ERR_CONFLICT,
		    "%s is held by pid %d (%s) of the service %s: stop that, or "
		    "let them conflict",
		    what, pid, command, u.name);
	else if (token || pid == d->keeper.pid || is_above_us(pid))
		error_set(e, ERR_CONFLICT,
		    "%s is held by pid %d (%s), which is never ended for it: it "
		    "belongs to this supervisor",
		    what, pid, command);
	return e->code != ERR_OK;
}

static struct eviction *find(const struct supervision *d, pid_t pid)
{
	struct eviction *v = d->evictions;

	while (v && v->pid != pid) /* the pidfd is open: no other has that number */
		v = v->next;
	return v;
}

static struct eviction *begin(struct supervision *d, const struct service_def *s,
    const struct action_def *a, pid_t pid, int take_fd)
{
	struct eviction *v = mem_new(sizeof(*v));
	msec patience = a->stop_timeout > 0 ? a->stop_timeout : 1;

	*v = (struct eviction){.next = d->evictions,
	    .d = d,
	    .pid = pid,
	    .fd = take_fd,
	    .service = text_dup(s->name),
	    .action = text_dup(a->name)};
	v->gone = event_new(d->base, take_fd, EV_READ, on_gone, v);
	v->patience = evtimer_new(d->base, on_patience, v);
	event_add(v->gone, NULL);
	event_add(v->patience,
	    &(struct timeval){.tv_sec = patience / 1000, .tv_usec = patience % 1000 * 1000});
	d->evictions = v;
	return v;
}

enum err evict(struct supervision *d, const struct service_def *s, const struct action_def *a,
    pid_t pid, const char *what, struct error *e)
{
	struct eviction *v = find(d, pid);
	char command[32];

	if (!v) {
		int fd = (int)syscall(SYS_pidfd_open, pid, 0);

		if (fd < 0 && errno == ESRCH)
			return error_set(e, ERR_BUSY, "%s: pid %d has just ended", what, pid);
		if (fd < 0)
			return error_sys(e, errno, "%s is held by pid %d", what, pid);
		if (is_protected(d, pid, what, e)) {
			close(fd);
			return e->code;
		}
		if (syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0) < 0 && errno != ESRCH) {
			error_set(e, ERR_CONFLICT,
			    "%s is held by pid %d, which can not be ended: %s", what, pid,
			    strerror(errno));
			close(fd);
			return e->code;
		}
		v = begin(d, s, a, pid, fd);
		report(REPORT_INFO, "%s: %s is held by pid %d, which is told to end", s->name, what,
		    pid);
	}
	port_owner_command(pid, command, sizeof(command));
	return error_set(e, ERR_BUSY, "%s is held by pid %d (%s), which was %s", what, pid, command,
	    v->killed ? "killed" : "told to end");
}
