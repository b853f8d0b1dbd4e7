#include "keeper/keeper.h"

#include <string.h>
#include <unistd.h>

static void send_plain(struct keeper *k, enum keeper_kind kind, int value)
{
	struct keeper_msg m = {.kind = (uint16_t)kind, .value = value};
	channel_send(&k->server.channel, &m, NULL, 0, NULL, 0);
}

void requests_forget_server(struct keeper *k)
{
	struct job_iter it = {0};
	struct job *j;
	while ((j = job_each(k, &it)))
		j->told = j->notify_due = false;
	for (size_t i = 0; i < HELD_BUCKETS; i++) {
		for (struct held *h = k->held[i]; h; h = h->next)
			h->told = false;
	}
	k->notify_due = k->is_listing = false;
	spawns_forget_server(k);
}

static size_t list_jobs(struct keeper *k, size_t room)
{
	struct job_iter it = {0};
	struct job *j;
	struct process_stat st;
	while (room && (j = job_each(k, &it))) {
		if (j->told)
			continue;
		j->told = true;
		if (!j->start_ticks && j->pid && process_stat(j->pid, &st))
			j->start_ticks = st.start_ticks;
		event_send(k, j, KEEPER_TOKEN, j->exit.fd);
		if (j->state)
			event_state(k, j);
		room--;
	}
	return room;
}

static size_t list_held(struct keeper *k, size_t room)
{
	for (size_t i = 0; room && i < HELD_BUCKETS; i++) {
		for (struct held *h = k->held[i]; room && h; h = h->next) {
			struct keeper_msg m = {.kind = KEEPER_HELD};
			if (h->told)
				continue;
			h->told = true;
			channel_send(&k->server.channel, &m, h->name, strlen(h->name), &h->fd, 1);
			room--;
		}
	}
	return room;
}

static void do_list_next(struct keeper *k, struct channel_in *in)
{
	(void)in;
	size_t room = list_held(k, list_jobs(k, KEEPER_BATCH));
	k->is_listing = !room;
	send_plain(k, room ? KEEPER_LIST_END : KEEPER_LIST_MORE, 0);
}

static void do_list(struct keeper *k, struct channel_in *in)
{
	jobs_finish(k, 0); /* what is acknowledged and empty is forgotten */
	requests_forget_server(k);
	do_list_next(k, in);
}

static void do_signal(struct keeper *k, struct channel_in *in)
{
	struct job *j = job_find(k, in->msg.token);
	if (!j || j->empty)
		return;
	j->asked = j->asked || (in->msg.flags & KEEPER_SIGNAL_STOP);
	set_signal(k, j, in->msg.value, (enum keeper_scope)in->msg.what);
}

static void do_hold(struct keeper *k, struct channel_in *in)
{
	held_put(k, in->text, 0, channel_in_take(in, 0));
}

static void do_release(struct keeper *k, struct channel_in *in)
{
	for (uint32_t at = 0; at < in->msg.text_bytes; at += (uint32_t)strlen(in->text + at) + 1)
		held_drop(k, in->text + at);
}

static void do_ack(struct keeper *k, struct channel_in *in)
{
	struct job *j = job_find(k, in->msg.token);
	if (j)
		job_ack(k, j);
	do_release(k, in);
}

static void do_shutdown(struct keeper *k, struct channel_in *in)
{
	(void)in;
	k->server.shutdown_said = true;
}

static void do_upgrade(struct keeper *k, struct channel_in *in)
{
	upgrade_ask(k, in->text, in->msg.token, in->msg.value);
}

static void do_serving(struct keeper *k, struct channel_in *in)
{
	(void)in;
	upgrade_serves(k);
}

static void do_folder(struct keeper *k, struct channel_in *in)
{
	(void)in;
	folder_renew(k);
}

static void do_ping(struct keeper *k, struct channel_in *in)
{
	struct keeper_msg m = {.kind = KEEPER_PONG, .value = in->msg.value, .token = in->msg.token};
	jobs_finish(k, 0);
	struct job *j = job_find(k, in->msg.token);
	if (j)
		notify_drain(k, j);
	if (j && j->notify_due && j->state) {
		j->notify_due = false;
		event_state(k, j);
	}
	channel_send(&k->server.channel, &m, NULL, 0, NULL, 0);
}

static void (*const requests[KEEPER_KIND_COUNT])(struct keeper *, struct channel_in *) = {
    [KEEPER_SPAWN] = spawn_job,
    [KEEPER_SIGNAL] = do_signal,
    [KEEPER_HOLD] = do_hold,
    [KEEPER_RELEASE] = do_release,
    [KEEPER_ACK] = do_ack,
    [KEEPER_LIST] = do_list,
    [KEEPER_LIST_NEXT] = do_list_next,
    [KEEPER_SHUTDOWN] = do_shutdown,
    [KEEPER_PING] = do_ping,
    [KEEPER_UPGRADE] = do_upgrade,
    [KEEPER_SERVING] = do_serving,
    [KEEPER_FOLDER] = do_folder,
};

/* Everything that is there: what a dead server still asked for counts. */
void requests_read(struct keeper *k)
{
	static struct channel_in in;
	struct channel *c = &k->server.channel;
	int rc = 0;
	while (c->fd >= 0 && (rc = channel_receive(c, &in)) > 0) {
		if (in.msg.kind < KEEPER_KIND_COUNT && requests[in.msg.kind])
			requests[in.msg.kind](k, &in);
		channel_in_close(&in);
	}
	if (rc < 0)
		c->broken = true;
}
