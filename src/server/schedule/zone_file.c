#include "server/schedule/zone_file.h"

#include "base/map.h"
#include "base/str.h"
#include "probe/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZONE_FILE_BYTES_MOST (1u << 20)

struct zone_file {
	struct zones *zones;
	char *name, *path;
	struct zone *zone;
	struct folder_watch *watch;
	struct stat st; /* of the file that was read */
};

struct zones {
	struct folders *folders;
	struct map by_name; /* struct zone_file */
	void (*changed)(void *ctx);
	void *ctx;
};

struct zones *zones_new(struct folders *take_folders, void (*changed)(void *ctx), void *ctx)
{
	struct zones *z = mem_new(sizeof(*z));

	*z = (struct zones){.folders = take_folders, .changed = changed, .ctx = ctx};
	return z;
}

static void zone_file_free(struct zone_file *f)
{
	if (!f)
		return;
	folder_watch_free(f->watch);
	zone_free(f->zone);
	free(f->name);
	free(f->path);
	free(f);
}

void zones_free(struct zones *z)
{
	const char *key;
	void *value;

	if (!z)
		return;
	for (size_t i = 0; map_next(&z->by_name, &i, &key, &value);)
		zone_file_free(value);
	map_release(&z->by_name);
	folders_free(z->folders);
	free(z);
}

static char *path_of(const char *name)
{
	const char *folder = getenv("TZDIR");

	if (*name == '/')
		return text_dup(name);
	return text_fmt("%s/%s", folder && *folder == '/' ? folder : "/usr/share/zoneinfo", name);
}

/* tzset(3): a colon in front is left out; a rule that is written out is no file. */
static char *machine_path(void)
{
	const char *tz = getenv("TZ");

	if (!tz || !*tz)
		return text_dup("/etc/localtime");
	return path_of(*tz == ':' ? tz + 1 : tz);
}

static enum err read_zone(struct zone_file *f, struct error *e)
{
	auto_fd int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || fstat(fd, &f->st) < 0)
		return error_sys(e, errno, "%s", f->path);
	if (!S_ISREG(f->st.st_mode) || f->st.st_size > ZONE_FILE_BYTES_MOST)
		return error_set(e, ERR_INVALID, "%s: no time zone", f->path);
	auto_free char *bytes = mem_new((size_t)f->st.st_size + 1);
	const ssize_t n = read(fd, bytes, (size_t)f->st.st_size);
	if (n < 0)
		return error_sys(e, errno, "%s", f->path);
	return zone_read(bytes, (size_t)n, &f->zone, e);
}

static bool is_utc(const char *name)
{
	return text_eq(name, "UTC") || text_eq(name, "Etc/UTC") || text_eq(name, "Z");
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Whatever changed in its folder: is it another file now?  One that is gone stays as it was. */
static void on_folder(void *ctx)
{
	struct zone_file *f = ctx;
	struct zones *z = f->zones;
	struct stat st;

	if (stat(f->path, &st) < 0 || is_same_file(&st, &f->st))
		return;
	map_remove(&z->by_name, f->name);
	zone_file_free(f);
	z->changed(z->ctx);
}

static enum err load(struct zone_file *f, struct error *e)
{
	struct error quiet;

	if (read_zone(f, e)) {
		/* A machine without tzdata keeps UTC. */
		if (!is_utc(f->name) && *f->name)
			return e->code;
		f->zone = zone_utc();
		return ERR_OK;
	}
	/* Without a watch it is what it was when it was read. */
	(void)!folder_watch_new(f->zones->folders, f->path, on_folder, f, &f->watch, &quiet);
	return ERR_OK;
}

enum err zones_get(struct zones *z, const char *name, const struct zone **out, struct error *e)
{
	const char *key = name ? name : "";
	struct zone_file *f = map_get(&z->by_name, key);

	if (!f) {
		f = mem_new(sizeof(*f));
		*f = (struct zone_file){.zones = z,
		    .name = text_dup(key),
		    .path = *key ? path_of(key) : machine_path()};
		if (load(f, e)) {
			zone_file_free(f);
			return error_set(e, ERR_NOT_FOUND,
			    "the time zone `%s` is not known on this machine (tzdata, "
			    "timedatectl list-timezones)",
			    key);
		}
		map_put(&z->by_name, f->name, f);
	}
	*out = f->zone;
	return ERR_OK;
}
