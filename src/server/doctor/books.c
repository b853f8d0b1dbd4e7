/* books.c - the store: rows, files, numbers. */
#include "server/doctor/look.h"

#include "server/history/records.h"
#include "store/inspect.h"

#define WAL_BYTES (64ull << 20)

/* Mended already: good to know, since somebody or something did it. */
static void note_repairs(struct daemon *d, struct look *l)
{
	const struct repairs *r = &d->repairs;

	for (size_t i = r->n > REPAIRS_MAX ? r->n - REPAIRS_MAX : 0; i < r->n; i++) {
		const struct repair *one = &r->v[i % REPAIRS_MAX];
		char at[ISO_TIME_BYTES];
		struct finding *f = look_add(l, CHECK_STORE, SEVERITY_NOTE, "repaired %zu", i);

		f->ours = text_fmt("all of it is there again since %s", clock_iso(one->at, at));
		f->kernel = text_dup(one->text);
	}
}

void ask_store(struct daemon *d, struct look *l)
{
	auto_str why = {0};

	note_repairs(d, l);

	if (!store_degraded(d->store, &why))
		return;
	struct finding *f = look_add(l, CHECK_STORE, SEVERITY_ERROR, "degraded");
	f->ours = text_dup("all that changes is written");
	f->kernel = text_dup(str_text(&why));
}

static bool holds_row(const struct belief *b, const char *row)
{
	const char *service = strchr(row, '\n') + 1;
	size_t n = (size_t)(service - row - 1);

	if (*service == '/')
		return true; /* an action of no service */
	for (size_t i = 0; i < b->rows.n; i++)
		if (strcmp(b->rows.v[i].service, service) == 0 &&
		    strncmp(b->rows.v[i].source, row, n) == 0 && !b->rows.v[i].source[n])
			return true;
	return false;
}

static void judge_rows(struct look *l, const struct store_inspection *in)
{
	for (size_t i = 0; i < in->contributions.n; i++) {
		const char *row = in->contributions.v[i], *service = strchr(row, '\n') + 1;

		if (holds_row(&l->belief, row))
			continue;
		struct finding *f = look_add(l, CHECK_STORE, SEVERITY_ERROR, "row %s", row);
		finding_of(f, service, NULL, 0);
		f->ours = text_fmt(
		    "%s has no definition from %.*s", service, (int)(service - row - 1), row);
		f->kernel = text_dup(
		    "the database holds one; it could not be read at the start, "
		    "or did not fit: register it again");
	}
}

static void judge_file(struct look *l, const struct store_inspection *in)
{
	if (!in->sound) {
		struct finding *f = look_add(l, CHECK_STORE, SEVERITY_ERROR, "pages");
		f->path = text_fmt("%s/state.db", l->belief.state);
		f->ours = text_dup("every page is what it should be");
		f->kernel = text_dup(in->why);
	}
	if (in->wal_bytes > WAL_BYTES) {
		struct finding *f = look_add(l, CHECK_STORE, SEVERITY_WARN, "wal");
		f->path = text_fmt("%s/state.db-wal", l->belief.state);
		f->ours = text_fmt("it is taken over before it has %llu MiB", WAL_BYTES >> 20);
		f->kernel = text_fmt("it has %llu MiB", (unsigned long long)(in->wal_bytes >> 20));
	}
}

static void judge_files(struct look *l, const struct store_inspection *in)
{
	for (size_t i = 0; i < in->files.n; i++) {
		const char *says = strstr(in->files.v[i], ": ");
		int n = (int)(says - in->files.v[i]);
		struct finding *f =
		    look_add(l, CHECK_DEFINITIONS, SEVERITY_WARN, "%.*s", n, in->files.v[i]);

		f->path = text_fmt("%s/definitions/%.*s", l->belief.state, n, in->files.v[i]);
		f->ours = text_dup("it says what its row says");
		f->kernel = text_dup(says + 2);
		f->repair = text_dup("write the files anew from the rows");
		f->mend = MEND_MIRROR;
	}
}

static void judge_counters(struct look *l, const struct store_inspection *in)
{
	for (size_t i = 0; i < in->n_behind; i++) {
		const char *name = in->behind[i].counter;
		struct finding *f = look_add(l, CHECK_COUNTERS, SEVERITY_ERROR, "%s", name);
		enum counter c;

		f->ours = text_fmt(
		    "the numbers of %s go on behind %lld", name, (long long)in->behind[i].is);
		f->kernel = text_fmt("%lld is in use", (long long)in->behind[i].used);
		if (!counter_parse(name, &c))
			continue;
		f->repair = text_fmt(
		    "let the numbers of %s go on behind %lld", name, (long long)in->behind[i].used);
		f->mend = MEND_RAISE;
		f->token = (uint64_t)c;
		f->file = (uint64_t)in->behind[i].used;
	}
}

/* Inspected once for three checks. */
void look_store(struct look *l)
{
	struct store_inspection in;
	struct error e = {0};

	if (store_inspect(l->belief.state, &in, &e)) {
		struct finding *f = look_add(l, CHECK_STORE, SEVERITY_ERROR, "open");
		f->path = text_fmt("%s/state.db", l->belief.state);
		f->ours = text_dup("it can be opened");
		f->kernel = text_dup(e.msg);
	} else {
		judge_file(l, &in);
		judge_rows(l, &in);
		judge_files(l, &in);
		judge_counters(l, &in);
	}
	store_inspection_release(&in);
}
