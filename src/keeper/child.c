#include "keeper/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK_BYTES	   (64u << 10)
#define THREAD_STACK_BYTES (16u << 10) /* the lower part of it, see clone_in_thread() */
#define FLAGS		   (CLONE_VM | CLONE_FILES | CLONE_PIDFD)
#define NULL_SLOT	   (SLOTS_END - 1)

/* ---- system calls without errno ------------------------------------------------------ */

/* errno is the keeper's, who may be at work again while the child is in one of these: they
 * answer as the kernel does, with minus the error.  The fifth argument is 0: prctl(2) looks. */
#if defined(__x86_64__)
#define HAVE_RAW 1
static long raw(long number, long a, long b, long c, long d)
{
	long rc;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = 0;
	__asm__ volatile("syscall"
			 : "=a"(rc)
			 : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return rc;
}
#elif defined(__aarch64__)
#define HAVE_RAW 1
static long raw(long number, long a, long b, long c, long d)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = 0;
	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
			 : "memory");
	return x0;
}
#else
#define HAVE_RAW 0 /* the keeper waits for the child, however long that takes */
static long raw(long number, long a, long b, long c, long d)
{
	long rc = syscall(number, a, b, c, d, 0);
	return rc < 0 ? -errno : rc;
}
#endif

static long address(const void *p)
{
	return (long)(intptr_t)p;
}

/* ---- the child ------------------------------------------------------------------------ */

bool child_slots_open(void)
{
	int fd;
	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd < NULL_SLOT);
	return fd == NULL_SLOT;
}

static bool is_slot(uint32_t number)
{
	return number >= SLOTS_BEGIN && number < NULL_SLOT;
}

/* With the table shared: a number that is a slot goes there at once, the others
 * wait in one that nobody asked for.  from[i] is where the i-th is. */
static bool fill_slots(struct child *c, uint32_t from[])
{
	uint32_t n = c->spec->head->n_fds, next = SLOTS_BEGIN;
	for (uint32_t i = 0; i < n; i++) {
		from[i] = c->spec->fds[i];
		if (!is_slot(from[i]))
			continue;
		c->slots |= 1ull << from[i];
		if (dup3(c->fds[i], (int)from[i], 0) < 0)
			return false;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (is_slot(from[i]))
			continue;
		while (c->slots & 1ull << next)
			next++;
		from[i] = next;
		c->slots |= 1ull << next;
		if (dup3(c->fds[i], (int)next, O_CLOEXEC) < 0)
			return false;
	}
	return true;
}

/* Everything of the keeper is close-on-exec; Linux before 5.9 copies it all. */
static bool own_table(void)
{
	return syscall(SYS_close_range, (unsigned)SLOTS_END, ~0u, CLOSE_RANGE_UNSHARE) == 0 ||
	       syscall(SYS_unshare, CLONE_FILES) == 0;
}

/* The dispositions are the default ones already (loop.c), the child has but to
 * empty the mask. */
static bool set_fds(struct child *c)
{
	uint32_t from[KEEPER_FDS_MAX], n = c->spec->head->n_fds;
	if (!fill_slots(c, from) || !own_table())
		return false;
	for (uint32_t std = 0, i; std < SLOTS_BEGIN; std++) {
		for (i = n; i > 0 && c->spec->fds[i - 1] != std; i--)
			;
		if (dup2(i > 0 ? (int)from[i - 1] : NULL_SLOT, (int)std) < 0)
			return false;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (c->spec->fds[i] >= NULL_SLOT && dup2((int)from[i], (int)c->spec->fds[i]) < 0)
			return false;
	}
	return true;
}

/* The keeper's own table as it was. */
static void clear_slots(const struct child *c)
{
	for (int slot = SLOTS_BEGIN; slot < NULL_SLOT; slot++) {
		if (c->slots & 1ull << slot)
			dup3(NULL_SLOT, slot, O_CLOEXEC);
	}
}

static bool set_oom(const struct child *c)
{
	if (!(c->spec->head->flags & KEEPER_SPEC_OOM))
		return true;
	char text[16];
	int n = 0, v = c->spec->head->oom_score_adj, fd;
	if (v < 0)
		text[n++] = '-';
	v = v < 0 ? -v : v;
	for (int unit = 1000; unit; unit /= 10) {
		if (v >= unit || unit == 1) /* a leading zero would mean octal */
			text[n++] = (char)('0' + v / unit % 10);
	}
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write(fd, text, (size_t)n) == n && close(fd) == 0;
}

static bool set_limits(const struct child *c)
{
	if (prlimit(0, RLIMIT_NOFILE, &c->nofile, NULL) < 0)
		return false;
	for (uint32_t i = 0; i < c->spec->head->n_limits; i++) {
		const struct keeper_limit *l = &c->spec->limits[i];
		struct rlimit r = {l->soft, l->hard};
		if (syscall(SYS_prlimit64, 0, l->resource, &r, NULL) < 0)
			return false;
	}
	return true;
}

