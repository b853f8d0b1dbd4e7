/* toml.cpp - the TOML library behind node_of_toml(); bounds are checked before it runs. */
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wpedantic"
#include <toml++/toml.h>
#pragma GCC diagnostic pop

#include <algorithm>
#include <sstream>
#include <vector>

extern "C" {
#include "base/limits.h"
#include "manifest/node.h"
}

namespace {

node *convert(const toml::node &n, const toml::key *key);

void place(node *out, const toml::node &n, const toml::key *key)
{
	out->line = static_cast<int>(n.source().begin.line);
	out->column = static_cast<int>(n.source().begin.column);
	if (key) {
		out->key_line = static_cast<int>(key->source().begin.line);
		out->key_column = static_cast<int>(key->source().begin.column);
	}
	if (!out->line) {
		out->line = out->key_line;
		out->column = out->key_column;
	}
}

void set_text(node *out, const std::string &s)
{
	out->s = text_dup_n(s.data(), s.size());
	out->s_bytes = s.size();
}

template <typename T> void set_time(node *out, const T &value)
{
	std::ostringstream text;

	text << value;
	out->kind = NODE_TIME;
	set_text(out, text.str());
}

/* The library sorts keys by name; people read messages in the order of lines. */
void add_children(node *out, const toml::table &t)
{
	std::vector<node *> children;

	for (auto &&[k, v] : t)
		children.push_back(convert(v, &k));
	std::stable_sort(children.begin(), children.end(), [](const node *a, const node *b) {
		return a->key_line != b->key_line ? a->key_line < b->key_line :
						    a->key_column < b->key_column;
	});
	for (node *c : children)
		node_add(out, c);
}

node *convert(const toml::node &n, const toml::key *key)
{
	node *out = node_new(NODE_NULL, key ? key->data() : nullptr, key ? key->length() : 0);

	place(out, n, key);
	if (auto *t = n.as_table()) {
		out->kind = NODE_TABLE;
		add_children(out, *t);
	} else if (auto *a = n.as_array()) {
		out->kind = NODE_ARRAY;
		for (auto &&v : *a)
			node_add(out, convert(v, nullptr));
	} else if (auto *s = n.as_string()) {
		out->kind = NODE_STRING;
		set_text(out, s->get());
	} else if (auto *i = n.as_integer()) {
		out->kind = NODE_INT;
		out->i = i->get();
	} else if (auto *d = n.as_floating_point()) {
		out->kind = NODE_FLOAT;
		out->d = d->get();
	} else if (auto *b = n.as_boolean()) {
		out->kind = NODE_BOOL;
		out->i = b->get();
	} else if (auto *date = n.as_date()) {
		set_time(out, date->get());
	} else if (auto *time = n.as_time()) {
		set_time(out, time->get());
	} else if (auto *both = n.as_date_time()) {
		set_time(out, both->get());
	}
	return out;
}

/* The library recurses on brackets and on dotted keys: count both, outside of
 * strings and comments, before it sees them. */
struct scan {
	const char *at, *end;
	int line = 1, column = 1;
	unsigned depth = 0, dots = 0;
	const char *broken = nullptr;

	void step()
	{
		if (*at == '\n') {
			line++;
			column = 0;
			dots = 0;
		}
		column++;
		at++;
	}

	void skip_string(char quote)
	{
		bool three = end - at >= 3 && at[1] == quote && at[2] == quote;

		for (int i = 0; i < (three ? 3 : 1); i++)
			step();
		while (at < end) {
			if (*at == '\\' && quote == '"' && at + 1 < end) {
				step();
			} else if (*at == quote && (!three || (end - at >= 3 && at[1] == quote && at[2] == quote))) {
				for (int i = 0; i < (three ? 3 : 1); i++)
					step();
				return;
			} else if (*at == '\n' && !three) {
				return;
			}
			step();
		}
	}

	bool run()
	{
		while (at < end && !broken) {
			char c = *at;

			if (c == '"' || c == '\'') {
				skip_string(c);
				continue;
			}
			if (c == '#')
				while (at < end && *at != '\n')
					step();
			else if (c == '[' || c == '{')
				depth++;
			else if ((c == ']' || c == '}') && depth)
				depth--;
			else if (c == '.')
				dots++;
			else if (c == '=' || c == ',')
				dots = 0;
			if (depth > LIMIT_NESTING)
				broken = "lists and tables are nested too deep";
			else if (dots > LIMIT_TOML_KEY_PARTS)
				broken = "a key has too many dotted parts";
			else if (at < end)
				step();
		}
		return !broken;
	}
};

} // namespace

extern "C" struct node *node_of_toml(
    const char *text, size_t n, struct error *e, int *line, int *column)
{
	scan s{ text, text + n };

	*line = *column = 1;
	if (n > LIMIT_MANIFEST_BYTES) {
		error_set(e, ERR_LIMIT, "the manifest has %zu bytes, more than %u", n, LIMIT_MANIFEST_BYTES);
		return nullptr;
	}
	if (!s.run()) {
		*line = s.line;
		*column = s.column;
		error_set(e, ERR_LIMIT, "%s (%d is the limit)", s.broken, LIMIT_NESTING);
		return nullptr;
	}
	toml::parse_result result = toml::parse(std::string_view{ text, n });
	if (!result) {
		const toml::parse_error &err = result.error();
		std::string what{ err.description() };

		*line = static_cast<int>(err.source().begin.line);
		*column = static_cast<int>(err.source().begin.column);
		error_set(e, ERR_INVALID, "%s", what.c_str());
		return nullptr;
	}
	return convert(result.table(), nullptr);
}
