#include "server/explain/explain.h"

#include "server/explain/event_stream.h"
#include "server/explain/explain_state.h"
#include "server/explain/progress.h"

struct explain *explain_new(const struct explain_config *config)
{
	struct explain *d = mem_new(sizeof(*d));

	*d = (struct explain){.base = config->base,
	    .background = config->background,
	    .engine = config->engine,
	    .store = config->store,
	    .logs = config->logs,
	    .paths = config->paths,
	    .history = config->history,
	    .supervision = config->supervision,
	    .operations = config->operations};
	d->hub = event_stream_new(d);
	d->progress = progress_new(d);
	return d;
}

void explain_free(struct explain *d)
{
	if (!d)
		return;
	progress_free(d->progress);
	event_stream_free(d->hub);
	free(d);
}