static bool set_nice(const struct keeper_spec *h)
{
	return !(h->flags & KEEPER_SPEC_NICE) ||
	       syscall(SYS_setpriority, PRIO_PROCESS, 0, h->nice) == 0;
}

/* Who is not root may not; where the user changes too, that is what fails. */
static bool set_groups(const struct child *c)
{
	const struct keeper_spec *h = c->spec->head;
	return !(h->flags & KEEPER_SPEC_GROUPS) ||
	       syscall(SYS_setgroups, (size_t)h->n_groups, c->spec->groups) == 0 ||
	       (h->flags & KEEPER_SPEC_USER && geteuid() != 0);
}

#define CAPABILITIES 64

/* What is to be kept over the change of the user is said here as well. */
static bool set_bounding(const struct keeper_spec *h)
{
	if (h->ambient && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return false;
	for (int cap = 0; h->flags & KEEPER_SPEC_BOUNDING && cap < CAPABILITIES; cap++) {
		if (h->bounding >> cap & 1)
			continue;
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) < 0)
			return true; /* this kernel has no more */
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return false;
	}
	return true;
}

/* Ambient ones have to be permitted and inheritable first; capget(2) in its 64-bit version. */
static bool set_ambient(const struct keeper_spec *h)
{
	struct {
		uint32_t version;
		int pid;
	} head = {0x20080522, 0};
	struct {
		uint32_t effective, permitted, inheritable;
	} sets[2];
	if (!h->ambient)
		return true;
	if (syscall(SYS_capget, &head, sets) < 0)
		return false;
	for (int i = 0; i < 2; i++) {
		uint32_t wanted = (uint32_t)(h->ambient >> 32 * i);
		sets[i].inheritable |= wanted;
		sets[i].effective |= wanted;
	}
	if (syscall(SYS_capset, &head, sets) < 0)
		return false;
	for (int cap = 0; cap < CAPABILITIES; cap++) {
		if (h->ambient >> cap & 1 &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return false;
	}
	return true;
}

static bool set_gid(const struct keeper_spec *h)
{
	return !(h->flags & KEEPER_SPEC_USER) ||
	       syscall(SYS_setresgid, h->gid, h->gid, h->gid) == 0;
}

static bool set_uid(const struct keeper_spec *h)
{
	return !(h->flags & KEEPER_SPEC_USER) ||
	       syscall(SYS_setresuid, h->uid, h->uid, h->uid) == 0;
}

static long set_privs(const struct keeper_spec *h)
{
	return h->flags & KEEPER_SPEC_NO_NEW_PRIVS ? raw(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0)
						   : 0;
}

static bool join_cgroup(const struct child *c)
{
	if (!c->joins_cgroup)
		return true;
	int fd = openat(c->cgroup_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	bool joined = fd >= 0 && write(fd, "0", 1) == 1;
	int sys = errno;
	if (fd >= 0)
		close(fd); /* the table is the keeper's still */
	errno = sys;
	return joined;
}

static long execute_file(const struct child *c, const char *path)
{
	return raw(SYS_execve, address(path), address(c->spec->argv), address(c->spec->envp), 0);
}

/* As execvp(3): EACCES is told only when nothing else was found. */
static long execute(const struct child *c)
{
	const char *name = c->spec->argv[0];
	long told = -ENOENT;
	if (strchr(name, '/') || !*name)
		return execute_file(c, name);
	for (const char *dir = spec_path(c->spec); dir;
	     dir = strchr(dir, ':') ? strchr(dir, ':') + 1 : NULL) {
		size_t n = strcspn(dir, ":"), len = strlen(name);
		if (n + len + 2 > PATH_MAX)
			continue;
		memcpy(c->exec_path, dir, n);
		c->exec_path[n] = '/';
		memcpy(c->exec_path + n + (n > 0), name, len + 1);
		long rc = execute_file(c, c->exec_path);
		if (rc == -EACCES)
			told = rc;
		else if (rc != -ENOENT && rc != -ENOTDIR)
			return rc;
	}
	return told;
}

/* Digits by hand: nothing of libc that could lock or allocate. */
static void put_own_pid(const struct child *c)
{
	char digits[12], *out = c->own_pid;
	int n = 0;
	for (pid_t pid = getpid(); out && (pid > 0 || n == 0); pid /= 10)
		digits[n++] = (char)('0' + pid % 10);
	while (n > 0)
		*out++ = digits[--n];
	if (out)
		*out = '\0';
}

static long unblock_and_execute(const struct child *c)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	return execute(c);
}

/* The keeper reads it while it waits. */
static void enter(struct child *c, enum keeper_step step)
{
	__atomic_store_n(&c->step, step, __ATOMIC_RELEASE);
}

static void __attribute__((noreturn)) give_up(struct child *c, int sys)
{
	c->sys = sys ? sys : EIO;
	_exit(127);
}

/* clang-format off */
#define STEP(name, did) do { enter(c, (name)); if (!(did)) give_up(c, errno); } while (0)
/* From CHDIR on nothing touches errno, see raw(). */
#define STEP_RAW(name, did) do { enter(c, (name)); long rc_ = (did); if (rc_ < 0) give_up(c, (int)-rc_); } while (0)
/* clang-format on */

static int child_main(void *arg)
{
	struct child *c = arg;
	const struct keeper_spec *h = c->spec->head;
	STEP(KEEPER_STEP_CGROUP, join_cgroup(c));
	STEP(KEEPER_STEP_SESSION, setsid() >= 0);
	STEP(KEEPER_STEP_FDS, set_fds(c));
	STEP(KEEPER_STEP_OOM, set_oom(c));
	STEP(KEEPER_STEP_NICE, set_nice(h));
	STEP(KEEPER_STEP_LIMITS, set_limits(c));
	umask(h->flags & KEEPER_SPEC_UMASK ? (mode_t)h->umask : 022);
	STEP(KEEPER_STEP_GROUPS, set_groups(c));
	STEP(KEEPER_STEP_BOUNDING, set_bounding(h));
	STEP(KEEPER_STEP_GID, set_gid(h));
	STEP(KEEPER_STEP_UID, set_uid(h));
	STEP(KEEPER_STEP_AMBIENT, set_ambient(h));
	STEP_RAW(KEEPER_STEP_CHDIR, raw(SYS_chdir, address(c->spec->cwd), 0, 0, 0));
	STEP_RAW(KEEPER_STEP_PRIVS, set_privs(h));
	put_own_pid(c);
	STEP_RAW(KEEPER_STEP_EXEC, unblock_and_execute(c));
	_exit(127);
}

/* ---- the clone ------------------------------------------------------------------------ */

#if defined(__x86_64__)
#define HAVE_RAW_CLONE3 1
/* The child comes back from the system call on the new, empty stack, so it must
 * not return to C: it calls fn(arg), which does not come back. */
static long raw_clone3(struct clone_args *args, int (*fn)(void *), void *arg)
{
	long rc;
	register long r_size __asm__("rsi") = sizeof(*args);
	register int (*r_fn)(void *) __asm__("r8") = fn; /* not rbp, which ends the frames */
	register void *r_arg __asm__("r9") = arg;
	__asm__ volatile(
	    "syscall\n\t"
	    "test %%rax, %%rax\n\t"
	    "jnz 1f\n\t"
	    "xor %%ebp, %%ebp\n\t"
	    "mov %[arg], %%rdi\n\t"
	    "call *%[fn]\n\t"
	    "ud2\n"
	    "1:"
	    : "=a"(rc), "+r"(r_size)
	    : "0"((long)SYS_clone3), "D"(args), [fn] "r"(r_fn), [arg] "r"(r_arg)
	    : "rcx", "r11", "memory", "cc");
	return rc;
}
#elif defined(__aarch64__)
#define HAVE_RAW_CLONE3 1
static long raw_clone3(struct clone_args *args, int (*fn)(void *), void *arg)
{
	register long x0 __asm__("x0") = (long)(intptr_t)args;
	register long x1 __asm__("x1") = sizeof(*args);
	register long x8 __asm__("x8") = SYS_clone3;
	register int (*x9)(void *) __asm__("x9") = fn; /* not x29, which ends the frames */
	register void *x10 __asm__("x10") = arg;
	__asm__ volatile(
	    "svc #0\n\t"
	    "cbnz x0, 1f\n\t"
	    "mov x29, xzr\n\t"
	    "mov x0, %[arg]\n\t"
	    "blr %[fn]\n\t"
	    "brk #0\n"
	    "1:"
	    : "+r"(x0)
	    : "r"(x1), "r"(x8), [fn] "r"(x9), [arg] "r"(x10)
	    : "x30", "memory", "cc");
	return x0;
}
#else
#define HAVE_RAW_CLONE3 0
static long raw_clone3(struct clone_args *args, int (*fn)(void *), void *arg)
{
	(void)args, (void)fn, (void)arg;
	return -ENOSYS;
}
#endif

static bool have_stack(struct child *c)
{
	if (c->stack)
		return true;
	char *p = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (p == MAP_FAILED)
		return false;
	mprotect(p, 4096, PROT_NONE);
	c->stack = p;
	return true;
}

void child_release(struct child *c)
{
	if (c->stack)
		munmap(c->stack, STACK_BYTES);
	c->stack = NULL;
}

/* A CLONE_CHILD_CLEARTID child empties `here` and wakes who waits for it when it leaves this
 * memory, be it by execve or by its end (clone(2), set_tid_address(2), mm_release() in Linux). */
static long clone_with(struct child *c, unsigned flags)
{
	struct clone_args args = {
	    .flags = (uint64_t)(FLAGS | CLONE_PARENT_SETTID | flags) |
		     (c->cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0ull),
	    .pidfd = (uint64_t)(uintptr_t)&c->pidfd,
	    .parent_tid = (uint64_t)(uintptr_t)&c->pid,
	    .child_tid = (uint64_t)(uintptr_t)&c->here,
	    .exit_signal = SIGCHLD,
	    .stack = (uint64_t)(uintptr_t)(c->stack + THREAD_STACK_BYTES),
	    .stack_size = STACK_BYTES - THREAD_STACK_BYTES,
	    .cgroup = (unsigned int)c->cgroup_fd,
	};
	return raw_clone3(&args, child_main, c);
}

static int thread_main(void *arg)
{
	struct child *c = arg;
	long rc = clone_with(c, CLONE_VFORK);
	if (rc < 0) {
		c->sys = (int)-rc;
		c->pid = -1;
	}
	raw(SYS_exit, 0, 0, 0, 0);
	return 0; /* never */
}

/* The oom_score_adj of a process is that of all who share its memory, so of the keeper too, but
 * for one whose maker waits for it (CLONE_VFORK; __set_oom_adj() in Linux).  So a thread waits,
 * and the keeper waits for the thread. */
static long clone_in_thread(struct child *c)
{
	struct clone_args args = {
	    .flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
		     CLONE_SYSVSEM | CLONE_CHILD_CLEARTID,
	    .child_tid = (uint64_t)(uintptr_t)&c->here,
	    .stack = (uint64_t)(uintptr_t)c->stack,
	    .stack_size = THREAD_STACK_BYTES,
	};
	return raw_clone3(&args, thread_main, c);
}

/* An older kernel, or a filter that forbids clone3. */
static long clone_plainly(struct child *c, bool waits)
{
	int flags = FLAGS | SIGCHLD | (waits ? CLONE_VFORK : CLONE_CHILD_CLEARTID);
	c->joins_cgroup = c->cgroup_fd >= 0;
	c->pid = clone(child_main, c->stack + STACK_BYTES, flags, c, &c->pidfd, NULL, &c->here);
	if (waits)
		c->here = 0;
	return c->pid < 0 ? -errno : 0;
}

static long clone_into(struct child *c)
{
	bool waits = !HAVE_RAW, by_thread = c->spec->head->flags & KEEPER_SPEC_OOM;
	c->joins_cgroup = false;
	long rc = -ENOSYS;
	if (!waits)
		rc = by_thread ? clone_in_thread(c) : clone_with(c, CLONE_CHILD_CLEARTID);
	return rc == -ENOSYS || rc == -EPERM ? clone_plainly(c, waits || by_thread) : rc;
}

/* ---- the keeper's side ----------------------------------------------------------------- */

bool child_is_through(const struct child *c)
{
	return __atomic_load_n(&c->here, __ATOMIC_ACQUIRE) == 0;
}

/* Not to be left alone before it has a table of its own and is past errno. */
static bool may_hang(const struct child *c)
{
	enum keeper_step step = __atomic_load_n(&c->step, __ATOMIC_ACQUIRE);

	return step == KEEPER_STEP_CHDIR || step == KEEPER_STEP_PRIVS || step == KEEPER_STEP_EXEC;
}

static bool wait_for(struct child *c, unsigned patience_ms)
{
	struct timespec patience = {.tv_nsec = (long)patience_ms * 1000000};
	while (!child_is_through(c)) {
		if (raw(SYS_futex, address(&c->here), FUTEX_WAIT, 1, address(&patience)) ==
			-ETIMEDOUT &&
		    may_hang(c))
			return child_is_through(c);
	}
	return true;
}

bool child_settle(struct child *c)
{
	if (c->sys && c->pid > 0) {
		waitid(P_PID, (id_t)c->pid, &(siginfo_t){0}, WEXITED);
		close(c->pidfd);
	}
	return !c->sys;
}

enum child_fate child_spawn(struct child *c, unsigned patience_ms)
{
	c->sys = 0;
	c->slots = 0;
	c->pid = c->pidfd = -1;
	c->here = 1;
	c->step = KEEPER_STEP_CGROUP;
	long rc = have_stack(c) ? clone_into(c) : -ENOMEM;
	bool through = rc < 0 || wait_for(c, patience_ms);
	if (rc < 0)
		c->sys = (int)-rc;
	if (through && c->pid < 0)
		c->step = KEEPER_STEP_FORK;
	clear_slots(c);
	if (!through)
		return CHILD_HANGS;
	return child_settle(c) ? CHILD_EXECUTED : CHILD_FAILED;
}
