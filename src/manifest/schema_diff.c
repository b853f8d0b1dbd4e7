/* schema_diff.c - what differs between two structs, by the rows that read them. */
#include "manifest/schema.h"

#include "model/definition.h"

#include <inttypes.h>
#include <stdio.h>

#define SHORT 48 /* bytes of a value that a sentence shows */

static const void *at(const void *obj, size_t offset)
{
	return (const char *)obj + offset;
}

static bool env_var_same(const struct env_var *a, const struct env_var *b)
{
	return text_eq(a->name, b->name) && text_eq(a->value, b->value) &&
	       a->required == b->required && a->secret == b->secret;
}

static bool env_same(const struct env_list *a, const struct env_list *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!env_var_same(&a->v[i], &b->v[i]))
			return false;
	return true;
}

static bool written_same(const struct field *f, const void *a, const void *b)
{
	json_t *x = f->write ? f->write(a) : NULL, *y = f->write ? f->write(b) : NULL;
	bool same = x && y ? json_equal(x, y) : !x && !y;

	json_decref(x);
	json_decref(y);
	return same;
}

static bool values_same(const struct field *f, const void *a, const void *b)
{
	const void *x = at(a, f->at), *y = at(b, f->at);

	switch (f->kind) {
	case F_STR:
	case F_JSON: return text_eq(*(char *const *)x, *(char *const *)y);
	case F_BOOL: return *(const bool *)x == *(const bool *)y;
	case F_INT:
	case F_MSEC: return *(const int64_t *)x == *(const int64_t *)y;
	case F_DOUBLE:
		return !(*(const double *)x < *(const double *)y) &&
		       !(*(const double *)x > *(const double *)y);
	case F_ENUM: return *(const int *)x == *(const int *)y;
	case F_STRV: return strv_eq(x, y);
	case F_COMMAND: return command_eq(x, y);
	case F_ENV: return env_same(x, y);
	case F_CUSTOM: return f->same ? f->same(a, b) : written_same(f, a, b);
	}
	return false;
}

static bool field_same(const struct field *f, const void *a, const void *b)
{
	if (f->given_at) {
		bool one = *(const bool *)at(a, f->given_at),
		     two = *(const bool *)at(b, f->given_at);

		if (one != two)
			return false;
		if (!one)
			return true; /* the default, which may be derived from other keys */
	}
	return values_same(f, a, b);
}

static bool is_among(const char *key, const char *const *keys)
{
	for (size_t i = 0; keys && keys[i]; i++)
		if (strcmp(key, keys[i]) == 0)
			return true;
	return false;
}

static bool is_left_out(const struct field *f, const char *const *except)
{
	return f->internal || is_among(f->key, except);
}

const char *schema_difference(
    const struct schema *s, const void *a, const void *b, const char *const *except)
{
	for (size_t i = 0; i < s->n; i++)
		if (!field_same(&s->fields[i], a, b) && !is_left_out(&s->fields[i], except))
			return s->fields[i].key;
	return NULL;
}

void schema_json_beside(const struct schema *s, const void *obj, const void *base,
    const char *const *always, json_t *into)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct field *f = &s->fields[i];

		if (is_among(f->key, always) || !field_same(f, obj, base))
			schema_json(&(struct schema){s->name, f, 1}, obj, true, into);
	}
}

/* ---- in words ------------------------------------------------------------------------- */

/* The value for people; NULL: none. */
static char *value_text(const struct field *f, const void *obj)
{
	const void *p = at(obj, f->at);
	json_t *j;

	if (f->given_at && !*(const bool *)at(obj, f->given_at))
		return NULL;
	switch (f->kind) {
	case F_STR:
	case F_JSON: return text_dup(*(char *const *)p);
	case F_BOOL: return text_dup(*(const bool *)p ? "true" : "false");
	case F_INT:
	case F_MSEC: return text_fmt("%" PRId64, *(const int64_t *)p);
	case F_DOUBLE: return text_fmt("%g", *(const double *)p);
	case F_ENUM: return text_dup(f->words[*(const int *)p]);
	case F_STRV:
	case F_COMMAND:
	case F_ENV:
	case F_CUSTOM: break;
	}
	j = schema_field_json(f, obj);
	char *text = j ? json_dumps(j, JSON_ENCODE_ANY | JSON_SORT_KEYS) : NULL;
	json_decref(j);
	return text;
}

static bool is_shown(const char *value)
{
	return !value || (strlen(value) <= SHORT && !strchr(value, '\n'));
}

static void say(const char *what, const char *from, const char *to, struct strv *out)
{
	if (!is_shown(from) || !is_shown(to) || (!from && !to))
		strv_take(out, text_fmt("%s changed", what));
	else if (!from)
		strv_take(out, text_fmt("%s added: %s", what, to));
	else if (!to)
		strv_take(out, text_fmt("%s removed: %s", what, from));
	else
		strv_take(out, text_fmt("%s: %s -> %s", what, from, to));
}

static const struct env_var *env_find(const struct env_list *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (text_eq(l->v[i].name, name))
			return &l->v[i];
	return NULL;
}

static void say_variable(
    const char *key, const struct env_var *from, const struct env_var *to, struct strv *out)
{
	const char *name = from ? from->name : to->name;
	auto_free char *what =
	    text_fmt("%s %s", strcmp(key, "env") == 0 ? "environment" : key, name ? name : "");
	bool secret = (from && from->secret) || (to && to->secret);

	if (from && to && env_var_same(from, to))
		return;
	if (secret || (from && to && text_eq(from->value, to->value)))
		strv_take(out, text_fmt("%s %s", what,
				   !from ? "added"
				   : !to ? "removed"
					 : "changed"));
	else
		say(what, from ? (from->value ? from->value : "") : NULL,
		    to ? (to->value ? to->value : "") : NULL, out);
}

static void say_environment(
    const struct field *f, const struct env_list *a, const struct env_list *b, struct strv *out)
{
	size_t before = out->n;

	for (size_t i = 0; i < a->n; i++)
		say_variable(f->key, &a->v[i], env_find(b, a->v[i].name), out);
	for (size_t i = 0; i < b->n; i++)
		if (!env_find(a, b->v[i].name))
			say_variable(f->key, NULL, &b->v[i], out);
	if (out->n == before)
		strv_take(out, text_fmt("%s: the order changed", f->key));
}

void schema_differences(const struct schema *s, const void *a, const void *b,
    const char *const *except, struct strv *out)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct field *f = &s->fields[i];

		if (field_same(f, a, b) || is_left_out(f, except))
			continue;
		if (f->kind == F_ENV) {
			say_environment(f, at(a, f->at), at(b, f->at), out);
			continue;
		}
		auto_free char *from = value_text(f, a), *to = value_text(f, b);
		say(f->key, from, to, out);
	}
}
