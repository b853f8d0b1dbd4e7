#include "cli/log_lines.h"

#include "cli/out.h"
#include "cli/times.h"

#define LABEL_COLUMNS 24

static char *label_of(const struct log_labels *l, const char *service, const char *action)
{
	if (!l->action || strcmp(action, service) == 0)
		return text_dup(l->service ? service : "");
	return l->service && *service ? text_fmt("%s/%s", service, action) : text_dup(action);
}

void log_labels_add(struct log_labels *l, const json_t *status)
{
	const char *service = text_of(status, "name");
	json_t *a;
	size_t i;

	json_array_foreach (json_object_get(status, "actions"), i, a)
		l->action |= strcmp(text_of(a, "name"), service) != 0;
	json_array_foreach (json_object_get(status, "actions"), i, a) {
		auto_free char *label = label_of(l, service, text_of(a, "name"));
		int width = columns_of(label);

		if (width > l->width && width <= LABEL_COLUMNS)
			l->width = width;
	}
}

/* The same name has the same colour, in every window. */
static const char *color_of(const char *label)
{
	static const char *const colors[] = {"\033[36m", "\033[32m", "\033[33m", "\033[35m",
	    "\033[34m", "\033[96m", "\033[92m", "\033[95m"};
	unsigned hash = 5381;

	for (const char *p = label; *p; p++)
		hash = hash * 33 + (unsigned char)*p;
	return paint(colors[hash % countof(colors)]);
}

static void add_label(const struct log_labels *l, const json_t *line, struct str *out)
{
	auto_free char *label = label_of(l, text_of(line, "service"), text_of(line, "action"));

	if (!l->service && !l->action)
		return;
	str_fmt(out, "%s%-*s%s | ", color_of(label), l->width, label, plain());
}

/* ---- the bytes ------------------------------------------------------------------------ */

static int digit_of(char c)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static void add_base64(struct str *out, const char *text)
{
	unsigned bits = 0;
	int n = 0;

	for (; digit_of(*text) >= 0; text++) {
		bits = bits << 6 | (unsigned)digit_of(*text);
		n += 6;
		if (n < 8)
			continue;
		n -= 8;
		str_add_char(out, (char)(bits >> n & 0xff));
	}
}

/* Its exact bytes, which may hold NUL and be no UTF-8. */
static void add_bytes(struct str *out, const json_t *line)
{
	const json_t *text = json_object_get(line, "line");

	if (*text_of(line, "line_b64"))
		add_base64(out, text_of(line, "line_b64"));
	else if (json_is_string(text))
		str_add_n(out, json_string_value(text), json_string_length(text));
}

static void add_text(struct str *out, const json_t *line)
{
	bool err = strcmp(text_of(line, "stream"), "stderr") == 0;
	auto_str bytes = {0};

	add_bytes(&bytes, line);
	if (!out_is_terminal()) {
		str_add_n(out, str_text(&bytes), bytes.n);
		return;
	}
	str_add(out, err ? paint("\033[31m") : "");
	add_harmless(out, str_text(&bytes), bytes.n);
	str_add(out, err ? plain() : "");
}

/* key=value, in the order in which they were asked for. */
static void add_fields(struct str *out, const json_t *fields)
{
	const char *key, *before = "";
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)fields, key, value) {
		str_fmt(out, "%s%s%s=%s", before, paint("\033[2m"), key, plain());
		if (out_is_terminal())
			add_harmless(out, json_string_value(value), json_string_length(value));
		else
			str_add_n(out, json_string_value(value), json_string_length(value));
		before = " ";
	}
}

void log_line_export(const json_t *line)
{
	static const char *const texts[] = {"time", "service", "action", "run"};
	auto_str bytes = {0}, out = {0};

	for (size_t i = 0; i < countof(texts); i++)
		str_fmt(&out, "%s\t", text_of(line, texts[i]));
	str_fmt(&out, "%lld\t%lld\t%s\t", (long long)number_of(line, "job"),
	    (long long)number_of(line, "attempt"), text_of(line, "stream"));
	add_bytes(&bytes, line);
	for (size_t i = 0; i < bytes.n; i++)
		switch (bytes.s[i]) {
		case '\\': str_add(&out, "\\\\"); break;
		case '\t': str_add(&out, "\\t"); break;
		case '\n': str_add(&out, "\\n"); break;
		default: str_add_char(&out, bytes.s[i]);
		}
	str_add_char(&out, '\n');
	fwrite(str_text(&out), 1, out.n, stdout);
}

void log_line_print(const struct log_labels *l, const json_t *line)
{
	auto_free char *time = times_clock(text_of(line, "time"));
	auto_str out = {0};

	str_fmt(&out, "%s%s%s ", paint("\033[2m"), time, plain());
	add_label(l, line, &out);
	if (number_of(line, "dropped"))
		str_add(&out, text_of(line, "line")); /* how much, and why */
	else if (json_object_get(line, "fields"))
		add_fields(&out, json_object_get(line, "fields"));
	else
		add_text(&out, line);
	if (json_is_true(json_object_get(line, "truncated")) && out_is_terminal())
		str_add(&out, glyph(GLYPH_CUT));
	fwrite(str_text(&out), 1, out.n, stdout);
	putchar('\n');
}
