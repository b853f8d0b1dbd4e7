#include "cli/options.h"

#include "cli/out.h"
#include "cli/times.h"
#include "manifest/schema.h"

#include <errno.h>
#include <getopt.h>

_Static_assert(OPTION_COUNT <= 64, "a set of options is 64 bits");

#define SPAN_MAX_MS 1e12 /* thirty years */

enum kind { FLAG, TEXT, TIME, NAME, COUNT, SPAN, SPAN_SET };

struct row {
	const char *name;
	char letter;
	const char *value; /* NULL: it takes none */
	enum kind kind;
	size_t offset; /* in struct cli */
	const char *doc;
};

#define ROW_(symbol, name, letter, value, kind, member, doc) \
	[symbol] = {name, letter, value, kind, offsetof(struct cli, member), doc},
static const struct row rows[OPTION_COUNT] = {OPTION_LIST(ROW_)};

/* ---- values --------------------------------------------------------------------------- */

/* "500ms", "10s", "1h30m", "0.5s", or milliseconds */
static bool parse_span(const char *s, msec *out)
{
	char *end;
	double n = strtod(s, &end);
	msec unit = !*end || strcmp(end, "ms") == 0 ? 1
		    : strcmp(end, "s") == 0	    ? 1000
		    : strcmp(end, "m") == 0	    ? 60000
		    : strcmp(end, "h") == 0	    ? 3600000
						    : 0;

	if (msec_parse(s, out))
		return *out <= (msec)SPAN_MAX_MS;
	if (end == s || !unit || !(n >= 0 && n * (double)unit <= SPAN_MAX_MS))
		return false; /* not a number compares false */
	*out = (msec)(n * (double)unit);
	return true;
}

static bool parse_count(const char *s, int64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoll(s, &end, 10);
	return !errno && end != s && !*end && *out >= 0;
}

/* In our words or those of the server, which says what it does not understand. */
static void take_time(const struct row *r, const char **at, const char *value)
{
	static char *times[OPTION_COUNT]; /* as long as the program */
	char **slot = &times[r - rows];

	free(*slot);
	*slot = times_parse(value);
	*at = *slot ? *slot : value;
}

/* What is wrong with the value; NULL: nothing. */
static const char *take_value(struct cli *c, const struct row *r, const char *value)
{
	void *at = (char *)c + r->offset;

	switch (r->kind) {
	case FLAG: *(bool *)at = true; return NULL;
	case TEXT: *(const char **)at = value; return NULL;
	case TIME: take_time(r, at, value); return NULL;
	case NAME: *(const char **)at = r->name; return NULL;
	case COUNT: return parse_count(value, at) ? NULL : "no number: write 100, say";
	case SPAN: return parse_span(value, at) ? NULL : "no duration: write 10s, 500ms or 1h30m";
	case SPAN_SET:
		return parse_span(value, at) && *(msec *)at ? NULL
							    : "no duration: write 30s or 500ms";
	}
	return NULL;
}

/* ---- reading -------------------------------------------------------------------------- */

enum { FIRST_LONG = 256 };

static void fill(struct option *longs, char *letters)
{
	*letters++ = ':'; /* a missing value is told from an unknown option */
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		longs[i] = (struct option){rows[i].name,
		    rows[i].value ? required_argument : no_argument, NULL, FIRST_LONG + (int)i};
		if (!rows[i].letter)
			continue;
		*letters++ = rows[i].letter;
		if (rows[i].value)
			*letters++ = ':';
	}
}

static const struct row *row_of(int opt)
{
	if (opt >= FIRST_LONG && opt < FIRST_LONG + OPTION_COUNT)
		return &rows[opt - FIRST_LONG];
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (rows[i].letter && rows[i].letter == opt)
			return &rows[i];
	return NULL;
}

static int unknown_option(const char *word)
{
	auto_free char *name = text_dup_n(word, strcspn(word, "="));
	const char *names[OPTION_COUNT];

	for (size_t i = 0; i < OPTION_COUNT; i++)
		names[i] = rows[i].name;
	const char *near =
	    strncmp(name, "--", 2) == 0 ? text_nearest(name + 2, names, OPTION_COUNT) : NULL;
	if (near)
		complain("no option `%s`; did you mean `--%s`?", name, near);
	else
		complain("no option `%s`; `hero_proc help VERB` shows those of a verb", name);
	return err_exit_status(ERR_METHOD);
}

int options_read(struct cli *c, int argc, char **argv, uint64_t *seen)
{
	struct option longs[OPTION_COUNT + 1] = {0};
	char letters[2 * OPTION_COUNT + 2] = "";
	int opt;

	fill(longs, letters);
	opterr = 0;
	while ((opt = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		const struct row *r = row_of(opt == ':' || opt == '?' ? optopt : opt);
		const char *word = argv[optind - 1];

		if (opt == '?' && r && !r->value)
			return complain("--%s takes no value", r->name),
			       err_exit_status(ERR_METHOD);
		if (opt == '?' && optopt) {
			auto_free char *letter = text_fmt("-%c", optopt);
			return unknown_option(letter);
		}
		if (opt == '?' || !r)
			return unknown_option(word);
		if (opt == ':')
			return complain("--%s needs a value: --%s %s", r->name, r->name, r->value),
			       err_exit_status(ERR_METHOD);
		const char *wrong = take_value(c, r, optarg);
		if (wrong)
			return complain("--%s: `%s` is %s", r->name, optarg, wrong),
			       err_exit_status(ERR_METHOD);
		*seen |= UINT64_C(1) << (r - rows);
	}
	c->args = argv + optind;
	c->n = argc - optind;
	return 0;
}

bool options_check(uint64_t seen, uint64_t known, const char *name)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (seen & ~(known | OPTIONS_COMMON) & UINT64_C(1) << i) {
			complain("`%s` knows no option --%s; `hero_proc help %s` shows its options",
			    name, rows[i].name, name);
			return false;
		}
	return true;
}

/* ---- showing -------------------------------------------------------------------------- */

const char *options_name(size_t i)
{
	return i < OPTION_COUNT ? rows[i].name : NULL;
}

void options_print(uint64_t which, FILE *to)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct row *r = &rows[i];
		auto_str left = {0};

		if (!(which & UINT64_C(1) << i))
			continue;
		if (r->letter)
			str_fmt(&left, "-%c, ", r->letter);
		str_fmt(&left, "--%s%s%s", r->name, r->value ? " " : "", r->value ? r->value : "");
		fprintf(to, "  %-22s %s\n", str_text(&left), r->doc);
	}
}
