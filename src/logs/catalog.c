/* catalog.c - which times sealed segments hold (segment.h). */
#include "base/str.h"
#include "logs/segment.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

enum { TRIM_ROWS = 4096 };

static uint64_t check_of(const struct catalog_row *r)
{
	return seal_check(r, offsetof(struct catalog_row, check), 2);
}

void catalog_read(struct catalog *c, int folder_fd)
{
	auto_fd int fd = openat(folder_fd, "catalog", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	size_t n, kept = 0;
	ssize_t got;

	*c = (struct catalog){0};
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	n = (size_t)st.st_size / sizeof(*c->v);
	c->v = mem_grow(NULL, n + 1, sizeof(*c->v));
	got = pread(fd, c->v, n * sizeof(*c->v), 0);
	n = got < 0 ? 0 : (size_t)got / sizeof(*c->v);
	/* What is torn, or older than the row before it, is no row: the segment is opened. */
	for (size_t i = 0; i < n; i++)
		if (c->v[i].check == check_of(&c->v[i]) &&
		    (!kept || c->v[kept - 1].number < c->v[i].number))
			c->v[kept++] = c->v[i];
	c->n = kept;
}

void catalog_release(struct catalog *c)
{
	free(c->v);
	*c = (struct catalog){0};
}

const struct catalog_row *catalog_find(const struct catalog *c, uint32_t number)
{
	size_t low = 0, high = c->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (c->v[mid].number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return low < c->n && c->v[low].number == number ? &c->v[low] : NULL;
}

/* Without the rows of segments that are gone. */
static void trim(int folder_fd, const struct catalog *c, uint32_t first)
{
	auto_fd int fd =
	    openat(folder_fd, "catalog.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t from = 0;
	ssize_t size;

	while (from < c->n && c->v[from].number < first)
		from++;
	size = (ssize_t)((c->n - from) * sizeof(*c->v));
	if (fd < 0 || write(fd, c->v + from, (size_t)size) != size ||
	    renameat(folder_fd, "catalog.tmp", folder_fd, "catalog") < 0)
		unlinkat(folder_fd, "catalog.tmp", 0);
}

void catalog_add(int folder_fd, const struct seal_footer *f, uint32_t number, uint32_t first)
{
	struct catalog c;
	struct catalog_row r = {.number = number,
	    .min_time = f->min_time,
	    .max_time = f->max_time,
	    .highest = f->max_time,
	    .bytes = f->bytes,
	    .resume_segment = f->resume_segment,
	    .resume_offset = f->resume_offset};
	auto_fd int fd = -1;
	struct stat st;

	catalog_read(&c, folder_fd);
	if (c.n && c.v[c.n - 1].highest > r.highest)
		r.highest = c.v[c.n - 1].highest;
	r.check = check_of(&r);
	if (!c.n || c.v[c.n - 1].number < number) {
		if (c.n > TRIM_ROWS && c.v[TRIM_ROWS / 2].number < first)
			trim(folder_fd, &c, first);
		fd =
		    openat(folder_fd, "catalog", O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		/* Behind the last whole row: a torn one is written over. */
		if (fd >= 0 && fstat(fd, &st) == 0 &&
		    pwrite(fd, &r, sizeof(r), st.st_size / (off_t)sizeof(r) * (off_t)sizeof(r)) < 0)
			(void)0; /* without its row the segment is opened */
	}
	catalog_release(&c);
}
