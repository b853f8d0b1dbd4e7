#include "manifest/schema.h"

#include "model/definition.h"

#include <errno.h>
#include <inttypes.h>

/* ---- messages ------------------------------------------------------------- */

static void report(struct reader *r, enum diag_severity s, const struct node *at, const char *hint,
    const char *fmt, va_list ap) attr_fmt(5, 0);

static void report(struct reader *r, enum diag_severity s, const struct node *at, const char *hint,
    const char *fmt, va_list ap)
{
	auto_str text = {0};

	str_vfmt(&text, fmt, ap);
	diag_add(r->diags, s, r->file, at ? at->line : 0, at ? at->column : 0, at ? at->key : NULL,
	    hint, "%s", str_text(&text));
}

void reader_error(struct reader *r, const struct node *at, const char *hint, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report(r, DIAG_ERROR, at, hint, fmt, ap);
	va_end(ap);
}

void reader_warn(struct reader *r, const struct node *at, const char *hint, const char *fmt, ...)
{
	va_list ap;

	if (r->stored)
		return;
	va_start(ap, fmt);
	report(r, DIAG_WARNING, at, hint, fmt, ap);
	va_end(ap);
}

char *reader_place(const struct reader *r, const struct node *n)
{
	if (r->file && n && n->line)
		return text_fmt("%s:%d", r->file, n->line);
	return text_dup(r->file ? r->file : r->who ? r->who : "the caller");
}

/* ---- values ------------------------------------------------------------------ */

static bool wrong_kind(struct reader *r, const struct node *n, const char *want)
{
	reader_error(r, n, NULL, "`%s` must be %s, not %s", n->key ? n->key : "an entry", want,
	    node_kind_str(n->kind));
	return false;
}

/* What is kept as a text of C would be cut there. */
static bool holds_nul(struct reader *r, const struct node *n)
{
	if ((n->kind != NODE_STRING && n->kind != NODE_TIME) || !memchr(n->s, '\0', n->s_bytes))
		return false;
	reader_error(r, n, NULL, "`%s` holds a NUL byte", n->key ? n->key : "an entry");
	return true;
}

/* Strings take strings only: 1.10 is a number, and its text is 1.1. */
static bool wrong_string(struct reader *r, const struct node *n, const char *want)
{
	const char *key = n->key ? n->key : "an entry";
	bool scalar = n->kind == NODE_INT || n->kind == NODE_FLOAT || n->kind == NODE_BOOL ||
		      n->kind == NODE_TIME;

	reader_error(r, n, scalar ? "put it in quotes" : NULL, "`%s` must be %s, not %s", key, want,
	    node_kind_str(n->kind));
	return false;
}

bool read_text(struct reader *r, const struct node *n, char **out)
{
	if (n->kind != NODE_STRING)
		return wrong_string(r, n, "a string");
	if (holds_nul(r, n))
		return false;
	text_set(out, n->s);
	return true;
}

bool read_bool(struct reader *r, const struct node *n, bool *out)
{
	if (n->kind != NODE_BOOL)
		return wrong_kind(r, n, "true or false");
	*out = n->i;
	return true;
}

bool read_int(struct reader *r, const struct node *n, int64_t min, int64_t max, int64_t *out)
{
	if (n->kind != NODE_INT)
		return wrong_kind(r, n, "a whole number");
	if (n->i < min || n->i > max) {
		reader_error(r, n, NULL, "`%s`: %" PRId64 " is outside %" PRId64 "..%" PRId64,
		    n->key ? n->key : "an entry", n->i, min, max);
		return false;
	}
	*out = n->i;
	return true;
}

