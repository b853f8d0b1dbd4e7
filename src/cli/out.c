#include "cli/out.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <wchar.h>

/* ---- the funnel ----------------------------------------------------------------------- */

static struct {
	int sys;    /* errno of the first write that failed; 0: none */
	bool taken; /* a part arrived before */
} funnel;

static ssize_t write_some(const char *bytes, size_t n)
{
	for (;;) {
		ssize_t done = write(STDOUT_FILENO, bytes, n);

		if (done < 0 && errno == EAGAIN)
			poll(&(struct pollfd){.fd = STDOUT_FILENO, .events = POLLOUT}, 1, -1);
		else if (done >= 0 || errno != EINTR)
			return done;
	}
}

/* Says that all is well: what is wrong is known here, and the verb goes on to its end. */
static ssize_t put(void *ctx, const char *bytes, size_t n)
{
	(void)ctx;
	for (size_t at = 0; at < n && !funnel.sys;) {
		ssize_t done = write_some(bytes + at, n - at);

		if (done < 0)
			funnel.sys = errno;
		else
			at += (size_t)done;
		funnel.taken |= done > 0;
	}
	return (ssize_t)n;
}

/* Opened the wrong way round: writing to what was closed must fail, and does. */
static void fill_closed(int fd, int mode)
{
	if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
		open("/dev/null", mode);
}

void out_open(void)
{
	bool terminal;

	fill_closed(STDIN_FILENO, O_WRONLY);
	fill_closed(STDOUT_FILENO, O_RDONLY);
	fill_closed(STDERR_FILENO, O_RDONLY);
	signal(SIGPIPE, SIG_IGN);
	terminal = isatty(STDOUT_FILENO);
	FILE *f = fopencookie(NULL, "w", (cookie_io_functions_t){.write = put});
	if (!f)
		abort(); /* out of memory */
	setvbuf(f, NULL, terminal ? _IOLBF : _IOFBF, 1u << 16);
	stdout = f;
}

int out_close(int status)
{
	fflush(stdout);
	if (!funnel.sys)
		return status;
	if (funnel.sys != EPIPE || !funnel.taken)
		fprintf(stderr, "hero_proc: standard output: %s\n", strerrordesc_np(funnel.sys));
	return status ? status : 1;
}

void out_write(const char *bytes, size_t n)
{
	fflush(stdout);
	put(NULL, bytes, n);
}

bool out_is_broken(void)
{
	struct pollfd at = {.fd = STDOUT_FILENO, .events = 0};

	if (!funnel.sys && poll(&at, 1, 0) > 0 && at.revents & (POLLERR | POLLHUP))
		funnel.sys = EPIPE;
	return funnel.sys != 0;
}

void complain(const char *fmt, ...)
{
	auto_str text = {0};
	va_list ap;

	va_start(ap, fmt);
	str_vfmt(&text, fmt, ap);
	va_end(ap);
	fflush(stdout);
	fprintf(stderr, "hero_proc: %s\n", str_text(&text));
}

/* ---- the terminal --------------------------------------------------------------------- */

static struct {
	bool color, terminal, utf8;
} style;

static const char *setting(const char *name)
{
	const char *v = getenv(name);

	return v && *v ? v : NULL;
}

/* By the words of locale(7): whether that locale is installed does not matter to us. */
static bool is_utf8(void)
{
	const char *v = setting("LC_ALL");

	if (!v)
		v = setting("LC_CTYPE");
	if (!v)
		v = setting("LANG");
	return v && (strcasestr(v, "UTF-8") || strcasestr(v, "UTF8"));
}

void out_style(bool no_color)
{
	style.terminal = isatty(STDOUT_FILENO);
	style.color = style.terminal && !no_color && !setting("NO_COLOR");
	style.utf8 = is_utf8();
	setlocale(LC_CTYPE, "C.UTF-8"); /* for widths of characters; the rest of us knows bytes */
}

bool out_is_terminal(void)
{
	return style.terminal;
}

static struct winsize size_now(void)
{
	struct winsize size = {0};

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	return size;
}

int out_width(void)
{
	struct winsize size = size_now();

	return size.ws_col ? size.ws_col : 100;
}

int out_height(void)
{
	struct winsize size = size_now();

	return size.ws_row ? size.ws_row : 24;
}

const char *paint(const char *code)
{
	return style.color ? code : "";
}

const char *plain(void)
{
	return paint("\033[0m");
}

const char *paint_state(const char *state)
{
	static const struct {
		const char *state, *code;
	} rows[] = {{"running", "\033[32m"}, {"exited", "\033[32m"}, {"ready", "\033[32m"},
	    {"succeeded", "\033[32m"}, {"failed", "\033[31m"}, {"degraded", "\033[31m"},
	    {"blocked", "\033[31m"}, {"inactive", "\033[2m"}, {"cancelled", "\033[2m"}};

	for (size_t i = 0; i < countof(rows); i++)
		if (strcmp(rows[i].state, state) == 0)
			return paint(rows[i].code);
	return paint("\033[33m");
}

