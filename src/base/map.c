#include "base/map.h"

#include "base/str.h"

static const char gone[] = "";

/* FNV-1a with a final mix: short keys, no adversary inside the daemon's own names. */
uint64_t text_hash(const char *s)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3u;
	h ^= h >> 32;
	return h * 0x9e3779b97f4a7c15u;
}

void map_release(struct map *m)
{
	free(m->slots);
	*m = (struct map){0};
}

static struct map_slot *find(const struct map *m, const char *key, uint64_t hash)
{
	if (!m->cap)
		return NULL;
	for (size_t i = hash >> 7 & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
		struct map_slot *s = &m->slots[i];

		if (!s->key)
			return NULL;
		if (s->key != gone && s->hash == hash && strcmp(s->key, key) == 0)
			return s;
	}
}

void *map_get(const struct map *m, const char *key)
{
	struct map_slot *s = find(m, key, text_hash(key));

	return s ? s->value : NULL;
}

static void insert(struct map *m, const char *key, void *value, uint64_t hash)
{
	size_t i = hash >> 7 & (m->cap - 1);

	while (m->slots[i].key && m->slots[i].key != gone)
		i = (i + 1) & (m->cap - 1);
	m->used += !m->slots[i].key;
	m->slots[i] = (struct map_slot){key, value, hash};
}

static void rehash(struct map *m)
{
	struct map old = *m;

	m->cap = 16;
	while (m->cap < old.n * 2)
		m->cap *= 2;
	m->slots = mem_new(m->cap * sizeof(*m->slots));
	m->used = 0;
	for (size_t i = 0; i < old.cap; i++)
		if (old.slots[i].key && old.slots[i].key != gone)
			insert(m, old.slots[i].key, old.slots[i].value, old.slots[i].hash);
	free(old.slots);
}

void map_put(struct map *m, const char *key, void *value)
{
	uint64_t hash = text_hash(key);
	struct map_slot *s = find(m, key, hash);

	if (s) {
		s->key = key;
		s->value = value;
		return;
	}
	if ((m->used + 1) * 4 > m->cap * 3)
		rehash(m);
	insert(m, key, value, hash);
	m->n++;
}

void *map_remove(struct map *m, const char *key)
{
	struct map_slot *s = find(m, key, text_hash(key));
	void *value;

	if (!s)
		return NULL;
	value = s->value;
	*s = (struct map_slot){.key = gone};
	m->n--;
	return value;
}

bool map_next(const struct map *m, size_t *i, const char **key, void **value)
{
	for (; *i < m->cap; (*i)++) {
		const struct map_slot *s = &m->slots[*i];

		if (s->key && s->key != gone) {
			*key = s->key;
			*value = s->value;
			(*i)++;
			return true;
		}
	}
	return false;
}

void strv_add_once(struct strv *l, struct map *seen, const char *s)
{
	if (map_get(seen, s))
		return;
	strv_add(l, s);
	map_put(seen, l->v[l->n - 1], l);
}
