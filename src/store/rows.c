#include "store/rows.h"

#include <stddef.h>

#define INT(type, member)                                                    \
	{                                                                    \
#member, COL_INT, offsetof(struct type, member), false, NULL \
	}
#define KEY(type, member)                                                   \
	{                                                                   \
#member, COL_INT, offsetof(struct type, member), true, NULL \
	}
#define TEXT(type, member)                                                    \
	{                                                                     \
#member, COL_TEXT, offsetof(struct type, member), false, NULL \
	}
#define TKEY(type, member)                                                   \
	{                                                                    \
#member, COL_TEXT, offsetof(struct type, member), true, NULL \
	}
#define BOOL(type, member)                                                    \
	{                                                                     \
#member, COL_BOOL, offsetof(struct type, member), false, NULL \
	}
#define WORD(type, member, words)                                              \
	{                                                                      \
#member, COL_WORD, offsetof(struct type, member), false, words \
	}

/* clang-format off */
static const struct column contributions[] = {
	TKEY(store_contribution, source), TKEY(store_contribution, service),
	TEXT(store_contribution, json),
};
static const struct column wanted_columns[] = {
	TKEY(store_wanted, service), WORD(store_wanted, wanted, wanted_words),
};
static const struct column runs[] = {
	KEY(store_run, id), TEXT(store_run, name), TEXT(store_run, service),
	WORD(store_run, state, run_state_words), WORD(store_run, reason, reason_words),
	TEXT(store_run, who), INT(store_run, started), INT(store_run, ended),
	TEXT(store_run, definition), TEXT(store_run, reason_subject),
};
static const struct column jobs[] = {
	KEY(store_job, id), INT(store_job, run), TEXT(store_job, name), TEXT(store_job, service),
	TEXT(store_job, action), TEXT(store_job, context), INT(store_job, token),
	INT(store_job, attempt), WORD(store_job, state, job_state_words),
	WORD(store_job, reason, reason_words), INT(store_job, exit_code), INT(store_job, signal),
	INT(store_job, pid), INT(store_job, restarts), INT(store_job, created),
	INT(store_job, started), INT(store_job, ready_at), INT(store_job, ended),
	BOOL(store_job, ready), TEXT(store_job, stop_cause), INT(store_job, since_mono),
	INT(store_job, tries), INT(store_job, failures),
};
static const struct column operations[] = {
	KEY(store_operation, id), TEXT(store_operation, kind), TEXT(store_operation, names),
	TEXT(store_operation, state), TEXT(store_operation, error), TEXT(store_operation, steps),
	TEXT(store_operation, who), INT(store_operation, started), INT(store_operation, ended),
	TEXT(store_operation, detail),
};
static const struct column events[] = {
	KEY(store_event, id), INT(store_event, cause), INT(store_event, time),
	TEXT(store_event, subject), TEXT(store_event, fact),
};
static const struct column counters[] = {
	TKEY(store_counter, name), INT(store_counter, value),
};
static const struct column flags[] = {
	TKEY(store_flag, name), INT(store_flag, since),
};
static const struct column schedules[] = {
	TKEY(store_schedule, name), TEXT(store_schedule, meaning), INT(store_schedule, answered),
	BOOL(store_schedule, paused), INT(store_schedule, kept), INT(store_schedule, late),
	INT(store_schedule, skipped), INT(store_schedule, missed), INT(store_schedule, since),
	INT(store_schedule, last_success), TEXT(store_schedule, last_run),
	TEXT(store_schedule, last_state), INT(store_schedule, last_due), TEXT(store_schedule, queue),
};

static enum mirrored open_run(struct value *v);

const struct table tables[TABLE_COUNT] = {
	[T_CONTRIBUTIONS] = { "contributions", contributions, countof(contributions), true, true, false, NULL, NULL },
	[T_WANTED]        = { "wanted", wanted_columns, countof(wanted_columns), true, true, false, NULL, NULL },
	[T_RUNS]          = { "runs", runs, countof(runs), false, true, false,
			      "WHERE service IS NULL AND ended = 0", open_run },
	[T_JOBS]          = { "jobs", jobs, countof(jobs), false, false, false, NULL, NULL },
	[T_OPERATIONS]    = { "operations", operations, countof(operations), false, false, true, NULL, NULL },
	[T_EVENTS]        = { "events", events, countof(events), false, false, true, NULL, NULL },
	[T_COUNTERS]      = { "counters", counters, countof(counters), false, true, false, NULL, NULL },
	[T_FLAGS]         = { "flags", flags, countof(flags), false, true, false, NULL, NULL },
	[T_SCHEDULES]     = { "schedules", schedules, countof(schedules), false, true, false, NULL, NULL },
};
/* clang-format on */

enum { RUN_SERVICE = 2, RUN_STATE = 3, RUN_REASON = 4, RUN_ENDED = 7 }; /* in `runs` */

