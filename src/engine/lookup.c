/* lookup.c - a unit by its name, a job by its token, an operation by its number. */
#include "engine/world.h"

#include <stdio.h>

unit_id unit_by_name(const struct engine *en, const char *name)
{
	const struct engine *where = en->original ? en->original : en;
	void *at = map_get(&where->by_name, name);

	return at ? (unit_id)((uintptr_t)at - 1) : ID_NONE;
}

unit_id engine_find(const struct engine *en, const char *name)
{
	unit_id u = unit_by_name(en, name);

	return u != ID_NONE && en->units.v[u].registered ? u : ID_NONE;
}

struct op *op_by_id(const struct engine *en, op_id id)
{
	for (size_t i = 0; id && i < en->ops.n; i++)
		if (en->ops.v[i].used && en->ops.v[i].id == id)
			return &en->ops.v[i];
	return NULL;
}

const char *engine_gate_text(const struct engine *en, gate_id gate)
{
	static _Thread_local char text[1024];
	const char *key = en->gates.v[gate].key;

	snprintf(text, sizeof(text), "%.*s", (int)strcspn(key, "\x1f"), key);
	return text;
}

static size_t token_slot(const struct engine *en, uint64_t token)
{
	return (size_t)((token * 0x9e3779b97f4a7c15u) >> 20) & (en->tokens.n - 1);
}

static void tokens_grow(struct engine *en)
{
	struct token_slot *old = en->tokens.v;
	size_t n = en->tokens.n;

	en->tokens.n = en->tokens.cap = n ? n * 2 : 64;
	en->tokens.v = mem_new(en->tokens.n * sizeof(*en->tokens.v));
	en->n_tokens = 0;
	for (size_t i = 0; i < n; i++)
		if (old[i].token)
			token_put(en, old[i].token, old[i].job);
	free(old);
}

void token_put(struct engine *en, uint64_t token, job_id j)
{
	if ((en->n_tokens + 1) * 2 > en->tokens.n)
		tokens_grow(en);
	size_t i = token_slot(en, token);
	while (en->tokens.v[i].token && en->tokens.v[i].token != token)
		i = (i + 1) & (en->tokens.n - 1);
	en->n_tokens += !en->tokens.v[i].token;
	en->tokens.v[i] = (struct token_slot){token, j};
}

job_id engine_job_by_token(const struct engine *en, uint64_t token)
{
	if (!en->tokens.n || !token)
		return ID_NONE;
	for (size_t i = token_slot(en, token); en->tokens.v[i].token;
	     i = (i + 1) & (en->tokens.n - 1))
		if (en->tokens.v[i].token == token)
			return en->tokens.v[i].job;
	return ID_NONE;
}

/* Backward-shift deletion: no tombstones in a table that lives for years. */
void token_remove(struct engine *en, uint64_t token)
{
	size_t mask = en->tokens.n - 1, i;

	if (engine_job_by_token(en, token) == ID_NONE)
		return;
	for (i = token_slot(en, token); en->tokens.v[i].token != token; i = (i + 1) & mask)
		;
	for (size_t j = (i + 1) & mask; en->tokens.v[j].token; j = (j + 1) & mask) {
		size_t home = token_slot(en, en->tokens.v[j].token);

		if (((j - home) & mask) >= ((j - i) & mask)) {
			en->tokens.v[i] = en->tokens.v[j];
			i = j;
		}
	}
	en->tokens.v[i] = (struct token_slot){0};
	en->n_tokens--;
}

uint32_t walk_begin(struct engine *en)
{
	return ++en->epoch;
}

void cursors_drop(struct engine *en)
{
	en->job_cursor.valid = en->edge_cursor.valid = false;
}