static bool msec_part(const char **at, msec *sum)
{
	static const struct {
		const char *suffix;
		msec scale;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
	char *end;
	msec part;

	errno = 0;
	long long n = strtoll(*at, &end, 10);
	if (end == *at || errno || n < 0)
		return false;
	for (size_t i = 0; i < countof(units); i++) {
		size_t len = strlen(units[i].suffix);

		if (strncmp(end, units[i].suffix, len) != 0 || (end[len] >= 'a' && end[len] <= 'z'))
			continue;
		if (__builtin_mul_overflow(n, units[i].scale, &part) ||
		    __builtin_add_overflow(*sum, part, sum))
			return false;
		*at = end + len;
		return true;
	}
	return false;
}

bool msec_parse(const char *text, msec *out)
{
	msec sum = 0;

	if (!*text || strchr(text, '-') || strchr(text, '+') || strchr(text, ' '))
		return false;
	while (*text)
		if (!msec_part(&text, &sum))
			return false;
	*out = sum;
	return true;
}

#define MSEC_LIMIT (366LL * 86400000) /* a year: beyond it is a slip of the unit */

bool read_msec(struct reader *r, const struct node *n, msec *out)
{
	msec value = n->i;

	if (holds_nul(r, n))
		return false;
	if (n->kind == NODE_STRING ? !msec_parse(n->s, &value) : n->kind != NODE_INT) {
		reader_error(r, n,
		    "write \"10s\", \"500ms\", \"1h30m\" or a number of milliseconds",
		    "`%s` is not a duration", n->key);
		return false;
	}
	if (value < 0 || value > MSEC_LIMIT) {
		reader_error(r, n, NULL, "`%s` is outside 0..366 days", n->key);
		return false;
	}
	*out = value;
	return true;
}

bool read_words(struct reader *r, const struct node *n, const char *const *words, int *out)
{
	size_t count = 0;

	if (n->kind != NODE_STRING)
		return wrong_string(r, n, "a string");
	if (holds_nul(r, n))
		return false;
	auto_free char *text = text_dup(n->s);
	for (char *p = text; *p; p++)
		*p = *p == '-' ? '_' : *p;
	for (; words[count]; count++)
		if (strcmp(words[count], text) == 0)
			return *out = (int)count, true;
	const char *near = text_nearest(text, words, count);
	auto_str hint = {0};
	if (near)
		str_fmt(&hint, "did you mean `%s`?", near);
	else
		for (size_t i = 0; i < count; i++)
			str_fmt(&hint, "%s%s", i ? ", " : "one of ", words[i]);
	reader_error(r, n, str_text(&hint), "`%s`: `%s` is not one of its words",
	    n->key ? n->key : "kind", n->s);
	return false;
}

/* A value of the environment: what has one way to be written.  NULL: it is none. */
static char *value_text(struct reader *r, const struct node *n)
{
	if (holds_nul(r, n))
		return NULL;
	switch (n->kind) {
	case NODE_STRING:
	case NODE_TIME: return text_dup(n->s);
	case NODE_INT: return text_fmt("%" PRId64, n->i);
	case NODE_BOOL: return text_dup(n->i ? "true" : "false");
	case NODE_FLOAT:
	case NODE_NULL:
	case NODE_ARRAY:
	case NODE_TABLE: wrong_string(r, n, "a string, a whole number, true or false"); break;
	}
	return NULL;
}

/* Entries are told under the key of their list. */
static bool add_entry(
    struct reader *r, const struct node *n, char *key, bool numbers, struct strv *out)
{
	struct node named = *n;
	char *text = NULL;

	named.key = key;
	if (numbers && n->kind == NODE_INT)
		text = text_fmt("%" PRId64, n->i);
	else if (!read_text(r, &named, &text))
		return false;
	strv_take(out, text);
	return true;
}

static bool read_list(struct reader *r, const struct node *n, bool numbers, struct strv *out)
{
	bool ok = true;

	strv_release(out);
	if (n->kind != NODE_ARRAY)
		return add_entry(r, n, n->key, numbers, out);
	for (const struct node *c = n->first; c; c = c->next)
		ok = add_entry(r, c, n->key, numbers, out) && ok;
	return ok;
}

bool read_strv(struct reader *r, const struct node *n, struct strv *out)
{
	return read_list(r, n, false, out);
}

bool read_command(struct reader *r, const struct node *n, struct command *out)
{
	command_release(out);
	if (n->kind == NODE_STRING)
		return read_text(r, n, &out->text);
	if (n->kind != NODE_ARRAY) {
		reader_error(r, n, "a string is run by the shell, a list is executed as it is",
		    "`%s` must be a string or a list of strings, not %s", n->key ? n->key : "it",
		    node_kind_str(n->kind));
		return false;
	}
	if (!read_strv(r, n, &out->argv))
		return false;
	if (out->argv.n && *out->argv.v[0])
		return true;
	reader_error(r, n, NULL, "`%s` is empty", n->key ? n->key : "a command");
	return false;
}

void read_only_keys(
    struct reader *r, const struct node *table, const char *what, const char *const *known)
{
	size_t n = 0;

	while (known[n])
		n++;
	for (const struct node *c = table->first; c; c = c->next) {
		size_t i = 0;

		while (i < n && strcmp(known[i], c->key) != 0)
			i++;
		if (i < n)
			continue;
		const char *near = text_nearest(c->key, known, n);
		auto_free char *hint = near ? text_fmt("did you mean `%s`?", near) : NULL;
		struct node key = *c;

		key.line = c->key_line ? c->key_line : c->line;
		key.column = c->key_line ? c->key_column : c->column;
		reader_error(r, &key, hint, "%s has no key `%s`", what, c->key);
	}
}

static struct env_var *env_slot(struct env_list *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i].name, name) == 0)
			return &l->v[i];
	struct env_var *v = vec_push(l);
	v->name = text_dup(name);
	return v;
}

