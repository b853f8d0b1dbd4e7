#include "cli/edges.h"

void edges_add_kinds(const json_t *edge, struct str *out)
{
	json_t *kind = json_object_get(edge, "kind"), *k;
	size_t i;

	if (json_is_string(kind))
		str_add(out, json_string_value(kind));
	json_array_foreach (kind, i, k)
		str_fmt(out, "%s%s", i ? "," : "", json_string_value(k));
}
