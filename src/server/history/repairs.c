#include "server/history/repairs.h"

#include "base/str.h"

void repairs_release(struct repairs *r)
{
	for (size_t i = 0; i < REPAIRS_MAX; i++)
		free(r->v[i].text);
	*r = (struct repairs){0};
}

void repairs_add(struct repairs *r, usec_wall at, const char *text)
{
	struct repair *slot = &r->v[r->n++ % REPAIRS_MAX];

	free(slot->text);
	*slot = (struct repair){.at = at, .text = text_dup(text)};
}
