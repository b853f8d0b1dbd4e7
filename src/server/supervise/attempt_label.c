#include "server/supervise/attempt_label.h"

#include <stdio.h>

#define MAGIC "hp1"

void attempt_label_write(const struct attempt_label *l, struct str *out)
{
	str_fmt(out, MAGIC " %s %s %llu %lld %u %u %lld %d %d %lld %u %u", l->unit, l->action,
	    (unsigned long long)l->run, (long long)l->row, l->attempt, l->restarts,
	    (long long)l->created, l->is_run, l->aux, (long long)l->since, l->tries, l->failures);
}

bool attempt_label_read(struct attempt_label *l, const void *bytes, size_t n)
{
	auto_free char *text = text_dup_n(bytes, n);
	char unit[512], action[512];
	unsigned long long run;
	long long row, created, since = 0;
	unsigned attempt, restarts, tries = 0, failures = 0;
	int is_run, aux;

	if (sscanf(text, MAGIC " %511s %511s %llu %lld %u %u %lld %d %d %lld %u %u", unit, action,
		&run, &row, &attempt, &restarts, &created, &is_run, &aux, &since, &tries,
		&failures) < 9) /* an earlier version wrote nine */
		return false;
	*l = (struct attempt_label){.unit = text_dup(unit),
	    .action = text_dup(action),
	    .run = run,
	    .row = row,
	    .attempt = attempt,
	    .restarts = restarts,
	    .created = created,
	    .since = since,
	    .tries = tries,
	    .failures = failures,
	    .is_run = is_run,
	    .aux = aux};
	return true;
}

void attempt_label_release(struct attempt_label *l)
{
	free(l->unit);
	free(l->action);
	*l = (struct attempt_label){0};
}
