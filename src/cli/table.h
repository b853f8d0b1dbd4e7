/* table.h - rows with aligned columns.  Depends on: base, out.h. */
#ifndef HP_CLI_TABLE_H
#define HP_CLI_TABLE_H

#include "base/str.h"

/* The first row is the head.  Cells are copied. */
struct table {
	struct strv cells;
	size_t columns;
	size_t state; /* the column that is painted as a state; 0: none */
};
void table_row(struct table *t, const char *const *cells); /* NULL-ended */
/* Cut at the border of a terminal; elsewhere whole.  And releases it. */
void table_print(struct table *t);

#endif