const char *glyph(enum glyph g)
{
	static const char *const glyphs[GLYPH_COUNT][2] = {
	    [GLYPH_BRANCH] = {"|- ", "├─ "},
	    [GLYPH_LAST] = {"`- ", "└─ "},
	    [GLYPH_TRUNK] = {"|  ", "│  "},
	    [GLYPH_SPACE] = {"   ", "   "},
	    [GLYPH_DONE] = {"+", "✓"},
	    [GLYPH_FAILED] = {"x", "✗"},
	    [GLYPH_BUSY] = {"*", "•"},
	    [GLYPH_IDLE] = {"-", "·"},
	    [GLYPH_CUT] = {">", "…"},
	};

	return glyphs[g][style.utf8];
}

/* ---- columns -------------------------------------------------------------------------- */

/* Bytes of an SGR sequence ("\033[1;31m") at `s`; 0: there is none. */
static size_t sgr_length(const char *s, size_t n)
{
	size_t i = 2;

	if (n < 3 || s[0] != '\033' || s[1] != '[')
		return 0;
	while (i < n && ((s[i] >= '0' && s[i] <= '9') || s[i] == ';'))
		i++;
	return i < n && s[i] == 'm' ? i + 1 : 0;
}

/* Bytes of the UTF-8 character at `s`, 0: it is none; its columns. */
static size_t character_length(const char *s, size_t n, int *columns)
{
	mbstate_t state = {0};
	wchar_t c;
	size_t length = mbrtowc(&c, s, n, &state);

	if (length == 0 || length > n)
		return 0;
	*columns = wcwidth(c);
	return *columns < 0 ? 0 : length;
}

/* Behind what takes up the next columns of `s`, and how many they are. */
static const char *next_columns(const char *s, int *columns)
{
	size_t n = strlen(s), length = sgr_length(s, n);

	*columns = 0;
	if (length)
		return s + length;
	length = character_length(s, n, columns);
	if (length)
		return s + length;
	*columns = 1;
	return s + 1;
}

int columns_of(const char *s)
{
	int n = 0, more;

	while (*s) {
		s = next_columns(s, &more);
		n += more;
	}
	return n;
}

void add_cut(struct str *out, const char *s, int width)
{
	bool fits = columns_of(s) <= width;
	int n = 0, more = 0;
	const char *at = s, *next;

	for (; *at; at = next, n += more) {
		next = next_columns(at, &more);
		if (n + more > (fits ? width : width - 1))
			break;
	}
	str_add_n(out, s, (size_t)(at - s));
	if (strchr(at, '\033'))
		str_add(out, "\033[0m");
	if (!fits && width > 0)
		str_add(out, glyph(GLYPH_CUT));
}

void print_cut(const char *s, int width)
{
	auto_str out = {0};

	add_cut(&out, s, width);
	puts(str_text(&out));
}

void add_harmless(struct str *out, const char *s, size_t n)
{
	bool colored = false;

	for (size_t i = 0, length; i < n; i += length) {
		unsigned char c = (unsigned char)s[i];
		int columns;

		if ((length = sgr_length(s + i, n - i))) {
			if (style.color)
				str_add_n(out, s + i, length);
			colored = style.color;
		} else if (c == '\t' || (c >= ' ' && c < 127)) {
			str_add_char(out, (char)c);
			length = 1;
		} else if (c < ' ' || c == 127) {
			str_fmt(out, "^%c", c ^ 64);
			length = 1;
		} else if (style.utf8 && (length = character_length(s + i, n - i, &columns))) {
			str_add_n(out, s + i, length);
		} else {
			str_fmt(out, "\\x%02x", c);
			length = 1;
		}
	}
	if (colored)
		str_add(out, "\033[0m");
}

void add_one_line(struct str *out, const char *s, size_t most)
{
	size_t n = strlen(s);
	auto_free char *line = text_dup_n(s, n < most ? n : most);

	for (char *p = line; *p; p++)
		if (strchr("\n\r\t\v\f", *p))
			*p = ' ';
	add_harmless(out, line, strlen(line));
}

/* ---- values --------------------------------------------------------------------------- */

int print_json(json_t *take_v)
{
	auto_free char *text = json_dumps(take_v, JSON_COMPACT | JSON_ENCODE_ANY);

	puts(text ? text : "null");
	json_decref(take_v);
	return 0;
}

const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

json_int_t number_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

json_int_t number_in(const json_t *o, const char *key, json_int_t otherwise)
{
	const json_t *v = json_object_get(o, key);

	return json_is_integer(v) ? json_integer_value(v) : otherwise;
}
