#include "cursor.h"

#include "model/words.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

ENUM_DEFINE(verb, VERB_LIST, VERB_COUNT)
ENUM_DEFINE(option, OPTION_LIST, OPTION_COUNT)
ENUM_DEFINE(outcome, OUTCOME_LIST, OUTCOME_COUNT)
ENUM_DEFINE(fact, FACT_LIST, FACT_COUNT)
ENUM_DEFINE(moment, MOMENT_LIST, MOMENT_COUNT)

/* ---- what is said about a moment: wait and expect ----------------------------------- */

static bool subject(struct cursor *c, struct clause *k)
{
	const char *w = cursor_take(c), *slash;

	if (!w || strchr("(),<", *w))
		return cursor_fail(c, "a name is missing");
	slash = strchr(w, '/');
	k->subject = slash ? text_dup_n(w, (size_t)(slash - w)) : text_dup(w);
	k->action = slash ? text_dup(slash + 1) : NULL;
	return true;
}

static bool order(struct cursor *c, struct clause *k)
{
	k->fact = FACT_ORDER;
	do {
		struct point *p = vec_push(&k->points);
		const char *w;

		p->nth = 1;
		if (!cursor_name(c, "a name", &p->subject))
			return false;
		w = cursor_take(c);
		if (!w || !moment_parse(w, &p->moment))
			return cursor_fail(c, "executed, ready, stop or end, not `%s`", w ? w : "");
		if (cursor_is_number(c) && !cursor_number(c, &p->nth))
			return false;
	} while (cursor_try(c, "<"));
	return k->points.n > 1 || cursor_fail(c, "an order has at least two ends");
}

static bool plan(struct cursor *c, struct clause *k)
{
	const char *w = cursor_take(c);

	k->fact = FACT_PLAN;
	if (!w || !verb_parse(w, &k->verb) || k->verb > VERB_RESTART)
		return cursor_fail(c, "plan: start, stop or restart");
	if (!subject(c, k) || !cursor_try(c, "is"))
		return cursor_fail(c, "write `plan start NAME is NAME NAME`");
	if (cursor_try(c, "nothing"))
		return true;
	while (cursor_peek(c) && strcmp(cursor_peek(c), ",") != 0)
		strv_add(&k->names, cursor_take(c));
	return true;
}

static bool state(struct cursor *c, struct clause *k, const char *w)
{
	enum service_state s;
	enum run_state r;
	enum job_state j;

	k->fact = FACT_STATE;
	if (k->action ? !job_state_parse(w, &j)
		      : !service_state_parse(w, &s) && !run_state_parse(w, &r))
		return cursor_fail(
		    c, "`%s` is no state of %s", w, k->action ? "an action" : "a service");
	k->word = text_dup(w);
	return true;
}

static bool times(struct cursor *c, struct clause *k)
{
	k->fact = FACT_EXECUTED;
	if (cursor_try(c, "once"))
		k->number = 1;
	else if (cursor_try(c, "twice"))
		k->number = 2;
	else
		return cursor_number(c, &k->number) &&
		       (cursor_try(c, "times") || cursor_fail(c, "write `executed 3 times`"));
	return true;
}

static bool ended(struct cursor *c, struct clause *k)
{
	int code, signo;

	if (!cursor_how(c, &code, &signo))
		return false;
	k->number = signo ? signo : code;
	k->word = text_dup(signo ? "signal" : "code");
	return true;
}

