/* next_migrations.c - a store of the next version: one more migration behind ours.  The linker
 * takes these instead of store/migrations.o. */
#define migrations	former_migrations
#define migration_count former_count
#include "store/migrations.c"
#undef migrations
#undef migration_count

extern const char *migrations[];
extern int migration_count;
const char *migrations[sizeof(former_migrations) / sizeof(former_migrations[0]) + 1];
int migration_count;

__attribute__((constructor)) static void add_one(void)
{
	while (migration_count < former_count) {
		migrations[migration_count] = former_migrations[migration_count];
		migration_count++;
	}
	/* Nothing of the former version finds its rows after this. */
	migrations[migration_count++] =
	    "CREATE TABLE notes (job INTEGER PRIMARY KEY, text TEXT);"
	    "INSERT INTO notes SELECT id, 'migrated' FROM jobs;"
	    "ALTER TABLE jobs ADD COLUMN next TEXT;"
	    "CREATE TRIGGER jobs_next AFTER INSERT ON jobs BEGIN"
	    " UPDATE jobs SET next = 'of the next version' WHERE id = new.id; END;";
}
