#include "manifest/manifest.h"

#include "manifest/dependency.h"

static void write_value(const json_t *v, struct str *out)
{
	char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);

	/* JSON strings, numbers, booleans and flat lists are TOML as well, but for a bare DEL. */
	for (const char *p = text; *p; p++)
		if (*p == 0x7f)
			str_add(out, "\\u007f");
		else
			str_add_char(out, *p);
	free(text);
}

static void write_line(struct str *out, const char *key, const json_t *v)
{
	if (!v || json_is_object(v) || (json_is_array(v) && json_is_object(json_array_get(v, 0))))
		return;
	str_fmt(out, "%s = ", key);
	write_value(v, out);
	str_add_char(out, '\n');
}

static void write_key(struct str *out, const char *key)
{
	bool bare = *key;

	for (const char *p = key; *p; p++)
		bare = bare && ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
				   (*p >= '0' && *p <= '9') || *p == '_' || *p == '-');
	if (bare) {
		str_add(out, key);
		return;
	}
	json_t *text = json_string(key);
	write_value(text, out);
	json_decref(text);
}

static void write_inline(struct str *out, const json_t *v)
{
	const char *k;
	json_t *m;
	size_t i;

	if (json_is_object(v)) {
		str_add(out, "{ ");
		bool first = true;
		json_object_foreach ((json_t *)(uintptr_t)v, k, m) {
			str_add(out, first ? "" : ", ");
			write_key(out, k);
			str_add(out, " = ");
			write_inline(out, m);
			first = false;
		}
		str_add(out, " }");
	} else if (json_is_array(v)) {
		str_add(out, "[");
		json_array_foreach (v, i, m) {
			str_add(out, i ? ", " : "");
			write_inline(out, m);
		}
		str_add(out, "]");
	} else {
		write_value(v, out);
	}
}

static void write_table(struct str *out, const json_t *o, const char *const *leave, size_t n_leave)
{
	const char *k;
	json_t *v;

	json_object_foreach ((json_t *)(uintptr_t)o, k, v) {
		bool left = strncmp(k, "source", 6) == 0 || strcmp(k, "depends_on_given") == 0 ||
			    strcmp(k, "of_service") == 0 || strcmp(k, "is_run") == 0 ||
			    strcmp(k, "abort_on_failure") == 0;

		for (size_t i = 0; i < n_leave; i++)
			left = left || strcmp(k, leave[i]) == 0;
		if (left)
			continue;
		str_fmt(out, "%s = ", k);
		write_inline(out, v);
		str_add_char(out, '\n');
	}
}

void manifest_write(const struct service_def *s, struct str *out)
{
	static const char *const of_service[] = {"dependencies", "actions", "name"};
	static const char *const of_action[] = {"depends_on"};
	json_t *o = service_def_stored(s);

	str_add(out, "[service]\n");
	write_line(out, "name", json_object_get(o, "name"));
	write_table(out, o, of_service, countof(of_service));
	for (size_t k = 0; k < 3; k++) {
		static const char *const words[] = {"requires", "wants", "after"};
		json_t *list = json_array();

		for (size_t i = 0; i < s->dependencies.n; i++)
			if ((s->dependencies.v[i].kinds & (1u << k)) &&
			    dependency_is_written(&s->dependencies.v[i]))
				json_array_append_new(
				    list, dependency_stored(&s->dependencies.v[i]));
		if (json_array_size(list)) {
			str_fmt(out, "%s = [", words[k]);
			for (size_t i = 0; i < json_array_size(list); i++) {
				json_t *d = json_array_get(list, i);

				json_object_del(d, "source_path");
				json_object_del(d, "source_text");
				json_object_del(d, "of_service");
				str_add(out, i ? ", " : "");
				write_inline(out, d);
			}
			str_add(out, "]\n");
		}
		json_decref(list);
	}
	json_t *a;
	size_t i;
	json_array_foreach (json_object_get(o, "actions"), i, a) {
		if (s->actions.v[i].exec_is_default)
			json_object_del(a, "exec");
		json_object_del(a, "exec_is_default");
		str_add(out, "\n[[binaries]]\n");
		write_table(out, a, of_action, countof(of_action));
		if (s->actions.v[i].depends_on_given && !s->actions.v[i].depends_on.n)
			str_add(out, "depends_on = []\n");
	}
	for (i = 0; i < s->actions.n; i++)
		for (size_t k = 0; k < s->actions.v[i].depends_on.n; k++) {
			const struct dep *d = &s->actions.v[i].depends_on.v[k];
			json_t *e = dependency_stored(d);

			if (d->of_service || !dependency_is_written(d)) {
				json_decref(e);
				continue;
			}
			json_object_set_new(e, "for", json_pack("[s]", s->actions.v[i].name));
			str_add(out, "\n[[dependencies]]\n");
			write_table(out, e, NULL, 0);
			json_decref(e);
		}
	json_decref(o);
}
