/*
 * state_folder.h - the state folder of the supervisor that this environment means, and who holds
 * it.
 *
 * Depends on: base.
 */
#ifndef HP_CLIENT_STATE_FOLDER_H
#define HP_CLIENT_STATE_FOLDER_H

#include "base/base.h"

#include <sys/types.h>

/* As the server finds it (server/host/paths.c); the caller frees. */
char *state_folder_default(void);

/* The process that holds the lock on it (keeper/lock.c), as proc_locks(5) shows it; 0: nobody,
 * as far as can be seen.  To try for the lock would keep a keeper from starting just now. */
pid_t state_folder_holder(const char *path);

#endif
