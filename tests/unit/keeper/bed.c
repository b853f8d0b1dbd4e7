#include "bed.h"

#include "base/str.h"
#include "sys/urgent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <cmocka.h>

#define BOUND_MS 10000

struct seen *bed_seen(struct bed *b, uint64_t token)
{
	for (size_t i = b->n_seen; i > 0; i--)
		if (b->seen[i - 1].token == token)
			return &b->seen[i - 1];
	assert_true(b->n_seen < countof(b->seen));
	b->seen[b->n_seen] = (struct seen){.token = token, .pidfd = -1};
	return &b->seen[b->n_seen++];
}

static void on_spawned(void *ctx, uint64_t token, pid_t pid)
{
	struct seen *s = bed_seen(ctx, token);
	s->out_of_order |= s->spawned || s->exited;
	s->spawned = true;
	s->pid = pid;
}
static void on_failed(void *ctx, uint64_t token, enum keeper_step step, int sys)
{
	struct seen *s = bed_seen(ctx, token);
	s->failed = true;
	s->step = step;
	s->sys = sys;
}
static void on_exited(void *ctx, uint64_t token, const struct keeper_exit_info *how, bool empty)
{
	struct seen *s = bed_seen(ctx, token);
	s->out_of_order |= (!s->spawned && !s->listed) || s->exited;
	s->exited = true;
	s->empty = empty;
	s->how = *how;
}
static void on_set_empty(void *ctx, uint64_t token)
{
	struct seen *s = bed_seen(ctx, token);
	s->out_of_order |= !s->exited || s->empty;
	s->empty = true;
}
static void on_notified(void *ctx, uint64_t token, const char *text)
{
	struct seen *s = bed_seen(ctx, token);
	snprintf(s->notified, sizeof(s->notified), "%s", text);
}
static void on_listed(void *ctx, const struct spawn_listed *l, int take_pidfd)
{
	struct seen *s = bed_seen(ctx, l->token);
	s->listed = true;
	s->listed_exited = l->exited;
	s->listed_empty = l->empty;
	s->listed_acked = l->acked;
	s->exited = l->exited;
	s->empty = l->empty;
	s->pid = l->pid;
	s->start_ticks = l->start_ticks;
	s->how = *l->exit;
	snprintf(s->label, sizeof(s->label), "%.*s", (int)l->label_bytes, (const char *)l->label);
	s->pidfd = take_pidfd;
	if (take_pidfd >= 0)
		close(take_pidfd);
}
static void on_held(void *ctx, const char *name, int take_fd)
{
	struct bed *b = ctx;
	if (b->held_fd >= 0)
		close(b->held_fd);
	b->held_fd = take_fd;
	snprintf(b->held_name, sizeof(b->held_name), "%s", name);
}
static void on_listed_all(void *ctx)
{
	((struct bed *)ctx)->listed_all = true;
}
static void on_shutdown_asked(void *ctx, int times)
{
	((struct bed *)ctx)->shutdown_asked = times;
}
static void on_hello(void *ctx, pid_t keeper, bool has_cgroups, uint64_t boot)
{
	(void)boot;
	struct bed *b = ctx;
	assert_int_equal(keeper, b->keeper);
	b->has_cgroups = has_cgroups;
}
static void on_lost(void *ctx)
{
	((struct bed *)ctx)->lost = true;
}

static const struct spawner_events events = {
    .spawned = on_spawned,
    .failed = on_failed,
    .exited = on_exited,
    .set_empty = on_set_empty,
    .notified = on_notified,
    .listed = on_listed,
    .held = on_held,
    .listed_all = on_listed_all,
    .shutdown_asked = on_shutdown_asked,
    .hello = on_hello,
    .lost_keeper = on_lost,
};

