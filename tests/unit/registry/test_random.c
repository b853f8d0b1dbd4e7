/*
 * test_random.c - whatever happened to a registry, accepted or refused, it is
 * the same as one that loads its contributions at once.
 */
#include "build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

enum { NAMES = 7 };

static uint32_t next_random(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (*seed >> 10) % below;
}

static struct service_def *random_service(uint32_t *seed)
{
	static const unsigned kinds[] = {DEP_REQUIRES, DEP_WANTS, DEP_AFTER, DEP_WANTS | DEP_AFTER};
	auto_free char *name = text_fmt("n%u", next_random(seed, NAMES));
	struct service_def *s = service(name);

	for (uint32_t i = next_random(seed, 3); i-- > 0;) {
		auto_free char *called = text_fmt("n%u", next_random(seed, NAMES));
		struct action_def *a;

		if (service_find_action(s, called))
			continue;
		a = action_running(s, called, next_random(seed, 2) ? "sleep" : "/bin/sleep");
		if (next_random(seed, 4) == 0)
			vec_push(&a->tcp)->port = 80 + next_random(seed, 3);
		a->supervised = next_random(seed, 8) == 0;
	}
	for (uint32_t i = next_random(seed, 3); i-- > 0;) {
		auto_free char *target = text_fmt("n%u", next_random(seed, NAMES));
		struct dep_list *l = s->actions.n && next_random(seed, 2)
					 ? &s->actions.v[0].depends_on
					 : &s->dependencies;

		edge(l, kinds[next_random(seed, 4)], target, "m.toml", 1);
	}
	if (next_random(seed, 6) == 0) {
		auto_free char *other = text_fmt("n%u", next_random(seed, NAMES));

		strv_add(&s->conflicts, other);
	}
	return s;
}

static void list_text(struct str *out, const struct dep_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		str_fmt(out, " %u:%s>%s:%s/%s", l->v[i].kinds, l->v[i].name,
		    resolved_rule_str(l->v[i].resolved.rule), l->v[i].resolved.service,
		    l->v[i].resolved.action);
}

static char *picture(struct registry *reg)
{
	auto_str t = {0};
	const struct service_def *s = NULL;

	while ((s = registry_next(reg, s ? s->name : NULL))) {
		str_fmt(&t, "%s:", s->name);
		list_text(&t, &s->dependencies);
		for (size_t i = 0; i < s->actions.n; i++) {
			str_fmt(&t, " [%s", s->actions.v[i].name);
			list_text(&t, &s->actions.v[i].depends_on);
			str_add(&t, "]");
		}
		str_add(&t, "\n");
	}
	return str_take(&t);
}

static char *picture_reloaded(struct registry *reg)
{
	struct world w;
	struct contribution *in = NULL;
	size_t n = 0;
	const struct service_def *s = NULL;
	char *text;

	world_init(&w);
	while ((s = registry_next(reg, s ? s->name : NULL))) {
		struct contribution c;

		for (size_t i = 0; registry_contribution(reg, s->name, i, &c); i++) {
			in = mem_grow(in, n + 1, sizeof(*in));
			in[n++] = c;
		}
	}
	for (size_t i = 0; i < n / 2; i++) { /* any order will do */
		struct contribution kept = in[i];

		in[i] = in[n - 1 - i];
		in[n - 1 - i] = kept;
	}
	assert_int_equal(
	    registry_apply(w.reg, in, n, REGISTRY_LOAD, &w.out, &w.diags, &w.e), ERR_OK);
	for (size_t i = 0; i < w.diags.n; i++)
		fprintf(stderr, "%s\n", w.diags.v[i].message); /* a warning here is the bug */
	text = picture(w.reg);
	free(in);
	world_release(&w);
	return text;
}

static enum err step(struct world *w, uint32_t *seed)
{
	auto_free char *source = text_fmt("source%u", next_random(seed, 3));
	auto_free char *name = text_fmt("n%u", next_random(seed, NAMES));
	struct service_def *set[3];
	size_t n = 1 + next_random(seed, 3);

	registry_outcome_release(&w->out);
	switch (next_random(seed, 8)) {
	case 0: return registry_delete(w->reg, name, &w->out, &w->e);
	case 1: return registry_remove_source(w->reg, source, &w->out, &w->e);
	default: break;
	}
	for (size_t i = 0; i < n; i++)
		set[i] = random_service(seed);
	return give_all(w, set, n, source,
	    (enum contribution_mode)next_random(seed, CONTRIBUTION_MODE_COUNT),
	    next_random(seed, 9) ? 0 : REGISTRY_DRY_RUN);
}

static void any_history_ends_in_the_union_of_its_contributions(void **state)
{
	size_t accepted = 0, refused = 0;

	(void)state;
	for (uint32_t round = 1; round <= 400; round++) {
		uint32_t seed = round;
		struct world w;

		world_init(&w);
		for (int i = 0; i < 30; i++) {
			char *before = picture(w.reg), *after, *reloaded;
			bool ok = step(&w, &seed) == ERR_OK;

			after = picture(w.reg);
			reloaded = picture_reloaded(w.reg);
			if (!ok)
				assert_string_equal(before, after);
			assert_string_equal(after, reloaded);
			accepted += ok;
			refused += !ok;
			free(before);
			free(after);
			free(reloaded);
		}
		world_release(&w);
	}
	print_message("%zu accepted, %zu refused\n", accepted, refused);
	assert_true(accepted > 1000 && refused > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(any_history_ends_in_the_union_of_its_contributions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
