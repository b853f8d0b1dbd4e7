#include "keeper/keeper.h"

#include <stdlib.h>

static size_t slot(const struct job_table *t, uint64_t key)
{
	return (size_t)((key * 0x9e3779b97f4a7c15u) >> 32) & (t->size - 1);
}

static void link_token(struct job_table *t, struct job *j)
{
	struct job **head = &t->by_token[slot(t, j->token)];
	j->next_by_token = *head;
	*head = j;
}

static void link_pid(struct job_table *t, struct job *j)
{
	struct job **head = &t->by_pid[slot(t, (uint64_t)j->pid)];
	j->next_by_pid = *head;
	*head = j;
}

static bool grow(struct job_table *t)
{
	struct job_table old = *t;
	struct job_table big = {.size = old.size ? old.size * 2 : 64, .n = old.n};
	big.by_token = calloc(big.size, sizeof(struct job *));
	big.by_pid = calloc(big.size, sizeof(struct job *));
	if (!big.by_token || !big.by_pid) {
		free(big.by_token);
		free(big.by_pid);
		return old.size != 0;
	}
	*t = big;
	for (size_t i = 0; i < old.size; i++) {
		for (struct job *j = old.by_token[i], *next; j; j = next) {
			next = j->next_by_token;
			link_token(t, j);
			if (j->pid)
				link_pid(t, j);
		}
	}
	free(old.by_token);
	free(old.by_pid);
	return true;
}

struct job *job_new(struct keeper *k, uint64_t token)
{
	struct job *j = calloc(1, sizeof(*j));
	if (!j || (k->jobs.n >= k->jobs.size && !grow(&k->jobs))) {
		free(j);
		return NULL;
	}
	j->token = token;
	j->exit.fd = j->notify.fd = j->set.fd = -1;
	k->jobs.n++;
	link_token(&k->jobs, j);
	return j;
}

void job_set_pid(struct keeper *k, struct job *j, pid_t pid, int take_pidfd)
{
	j->pid = j->session = pid;
	j->exit.fd = take_pidfd;
	link_pid(&k->jobs, j);
}

void job_forget_pid(struct keeper *k, struct job *j)
{
	if (!j->pid)
		return;
	struct job **p = &k->jobs.by_pid[slot(&k->jobs, (uint64_t)j->pid)];
	while (*p != j)
		p = &(*p)->next_by_pid;
	*p = j->next_by_pid;
	j->pid = 0;
}

void job_drop(struct keeper *k, struct job *j)
{
	watch_close(k, &j->exit);
	watch_close(k, &j->notify);
	watch_close(k, &j->set);
	struct job **p = &k->jobs.by_token[slot(&k->jobs, j->token)];
	while (*p != j)
		p = &(*p)->next_by_token;
	*p = j->next_by_token;
	job_forget_pid(k, j);
	k->jobs.n--;
	k->scattered -= j->scattered;
	cgroup_remove(k, j);
	j->next_dead = k->dead;
	k->dead = j;
}

struct job *job_find(const struct keeper *k, uint64_t token)
{
	struct job *j = k->jobs.size ? k->jobs.by_token[slot(&k->jobs, token)] : NULL;
	while (j && j->token != token)
		j = j->next_by_token;
	return j;
}

struct job *job_find_pid(const struct keeper *k, pid_t pid)
{
	struct job *j = k->jobs.size ? k->jobs.by_pid[slot(&k->jobs, (uint64_t)pid)] : NULL;
	while (j && j->pid != pid)
		j = j->next_by_pid;
	return j;
}

struct job *job_each(const struct keeper *k, struct job_iter *it)
{
	if (it->begun && it->next == NULL)
		it->bucket++;
	while (!it->next && it->bucket < k->jobs.size) {
		it->next = k->jobs.by_token[it->bucket];
		if (!it->next)
			it->bucket++;
	}
	it->begun = true;
	struct job *j = it->next;
	if (j)
		it->next = j->next_by_token;
	return j;
}

/* The books of an end (its cgroup, the zombie, its number) cost more than the end itself, and
 * nobody waits for them: they are kept one by one while there is nothing else to do. */
void job_finish_later(struct keeper *k, struct job *j)
{
	if (j->is_done)
		return;
	j->is_done = true;
	j->next_done = NULL;
	*k->done_end = j;
	k->done_end = &j->next_done;
	k->n_done++;
}

/* Its label says whose the last lines in a pipe are. */
void job_held_less(struct keeper *k, uint64_t token)
{
	struct job *j = token ? job_find(k, token) : NULL;
	if (j && j->n_held && --j->n_held == 0 && j->acked && j->empty)
		job_finish_later(k, j);
}

void jobs_free_dropped(struct keeper *k)
{
	while (k->dead) {
		struct job *j = k->dead;
		k->dead = j->next_dead;
		free(j->state);
		free(j->label);
		free(j);
	}
}
