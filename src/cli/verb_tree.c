/* verb_tree.c - what needs what. */
#include "cli/call.h"
#include "cli/edges.h"
#include "cli/out.h"
#include "cli/verbs.h"

/* `before` stands in front of the entries below, `node` is the last of its own row. */
static void print_tree(const json_t *node, const char *before, bool last, bool top)
{
	json_t *below = json_object_get(node, "needs"), *child;
	const char *state = text_of(node, "state"), *name = text_of(node, "name");
	bool repeated = json_is_true(json_object_get(node, "repeated"));
	auto_free char *deeper =
	    text_fmt("%s%s", before, top ? "" : glyph(last ? GLYPH_SPACE : GLYPH_TRUNK));
	auto_str kinds = {0};
	size_t i;

	if (!below)
		below = json_object_get(node, "needed_by");
	if (!*state) /* of nobody here: the edge says how it is */
		state = text_of(node, "status");
	edges_add_kinds(node, &kinds);
	printf("%s%s%s%s%s %s%s%s%s\n", before, top ? "" : glyph(last ? GLYPH_LAST : GLYPH_BRANCH),
	    name, kinds.n ? "  " : "", str_text(&kinds), paint_state(state), state, plain(),
	    repeated ? "  (its branch: see above)" : "");
	if (json_is_true(json_object_get(node, "more")))
		printf("%s%s... hero_proc tree %s\n", deeper, glyph(GLYPH_LAST), name);
	json_array_foreach (below, i, child)
		print_tree(child, deeper, i + 1 == json_array_size(below), false);
}

int verb_tree(struct cli *c)
{
	int status;
	size_t i;
	json_t *params =
	    json_pack("{s:s?, s:b}", "name", c->n ? c->args[0] : NULL, "reverse", c->reverse);
	json_t *v = cli_call(c, "service.tree", params, &status), *root;

	if (!v)
		return status;
	if (c->json)
		return print_json(v);
	json_array_foreach (json_object_get(v, "trees"), i, root)
		print_tree(root, "", true, true);
	if (c->n)
		print_tree(v, "", true, true);
	else if (!i)
		puts("no services are registered");
	json_decref(v);
	return 0;
}