pid_t bed_exec_keeper(const char *state, int err_fd)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	if (err_fd >= 0)
		dup2(err_fd, 2);
	execl(getenv("KEEPER_EXE"), "hero_proc_keeper", "--state", state, "--server",
	    getenv("FAKE_SERVER_EXE"), "--", "--fake", (char *)NULL);
	_exit(99);
}

void bed_accept(struct bed *b)
{
	struct {
		pid_t pid;
		int safe;
		char path[96], upgrade[128];
	} hello;
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} ctl;
	struct iovec iov = {.iov_base = &hello, .iov_len = sizeof(hello)};
	struct msghdr mh = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = ctl.buf,
	    .msg_controllen = sizeof(ctl.buf)};
	struct pollfd p = {.fd = b->listen_fd, .events = POLLIN};
	int fd;
	assert_int_equal(poll(&p, 1, BOUND_MS), 1);
	if (b->server_fd >= 0)
		close(b->server_fd);
	b->server_fd = accept4(b->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	assert_int_equal(recvmsg(b->server_fd, &mh, MSG_CMSG_CLOEXEC), sizeof(hello));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&mh)), sizeof(int));
	b->server = hello.pid;
	b->safe = hello.safe;
	memcpy(b->server_path, hello.path, sizeof(b->server_path));
	memcpy(b->upgrade, hello.upgrade, sizeof(b->upgrade));
	b->listed_all = false;
	spawner_free(b->spawner);
	assert_int_equal(
	    spawner_new(b->base, b->urgent, fd, &events, b, &b->spawner, &(struct error){0}),
	    ERR_OK);
}

void bed_open(struct bed *b, bool cgroups)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	memset(b, 0, sizeof(*b));
	b->held_fd = b->server_fd = -1;
	b->next_token = 0x1000;
	strcpy(b->dir, "/tmp/keeper-test-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	snprintf(b->state, sizeof(b->state), "%s/state", b->dir);
	snprintf(b->path, sizeof(b->path), "%s/sock", b->dir);
	strcpy(a.sun_path, b->path);
	b->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(b->listen_fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(b->listen_fd, 8), 0);
	setenv("FAKE_SERVER_SOCKET", b->path, 1);
	if (cgroups)
		unsetenv(KEEPER_CGROUP_OFF);
	else
		setenv(KEEPER_CGROUP_OFF, "1", 1);
	b->base = event_base_new();
	assert_int_equal(urgent_new(b->base, &b->urgent, &(struct error){0}), ERR_OK);
	b->keeper = bed_exec_keeper(b->state, -1);
	bed_accept(b);
}

void bed_end_server(struct bed *b, int status)
{
	unsigned char byte = (unsigned char)status;
	assert_int_equal(write(b->server_fd, &byte, 1), 1);
}

void bed_kill_server(struct bed *b)
{
	pid_t was = b->server;
	kill(was, SIGKILL);
	bed_accept(b);
	assert_int_not_equal(b->server, was);
}

