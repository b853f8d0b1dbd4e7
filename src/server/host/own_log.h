/*
 * own_log.h - a bound for the file that holds what keeper and server say (F93).
 *
 * `up` gives them STATE/supervisor.log as standard error.  Above OWN_LOG_BYTES it becomes
 * supervisor.log.old and begins again, so both together hold at most twice as much.  Any other
 * standard error is somebody else's and left alone.
 *
 * Any thread of the server.  Depends on: base.
 */
#ifndef HP_SERVER_HOST_OWN_LOG_H
#define HP_SERVER_HOST_OWN_LOG_H

#define OWN_LOG_NAME  "supervisor.log"
#define OWN_LOG_BYTES (1 << 20)

void own_log_bound(void);

#endif
