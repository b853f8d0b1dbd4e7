/*
 * bookkeeping.h - which room stores and tells which effect, and in which order.
 *
 * Callbacks of struct supervision_config; `daemon` is a struct daemon.
 * Depends on: server/daemon.h, the rooms.
 */
#ifndef HP_SERVER_BOOKKEEPING_H
#define HP_SERVER_BOOKKEEPING_H

struct effect;

void bookkeeping_book(void *daemon, const struct effect *fx);
void bookkeeping_booked(void *daemon);
void bookkeeping_at_rest(void *daemon);

#endif