int bed_wait_keeper(struct bed *b)
{
	int fd = (int)syscall(SYS_pidfd_open, b->keeper, 0), status;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int ready = poll(&p, 1, BOUND_MS);
	close(fd);
	if (ready != 1)
		return -1;
	assert_int_equal(waitpid(b->keeper, &status, 0), b->keeper);
	b->keeper = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool is_sent(struct bed *b, void *arg)
{
	(void)arg;
	return spawner_is_idle(b->spawner);
}

void bed_close(struct bed *b)
{
	if (b->keeper) {
		spawner_shutdown(b->spawner);
		assert_true(bed_until(b, is_sent, NULL));
		bed_end_server(b, 0);
		assert_int_equal(bed_wait_keeper(b), 0);
	}
	for (size_t i = 0; i < b->n_seen; i++)
		assert_false(b->seen[i].out_of_order);
	spawner_free(b->spawner);
	urgent_free(b->urgent);
	event_base_free(b->base);
	close(b->server_fd);
	close(b->listen_fd);
	if (b->held_fd >= 0)
		close(b->held_fd);
	const char *const names[] = {"journal", "lock"};
	for (size_t i = 0; i < countof(names); i++) {
		auto_free char *path = text_fmt("%s/%s", b->state, names[i]);
		unlink(path);
	}
	unlink(b->path);
	assert_int_equal(rmdir(b->state), 0);
	assert_int_equal(rmdir(b->dir), 0);
}

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

bool bed_until(struct bed *b, bool (*fn)(struct bed *, void *), void *arg)
{
	int64_t end = now_ms() + BOUND_MS;
	while (!fn(b, arg)) {
		struct timeval left = {.tv_usec = 100000};
		if (now_ms() > end)
			return false;
		event_base_loopexit(b->base, &left);
		event_base_loop(b->base, EVLOOP_ONCE);
	}
	return true;
}

static bool is_spawned(struct bed *b, void *arg)
{
	return bed_seen(b, *(uint64_t *)arg)->spawned || bed_seen(b, *(uint64_t *)arg)->failed;
}
static bool is_exited(struct bed *b, void *arg)
{
	return bed_seen(b, *(uint64_t *)arg)->exited;
}
static bool is_empty(struct bed *b, void *arg)
{
	return bed_seen(b, *(uint64_t *)arg)->empty;
}
static bool is_listed(struct bed *b, void *arg)
{
	(void)arg;
	return b->listed_all;
}
bool bed_until_spawned(struct bed *b, uint64_t token)
{
	return bed_until(b, is_spawned, &token);
}
bool bed_until_exited(struct bed *b, uint64_t token)
{
	return bed_until(b, is_exited, &token);
}
bool bed_until_empty(struct bed *b, uint64_t token)
{
	return bed_until(b, is_empty, &token);
}
bool bed_until_listed(struct bed *b)
{
	b->listed_all = false;
	spawner_list(b->spawner);
	return bed_until(b, is_listed, NULL);
}

uint64_t bed_exec(struct bed *b, struct spawn_spec *s)
{
	struct error e;
	s->token = b->next_token++;
	if (spawner_spawn(b->spawner, s, &e) != ERR_OK)
		fail_msg("%s", e.msg);
	return s->token;
}

uint64_t bed_sh(struct bed *b, const char *script, int out_fd, bool notify)
{
	const char *const argv[] = {"sh", SPAWN_SCRIPT_PATH, NULL};
	const char *const envp[] = {"PATH=/usr/bin:/bin", "A=b", NULL};
	struct spawn_fd out = {out_fd, 1};
	struct spawn_spec s = {.argv = argv,
	    .envp = envp,
	    .script = script,
	    .fds = &out,
	    .n_fds = out_fd >= 0,
	    .label = "label of it",
	    .label_bytes = 11,
	    .notify = notify};
	return bed_exec(b, &s);
}

char *bed_output(struct bed *b, const char *script)
{
	int p[2];
	char buf[4096];
	ssize_t n;
	struct str out = {0};
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	uint64_t token = bed_sh(b, script, p[1], false);
	close(p[1]);
	assert_true(bed_until_exited(b, token));
	while ((n = read(p[0], buf, sizeof(buf))) > 0)
		str_add_n(&out, buf, (size_t)n);
	close(p[0]);
	spawner_ack(b->spawner, token);
	return str_take(&out);
}

size_t count_fds(pid_t pid)
{
	auto_free char *path = text_fmt("/proc/%d/fd", (int)pid);
	DIR *d = opendir(path);
	size_t n = 0;
	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

struct bed bed;

int bed_setup_with_cgroups(void **state)
{
	(void)state;
	bed_open(&bed, true);
	return 0;
}

int bed_setup_without_cgroups(void **state)
{
	(void)state;
	bed_open(&bed, false);
	return 0;
}

int bed_teardown(void **state)
{
	(void)state;
	bed_close(&bed);
	return 0;
}