static void read_env_entry(struct reader *r, const struct node *n, struct env_list *out)
{
	const struct node *name = n->kind == NODE_TABLE ? node_get(n, "name") : NULL;

	if (name && holds_nul(r, name))
		return;
	if (!name || name->kind != NODE_STRING || !*name->s || strchr(name->s, '=')) {
		reader_error(r, name ? name : n, "write name = \"KEY\" and default = \"value\"",
		    "an environment entry needs a `name` without `=`");
		return;
	}
	struct env_var *v = env_slot(out, name->s);
	for (const struct node *c = n->first; c; c = c->next) {
		static const char *const known[] = {
		    "name", "default", "value", "required", "secret", "description", "desc"};

		if (strcmp(c->key, "default") == 0 || strcmp(c->key, "value") == 0) {
			free(v->value);
			v->value = c->kind == NODE_NULL ? NULL : value_text(r, c);
		} else if (strcmp(c->key, "required") == 0) {
			read_bool(r, c, &v->required);
		} else if (strcmp(c->key, "secret") == 0) {
			read_bool(r, c, &v->secret);
		} else if (strcmp(c->key, "description") == 0 || strcmp(c->key, "desc") == 0) {
			auto_free char *ignored = NULL;

			read_text(r, c, &ignored);
		} else if (c != name) {
			const char *near = text_nearest(c->key, known, countof(known));
			auto_free char *hint = near ? text_fmt("did you mean `%s`?", near) : NULL;

			reader_error(r, c, hint, "an environment entry has no key `%s`", c->key);
		}
	}
}

static void read_env(struct reader *r, const struct node *n, struct env_list *out)
{
	if (n->kind == NODE_ARRAY) {
		for (const struct node *c = n->first; c; c = c->next)
			read_env_entry(r, c, out);
		return;
	}
	if (n->kind != NODE_TABLE) {
		wrong_kind(r, n, "a table of names and values");
		return;
	}
	for (const struct node *c = n->first; c; c = c->next) {
		if (!*c->key || strchr(c->key, '=')) {
			reader_error(r, c, NULL, "`%s` is no name of a variable", c->key);
			continue;
		}
		char *text = value_text(r, c);
		if (!text)
			continue;
		struct env_var *v = env_slot(out, c->key);
		free(v->value);
		v->value = text;
	}
}

/* ---- rows ------------------------------------------------------------------------ */

static void *slot(void *obj, size_t at)
{
	return (char *)obj + at;
}

