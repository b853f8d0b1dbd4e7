#include "keeper/keeper.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct held **bucket(struct keeper *k, const char *name)
{
	uint32_t h = 2166136261u; /* FNV-1a */
	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return &k->held[h % HELD_BUCKETS];
}

void held_put(struct keeper *k, const char *name, uint64_t token, int take_fd)
{
	held_drop(k, name);
	size_t n = strlen(name) + 1;
	struct held *h = take_fd >= 0 && n > 1 ? calloc(1, sizeof(*h) + n) : NULL;
	if (!h) {
		if (take_fd >= 0)
			close(take_fd);
		return;
	}
	struct held **head = bucket(k, name);
	memcpy(h->name, name, n);
	h->fd = take_fd;
	h->token = token;
	h->told = true;
	h->next = *head;
	*head = h;
}

int held_take(struct keeper *k, const char *name)
{
	for (struct held **p = bucket(k, name); *p; p = &(*p)->next) {
		struct held *h = *p;
		int fd = h->fd;
		if (strcmp(h->name, name) != 0)
			continue;
		*p = h->next;
		job_held_less(k, h->token);
		free(h);
		return fd;
	}
	return -1;
}

void held_drop(struct keeper *k, const char *name)
{
	int fd = held_take(k, name);
	if (fd >= 0)
		close(fd);
}
