/* secret.c - secrets: set, named, read by the owner only; never shown by anything else. */
#include "server/methods/methods.h"

#include "server/history/events.h"
#include "server/history/history.h"
#include "server/host/clock.h"
#include "server/host/secrets.h"
#include "server/supervise/supervision.h"

static const struct rpc_param set_params[] = {
    {"name", RPC_STRING, true, "as a variable with `secret = true` is called"},
    {"value", RPC_STRING, true, "at most 256 KiB"},
    {"context", RPC_STRING, false, "of the actions that may have it (default)"}};
static const struct rpc_param one_params[] = {{"name", RPC_STRING, true, "a secret"},
    {"context", RPC_STRING, false, "its context (default)"}};
static const struct rpc_param list_params[] = {
    {"context", RPC_STRING, false, "of that one; absent: all"}};

/* Who changed or read it is known for ever; what it is, is not. */
static void tell(struct daemon *d, struct rpc_call *call, const char *what, const char *context,
    const char *name)
{
	auto_free char *who = ops_who(call);
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s}", "event", "secret", "to", what, "context",
	    context ? context : "default", "secret", name, "who", who);
	auto_free char *fact = json_dumps(o, JSON_COMPACT);

	json_decref(o);
	events_emit(d->history, "secret", NULL, 0, fact);
}

struct change {
	struct rpc_call *call;
	char *context, *name;
	const char *what; /* set, deleted, rekeyed */
};

static void changed(void *ctx, const struct error *e, uint64_t version)
{
	struct change *c = ctx;
	struct daemon *d = ops_daemon(c->call);

	if (e->code) {
		rpc_fail(c->call, e, NULL);
	} else {
		tell(d, c->call, c->what, c->context, c->name ? c->name : "*");
		ops_answer_committed(
		    c->call, version ? json_pack("{s:s?, s:I, s:b}", "name", c->name, "version",
					   (json_int_t)version, "changed", 1)
				     : json_pack("{s:s?, s:b}", "name", c->name, "changed", 1));
	}
	free(c->context);
	free(c->name);
	free(c);
}

static struct change *change_new(struct rpc_call *call, const json_t *params, const char *what)
{
	struct change *c = mem_new(sizeof(*c));

	*c = (struct change){call, text_dup(param_text(params, "context")),
	    text_dup(param_text(params, "name")), what};
	return c;
}

static void set(struct rpc_call *call, json_t *params)
{
	const json_t *value = json_object_get(params, "value");
	struct change *c = change_new(call, params, "set");

	secrets_change(ops_daemon(call)->secrets, c->context, c->name, json_string_value(value),
	    json_string_length(value), changed, c);
}

static void delete (struct rpc_call *call, json_t *params)
{
	struct change *c = change_new(call, params, "deleted");

	secrets_change(ops_daemon(call)->secrets, c->context, c->name, NULL, 0, changed, c);
}

static void rekey(struct rpc_call *call, json_t *params)
{
	secrets_change_key(ops_daemon(call)->secrets, changed, change_new(call, params, "rekeyed"));
}

static void get(struct rpc_call *call, json_t *params)
{
	struct daemon *d = ops_daemon(call);
	const char *context = param_text(params, "context"), *name = param_text(params, "name");
	const struct rpc_peer peer = rpc_call_peer(call);
	auto_secret value = {0};
	struct error e = {0};

	if (peer.uid != 0 && peer.uid != geteuid()) {
		ops_fail(call, ERR_DENIED, "a secret is read by its owner and by root only");
	} else if (secrets_get(d->secrets, context, name, &value, &e)) {
		rpc_fail(call, &e, NULL);
	} else {
		tell(d, call, "read", context, name);
		ops_answer_committed(
		    call, json_pack("{s:s, s:s, s:s%}", "name", name, "context",
			      context ? context : "default", "value", value.bytes, value.n));
	}
}

static bool reads(const struct action_def *a, const struct secret_info *secret)
{
	if (!text_eq(a->context ? a->context : "default", secret->context))
		return false;
	for (size_t i = 0; i < a->env.n; i++)
		if (a->env.v[i].secret && text_eq(a->env.v[i].name, secret->name))
			return true;
	return false;
}

/* Attempts that were executed before it changed: they have the value of then. */
static json_t *holders(struct daemon *d, const struct secret_info *secret)
{
	json_t *list = json_array();
	struct unit_view u;
	struct job_view j;

	for (unit_id unit = 0; unit < engine_unit_count(d->engine); unit++) {
		if (!engine_unit(d->engine, unit, &u))
			continue;
		for (size_t i = 0; engine_job_at(d->engine, unit, i, &j); i++) {
			const struct action_def *a =
			    supervision_action(d->supervision, unit, j.name, NULL);
			const struct job_record *r = history_find_job(d->history, j.id);
			if (a && r && r->pid && r->started < secret->changed && reads(a, secret))
				json_array_append_new(list,
				    json_pack("{s:s, s:s}", "service", u.name, "action", j.name));
		}
	}
	return list;
}

/* How well it is kept: SPEC 7.2 asks that it be said. */
static const char *protection(const struct secrets *s)
{
	return secrets_key_source(s) == KEY_OF_CREDENTIAL
		   ? "good: the key is a credential of systemd"
		   : "weak: the key is a file beside the secrets; a copy of their file alone says "
		     "nothing";
}

static void list(struct rpc_call *call, json_t *params)
{
	struct daemon *d = ops_daemon(call);
	const char *context = param_text(params, "context");
	json_t *secrets = json_array();
	struct secret_info secret;
	char iso[ISO_TIME_BYTES];

	for (size_t i = 0; secrets_at(d->secrets, i, &secret); i++)
		if (!context || text_eq(context, secret.context))
			json_array_append_new(secrets,
			    json_pack("{s:s, s:s, s:I, s:s, s:o}", "name", secret.name, "context",
				secret.context, "version", (json_int_t)secret.version, "changed",
				clock_iso(secret.changed, iso), "old_holders",
				holders(d, &secret)));
	rpc_answer(call, json_pack("{s:o, s:s, s:s?}", "secrets", secrets, "protection",
			     protection(d->secrets), "trouble", secrets_trouble(d->secrets)));
}

static const struct rpc_method methods[] = {
    OPS_METHOD("secret.set", "Create or change a secret; `version` grows", set_params, set, true),
    OPS_METHOD("secret.get", "Its value, for the owner and root; an event", one_params, get, false),
    OPS_METHOD(
	"secret.list", "Names, versions, and who holds an old one", list_params, list, false),
    OPS_METHOD("secret.delete", "Forget it", one_params, delete, true),
    OPS_METHOD_0("secret.rekey", "Another key; every secret is sealed anew", rekey, true),
};
const struct rpc_group ops_secret = OPS_GROUP(methods);
