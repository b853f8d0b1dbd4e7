#include "server/explain/why.h"

#define HEAD_LINES                                                                      \
	2 /* below the first one; then what lies before the root causes is counted: one \
	     less if the root has last words, for all is told in five lines */
#define ROOT_LINES  3
#define WHOLE_LINES 4 /* a tree of so many lines is shown as it is */

static const char *text_in(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

/* The tree as lines, in the order people read it. */
struct line {
	int depth;
	const json_t *n;
};
struct lines {
	struct line *v;
	size_t n, cap;
};

static void flatten(const json_t *nodes, int depth, struct lines *out)
{
	json_t *n;
	size_t i;

	json_array_foreach (nodes, i, n) {
		*vec_push(out) = (struct line){depth, n};
		flatten(json_object_get(n, "because"), depth + 1, out);
	}
}

static bool is_root(const json_t *n)
{
	return json_is_true(json_object_get(n, "root"));
}

const json_t *why_root(const json_t *chain)
{
	struct lines l = {0};
	const json_t *found = NULL;

	flatten(chain, 0, &l);
	for (size_t i = 0; i < l.n && !found; i++)
		if (is_root(l.v[i].n) && l.v[i].depth > 0)
			found = l.v[i].n;
	free(l.v);
	return found;
}

static void add_line(struct str *out, int depth, const json_t *n)
{
	str_fmt(out, "%*s%s%s\n", depth * 2, "", text_in(n, "fact"),
	    is_root(n) && depth ? "   <- root cause" : "");
}

static void add_output(struct str *out, int depth, const char *output)
{
	while (output && *output) {
		size_t n = strcspn(output, "\n");

		str_fmt(out, "%*s| %.*s\n", depth * 2 + 2, "", (int)n, output);
		output += n + (output[n] == '\n');
	}
}

static void add_tree(struct str *out, const struct lines *l, const char *output, bool full)
{
	size_t words = output && *output, head = HEAD_LINES - words;
	bool whole = full || l->n + words <= WHOLE_LINES + 1, first = true;
	size_t roots = 0, hidden = 0, more = 0;

	for (size_t i = 0; i < l->n; i++) {
		const struct line *at = &l->v[i];
		bool root = is_root(at->n) && at->depth > 0;

		roots += root;
		if (!whole && i > head && (!root || roots > ROOT_LINES)) {
			*(root ? &more : &hidden) += 1;
			continue;
		}
		if (hidden && first)
			str_fmt(out, "%*s... %zu more ...\n", (int)(head + 1) * 2, "", hidden);
		hidden = 0;
		int depth = whole || (size_t)at->depth <= head + 1 ? at->depth : (int)head + 2;
		add_line(out, depth, at->n);
		if (root && first)
			add_output(out, depth, output);
		first = first && !root;
	}
	if (more)
		str_fmt(out, "  and %zu more root causes: --full\n", more);
}

char *why_text(const json_t *chain, const char *output, bool full)
{
	struct lines l = {0};
	struct str out = {0};
	const json_t *root = why_root(chain);

	flatten(chain, 0, &l);
	if (!root && l.n && is_root(l.v[0].n))
		root = l.v[0].n;
	add_tree(&out, &l, output, full);
	if (root && text_in(root, "next"))
		str_fmt(&out, "next: %s\n", text_in(root, "next"));
	if (root && text_in(root, "hint"))
		str_fmt(&out, "try:  %s\n", text_in(root, "hint"));
	free(l.v);
	return str_take(&out);
}
