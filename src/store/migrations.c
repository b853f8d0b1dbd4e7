#include "store/migrations.h"

/* Never changed once released: a new version is a new entry. */
const char *const migrations[] = {
    "CREATE TABLE contributions (source TEXT NOT NULL, service TEXT NOT NULL, json TEXT NOT NULL,"
    " PRIMARY KEY (source, service)) WITHOUT ROWID;"
    "CREATE TABLE wanted (service TEXT PRIMARY KEY, wanted TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE runs (id INTEGER PRIMARY KEY, name TEXT, service TEXT, state TEXT, reason TEXT,"
    " who TEXT, started INTEGER, ended INTEGER, definition TEXT);"
    "CREATE INDEX runs_service ON runs (service, id);"
    "CREATE INDEX runs_name ON runs (name);"
    "CREATE INDEX runs_open ON runs (id) WHERE ended = 0;"
    "CREATE TABLE jobs (id INTEGER PRIMARY KEY, run INTEGER, name TEXT, service TEXT, action TEXT,"
    " context TEXT, token INTEGER, attempt INTEGER, state TEXT, reason TEXT, exit_code INTEGER,"
    " signal INTEGER, pid INTEGER, restarts INTEGER, created INTEGER, started INTEGER,"
    " ready_at INTEGER, ended INTEGER, ready INTEGER, stop_cause TEXT);"
    "CREATE INDEX jobs_run ON jobs (run);"
    "CREATE TABLE operations (id INTEGER PRIMARY KEY, kind TEXT, names TEXT, state TEXT,"
    " error TEXT, steps TEXT, who TEXT, started INTEGER, ended INTEGER);"
    "CREATE INDEX operations_open ON operations (id) WHERE ended = 0;"
    "CREATE TABLE events (id INTEGER PRIMARY KEY, cause INTEGER, time INTEGER, subject TEXT,"
    " fact TEXT);"
    "CREATE INDEX events_subject ON events (subject, id);"
    "CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;"
    "CREATE TABLE flags (name TEXT PRIMARY KEY, since INTEGER) WITHOUT ROWID;",
    "ALTER TABLE operations ADD COLUMN detail TEXT;",
    "ALTER TABLE runs ADD COLUMN reason_subject TEXT;",
    ("ALTER TABLE jobs ADD COLUMN since_mono INTEGER;"
     " ALTER TABLE jobs ADD COLUMN tries INTEGER; ALTER TABLE jobs ADD COLUMN failures INTEGER;"),
    "CREATE INDEX events_time ON events (time);",
    "CREATE TABLE schedules (name TEXT PRIMARY KEY, meaning TEXT, answered INTEGER, paused INTEGER,"
    " kept INTEGER, late INTEGER, skipped INTEGER, missed INTEGER, since INTEGER,"
    " last_success INTEGER, last_run TEXT, last_state TEXT, last_due INTEGER, queue TEXT)"
    " WITHOUT ROWID;",
};
const int migration_count = sizeof(migrations) / sizeof(migrations[0]);