static bool about(struct cursor *c, struct clause *k)
{
	const char *w = cursor_take(c);

	if (!w)
		return cursor_fail(c, "what about %s?", k->subject);
	if (strcmp(w, "not") == 0) {
		k->no = true;
		return (w = cursor_take(c)) ? state(c, k, w) : cursor_fail(c, "not what?");
	}
	if (strcmp(w, "never") == 0) {
		k->fact = FACT_EXECUTED;
		return cursor_try(c, "executed") || cursor_fail(c, "write `never executed`");
	}
	if (strcmp(w, "waits") == 0) {
		k->fact = FACT_WAITS;
		return cursor_try(c, "for") ? cursor_name(c, "what it waits for", &k->word)
					    : cursor_fail(c, "write `waits for NAME`");
	}
	if (strcmp(w, "definition") == 0) {
		k->fact = FACT_CHANGED;
		return cursor_try(c, "changed") || cursor_fail(c, "write `definition changed`");
	}
	if (!fact_parse(w, &k->fact) || k->fact == FACT_STATE)
		return state(c, k, w);
	switch (k->fact) {
	case FACT_WANTED:
	case FACT_REASON: return cursor_name(c, "a word", &k->word);
	case FACT_EXECUTED: return times(c, k);
	case FACT_ATTEMPT: return cursor_number(c, &k->number);
	case FACT_ENDED: return ended(c, k);
	case FACT_ALIVE:
	case FACT_GONE:
	case FACT_MISSING: return true;
	case FACT_STATE:
	case FACT_WAITS:
	case FACT_CHANGED:
	case FACT_WHY:
	case FACT_SAID:
	case FACT_PLAN:
	case FACT_ORDER:
	case FACT_COUNT: break;
	}
	return cursor_fail(c, "`%s` is not understood here", w);
}

static bool clause(struct cursor *c, struct clause *k)
{
	if (cursor_try(c, "order"))
		return order(c, k);
	if (cursor_try(c, "plan"))
		return plan(c, k);
	if (cursor_try(c, "said")) {
		k->fact = FACT_SAID;
		return cursor_name(c, "a text", &k->word);
	}
	if (cursor_try(c, "why")) {
		k->fact = FACT_WHY;
		return subject(c, k) && cursor_name(c, "a text", &k->word);
	}
	return subject(c, k) && about(c, k);
}

static bool clauses(struct cursor *c, struct step *st)
{
	do
		if (!clause(c, vec_push(&st->clauses)))
			return false;
	while (cursor_try(c, ","));
	return true;
}

/* ---- steps ---------------------------------------------------------------------------- */

/* What it should come to: options, an outcome, the end. */
static bool ending(struct cursor *c, struct step *st)
{
	const char *w;
	enum option o;

	while ((w = cursor_take(c))) {
		if (option_parse(w, &o)) {
			st->options |= 1u << o;
		} else if (outcome_parse(w, &st->outcome)) {
			bool error = st->outcome == OUTCOME_REFUSED || st->outcome == OUTCOME_FAILS;

			return (!error || cursor_name(c, "the error's name", &st->word)) &&
			       cursor_end(c);
		} else {
			return cursor_fail(c, "`%s` is no option and no outcome", w);
		}
	}
	return true;
}

static bool is_ending(const char *w)
{
	enum option o;
	enum outcome u;

	return option_parse(w, &o) || outcome_parse(w, &u);
}

static bool names(struct cursor *c, struct step *st)
{
	while (cursor_peek(c) && !is_ending(cursor_peek(c))) {
		strv_add(&st->names, cursor_take(c));
		cursor_try(c, ",");
	}
	return st->names.n || cursor_fail(c, "a name is missing");
}

static bool one_name(struct cursor *c, struct step *st)
{
	char *name = NULL;

	if (!cursor_name(c, "a name", &name))
		return false;
	strv_take(&st->names, name);
	return true;
}

static bool answer(struct cursor *c, struct step *st)
{
	const char *w = cursor_take(c);

	if (!w || !verb_parse(w, &st->of))
		return cursor_fail(c, "answer of what: start, stop, restart");
	return (st->of == VERB_START_ALL || st->of == VERB_STOP_ALL || one_name(c, st)) &&
	       ending(c, st);
}

static bool how(struct cursor *c, struct step *st, int64_t normal)
{
	int code = (int)normal, signo = 0;

	if (!one_name(c, st) || (cursor_peek(c) && !cursor_how(c, &code, &signo)))
		return false;
	st->number = signo ? signo : code;
	text_set(&st->word, signo ? "signal" : "code");
	return cursor_end(c);
}

