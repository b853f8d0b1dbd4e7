/*
 * store_bed.h - a store in a folder of its own, and what is put into it.  For the tests of
 * src/store.
 */
#ifndef HP_TESTS_STORE_BED_H
#define HP_TESTS_STORE_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "store/store.h"

struct fixture {
	char root[64];
	char *dir;
	struct store *store;
	bool mounted; /* a file system at `root` */
};

int bed_setup(void **state);
int bed_teardown(void **state);
#define rule(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

void bed_open(struct fixture *f, const struct store_options *o); /* NULL: nothing is ever too old */
void bed_reopen(struct fixture *f);

/* 1 durable, 2 not; answers within ten seconds or fails. */
int bed_barrier(struct store *s);
void bed_note(bool durable, void *ctx); /* the same as a callback; ctx: int */

void bed_put_event(struct store *s, int64_t id, const char *subject, const char *fact);
bool bed_count_job(const struct store_job *r, void *ctx); /* ctx: int */
bool bed_list_run(const struct store_run *r, void *ctx);  /* ctx: struct str, names */

/* Two contributions, a wanted state, a counter. */
void bed_put_definitions(struct store *s);
void bed_expect_definitions(struct store *s);

void bed_remove(const char *dir);	   /* and all in it */
size_t bed_count_aside(struct fixture *f); /* databases that were set aside */

#endif
