/*
 * map.h - text to pointer, open addressing, keys borrowed.
 *
 * The caller keeps every key alive as long as it is in the map (usually it is a
 * member of the value).  Order of iteration is not defined; sort where a person
 * or a test will see it.  Depends on: base.h.
 */
#ifndef HP_BASE_MAP_H
#define HP_BASE_MAP_H

#include "base/base.h"

struct map_slot {
	const char *key; /* NULL: never used; MAP_GONE: removed */
	void *value;
	uint64_t hash;
};
struct map {
	struct map_slot *slots;
	size_t cap, n, used;
};

void map_release(struct map *m); /* values are the caller's */
void *map_get(const struct map *m, const char *key);
void map_put(struct map *m, const char *key, void *value); /* replaces key and value */
void *map_remove(struct map *m, const char *key);	   /* the value, or NULL */

/* for (size_t i = 0; map_next(&m, &i, &key, &value);) - do not change the map meanwhile. */
bool map_next(const struct map *m, size_t *i, const char **key, void **value);

uint64_t text_hash(const char *s);

/* Adds what is not there yet, in constant time.  `seen` knows the texts of `l` and of no
 * other list; both empty at first, and it is released before `l`. */
struct strv;
void strv_add_once(struct strv *l, struct map *seen, const char *s);

#endif
