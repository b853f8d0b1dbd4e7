/* fields.c - any field of a line as text, for output and counting. */
#include "query/program.h"

#include <stdio.h>
#include <time.h>

struct query_fields {
	size_t n, n_paths;
	struct {
		enum own_field own;
		uint8_t path;
	} want[RECORD_FIELDS_MAX];
	struct record_path paths[RECORD_FIELDS_MAX + LEVEL_KEYS];
	bool wants_level;
	struct str scratch[RECORD_FIELDS_MAX];
	char number[2][24], time[40];
};

static enum own_field own_of(const char *s)
{
	enum own_field own;

	return own_field_parse(s, &own) ? own : OWN_NONE;
}

enum err query_fields_new(
    const char *const *names, size_t n, struct query_fields **out, struct error *e)
{
	struct query_fields *f = mem_new(sizeof(*f));

	f->n_paths = LEVEL_KEYS;
	for (size_t i = 0; i < LEVEL_KEYS; i++)
		record_path_init(&f->paths[i], level_keys[i], strlen(level_keys[i]));
	for (size_t i = 0; i < n; i++) {
		const char *s = names[i] + (*names[i] == '.');

		f->want[i].own = s == names[i] ? own_of(s) : OWN_NONE;
		f->wants_level |= f->want[i].own == OWN_LEVEL;
		f->want[i].path = (uint8_t)f->n_paths;
		if (i == RECORD_FIELDS_MAX - LEVEL_KEYS ||
		    (f->want[i].own == OWN_NONE &&
			!record_path_init(&f->paths[f->n_paths++], s, strlen(s)))) {
			query_fields_free(f);
			return error_set(e, ERR_INVALID,
			    "fields: `%s` is no name of a field, or "
			    "there are too many",
			    names[i]);
		}
		f->n = i + 1;
	}
	*out = f;
	return ERR_OK;
}

void query_fields_free(struct query_fields *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n_paths; i++)
		record_path_release(&f->paths[i]);
	for (size_t i = 0; i < countof(f->scratch); i++)
		str_release(&f->scratch[i]);
	free(f);
}

static struct query_text named(const char *s)
{
	return (struct query_text){.s = s, .n = s ? strlen(s) : 0};
}

static struct query_text time_text(struct query_fields *f, usec_wall t)
{
	time_t whole = (time_t)(t / 1000000);
	struct tm tm;
	size_t n;

	gmtime_r(&whole, &tm);
	n = strftime(f->time, sizeof(f->time), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(f->time + n, sizeof(f->time) - n, ".%06dZ", (int)(t % 1000000));
	return named(f->time);
}

static struct query_text count_text(struct query_fields *f, size_t slot, int64_t n)
{
	snprintf(f->number[slot], sizeof(f->number[slot]), "%lld", (long long)n);
	return named(f->number[slot]);
}

static struct query_text own_text(
    struct query_fields *f, enum own_field own, const struct log_line *l, const struct field *found)
{
	enum level level;

	switch (own) {
	case OWN_SERVICE: return named(l->service);
	case OWN_ACTION: return named(l->action);
	case OWN_RUN: return named(l->run);
	case OWN_ATTEMPT: return count_text(f, 0, l->attempt);
	case OWN_JOB: return count_text(f, 1, l->job);
	case OWN_STREAM: return named(log_stream_str(l->stream));
	case OWN_TIME: return time_text(f, l->time);
	case OWN_LEVEL: level = line_level(l, found); return named(level ? level_str(level) : NULL);
	case OWN_LINE: return (struct query_text){.s = l->bytes, .n = l->n};
	case OWN_NONE:
	case OWN_FIELD_COUNT: break;
	}
	return named(NULL);
}

void query_fields_of(struct query_fields *f, const struct log_line *l, struct query_text *out)
{
	struct field found[RECORD_FIELDS_MAX + LEVEL_KEYS];
	size_t first = f->wants_level ? 0 : LEVEL_KEYS;

	record_find(l->bytes, l->n, f->paths + first, f->n_paths - first, found + first);
	for (size_t i = 0; i < f->n; i++) {
		const struct field *v = &found[f->want[i].path];

		if (f->want[i].own != OWN_NONE) {
			out[i] = own_text(f, f->want[i].own, l, found);
		} else if (v->kind == FIELD_ABSENT || v->kind == FIELD_NULL) {
			out[i] = named(NULL);
		} else {
			out[i].s = field_text(v, &f->scratch[i], &out[i].n);
			out[i].number = v->kind == FIELD_WORD;
		}
	}
}
