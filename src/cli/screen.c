#include "cli/screen.h"

#include "cli/out.h"

#include <signal.h>

/* Rows that the last frame takes at the present width: a terminal that became narrower has
 * wrapped its lines. */
static int rows_shown(const struct screen *s, int width)
{
	int rows = 0;

	for (size_t i = 0; i < s->shown.n; i++) {
		int columns = columns_of(s->shown.v[i]);

		rows += columns > width ? (columns + width - 1) / width : 1;
	}
	return rows;
}

/* A frame is not cut by a signal: half of one would be left behind. */
static void write_frame(const struct str *frame)
{
	sigset_t all, before;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	out_write(str_text(frame), frame->n);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

void screen_draw(struct screen *s, const struct strv *lines)
{
	int width = out_width(), back = rows_shown(s, width);
	auto_str frame = {0};

	strv_release(&s->shown);
	if (back)
		str_fmt(&frame, "\r\033[%dA", back);
	for (size_t i = 0; i < lines->n; i++) {
		auto_str line = {0};

		add_cut(&line, lines->v[i], width - 1);
		str_fmt(&frame, "%s\033[K\r\n", str_text(&line));
		strv_add(&s->shown, str_text(&line));
	}
	str_add(&frame, "\033[J");
	write_frame(&frame);
}

void screen_release(struct screen *s)
{
	strv_release(&s->shown);
}
