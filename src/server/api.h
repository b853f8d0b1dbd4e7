/*
 * api.h - the door: the table of methods behind the RPC socket, and its documents.
 *
 * Depends on: server/daemon.h, http, rpc.
 */
#ifndef HP_SERVER_API_H
#define HP_SERVER_API_H

#include "server/daemon.h"

#include <jansson.h>

/* The keeper holds the socket, so who connects while there is no server waits. */
enum err api_open(struct daemon *d, struct error *e) attr_must_use;
void api_close(struct daemon *d); /* and remove the socket's file */
void api_pause(struct daemon *d); /* accept nobody any more */
void api_leave(struct daemon *d); /* another server is to come: the file stays */
/* A duplicate of the API's socket and the name that it is held by; -1: it is not open. */
int api_give(const struct daemon *d, char **name);
/* A descriptor that the keeper holds: true, and taken, if it is the API's socket. */
bool api_take_held(struct daemon *d, const char *name, int take_fd);

json_t *api_health(void *daemon);
char *api_metrics(void *daemon);

#endif
