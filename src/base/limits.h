/* limits.h - every bound of the supervisor, by name (SPEC 9).  Depends on: nothing. */
#ifndef HP_BASE_LIMITS_H
#define HP_BASE_LIMITS_H

#define LIMIT_NAME_BYTES      255
#define LIMIT_MANIFEST_BYTES  (1u << 20)
#define LIMIT_TOML_KEY_PARTS  64 /* dotted parts; the TOML library recurses */
#define LIMIT_NESTING	      64 /* of arrays and tables, in TOML and JSON */
#define LIMIT_EDGES	      100000
#define LIMIT_SERVICES	      20000
#define LIMIT_REQUEST_BYTES   (4u << 20)
#define LIMIT_BATCH	      256
#define LIMIT_CONNECTIONS     1024
#define LIMIT_REQUEST_SECONDS 30
#define LIMIT_LOG_LINE_BYTES  (64u << 10)
#define LIMIT_READY_FD	      63 /* {fd = N}: 3 to this one, but for: */
#define LIMIT_SCRIPT_FD	      19 /* the descriptor that an interpreter reads a script from */
#define LIMIT_SSE_QUEUE_BYTES (1u << 20)

#endif
