#include "server/host/version.h"

const char server_version[] = HERO_PROC_VERSION;
