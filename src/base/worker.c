#include "base/worker.h"

#include <sched.h>
#include <signal.h>

enum err worker_start(pthread_t *out, const char *name, size_t stack_bytes, void *(*fn)(void *),
    void *ctx, struct error *e)
{
	static const struct sched_param plain;
	sigset_t all, old;
	pthread_attr_t attr;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, stack_bytes);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = pthread_create(out, &attr, fn, ctx);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (rc)
		return error_sys(e, rc, "%s: thread", name);
	pthread_setname_np(*out, name);
	pthread_setschedparam(*out, SCHED_BATCH, &plain);
	return ERR_OK;
}
