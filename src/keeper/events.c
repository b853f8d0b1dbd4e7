#include "keeper/keeper.h"

#include <string.h>

/* Messages about a job, to a server that has its token. */

void event_send(struct keeper *k, const struct job *j, enum keeper_kind kind, int fd)
{
	struct keeper_msg m = {
	    .kind = (uint16_t)kind,
	    .token = j->token,
	    .pid = j->session,
	    .start_ticks = j->start_ticks,
	    .exit = j->info,
	    .what = j->starting ? __atomic_load_n(j->starting, __ATOMIC_ACQUIRE) : 0,
	    .flags = (j->exited ? KEEPER_IS_EXITED : 0) | (j->acked ? KEEPER_IS_ACKED : 0) |
		     (j->empty ? KEEPER_IS_EMPTY : 0) | (j->lost ? KEEPER_IS_LOST : 0) |
		     (j->asked ? KEEPER_IS_ASKED : 0) | (j->starting ? KEEPER_IS_STARTING : 0),
	};
	if (j->told)
		channel_send(&k->server.channel, &m, j->label,
		    kind == KEEPER_TOKEN ? j->label_bytes : 0, &fd, fd >= 0);
}

/* While the channel is full only the last state is kept, so a job that talks too
 * much costs no memory. */
void event_notify(struct keeper *k, struct job *j, const char *text)
{
	struct keeper_msg m = {.kind = KEEPER_NOTIFY, .token = j->token};
	if (!j->told)
		return;
	if (channel_is_idle(&k->server.channel))
		channel_send(&k->server.channel, &m, text, strlen(text), NULL, 0);
	else
		j->notify_due = k->notify_due = true;
}

void event_state(struct keeper *k, const struct job *j)
{
	struct keeper_msg m = {.kind = KEEPER_NOTIFY, .token = j->token};
	channel_send(&k->server.channel, &m, j->state, strlen(j->state), NULL, 0);
}

void events_due(struct keeper *k)
{
	struct job_iter it = {0};
	struct job *j;
	k->notify_due = false;
	while ((j = job_each(k, &it))) {
		if (j->notify_due && j->state) {
			j->notify_due = false;
			event_notify(k, j, j->state);
		}
	}
}
