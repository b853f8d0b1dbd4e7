/*
 * zone_file.h - the time zones of this machine, read once and read again when they change.
 *
 * `$TZDIR`, else /usr/share/zoneinfo; no name means the zone of the machine: $TZ as the
 * supervisor has it, else /etc/localtime.  UTC is known without any file.
 *
 * Loop thread.  Depends on: schedule, probe/folder.h.
 */
#ifndef HP_SERVER_SCHEDULE_ZONE_FILE_H
#define HP_SERVER_SCHEDULE_ZONE_FILE_H

#include "schedule/zone.h"

struct folders;
struct zones;

/* `changed` is called when any zone that was asked for is another one than before; zones
 * handed out earlier are gone then. */
struct zones *zones_new(struct folders *take_folders, void (*changed)(void *ctx), void *ctx);
void zones_free(struct zones *z);

/* Borrowed until `changed`.  NULL or empty: the machine's.  ERR_NOT_FOUND: no such zone. */
enum err zones_get(
    struct zones *z, const char *name, const struct zone **out, struct error *e) attr_must_use;

#endif
