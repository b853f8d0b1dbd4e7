#define PCRE2_CODE_UNIT_WIDTH 8
#include "base/regex.h"

#include "base/str.h"

#include <pcre2.h>

struct regex {
	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *context;
};

enum { MATCH_STEPS = 200000, DEPTH = 1000, HEAP_KIB = 1024 };

enum err regex_new(const char *text, struct regex **out, struct error *e)
{
	int code;
	size_t at;
	struct regex *r;
	pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
	    PCRE2_UTF | PCRE2_MATCH_INVALID_UTF, &code, &at, NULL);

	if (!compiled) {
		char why[160];

		pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof(why));
		return error_set(
		    e, ERR_INVALID, "regular expression `%s`: %s at byte %zu", text, why, at);
	}
	r = mem_new(sizeof(*r));
	r->code = compiled;
	r->data = pcre2_match_data_create(1, NULL);
	r->context = pcre2_match_context_create(NULL);
	if (!r->data || !r->context)
		abort();
	pcre2_set_match_limit(r->context, MATCH_STEPS);
	pcre2_set_depth_limit(r->context, DEPTH);
	pcre2_set_heap_limit(r->context, HEAP_KIB);
	*out = r;
	return ERR_OK;
}

void regex_free(struct regex *r)
{
	if (!r)
		return;
	pcre2_match_context_free(r->context);
	pcre2_match_data_free(r->data);
	pcre2_code_free(r->code);
	free(r);
}

int regex_match(struct regex *r, const char *s, size_t n)
{
	int rc = pcre2_match(r->code, (PCRE2_SPTR)s, n, 0, 0, r->data, r->context);

	if (rc >= 0)
		return 1;
	return rc == PCRE2_ERROR_NOMATCH ? 0 : -1;
}
