#include "server/host/json_time.h"

#include "rpc/json_out.h"
#include "server/host/clock.h"

json_t *json_time(usec_wall t)
{
	char text[ISO_TIME_BYTES];

	return t ? json_string(clock_iso(t, text)) : json_null();
}

void json_time_out(struct str *out, const char *key, usec_wall t)
{
	char text[ISO_TIME_BYTES];

	json_out_text(out, key, t ? clock_iso(t, text) : NULL);
}
