/* verb_logs_own.c - `logs --supervisor`: what keeper and server said, read from their files, so
 * that it is there when they are not. */
#include "cli/out.h"
#include "cli/verbs.h"
#include "client/state_folder.h"
#include "sys/regular_file.h"

#define LINES_SHOWN 1000
#define BYTES_MOST  (16u << 20)

/* The last `n` lines of a text begin here; 0: all. */
static const char *last_lines(const struct str *text, int64_t n)
{
	const char *p = text->s + text->n;

	if (n == 0)
		return text->s;
	for (; p > text->s; p--)
		if (p[-1] == '\n' && p != text->s + text->n && --n == 0)
			return p;
	return text->s;
}

int verb_logs_own(struct cli *c)
{
	auto_free char *state = state_folder_default();
	auto_free char *old = text_fmt("%s/supervisor.log.old", state);
	auto_free char *path = text_fmt("%s/supervisor.log", state);
	auto_str text = {0};
	struct error e = {0}, absent;

	(void)!regular_file_read(old, BYTES_MOST, &text, &absent);
	if (regular_file_read(path, BYTES_MOST, &text, &e) && !text.n) {
		complain(
		    "%s; a supervisor that `hero_proc up` did not start writes where its starter "
		    "says "
		    "(journalctl, say)",
		    e.msg);
		return err_exit_status(e.code);
	}
	if (text.n)
		fputs(last_lines(&text, c->lines < 0 ? LINES_SHOWN : c->lines), stdout);
	return 0;
}
