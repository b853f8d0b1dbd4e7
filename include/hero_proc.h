/*
 * hero_proc.h - libhero_proc: talk to the supervisor, define services, be a service.
 *
 * The library blocks and is not thread-safe per client: one thread owns an
 * hp_client.  Errors: every function that can fail returns 0 for success, else
 * one of enum hp_code, and fills *e (which may be NULL).  The codes are those of
 * the JSON-RPC errors.  Texts are UTF-8.  Durations are milliseconds.
 *
 * Link with: pkg-config --cflags --libs hero_proc
 */
#ifndef HERO_PROC_H
#define HERO_PROC_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HP_API __attribute__((visibility("default")))

struct hp_error {
	int code;	   /* JSON-RPC number, 0: none */
	char name[32];	   /* "not_found", "missing_dependency" ... */
	char message[512]; /* one sentence */
	char *data;	   /* JSON object (hint, chain, candidates ...), or NULL */
};
HP_API void hp_error_release(struct hp_error *e);
/* The exit status that a command line gives for this error (0 for none). */
HP_API int hp_error_exit_status(const struct hp_error *e);

/* ---- client ------------------------------------------------------------- */

typedef struct hp_client hp_client;

/* socket_path NULL: $HERO_PROC_SOCKET, else $HERO_SOCKET_DIR/hero_proc/rpc.sock
 * (HERO_SOCKET_DIR: $PATH_VAR/sockets; PATH_VAR: $PATH_ROOT/var; PATH_ROOT: ~/hero).
 * Connects at the first call and again when the connection was lost. */
HP_API hp_client *hp_client_new(const char *socket_path);
HP_API void hp_client_free(hp_client *c);
HP_API const char *hp_client_socket(const hp_client *c);

/* One JSON-RPC call.  params: a JSON object's text, or NULL.  *result: JSON text,
 * freed by the caller with free(); may be NULL when it is not wanted. */
HP_API int hp_call(
    hp_client *c, const char *method, const char *params, char **result, struct hp_error *e);

/* ---- definitions ---------------------------------------------------------- */

typedef struct hp_service hp_service;
typedef struct hp_action hp_action; /* belongs to its service or run */
typedef struct hp_run hp_run;

/* Builders keep the first mistake (a bad name, a second action of one name, a
 * circle among the actions) and report it when they are sent: nothing is sent then. */
HP_API hp_service *hp_service_new(const char *name);
HP_API void hp_service_free(hp_service *s);
HP_API void hp_service_description(hp_service *s, const char *text);
HP_API void hp_service_requires(hp_service *s, const char *service);
HP_API void hp_service_wants(hp_service *s, const char *service);
HP_API void hp_service_after(hp_service *s, const char *service);
HP_API void hp_service_conflicts(hp_service *s, const char *service);
HP_API hp_action *hp_service_action(hp_service *s, const char *name);

HP_API void hp_action_exec(hp_action *a, const char *const *argv); /* NULL-ended */
HP_API void hp_action_script(hp_action *a, const char *script);
HP_API void hp_action_env(hp_action *a, const char *name, const char *value);
HP_API void hp_action_one_shot(hp_action *a);
HP_API void hp_action_socket(hp_action *a, const char *name); /* that it opens */
/* condition: "ready" (NULL), "started", "succeeded" ...; socket: of the target, or NULL */
HP_API void hp_action_depends_on(
    hp_action *a, const char *target, const char *condition, const char *socket);
/* An entry as in [[dependencies]]: repo and socket may be NULL. */
HP_API void hp_action_needs_binary(
    hp_action *a, const char *repo, const char *bin, const char *socket);

HP_API int hp_service_define(hp_client *c, const hp_service *s, struct hp_error *e);
HP_API int hp_service_set(hp_client *c, const hp_service *s, struct hp_error *e);
/* Start and wait; *result as in hp_call. */
HP_API int hp_service_start(hp_client *c, const char *name, char **result, struct hp_error *e);
HP_API int hp_service_stop(hp_client *c, const char *name, char **result, struct hp_error *e);

HP_API hp_run *hp_run_new(const char *name); /* NULL: the supervisor names it */
HP_API void hp_run_free(hp_run *r);
HP_API hp_action *hp_run_action(hp_run *r, const char *name);
HP_API void hp_run_depends_on(hp_run *r, const char *service);
HP_API int hp_run_submit(
    hp_client *c, const hp_run *r, int wait, char **result, struct hp_error *e);

/* ---- being a service --------------------------------------------------------- */

/* Gives a binary --start --stop --status --info from its embedded service.toml
 * (NUL-ended); anything else runs serve().  The binary's name is the last part of
 * its path.  Returns the exit status of main(). */
HP_API int hero_service_main(
    int argc, char **argv, const char *service_toml, int (*serve)(int argc, char **argv));

#ifdef __cplusplus
}
#endif

#endif
