/* clock.h - the clocks of the machine.  Depends on: base. */
#ifndef HP_SYS_CLOCK_H
#define HP_SYS_CLOCK_H

#include "base/base.h"

#include <time.h>

msec clock_mono(void);	    /* CLOCK_MONOTONIC, never stepped */
msec clock_boot(void);	    /* CLOCK_BOOTTIME: the clock of start times of processes */
usec_wall clock_wall(void); /* CLOCK_REALTIME */

/* So much later on CLOCK_MONOTONIC, for pthread_cond_timedwait(3). */
struct timespec clock_after(msec pause);

#endif
