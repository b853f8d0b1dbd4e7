/*
 * A server that is none: it hands its end of the channel to the test, which
 * listens on $FAKE_SERVER_SOCKET, and exits with the status it is told (a byte).
 * The test may as well kill it.
 */
#include "keeper/keeper_protocol.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	const char *path = getenv("FAKE_SERVER_SOCKET"), *fd_text = getenv(KEEPER_FD_ENV);
	if (!path || !fd_text)
		return 3;
	strncpy(a.sun_path, path, sizeof(a.sun_path) - 1);
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = atoi(fd_text);
	if (s < 0 || connect(s, (struct sockaddr *)&a, sizeof(a)) < 0)
		return 3;
	struct {
		pid_t pid;
		int safe;
		char path[96], upgrade[128];
	} hello = {getpid(), strcmp(argv[argc - 1], "--safe") == 0, "", ""};
	const char *upgrade = getenv(KEEPER_UPGRADE_ENV);
	snprintf(hello.path, sizeof(hello.path), "%s", argv[0]);
	snprintf(hello.upgrade, sizeof(hello.upgrade), "%s", upgrade ? upgrade : "");
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} ctl = {0};
	struct iovec iov = {.iov_base = &hello, .iov_len = sizeof(hello)};
	struct msghdr mh = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = ctl.buf,
	    .msg_controllen = sizeof(ctl.buf)};
	struct cmsghdr *cm = CMSG_FIRSTHDR(&mh);
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cm), &fd, sizeof(int));
	if (sendmsg(s, &mh, 0) < 0)
		return 3;
	close(fd);
	unsigned char status;
	return read(s, &status, 1) == 1 ? status : 3;
}
