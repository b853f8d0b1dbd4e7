#include "keeper/spec.h" /* the reader of the other side */
#include "spawn/spec.h"
#include "sys/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <cmocka.h>

static int packed(const struct spawn_spec *s, const uint32_t *numbers, size_t n)
{
	struct error e;
	auto_str bytes = {0};
	int fd = -1;
	assert_int_equal(spawn_spec_pack(s, numbers, n, &bytes, &e), ERR_OK);
	assert_int_equal(memfd_sealed("spec", bytes.s, bytes.n, &fd, &e), ERR_OK);
	return fd;
}

static void the_keeper_reads_what_the_server_wrote(void **state)
{
	const char *const argv[] = {"a", "", "c d", NULL};
	const char *const envp[] = {"X=1", "PATH=/p:/q", NULL};
	const gid_t groups[] = {3, 4, 5};
	const uint32_t numbers[] = {1, 7};
	const struct spawn_limit limits[] = {{RLIMIT_NOFILE, 10, 20}};
	const struct spawn_hold hold[] = {{-1, "first"}, {-1, "second"}};
	struct spawn_spec s = {.argv = argv,
	    .envp = envp,
	    .cwd = "/d",
	    .label = "odd",
	    .label_bytes = 3,
	    .limits = limits,
	    .n_limits = 1,
	    .hold = hold,
	    .n_hold = 2,
	    .has_user = true,
	    .uid = 8,
	    .gid = 9,
	    .groups = groups,
	    .n_groups = 3,
	    .has_nice = true,
	    .nice = -4};
	struct spec got;
	(void)state;
	auto_fd int fd = packed(&s, numbers, 2);
	assert_int_equal(spec_read_memfd(&got, fd), 0);
	assert_int_equal(got.head->argc, 3);
	assert_string_equal(got.argv[2], "c d");
	assert_string_equal(got.argv[1], "");
	assert_null(got.argv[3]);
	assert_string_equal(got.cwd, "/d");
	assert_string_equal(spec_path(&got), "/p:/q");
	assert_memory_equal(got.label, "odd", 3);
	assert_int_equal(got.limits[0].hard, 20);
	assert_int_equal(got.groups[2], 5);
	assert_int_equal(got.fds[1], 7);
	assert_int_equal(got.head->nice, -4);
	assert_int_equal(got.head->n_held, 2);
	assert_string_equal(got.held[0], "first");
	assert_string_equal(got.held[1], "second");
	assert_int_equal(got.head->flags, KEEPER_SPEC_USER | KEEPER_SPEC_NICE);
	char x[] = "X=2", y[] = "Y=3";
	spec_env_put(&got, x);
	spec_env_put(&got, y);
	assert_string_equal(got.envp[0], "Y=3");
	assert_string_equal(got.envp[1], "X=2");
	assert_string_equal(got.envp[2], "PATH=/p:/q");
	assert_null(got.envp[3]);
	spec_release(&got);
}

static void the_memfd_can_not_be_changed(void **state)
{
	const char *const argv[] = {"a", NULL};
	struct spawn_spec s = {.argv = argv};
	(void)state;
	auto_fd int fd = packed(&s, NULL, 0);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
}

/* Every offset and count is broken in turn: refused or read, never out of bounds
 * (the sanitizer build is the judge). */
static void a_malformed_spec_is_refused(void **state)
{
	const char *const argv[] = {"a", "b", NULL};
	const char *const envp[] = {"X=1", NULL};
	const uint32_t numbers[] = {1};
	struct spawn_spec s = {.argv = argv, .envp = envp, .cwd = "/"};
	const uint32_t bad[] = {1, 3, 77, 1000, 0x7fffffff, 0xfffffff0, 0xffffffff};
	char bytes[4096];
	(void)state;
	auto_fd int fd = packed(&s, numbers, 1);
	ssize_t n = pread(fd, bytes, sizeof(bytes), 0);
	for (size_t at = 8; at < sizeof(struct keeper_spec); at += 4) {
		for (size_t i = 0; i < countof(bad); i++) {
			struct spec got;
			auto_fd int m = memfd_create("bad", MFD_CLOEXEC);
			assert_int_equal(pwrite(m, bytes, (size_t)n, 0), n);
			assert_int_equal(pwrite(m, &bad[i], 4, (off_t)at), 4);
			spec_read_memfd(&got, m);
			spec_release(&got);
		}
	}
	struct spec got;
	assert_int_equal(spec_read_memfd(&got, -1), EBADF);
	spec_release(&got);
	auto_fd int empty = memfd_create("empty", MFD_CLOEXEC);
	assert_int_equal(spec_read_memfd(&got, empty), EINVAL);
	spec_release(&got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_keeper_reads_what_the_server_wrote),
	    cmocka_unit_test(the_memfd_can_not_be_changed),
	    cmocka_unit_test(a_malformed_spec_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
