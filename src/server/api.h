/*
 * api.h - the door: the table of methods behind the RPC socket, and its documents.
 *
 * Depends on: server/daemon.h, http, rpc.
 */
#ifndef HP_SERVER_API_H
#define HP_SERVER_API_H

#include "server/daemon.h"

#include <jansson.h>

enum err api_open(struct daemon *d, struct error *e) attr_must_use;
void api_close(struct daemon *d);

json_t *api_health(void *daemon);
char *api_metrics(void *daemon);

#endif
