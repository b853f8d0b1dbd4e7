/*
 * migrations.h - the versions of the database.
 *
 * A database of version n is what the first n entries make of an empty one.  Each
 * entry is SQL for one transaction, which also writes the version (schema.h).
 */
#ifndef HP_STORE_MIGRATIONS_H
#define HP_STORE_MIGRATIONS_H

extern const char *const migrations[];
extern const int migration_count; /* the newest version: the one that is written */

#endif
