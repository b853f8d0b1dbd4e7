#include "sys/clock.h"

static int64_t usec_of(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

msec clock_mono(void)
{
	return usec_of(CLOCK_MONOTONIC) / 1000;
}

msec clock_boot(void)
{
	return usec_of(CLOCK_BOOTTIME) / 1000;
}

usec_wall clock_wall(void)
{
	return usec_of(CLOCK_REALTIME);
}

struct timespec clock_after(msec pause)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += pause / 1000;
	t.tv_nsec += pause % 1000 * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}
