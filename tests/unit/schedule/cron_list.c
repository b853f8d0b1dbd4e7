/* cron_list EXPRESSION ZONE FROM TO: the instants (seconds since 1970) that it names, FROM < t <=
 * TO. */
#include "base/base.h"
#include "schedule/cron.h"
#include "zone_file.h"

#include <stdio.h>

int main(int argc, char **argv)
{
	struct cron c;
	struct error e;
	size_t column;

	if (argc != 5 || cron_parse(argv[1], &c, &column, &e) != ERR_OK)
		return 2;
	struct zone *z = zone_of_machine(argv[2]);
	if (!z)
		return 3;
	const int64_t to = strtoll(argv[4], NULL, 10);
	for (int64_t t = cron_next(&c, z, strtoll(argv[3], NULL, 10)); t <= to;
	     t = cron_next(&c, z, t))
		printf("%lld\n", (long long)t);
	zone_free(z);
	return 0;
}
