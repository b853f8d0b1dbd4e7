/* build.h - contributions written by hand, and a registry to put them into. */
#ifndef HP_TEST_REGISTRY_BUILD_H
#define HP_TEST_REGISTRY_BUILD_H

#include "registry/registry.h"

struct world {
	struct registry *reg;
	struct registry_outcome out; /* of the last call */
	struct diags diags;
	struct error e;
};
void world_init(struct world *w);
void world_release(struct world *w);

/* Services on the heap; every function gives back what it was given, to be chained. */
struct service_def *service(const char *name);
struct action_def *action(struct service_def *s, const char *name); /* exec /opt/bin/<name> */
struct action_def *action_running(struct service_def *s, const char *name, const char *command);
struct dep *edge(struct dep_list *l, unsigned kinds, const char *name, const char *path, int line);
struct dep *edge_bin(struct dep_list *l, const char *repo, const char *bin, const char *socket,
    const char *path, int line);
void listens(struct action_def *a, const char *socket);
void env(struct action_def *a, const char *name, const char *value);

/* A service with one action of its own name: `db`, or `web requires db` at path:line. */
struct service_def *simple(const char *name);
struct service_def *needs(
    const char *name, unsigned kinds, const char *target, const char *path, int line);

/* Apply takes the definitions. */
enum err give(
    struct world *w, struct service_def *take_s, const char *source, enum contribution_mode mode);
enum err give_all(struct world *w, struct service_def **take_s, size_t n, const char *source,
    enum contribution_mode mode, unsigned flags);
void define(struct world *w, struct service_def *take_s); /* asserts success */

const struct dep *dep_at(const struct world *w, const char *service, const char *action, size_t i);
void assert_told(const struct world *w, enum diag_severity severity, const char *part);
void assert_change(const struct world *w, const char *name, enum change_kind kind);

#endif
