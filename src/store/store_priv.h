/*
 * store_priv.h - what the files of store/ share; for them only.
 *
 * The loop's thread queues and reads; the writer thread owns `writer` and the
 * definitions folder.  `lock` guards everything from `lock` on.
 */
#ifndef HP_STORE_PRIV_H
#define HP_STORE_PRIV_H

#include "store/dbfiles.h"
#include "store/queue.h"
#include "store/schema.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
	QUEUE_MAX = 50000, /* then the oldest history goes */
	BATCH_OPS = 2000,  /* some 8 ms */
	BATCH_MSEC = 10,   /* how long ops gather while nobody waits */
	IDLE_MSEC = 2000,  /* then the writer closes its connection */
	RETRY_MSEC = 100,  /* first pause after a failure, doubling */
	RETRY_MAX_MSEC = 5000,
	RESERVE_BYTES = 512 << 10, /* SQLite needs some 64 KiB to open */
	RESERVE_STEP = 32 << 10,
	RETAIN_EVERY = 2000 /* ops between two looks at what is too old */
};

struct barrier {
	struct barrier *next;
	uint64_t seq; /* done when every op below it is committed */
	store_done_fn fn;
	void *ctx;
	bool later; /* not counted in `waiting`: wakes nobody */
	bool answered, durable;
};

/* Something vanished, and is there again. */
struct repaired {
	struct repaired *next;
	char *text;
	bool rebuilt; /* from definitions/: what else the loop holds is not stored */
};

struct store {
	char *dir, *definitions; /* the state folder, and that of the files of rows */
	char *path;		 /* of state.db */
	char *reserve; /* room for a start on a full disk: a file that is removed for it */
	int definitions_fd;
	int event_fd;
	struct store_options opt;
	struct store_listener listener; /* the loop's */
	pthread_t thread;
	sqlite3 *reader;
	unsigned reader_generation;
	uint64_t reader_puts; /* what waited when it was opened on a disk that refuses; else 0 */

	/* the writer's own */
	sqlite3 *writer;
	struct dbfiles held; /* changed with the lock: the loop duplicates its descriptors */
	bool was_put_back, was_rebuilt;
	size_t since_retain;
	msec retry_pause;

	atomic_uint generation; /* of the file: changes when one is set aside */
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct queue queue;
	struct ops *writing; /* taken from it and not committed yet, or NULL */
	struct barrier *barriers, **barriers_end;
	size_t waiting;	    /* barriers that are not answered and not for later */
	struct str trouble; /* why writing fails now */
	struct str notes;   /* what happened and should be known */
	size_t shed;
	struct repaired *repaired, **repaired_end; /* to be reported by store_dispatch */
	bool files_changed;			   /* held.db or held.wal is another file */
	bool look_due;				   /* store_look */
	struct files_due { /* the files below definitions/ are to be compared with the rows */
		bool is;
		bool exactly; /* what is of no row goes */
		bool report;  /* what was not as it should be */
	} files_due;
	bool files_failed; /* to be tried again when the disk has taken something */
	bool quit;
};

void *store_writer_main(void *store);

/* reports.c */
void store_wake_loop(struct store *s);
void store_note(struct store *s, const char *fmt, ...) attr_fmt(2, 3);
void store_report(struct store *s, bool rebuilt, const char *fmt, ...) attr_fmt(3, 4);

/* upkeep.c: what vanished from the folder is made again. */
enum err store_open_first(struct store *s, struct error *e);
enum err store_open_definitions(struct store *s, struct error *e);
enum err store_upkeep(struct store *s, struct error *e);
/* An open connection, whatever had to be done for it. */
enum err store_writer_open(struct store *s, bool check, struct error *e);
void store_writer_close(struct store *s);
/* A new database from definitions/; the one that is there is set aside. */
enum err store_start_anew(struct store *s, const char *why, struct error *e);

/* reserve.c: sets RESERVE_BYTES aside if they are not; where there is less room, less. */
void store_make_reserve(const struct store *s);

/* batch.c: write ops in one transaction. */
enum err store_write_batch(struct store *s, const struct ops *list, struct error *e);
/* Rows of definitions/ into an empty database, and the other way round. */
enum err store_mirror_all(struct store *s, bool exactly, size_t *written, struct error *e);
size_t store_mirrored_rows(struct store *s); /* so many files there have to be */
enum err store_rebuild(struct store *s, size_t *rows, struct error *e); /* adds to *rows */
enum err store_db_error(struct store *s, int rc, const char *what, struct error *e);

/* overlay.c: with the lock.  A reader sees what waits as if it was written. */
enum err store_overlay(struct store *s, sqlite3 *reader, struct error *e);

/* retain.c */
void store_retain(struct store *s);

#endif