static bool read_step(struct cursor *c, struct step *st)
{
	switch (st->verb) {
	case VERB_START:
	case VERB_STOP:
	case VERB_RESTART:
	case VERB_SUBMIT:
	case VERB_REGISTER:
	case VERB_DELETE: return names(c, st) && ending(c, st);
	case VERB_START_ALL:
	case VERB_STOP_ALL: return ending(c, st);
	case VERB_ANSWER: return answer(c, st);
	case VERB_WANTED:
		return one_name(c, st) && cursor_name(c, "start, stop or ignore", &st->word) &&
		       cursor_end(c);
	case VERB_KILL: return how(c, st, 15);
	case VERB_CRASH: return how(c, st, 1);
	case VERB_EXIT: return how(c, st, 0);
	case VERB_READY:
	case VERB_FAIL:
	case VERB_HANG: return one_name(c, st) && cursor_end(c);
	case VERB_OPEN:
	case VERB_CLOSE: return one_name(c, st) && cursor_end(c);
	case VERB_PASS: return cursor_time(c, &st->time) && cursor_end(c);
	case VERB_WAIT:
	case VERB_EXPECT: return clauses(c, st) && cursor_end(c);
	case VERB_KILL_SERVER:
	case VERB_BOOT:
	case VERB_SHUTDOWN: return cursor_end(c);
	case VERB_REDEFINE: /* read_line() */
	case VERB_COUNT: break;
	}
	return false;
}

/* ---- the file --------------------------------------------------------------------------- */

struct reading {
	struct script *s;
	const struct script_options *o;
	struct making making;
	bool is_making;
	struct error *e;
	int line;
};

static void end_making(struct reading *r)
{
	if (r->is_making)
		making_end(&r->making);
	r->is_making = false;
}

static bool begin_making(struct reading *r, struct cursor *c, bool is_run, struct casting **out)
{
	struct casting *k = mem_new(sizeof(*k));

	*vec_push(&r->s->cast) = k;
	k->is_run = k->later = is_run;
	if (!cursor_name(c, "the service's name", &k->name))
		return false;
	r->is_making = making_begin(&r->making, k);
	*out = k;
	return making_read(&r->making, c);
}

/* What it is now stands in the indented lines below. */
static bool redefine(struct reading *r, struct cursor *c, struct step *st)
{
	struct strv words = c->words;

	if (!one_name(c, st) || !ending(c, st))
		return false;
	c->at = 2;
	c->words.n = 2;
	c->at = 1;
	bool ok = begin_making(r, c, false, &st->casting);
	c->words = words;
	return ok;
}

static bool read_words(struct reading *r, struct cursor *c, bool indented)
{
	struct casting *k;
	struct step st = {0};
	const char *w;

	if (indented)
		return r->is_making ? making_read(&r->making, c)
				    : cursor_fail(c, "an indented line continues a service");
	end_making(r);
	w = cursor_take(c);
	bool is_run = strcmp(w, "run") == 0;
	if (is_run || strcmp(w, "service") == 0)
		return (r->s->steps.n == 0 || cursor_fail(c, "services stand before the steps")) &&
		       begin_making(r, c, is_run, &k);
	if (!verb_parse(w, &st.verb)) {
		const char *near = text_nearest(w, verb_words, VERB_COUNT);

		return cursor_fail(c,
		    near ? "`%s` is not understood; did you mean `%s`?" : "`%s` is not understood",
		    w, near);
	}
	st.line = c->line;
	struct step *put = vec_push(&r->s->steps);
	*put = st;
	return st.verb == VERB_REDEFINE ? redefine(r, c, put) : read_step(c, put);
}

static void read_remark(struct script *s, const char *text)
{
	while (*text == ' ')
		text++;
	if (!s->title)
		s->title = text_dup(text);
	if (strncmp(text, "open: ", 6) == 0)
		text_set(&s->open, text + 6);
	for (int i = 0; i < 2; i++) {
		const char *word = i ? "real only: " : "sim only: ";

		if (strncmp(text, word, strlen(word)) == 0) {
			text_set(&s->only, i ? "real" : "sim");
			text_set(&s->why, text + strlen(word));
		}
	}
}