/* Nobody else knows what an ad-hoc run is made from.  Its file does not follow its states: they are
 * found again from its jobs. */
static enum mirrored open_run(struct value *v)
{
	if (v[RUN_SERVICE].text)
		return MIRRORED_NOT;
	if (v[RUN_ENDED].number)
		return MIRRORED_GONE;
	v[RUN_STATE].text = run_state_words[RUN_RUNNING];
	v[RUN_REASON].text = reason_words[REASON_NONE];
	return MIRRORED;
}

enum mirrored row_mirrored(const struct table *t, struct value *v)
{
	return !t->mirrored ? MIRRORED_NOT : t->mirrored_row ? t->mirrored_row(v) : MIRRORED;
}

_Static_assert(sizeof(struct store_job) <= ROW_MAX, "ROW_MAX holds every row");
_Static_assert(countof(jobs) <= COLUMNS_MAX, "COLUMNS_MAX holds every table");
_Static_assert(sizeof(enum wanted) == sizeof(unsigned), "words are read as unsigned");

void row_values(const struct table *t, const void *row, struct value *out)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct column *c = &t->columns[i];
		const char *at = (const char *)row + c->offset;
		unsigned word;

		out[i] = (struct value){.is_text = c->kind == COL_TEXT || c->kind == COL_WORD};
		switch (c->kind) {
		case COL_INT: memcpy(&out[i].number, at, sizeof(out[i].number)); break;
		case COL_BOOL: out[i].number = *(const bool *)at; break;
		case COL_TEXT: memcpy(&out[i].text, at, sizeof(out[i].text)); break;
		case COL_WORD:
			memcpy(&word, at, sizeof(word));
			out[i].text = c->words[word];
			break;
		}
	}
}

char *row_key(const struct table *t, const struct value *v)
{
	struct str key = {0};

	str_add(&key, t->name);
	for (size_t i = 0; i < t->n; i++)
		if (t->columns[i].key && v[i].is_text)
			str_fmt(&key, "\n%s", v[i].text);
		else if (t->columns[i].key)
			str_fmt(&key, "\n%lld", (long long)v[i].number);
	return str_take(&key);
}

static void list_names(const struct table *t, struct str *out)
{
	for (size_t i = 0; i < t->n; i++)
		str_fmt(out, "%s%s", i ? ", " : "", t->columns[i].name);
}

void table_upsert_sql(const struct table *t, struct str *out)
{
	str_fmt(out, "INSERT OR REPLACE INTO %s (", t->name);
	list_names(t, out);
	str_add(out, ") VALUES (");
	for (size_t i = 0; i < t->n; i++)
		str_add(out, i ? ", ?" : "?");
	str_add(out, ")");
}

void table_delete_sql(const struct table *t, struct str *out)
{
	const char *sep = "WHERE";

	str_fmt(out, "DELETE FROM %s ", t->name);
	for (size_t i = 0; i < t->n; i++)
		if (t->columns[i].key) {
			str_fmt(out, "%s %s = ? ", sep, t->columns[i].name);
			sep = "AND";
		}
}

void table_select_sql(const struct table *t, const char *tail, struct str *out)
{
	str_add(out, "SELECT ");
	list_names(t, out);
	str_fmt(out, " FROM %s %s", t->name, tail);
}

void values_bind(const struct table *t, const struct value *v, bool keys, sqlite3_stmt *st)
{
	int at = 0;

	for (size_t i = 0; i < t->n; i++) {
		if (keys && !t->columns[i].key)
			continue;
		at++;
		if (!v[i].is_text)
			sqlite3_bind_int64(st, at, v[i].number);
		else if (v[i].text)
			sqlite3_bind_text(st, at, v[i].text, -1, SQLITE_STATIC);
		else
			sqlite3_bind_null(st, at);
	}
}

/* A word of a later version reads as the first of the list. */
static unsigned find_word(const char *const *words, const char *text)
{
	for (unsigned i = 0; text && words[i]; i++)
		if (strcmp(words[i], text) == 0)
			return i;
	return 0;
}

void row_read(const struct table *t, sqlite3_stmt *st, void *row)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct column *c = &t->columns[i];
		char *at = (char *)row + c->offset;
		const char *text = NULL;
		int64_t number;
		unsigned word;

		if (c->kind == COL_TEXT || c->kind == COL_WORD)
			text = (const char *)sqlite3_column_text(st, (int)i);
		switch (c->kind) {
		case COL_INT:
			number = sqlite3_column_int64(st, (int)i);
			memcpy(at, &number, sizeof(number));
			break;
		case COL_BOOL: *(bool *)at = sqlite3_column_int(st, (int)i) != 0; break;
		case COL_TEXT: memcpy(at, &text, sizeof(text)); break;
		case COL_WORD:
			word = find_word(c->words, text);
			memcpy(at, &word, sizeof(word));
			break;
		}
	}
}