static bool read_field(struct reader *r, const struct field *f, void *obj, const struct node *n)
{
	void *p = slot(obj, f->at);

	switch (f->kind) {
	case F_STR: return read_text(r, n, p);
	case F_BOOL: return read_bool(r, n, p);
	case F_INT: return read_int(r, n, f->min, f->max || f->min ? f->max : INT64_MAX, p);
	case F_MSEC: return read_msec(r, n, p);
	case F_ENUM: return read_words(r, n, f->words, p);
	case F_STRV: return read_list(r, n, f->numbers, p);
	case F_COMMAND: return read_command(r, n, p);
	case F_ENV: read_env(r, n, p); return true;
	case F_CUSTOM: f->read(r, obj, n); return true;
	case F_DOUBLE:
		if (n->kind != NODE_FLOAT && n->kind != NODE_INT)
			return wrong_kind(r, n, "a number");
		*(double *)p = n->kind == NODE_INT ? (double)n->i : n->d;
		return true;
	case F_JSON: {
		json_t *j = node_json(n);

		free(*(char **)p);
		*(char **)p = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY);
		json_decref(j);
		return true;
	}
	}
	return false;
}

static bool is_called(const struct field *f, const char *key)
{
	if (strcmp(f->key, key) == 0)
		return true;
	for (size_t i = 0; i < countof(f->aka) && f->aka[i]; i++)
		if (strcmp(f->aka[i], key) == 0)
			return true;
	return false;
}

static const struct field *find(
    const struct reader *r, const struct part *parts, size_t n, const char *key, void **obj)
{
	for (size_t p = 0; p < n; p++)
		for (size_t i = 0; i < parts[p].schema->n; i++) {
			const struct field *f = &parts[p].schema->fields[i];

			if (is_called(f, key) && (!f->internal || r->stored)) {
				*obj = parts[p].obj;
				return f;
			}
		}
	return NULL;
}

static void unknown(struct reader *r, const struct part *parts, size_t n, const struct node *at)
{
	const char *known[160];
	size_t count = 0;

	for (size_t p = 0; p < n; p++)
		for (size_t i = 0; i < parts[p].schema->n && count + 4 < countof(known); i++) {
			const struct field *f = &parts[p].schema->fields[i];

			if (f->internal)
				continue;
			known[count++] = f->key;
			for (size_t k = 0; k < countof(f->aka) && f->aka[k]; k++)
				known[count++] = f->aka[k];
		}
	const char *near = text_nearest(at->key, known, count);
	auto_free char *hint = near ? text_fmt("did you mean `%s`?", near) : NULL;
	struct node key = *at;
	key.line = at->key_line ? at->key_line : at->line;
	key.column = at->key_line ? at->key_column : at->column;
	reader_error(r, &key, hint, "%s has no key `%s`", parts[0].schema->name, at->key);
}

static bool same_value(const struct field *f, const struct node *a, const struct node *b)
{
	msec first = a->i, second = b->i;

	if (f->kind == F_MSEC &&
	    (a->kind == NODE_INT || (a->kind == NODE_STRING && msec_parse(a->s, &first))) &&
	    (b->kind == NODE_INT || (b->kind == NODE_STRING && msec_parse(b->s, &second))))
		return first == second;
	json_t *x = node_json(a), *y = node_json(b);
	bool same = json_equal(x, y);

	json_decref(x);
	json_decref(y);
	return same;
}

/* Another spelling of the same key earlier in the table? */
static const struct node *twin(
    const struct field *f, const struct node *table, const struct node *n)
{
	for (const struct node *c = table->first; c && c != n; c = c->next)
		if (is_called(f, c->key))
			return c;
	return NULL;
}

