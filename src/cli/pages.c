#include "cli/pages.h"

#include "cli/out.h"

#define PAGE 1000

static void ask_for(json_t *params, const json_t *cursor, int64_t left)
{
	if (cursor)
		json_object_set(params, "cursor", (json_t *)(uintptr_t)cursor);
	json_object_set_new(params, "limit", json_integer(left && left < PAGE ? left : PAGE));
	if (left && left <= PAGE)
		json_object_set_new(params, "count", json_true());
}

static bool has_next(const json_t *page)
{
	const json_t *next = json_object_get(page, "next");

	return next && !json_is_null(next);
}

json_t *pages_read(struct cli *c, const char *method, json_t *take_params, const char *key,
    int64_t most, int *status)
{
	json_t *params = take_params ? take_params : json_object(), *all = json_array();
	json_t *page = NULL;

	do {
		json_t *next = json_incref(json_object_get(page, "next"));

		json_decref(page);
		ask_for(params, next, most ? most - (int64_t)json_array_size(all) : 0);
		json_decref(next);
		page = cli_call(c, method, json_incref(params), status);
		json_array_extend(all, json_object_get(page, key));
	} while (has_next(page) && (!most || (int64_t)json_array_size(all) < most));
	if (page)
		json_object_set(page, key, all);
	json_decref(all);
	json_decref(params);
	return page;
}

int64_t pages_bound(const struct cli *c, int64_t otherwise)
{
	return c->lines >= 0 ? c->lines : otherwise;
}

void pages_tell(const struct cli *c, const json_t *answer, const char *what, const char *all)
{
	json_int_t more = number_of(answer, "more");

	if (more && c->lines < 0 && !c->quiet)
		complain(
		    "%lld %s are not shown; `hero_proc %s` shows all", (long long)more, what, all);
}
