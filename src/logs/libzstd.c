#include "logs/libzstd.h"

#include <dlfcn.h>
#include <pthread.h>

static struct zstd zstd;
static bool loaded;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool find(void *library, const char *name, void *slot)
{
	void *symbol = dlsym(library, name);

	memcpy(slot, &symbol, sizeof(symbol));
	return symbol != NULL;
}

static void load(void)
{
	void *library = dlopen("libzstd.so.1", RTLD_NOW | RTLD_LOCAL);

	loaded = library != NULL;
#define FIND_(name) loaded = loaded && find(library, #name, &zstd.name);
	ZSTD_FUNCTIONS(FIND_)
}

const struct zstd *zstd_load(struct error *e)
{
	pthread_once(&once, load);
	if (loaded)
		return &zstd;
	error_set(e, ERR_SYSTEM, "libzstd.so.1 can not be loaded: install libzstd1");
	return NULL;
}
