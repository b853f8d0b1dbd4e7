/* Who may call: the owner, root, and the members of one group. */
#include "http/peer.h"

#include "base/str.h"

#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <cmocka.h>

#define OTHER_UID 65533
#define OTHER_GID 65532
#define EXTRA_GID 65531

static struct sockaddr_un at = {.sun_family = AF_UNIX};
static socklen_t at_bytes;

/* In a process of its own: another user connects, and stays until the answer is known. */
static _Noreturn void be_another(void)
{
	const gid_t extra = EXTRA_GID;
	char c;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (setgroups(1, &extra) != 0 || setresgid(OTHER_GID, OTHER_GID, OTHER_GID) != 0 ||
	    setresuid(OTHER_UID, OTHER_UID, OTHER_UID) != 0 ||
	    connect(fd, (const struct sockaddr *)&at, at_bytes) != 0)
		_exit(1);
	_exit(read(fd, &c, 1) == 0 ? 0 : 1);
}

static int listen_anywhere(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at_bytes = sizeof(sa_family_t); /* the kernel chooses an abstract name, unix(7) */
	assert_int_equal(bind(fd, (const struct sockaddr *)&at, at_bytes), 0);
	at_bytes = sizeof(at);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &at_bytes), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void the_owner_may_call(void **state)
{
	struct rpc_peer peer;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_true(peer_read(pair[0], &peer));
	assert_int_equal(peer.uid, geteuid());
	assert_int_equal(peer.pid, getpid());
	assert_true(peer_may_call(pair[0], &peer, NULL));
	close(pair[0]);
	close(pair[1]);
}

static void another_may_call_as_a_member_of_the_group_only(void **state)
{
	static const gid_t first = OTHER_GID, extra = EXTRA_GID, foreign = EXTRA_GID - 1;
	struct rpc_peer peer;
	int status;

	(void)state;
	if (geteuid() != 0)
		skip(); /* nobody else to be had */
	int door = listen_anywhere();
	pid_t pid = fork();
	if (pid == 0)
		be_another();
	int fd = accept(door, NULL, NULL);
	assert_true(fd >= 0 && peer_read(fd, &peer));
	assert_int_equal(peer.uid, OTHER_UID);
	assert_int_equal(peer.pid, pid);
	assert_false(peer_may_call(fd, &peer, NULL));
	assert_false(peer_may_call(fd, &peer, &foreign));
	assert_true(peer_may_call(fd, &peer, &first));
	assert_true(peer_may_call(fd, &peer, &extra));
	close(fd);
	close(door);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_owner_may_call),
	    cmocka_unit_test(another_may_call_as_a_member_of_the_group_only)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
