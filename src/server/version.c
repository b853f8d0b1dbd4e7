#include "server/version.h"

const char server_version[] = HERO_PROC_VERSION;