static bool read_line(struct reading *r, char *text)
{
	struct cursor c = {.path = r->s->path, .line = ++r->line, .o = r->o, .e = r->e};
	bool ok;

	text[strcspn(text, "\n")] = '\0';
	if (*text == '#') {
		read_remark(r->s, text + 1);
		return true;
	}
	if (!r->s->title)
		return cursor_fail(&c, "the first line says what is held, as `# F21: ...`");
	ok = cursor_split(&c, text) &&
	     (!c.words.n || read_words(r, &c, isspace((unsigned char)*text)));
	strv_release(&c.words);
	return ok;
}

static bool names_are_known(const struct script *s, struct error *e)
{
	for (size_t i = 0; i < s->steps.n; i++) {
		const struct step *st = &s->steps.v[i];
		bool makes = st->verb == VERB_REGISTER || st->verb == VERB_SUBMIT ||
			     st->verb == VERB_READY || st->verb == VERB_CRASH ||
			     st->verb == VERB_EXIT || st->verb == VERB_HANG ||
			     st->verb == VERB_FAIL;

		for (size_t k = 0; makes && k < st->names.n; k++) {
			const char *slash = strchr(st->names.v[k], '/');
			size_t n =
			    slash ? (size_t)(slash - st->names.v[k]) : strlen(st->names.v[k]);
			bool found = false;

			for (size_t x = 0; x < s->cast.n; x++)
				found = found ||
					(strlen(s->cast.v[x]->name) == n &&
					    strncmp(s->cast.v[x]->name, st->names.v[k], n) == 0);
			if (!found) {
				error_set(e, ERR_INVALID, "%s:%d: no service `%s`", s->path,
				    st->line, st->names.v[k]);
				return false;
			}
		}
	}
	return true;
}

enum err script_read(
    const char *path, const struct script_options *o, struct script *out, struct error *e)
{
	struct script s = {.path = text_dup(path)};
	struct reading r = {.s = &s, .o = o, .e = e};
	FILE *f = fopen(path, "re");
	char line[1024];
	bool ok = f;

	e->code = ERR_OK;
	if (!f)
		error_sys(e, errno, "open %s", path);
	while (ok && fgets(line, sizeof(line), f))
		ok = read_line(&r, line);
	if (f)
		fclose(f);
	end_making(&r);
	if (ok && !s.steps.n) {
		error_set(e, ERR_INVALID, "%s: nothing happens in it", path);
		ok = false;
	}
	if (!ok || !names_are_known(&s, e)) {
		script_release(&s);
		return e->code;
	}
	*out = s;
	return ERR_OK;
}

static void casting_free(struct casting *k)
{
	for (size_t i = 0; i < k->roles.n; i++) {
		free(k->roles.v[i].action);
		free(k->roles.v[i].life.impossible);
	}
	free(k->roles.v);
	free(k->name);
	free(k->via);
	json_decref(k->definition);
	free(k);
}

static void clause_release(struct clause *k)
{
	for (size_t i = 0; i < k->points.n; i++)
		free(k->points.v[i].subject);
	free(k->points.v);
	free(k->subject);
	free(k->action);
	free(k->word);
	strv_release(&k->names);
}

void script_release(struct script *s)
{
	for (size_t i = 0; i < s->cast.n; i++)
		casting_free(s->cast.v[i]);
	for (size_t i = 0; i < s->steps.n; i++) {
		struct step *st = &s->steps.v[i];

		for (size_t k = 0; k < st->clauses.n; k++)
			clause_release(&st->clauses.v[k]);
		free(st->clauses.v);
		strv_release(&st->names);
		free(st->word);
	}
	free(s->cast.v);
	free(s->steps.v);
	free(s->path);
	free(s->title);
	free(s->open);
	free(s->only);
	free(s->why);
	*s = (struct script){0};
}
