#include "manifest/recognise.h"

#include "manifest/node.h"

static bool has_tables(const struct node *root)
{
	static const struct {
		const char *key;
		enum node_kind kind;
	} ours[] = {
	    {"service", NODE_TABLE}, {"binaries", NODE_ARRAY}, {"dependencies", NODE_ARRAY}};

	for (size_t i = 0; i < countof(ours); i++) {
		const struct node *at = node_get(root, ours[i].key);

		if (at && at->kind == ours[i].kind)
			return true;
	}
	return false;
}

static bool begins_table(const char *line, size_t n)
{
	static const char *const heads[] = {
	    "[service]", "[service.", "[[binaries]]", "[[binaries.", "[[dependencies]]"};

	while (n && (*line == ' ' || *line == '\t')) {
		line++;
		n--;
	}
	for (size_t i = 0; i < countof(heads); i++)
		if (n >= strlen(heads[i]) && memcmp(line, heads[i], strlen(heads[i])) == 0)
			return true;
	return false;
}

static bool has_heads(const char *text, size_t n)
{
	const char *end = text + n, *nl;

	for (; text < end; text = nl + 1) {
		nl = memchr(text, '\n', (size_t)(end - text));
		if (!nl)
			nl = end;
		if (begins_table(text, (size_t)(nl - text)))
			return true;
	}
	return false;
}

bool recognise_manifest(const char *text, size_t n)
{
	struct error e;
	int line, column;
	struct node *root = node_of_toml(text, n, &e, &line, &column);
	bool found = root ? has_tables(root) : has_heads(text, n);

	node_free(root);
	return found;
}