void schema_read(struct reader *r, const struct part *parts, size_t n, const struct node *table)
{
	for (const struct node *c = table->first; c; c = c->next) {
		void *obj = NULL;
		const struct field *f = find(r, parts, n, c->key, &obj);

		if (!f) {
			unknown(r, parts, n, c);
			continue;
		}
		const struct node *other = twin(f, table, c);
		if (other && !same_value(f, other, c)) {
			reader_error(r, c, "they are two spellings of one key: keep one",
			    "`%s` and `%s` (line %d) say different things", c->key, other->key,
			    other->line);
			continue;
		}
		if (c->kind == NODE_NULL || other)
			continue;
		if (f->later)
			reader_warn(r, c, NULL, "`%s` is kept but not acted on yet", c->key);
		if (!read_field(r, f, obj, c))
			continue;
		if (f->judge && !r->stored && !f->judge(r, slot(obj, f->at), c))
			continue;
		if (f->given_at)
			*(bool *)slot(obj, f->given_at) = true;
	}
}

/* ---- writing ------------------------------------------------------------------------ */

static json_t *strv_json(const struct strv *l)
{
	json_t *list = l->n ? json_array() : NULL;

	for (size_t i = 0; i < l->n; i++)
		json_array_append_new(list, json_string(l->v[i]));
	return list;
}

static json_t *command_json(const struct command *c)
{
	return c->text ? json_string(c->text) : strv_json(&c->argv);
}

static json_t *env_json(const struct env_list *l, bool stored)
{
	json_t *list = l->n ? json_array() : NULL;

	for (size_t i = 0; i < l->n; i++) {
		const struct env_var *v = &l->v[i];
		json_t *o = json_pack("{s:s}", "name", v->name);

		if (v->value && (!v->secret || stored))
			json_object_set_new(o, "value", json_string(v->value));
		if (v->required)
			json_object_set_new(o, "required", json_true());
		if (v->secret)
			json_object_set_new(o, "secret", json_true());
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *field_json(const struct field *f, const void *obj, bool stored)
{
	const void *p = (const char *)obj + f->at;

	switch (f->kind) {
	case F_STR: return *(char *const *)p ? json_string(*(char *const *)p) : NULL;
	case F_BOOL: return *(const bool *)p ? json_true() : stored ? json_false() : NULL;
	case F_INT:
	case F_MSEC: return json_integer(*(const int64_t *)p);
	case F_DOUBLE: return json_real(*(const double *)p);
	case F_ENUM: return json_string(f->words[*(const int *)p]);
	case F_STRV: return strv_json(p);
	case F_COMMAND: return command_json(p);
	case F_ENV: return env_json(p, stored);
	case F_JSON:
		return *(char *const *)p
			   ? json_loads(*(char *const *)p, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL)
			   : NULL;
	case F_CUSTOM: return f->write ? f->write(obj) : NULL;
	}
	return NULL;
}

json_t *schema_field_json(const struct field *f, const void *obj)
{
	return field_json(f, obj, false);
}

void schema_json(const struct schema *s, const void *obj, bool stored, json_t *into)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct field *f = &s->fields[i];

		if (f->internal && !stored)
			continue;
		if (f->given_at && !*(const bool *)((const char *)obj + f->given_at))
			continue;
		json_t *value = field_json(f, obj, stored);
		if (value)
			json_object_set_new(into, f->key, value);
	}
}

json_t *schema_describe(const struct schema *s)
{
	static const char *const types[] = {"string", "boolean", "integer", "number", "integer",
	    "string", "array", NULL, "array", NULL, NULL};
	json_t *properties = json_object();

	for (size_t i = 0; i < s->n; i++) {
		const struct field *f = &s->fields[i];

		if (f->internal)
			continue;
		json_t *o = json_pack("{s:s}", "description", f->doc ? f->doc : "");
		if (types[f->kind])
			json_object_set_new(o, "type", json_string(types[f->kind]));
		if (f->kind == F_COMMAND)
			json_object_set_new(o, "type", json_pack("[s, s]", "string", "array"));
		for (size_t w = 0; f->kind == F_ENUM && f->words[w]; w++) {
			if (!w)
				json_object_set_new(o, "enum", json_array());
			json_array_append_new(json_object_get(o, "enum"), json_string(f->words[w]));
		}
		json_object_set_new(properties, f->key, o);
	}
	return json_pack(
	    "{s:s, s:s, s:o}", "title", s->name, "type", "object", "properties", properties);
}
