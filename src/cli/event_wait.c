#include "cli/event_wait.h"

enum { ATTEMPTS = 5 };

/* Its first bytes say that everything from now on is told. */
static enum err open_stream(struct event_wait *b, struct error *e)
{
	const msec deadline = http_deadline(10000);

	str_clear(&b->text);
	b->conn = (struct http_conn){.fd = -1};
	if (http_open(&b->conn, b->socket, e))
		return e->code;
	b->is_open = true;
	if (http_send(&b->conn, "GET", "/events", NULL, deadline, e) ||
	    http_receive_head(&b->conn, deadline, e) ||
	    http_receive_some(&b->conn, deadline, &b->text, e))
		return e->code;
	return b->conn.status == 200
		   ? ERR_OK
		   : error_set(e, ERR_DENIED, "/events: status %d", b->conn.status);
}

static void close_stream(struct event_wait *b)
{
	if (b->is_open)
		http_close(&b->conn);
	b->is_open = false;
}

enum err event_wait_init(struct event_wait *b, const struct cli *c, struct error *e)
{
	*b = (struct event_wait){.socket = hp_client_socket(c->client)};
	return open_stream(b, e);
}

void event_wait_release(struct event_wait *b)
{
	close_stream(b);
	str_release(&b->text);
}

/* Takes the whole lines; true when one of them is an event about `word`. */
static bool rings(struct event_wait *b, const char *word)
{
	const char *line = str_text(&b->text), *end;
	bool found = false;

	for (; (end = strchr(line, '\n')); line = end + 1) {
		auto_free char *text = text_dup_n(line, (size_t)(end - line));

		found |= strncmp(text, "data:", 5) == 0 &&
			 !strstr(text, "\"event\":\"snapshot\"") && (!word || strstr(text, word));
	}
	auto_free char *rest = text_dup(line);

	str_clear(&b->text);
	str_add(&b->text, rest);
	return found;
}

/* A server that is killed takes with it who it had let in; that is no reason to give up. */
static enum err open_again(struct event_wait *b, struct error *e)
{
	for (int i = 0; i < ATTEMPTS; i++) {
		close_stream(b);
		*e = (struct error){0};
		if (open_stream(b, e) == ERR_OK || !b->is_open)
			break;
	}
	return e->code;
}

/* One ring for all that has come by now. */
static void drain(struct event_wait *b)
{
	struct error e;

	while (!b->conn.done && http_receive_some(&b->conn, http_now(), &b->text, &e) == ERR_OK)
		rings(b, NULL);
}

enum err event_wait_wait(struct event_wait *b, const char *word, msec deadline, struct error *e)
{
	while (!rings(b, word)) {
		if (b->is_open && !b->conn.done &&
		    http_receive_some(&b->conn, deadline, &b->text, e) == ERR_OK)
			continue;
		if (b->is_open && !b->conn.done && e->code == ERR_TIMEOUT)
			return ERR_TIMEOUT;
		return open_again(b, e); /* what happened meanwhile is not told: it rings */
	}
	drain(b);
	return ERR_OK;
}
