/* zone_file.h - a zone of this machine's tzdata, for tests. */
#ifndef HP_TESTS_ZONE_FILE_H
#define HP_TESTS_ZONE_FILE_H

#include "schedule/zone.h"

/* NULL: there is no such file; the caller frees. */
struct zone *zone_of_machine(const char *name);

#endif
