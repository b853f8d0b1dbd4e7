#include "server/doctor/look.h"

#include "base/map.h"

#include <stdarg.h>

ENUM_DEFINE(severity, SEVERITY_LIST, SEVERITY_COUNT)
ENUM_DEFINE(mend, MEND_LIST, MEND_COUNT)

const char *check_str(enum check c)
{
#define NAME(sym, str, truth, doc) [sym] = (str),
	static const char *const names[CHECK_COUNT] = {CHECK_LIST(NAME)};

	return (size_t)c < CHECK_COUNT ? names[c] : "?";
}

struct finding *look_add(struct look *l, enum check check, enum severity s, const char *fmt, ...)
{
	struct finding *f = vec_push(&l->found);
	auto_str key = {0};
	va_list ap;

	str_fmt(&key, "%s ", check_str(check));
	va_start(ap, fmt);
	str_vfmt(&key, fmt, ap);
	va_end(ap);
	f->check = check;
	f->severity = s;
	f->key = str_take(&key);
	return f;
}

void finding_of(struct finding *f, const char *service, const char *action, pid_t pid)
{
	text_set(&f->service, service);
	text_set(&f->action, action);
	f->pid = pid;
}

void finding_release(struct finding *f)
{
	char *texts[] = {f->key, f->service, f->action, f->path, f->ours, f->kernel, f->repair};

	for (size_t i = 0; i < countof(texts); i++)
		free(texts[i]);
	*f = (struct finding){0};
}

void findings_release(struct findings *f)
{
	for (size_t i = 0; i < f->n; i++)
		finding_release(&f->v[i]);
	free(f->v);
	*f = (struct findings){0};
}

void findings_keep_common(struct findings *kept, struct findings *now)
{
	struct findings both = {0};
	struct map keys = {0};

	for (size_t i = 0; i < kept->n; i++)
		map_put(&keys, kept->v[i].key, &kept->v[i]);
	for (size_t i = 0; i < now->n; i++)
		if (map_get(&keys, now->v[i].key)) {
			*vec_push(&both) = now->v[i];
			now->v[i] = (struct finding){0};
		}
	map_release(&keys);
	findings_release(kept);
	findings_release(now);
	*kept = both;
}
