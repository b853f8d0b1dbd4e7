#include "keeper/keeper.h"

#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* How the leader of a job ended: of a child by waitid(2), of an adopted process by its pidfd. */

static int64_t usec(struct timeval t)
{
	return (int64_t)t.tv_sec * 1000000 + t.tv_usec;
}

/* The status is only looked at (WNOWAIT): the zombie stays until job_ack(). */
bool child_exit(const struct job *j, struct keeper_exit_info *out)
{
	siginfo_t si = {0};
	struct rusage ru = {0};
	if (syscall(SYS_waitid, P_PID, j->pid, &si, WEXITED | WNOHANG | WNOWAIT, &ru) < 0 ||
	    !si.si_pid)
		return false;
	*out = (struct keeper_exit_info){
	    .code = si.si_code,
	    .status = si.si_status,
	    .user_us = usec(ru.ru_utime),
	    .system_us = usec(ru.ru_stime),
	    .max_rss_kib = ru.ru_maxrss,
	};
	return true;
}

/* ioctl_pidfd(2), linux/pidfd.h: headers older than the kernel do not have it. */
struct exit_query {
	uint64_t mask, cgroup;
	uint32_t ids[11];
	int32_t exit_code;
};
#define QUERY_EXIT (1u << 3)
#define QUERY	   _IOWR(0xff, 11, struct exit_query)

static void decode(int status, struct keeper_exit_info *out)
{
	if (WIFEXITED(status))
		*out = (struct keeper_exit_info){.code = CLD_EXITED, .status = WEXITSTATUS(status)};
	else
		*out =
		    (struct keeper_exit_info){.code = WCOREDUMP(status) ? CLD_DUMPED : CLD_KILLED,
			.status = WTERMSIG(status)};
}

/* Known once somebody has reaped it. */
static bool ask_pidfd(const struct job *j, struct keeper_exit_info *out)
{
	struct exit_query q = {.mask = QUERY_EXIT};
	if (ioctl(j->exit.fd, QUERY, &q) < 0 || !(q.mask & QUERY_EXIT))
		return false;
	decode(q.exit_code, out);
	return true;
}

/* Until then; its number is its own as long as the pidfd reaches it. */
static bool ask_zombie(const struct job *j, struct keeper_exit_info *out)
{
	struct process_stat st = {0};
	if (!process_stat(j->pid, &st) || st.state != 'Z' ||
	    syscall(SYS_pidfd_send_signal, j->exit.fd, 0, NULL, 0) < 0)
		return false;
	decode(st.exit_code, out);
	return true;
}

bool adopted_exit(const struct job *j, struct keeper_exit_info *out)
{
	return ask_pidfd(j, out) || ask_zombie(j, out) || ask_pidfd(j, out);
}
