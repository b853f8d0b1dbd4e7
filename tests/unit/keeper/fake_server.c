/*
 * A server that is none: it hands its end of the channel to the test, which
 * listens on $FAKE_SERVER_SOCKET, and exits with the status it is told (a byte).
 * The test may as well kill it.
 */
#include "keeper/keeper_protocol.h"

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
	} hello = {getpid(), strcmp(argv[argc - 1], "--safe") == 0};
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
