#include "keeper/keeper.h"

#include <fcntl.h>
#include <unistd.h>

/*
 * What must not fail for want of a descriptor (RLIMIT_NOFILE lowered, or used up by
 * jobs): to signal a set and to see whether it is empty.  So some are kept open for
 * nothing, closed while one of these is done, and opened again as far as possible.
 */

void reserve_fill(struct keeper *k)
{
	for (size_t i = 0; i < KEEPER_RESERVE; i++)
		if (k->reserve[i] <= 0)
			k->reserve[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void reserve_lend(struct keeper *k)
{
	for (size_t i = 0; i < KEEPER_RESERVE; i++) {
		if (k->reserve[i] > 0)
			close(k->reserve[i]);
		k->reserve[i] = -1;
	}
}
