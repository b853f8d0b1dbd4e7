/*
 * logs_request.h - one request for lines: read on the loop, answered beside it.
 *
 * Between logs_request_new() and the answer it belongs to one thread at a time.
 *
 * Depends on: query, methods.h.
 */
#ifndef HP_SERVER_METHODS_LOGS_REQUEST_H
#define HP_SERVER_METHODS_LOGS_REQUEST_H

#include "base/map.h"
#include "query/query.h"
#include "server/methods/methods.h"

#define LOGS_LINES_DEFAULT 1000
#define LOGS_LINES_MAX	   10000
#define LOGS_TAIL_MAX	   1000000
#define LOGS_CONTEXT_MAX   1000
#define LOGS_GROUPS_MAX	   10000
#define LOGS_BUCKETS_MAX   10000

/* One value, or one combination of values, and how often it was seen. */
struct log_group {
	char
	    *key; /* the texts, each ended by a zero byte; the first byte of each says what it is */
	size_t n;
	uint64_t count;
};
struct log_bucket {
	usec_wall time;
	uint64_t count, bytes;
	struct map groups; /* of struct log_group */
};

struct logs_request {
	struct rpc_call *call;
	char *dir, *action, *run, *grep, *regex, *cursor;
	struct strv services;
	struct {
		struct log_select *v;
		size_t n, cap;
	} selects; /* their texts are in `texts` */
	struct strv texts;
	struct log_filter filter;
	struct log_cost cost;
	struct query *query;
	struct query_fields *fields;
	struct strv field_names;
	struct log_needles no_needles;

	/* what is answered */
	json_t *lines;
	bool counts;	  /* groups instead of lines */
	usec_wall bucket; /* length of a bucket; 0: all in one */
	struct {
		struct log_bucket *v;
		size_t n, cap;
	} buckets;
	uint64_t n_groups, beyond; /* values beyond LOGS_GROUPS_MAX are counted together */
	uint64_t matched;
	struct str next;
	struct error e;
};

/* Reads the parameters; NULL: the call was answered with what is wrong. */
struct logs_request *logs_request_new(struct rpc_call *call, const json_t *params);
void logs_request_free(struct logs_request *q);

/* Ask for the lines of a job, of a service or (NULL) of an ad-hoc run. */
void logs_request_job(struct logs_request *q, const char *service, int64_t job);

/* On any thread: fills what is answered. */
void logs_request_work(struct logs_request *q);
/* The result; a registered service that was silent so far has no lines. */
void logs_request_answer(struct logs_request *q);

#endif
