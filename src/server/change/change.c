#include "server/change/change.h"

#include "server/change/apply.h"
#include "server/change/change_state.h"

struct change *change_new(const struct change_config *config)
{
	struct change *d = mem_new(sizeof(*d));

	*d = (struct change){.base = config->base,
	    .engine = config->engine,
	    .registry = config->registry,
	    .store = config->store,
	    .paths = config->paths,
	    .history = config->history,
	    .supervision = config->supervision,
	    .operations = config->operations,
	    .schedules = config->schedules};
	return d;
}

void change_free(struct change *d)
{
	if (!d)
		return;
	applies_free(d);
	strv_release(&d->ended_runs);
	strv_release(&d->leaving);
	free(d);
}

void change_set_applying(struct change *d, bool applying)
{
	d->applying = applying;
}
