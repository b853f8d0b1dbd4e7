/*
 * keeper_events.h - what the keeper sends, and the room that takes it.
 *
 * While a recovery goes on, what is said of a process that no room knows is for recovery.
 * Depends on: spawn/spawner.h, the rooms; ctx is the struct daemon.
 */
#ifndef HP_SERVER_KEEPER_EVENTS_H
#define HP_SERVER_KEEPER_EVENTS_H

#include "spawn/spawner.h"

extern const struct spawner_events keeper_events;

#endif
