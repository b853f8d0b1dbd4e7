#include "cli/table.h"

#include "cli/out.h"

void table_row(struct table *t, const char *const *cells)
{
	size_t n = 0;

	for (; cells[n]; n++)
		strv_add(&t->cells, cells[n]);
	t->columns = n;
}

static void measure(const struct table *t, int *widths)
{
	for (size_t i = 0; i < t->cells.n; i++) {
		int w = columns_of(t->cells.v[i]);

		if (w > widths[i % t->columns])
			widths[i % t->columns] = w;
	}
}

static const char *color_of(const struct table *t, size_t i)
{
	if (i < t->columns)
		return paint("\033[1m");
	return t->state && i % t->columns == t->state ? paint_state(t->cells.v[i]) : "";
}

void table_print(struct table *t)
{
	int widths[12] = {0};
	auto_str line = {0};
	int most = out_is_terminal() ? out_width() : INT32_MAX;

	measure(t, widths);
	for (size_t i = 0; i < t->cells.n; i++) {
		const char *s = t->cells.v[i], *color = color_of(t, i);

		str_fmt(&line, "%s%s%s", color, s, *color ? plain() : "");
		if (i % t->columns != t->columns - 1) {
			str_fmt(&line, "%*s", widths[i % t->columns] - columns_of(s) + 2, "");
			continue;
		}
		while (line.n && line.s[line.n - 1] == ' ')
			line.s[--line.n] = '\0';
		print_cut(str_text(&line), most);
		str_clear(&line);
	}
	strv_release(&t->cells);
}
