#include "cli/picture.h"

#include "cli/out.h"
#include "cli/times.h"

#define NAME_COLUMNS 32
#define WORTH_US     100000 /* a slowest part that is slow */

/* ---- one row -------------------------------------------------------------------------- */

static const char *mark_of(enum part_is now, const char **color)
{
	switch (now) {
	case PART_READY: *color = "\033[32m"; return glyph(GLYPH_DONE);
	case PART_GONE: *color = "\033[2m"; return glyph(GLYPH_DONE);
	case PART_FAILED: *color = "\033[31m"; return glyph(GLYPH_FAILED);
	case PART_BUSY: *color = "\033[33m"; return glyph(GLYPH_BUSY);
	case PART_WAITS:
	case PART_IDLE: break;
	}
	*color = "\033[2m";
	return glyph(GLYPH_IDLE);
}

static void add_row(struct strv *out, const struct part *part, const char *indent, const char *name,
    int width, int64_t now)
{
	const char *color;
	const char *mark = mark_of(part_is(part), &color);
	auto_free char *text = part_text(part, now);
	int pad = width - columns_of(name) - (int)strlen(indent);

	strv_take(out, text_fmt("%s%s%s%s %s%*s  %s%s%s", indent, paint(color), mark, plain(), name,
			   pad > 0 ? pad : 0, "", part_is(part) == PART_FAILED ? paint(color) : "",
			   text, plain()));
	if (part->last_line && part->trouble)
		strv_take(out,
		    text_fmt("%s  %s| %s%s", indent, paint("\033[2m"), part->last_line, plain()));
}

/* What was at rest before a stop has no place in its picture. */
static bool is_shown(const struct progress *p, const struct part *part)
{
	static const char *const rest[] = {
	    "succeeded", "cancelled", "failed", "skipped", "created", "exited", "inactive"};

	for (size_t i = 0; p->stops && !part->touched && i < countof(rest); i++)
		if (strcmp(part->state, rest[i]) == 0)
			return false;
	return true;
}

/* ---- the tree ------------------------------------------------------------------------- */

/* Its first part that is not one of the name of its service, or a second one: it needs a row
 * above them. */
static bool is_alone(const struct progress *p, const char *service)
{
	size_t n = 0, others = 0;

	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->v[i]->service, service) == 0 && is_shown(p, p->v[i])) {
			n++;
			others += p->v[i]->action && strcmp(p->v[i]->action, service) != 0;
		}
	return n == 1 && !others;
}

/* The mark of a service is that of its worst part. */
static enum part_is worst_of(const struct progress *p, const char *service)
{
	static const int ranks[] = {[PART_IDLE] = 1,
	    [PART_GONE] = 0,
	    [PART_READY] = 2,
	    [PART_WAITS] = 3,
	    [PART_BUSY] = 4,
	    [PART_FAILED] = 5};
	enum part_is worst = PART_GONE;

	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->v[i]->service, service) == 0 &&
		    ranks[part_is(p->v[i])] > ranks[worst])
			worst = part_is(p->v[i]);
	return worst;
}

static void add_service(
    const struct progress *p, const char *service, int width, int64_t now, struct strv *out)
{
	bool alone = is_alone(p, service), any = false;
	const char *color;
	const char *mark = mark_of(worst_of(p, service), &color);

	for (size_t i = 0; i < p->n; i++)
		any |= strcmp(p->v[i]->service, service) == 0 && is_shown(p, p->v[i]);
	if (any && !alone)
		strv_take(out, text_fmt("%s%s%s %s%s%s", paint(color), mark, plain(),
				   paint("\033[1m"), service, plain()));
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->v[i]->service, service) == 0 && is_shown(p, p->v[i]))
			add_row(out, p->v[i], alone ? "" : "  ",
			    alone || !p->v[i]->action ? service : p->v[i]->action, width, now);
}

static int name_width(const struct progress *p, bool flat)
{
	int width = 0;

	for (size_t i = 0; i < p->n; i++) {
		const struct part *part = p->v[i];
		int n = flat	       ? columns_of(part->key)
			: part->action ? columns_of(part->action) + 2
				       : columns_of(part->service);

		if (n > width && n <= NAME_COLUMNS)
			width = n;
	}
	return width;
}

/* ---- more than there is room for ------------------------------------------------------- */

static void add_some(const struct progress *p, int rows, int64_t now, struct strv *out)
{
	static const enum part_is order[] = {
	    PART_FAILED, PART_BUSY, PART_WAITS, PART_READY, PART_GONE, PART_IDLE};
	int width = name_width(p, true);
	size_t shown = 0;
	struct progress_count n;

	for (size_t k = 0; k < countof(order); k++)
		for (size_t i = 0; i < p->n; i++) {
			const struct part *part = p->v[i];

			if (part_is(part) != order[k] || !is_shown(p, part) ||
			    (int)out->n + 2 >= rows)
				continue;
			add_row(out, part, "", part_name(part), width, now);
			shown++;
		}
	progress_count(p, &n);
	if (shown < p->n && p->stops)
		strv_take(out, text_fmt("  and %zu more; %zu stopped, %zu not yet", p->n - shown,
				   n.gone, n.others + n.ready));
	else if (shown < p->n)
		strv_take(out, text_fmt("  and %zu more; %zu ready, %zu not yet", p->n - shown,
				   n.ready, n.others));
}

void picture_tree(const struct progress *p, int rows, int64_t now, struct strv *out)
{
	int width = name_width(p, false);

	if (p->n <= (size_t)rows) {
		struct strv services = progress_order(p);

		for (size_t i = 0; i < services.n; i++)
			add_service(p, services.v[i], width, now, out);
		strv_release(&services);
	}
	if (p->n > (size_t)rows || (int)out->n > rows) {
		strv_release(out);
		add_some(p, rows, now, out);
	}
}

/* ---- lines ---------------------------------------------------------------------------- */

char *picture_line(const struct part *part)
{
	auto_free char *text = part_text(part, 0);
	enum part_is now = part_is(part);
	bool passing = strcmp(part->state, "running") == 0 && part->action && !part->heard;

	/* What is on its way to the next state at once is not worth a line. */
	if (now == PART_IDLE || (now == PART_WAITS && !part->waits) || passing)
		return NULL;
	return text_fmt("%-24s %s", part_name(part), text);
}

char *picture_output(const struct part *part)
{
	return text_fmt("%-24s | %s", part_name(part), part->last_line);
}

/* ---- the end -------------------------------------------------------------------------- */

static void add_slowest(const struct part *part, struct str *out)
{
	auto_free char *span = times_span(part->reached - part->began);

	str_fmt(out, "; slowest %s %s", part_name(part), span);
}

char *picture_summary(const struct progress *p, int64_t us)
{
	struct progress_count n;
	struct str out = {0};
	auto_free char *span = times_span(us);

	progress_count(p, &n);
	size_t reached = p->stops ? n.gone : n.ready,
	       all = reached + n.others + (p->stops ? n.ready : 0);
	str_fmt(&out, "%zu of %zu %s", reached, all, p->stops ? "stopped" : "ready");
	if (!p->stops && n.gone)
		str_fmt(&out, ", %zu stopped", n.gone);
	str_fmt(&out, " %s %s", reached == all ? "in" : "after", span);
	if (n.slowest && all > 1 && part_time(n.slowest) >= WORTH_US)
		add_slowest(n.slowest, &out);
	return str_take(&out);
}
