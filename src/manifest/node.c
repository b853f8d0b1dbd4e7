#include "manifest/node.h"

struct node *node_new(enum node_kind kind, const char *key, size_t key_bytes)
{
	struct node *n = mem_new(sizeof(*n));

	n->kind = kind;
	n->key = key ? text_dup_n(key, key_bytes) : NULL;
	n->key_bytes = key_bytes;
	return n;
}

void node_add(struct node *parent, struct node *take_child)
{
	if (parent->last)
		parent->last->next = take_child;
	else
		parent->first = take_child;
	parent->last = take_child;
	parent->n++;
}

/* Depth is bounded by LIMIT_NESTING before a tree is made. */
void node_free(struct node *n)
{
	while (n) {
		struct node *next = n->next;

		node_free(n->first);
		free(n->key);
		free(n->s);
		free(n);
		n = next;
	}
}

const struct node *node_get(const struct node *table, const char *key)
{
	for (const struct node *c = table->first; c; c = c->next)
		if (c->key && strcmp(c->key, key) == 0)
			return c;
	return NULL;
}

const char *node_kind_str(enum node_kind k)
{
	static const char *const words[] = {"null", "a string", "a whole number", "a number",
	    "true or false", "a date or time", "a list", "a table"};

	return words[k];
}

static struct node *of_json(const json_t *j, const char *key)
{
	size_t bytes = key ? strlen(key) : 0;
	struct node *n = node_new(NODE_NULL, key, bytes);
	const char *k;
	json_t *v;
	size_t i;

	if (json_is_string(j)) {
		n->kind = NODE_STRING;
		n->s_bytes = json_string_length(j);
		n->s = text_dup_n(json_string_value(j), n->s_bytes);
	} else if (json_is_integer(j)) {
		n->kind = NODE_INT;
		n->i = json_integer_value(j);
	} else if (json_is_real(j)) {
		n->kind = NODE_FLOAT;
		n->d = json_real_value(j);
	} else if (json_is_boolean(j)) {
		n->kind = NODE_BOOL;
		n->i = json_is_true(j);
	} else if (json_is_array(j)) {
		n->kind = NODE_ARRAY;
		json_array_foreach (j, i, v)
			node_add(n, of_json(v, NULL));
	} else if (json_is_object(j)) {
		n->kind = NODE_TABLE;
		json_object_foreach ((json_t *)(uintptr_t)j, k, v)
			node_add(n, of_json(v, k));
	}
	return n;
}

struct node *node_of_json(const json_t *j)
{
	return of_json(j, NULL);
}

json_t *node_json(const struct node *n)
{
	json_t *out = json_null();

	switch (n->kind) {
	case NODE_NULL: break;
	case NODE_TIME:
	case NODE_STRING:
		out = json_stringn(n->s, n->s_bytes);
		if (!out) /* not UTF-8: can only come from a caller's bug */
			out = json_null();
		break;
	case NODE_INT: out = json_integer(n->i); break;
	case NODE_FLOAT: out = json_real(n->d); break;
	case NODE_BOOL: out = json_boolean(n->i); break;
	case NODE_ARRAY:
		out = json_array();
		for (const struct node *c = n->first; c; c = c->next)
			json_array_append_new(out, node_json(c));
		break;
	case NODE_TABLE:
		out = json_object();
		for (const struct node *c = n->first; c; c = c->next)
			json_object_set_new(out, c->key, node_json(c));
		break;
	}
	return out;
}
