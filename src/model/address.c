#include "model/address.h"

#include "base/str.h"

#include <arpa/inet.h>

#define HTTP_PORT 80

static enum err set_unix(struct address *a, const char *path, struct error *e)
{
	size_t n = strlen(path);

	a->is_unix = true;
	a->name = text_dup(path);
	a->host = text_dup("localhost");
	if (*path != '/' || n >= sizeof(a->to.un.sun_path))
		return error_set(e, ERR_INVALID, "`%s` is no path of a socket", path);
	a->to.un.sun_family = AF_UNIX;
	memcpy(a->to.un.sun_path, path, n + 1);
	a->to_bytes = sizeof(a->to.un);
	return ERR_OK;
}

/* The port after the last colon that is not within brackets; 0: none is given, -1: no port. */
static int port_of(const char *text, size_t *host_bytes)
{
	const char *bracket = strchr(text, ']'), *colon = strrchr(bracket ? bracket : text, ':');
	char *end;

	*host_bytes = colon ? (size_t)(colon - text) : strlen(text);
	if (!colon)
		return 0;
	unsigned long port = strtoul(colon + 1, &end, 10);
	return colon[1] >= '0' && colon[1] <= '9' && !*end && port >= 1 && port <= 65535 ? (int)port
											 : -1;
}

static enum err set_host(struct address *a, const char *host, int port, struct error *e)
{
	const char *name = !*host || strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
	auto_free char *bare =
	    *name == '[' ? text_dup_n(name + 1, strcspn(name + 1, "]")) : text_dup(name);

	a->to.in.sin_family = AF_INET;
	a->to.in.sin_port = htons((uint16_t)port);
	a->to_bytes = sizeof(a->to.in);
	if (inet_pton(AF_INET, bare, &a->to.in.sin_addr) == 1)
		return ERR_OK;
	a->to.in6 =
	    (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	a->to_bytes = sizeof(a->to.in6);
	if (inet_pton(AF_INET6, bare, &a->to.in6.sin6_addr) != 1)
		return error_set(
		    e, ERR_INVALID, "`%s` is not an address (names are not looked up)", name);
	return ERR_OK;
}

static enum err set_tcp(
    struct address *a, const char *text, size_t n, int default_port, struct error *e)
{
	auto_free char *place = text_dup_n(text, n);
	size_t host_bytes;
	int port = port_of(place, &host_bytes);

	if (port == 0)
		port = default_port;
	if (port <= 0)
		return error_set(e, ERR_INVALID, "`%s` is not host:port", place);
	auto_free char *host = text_dup_n(place, host_bytes);
	a->host = text_dup(place);
	a->name = port_of(place, &host_bytes) ? text_dup(place) : text_fmt("%s:%d", place, port);
	return set_host(a, host, port, e);
}

static enum err set_get(struct address *a, const char *path, struct error *e)
{
	a->get = text_dup(*path ? path : "/");
	for (const char *p = a->get; *p; p++)
		if (*p <= ' ' || *p >= 127)
			return error_set(e, ERR_INVALID, "`%s` is no path of a request", a->get);
	return ERR_OK;
}

static enum err set_http(struct address *a, const char *rest, struct error *e)
{
	size_t n = strcspn(rest, "/");

	if (n == 0 || memchr(rest, '@', n))
		return error_set(e, ERR_INVALID, "`http://%s` is not http://host:port/path", rest);
	return set_tcp(a, rest, n, HTTP_PORT, e) ? e->code : set_get(a, rest + n, e);
}

static enum err set_http_unix(struct address *a, const char *rest, struct error *e)
{
	const char *colon = strstr(rest, ":/");
	auto_free char *path = text_dup_n(rest, colon ? (size_t)(colon - rest) : strlen(rest));

	return set_unix(a, path, e) ? e->code : set_get(a, colon ? colon + 1 : "", e);
}

static enum err parse(struct address *a, const char *text, struct error *e)
{
	if (strncmp(text, "unix:", 5) == 0)
		return set_unix(a, text + 5, e);
	if (strncmp(text, "tcp:", 4) == 0)
		return set_tcp(a, text + 4, strlen(text + 4), 0, e);
	if (strncmp(text, "http://", 7) == 0)
		return set_http(a, text + 7, e);
	if (strncmp(text, "http+unix:", 10) == 0)
		return set_http_unix(a, text + 10, e);
	return error_set(e, ERR_INVALID, "`%s` is no address", text);
}

enum err address_parse(struct address *out, const char *text, struct error *e)
{
	*out = (struct address){0};
	if (parse(out, text, e) == ERR_OK)
		return ERR_OK;
	address_release(out);
	return e->code;
}

void address_release(struct address *a)
{
	free(a->name);
	free(a->get);
	free(a->host);
	*a = (struct address){0};
}
