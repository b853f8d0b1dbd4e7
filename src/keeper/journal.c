#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * DIR/journal: exits that are not acknowledged, for the day when the keeper
 * itself is killed and its zombies go.  Appended without fsync (it survives a
 * kill, not a power cut: then no process is left either), emptied when the last
 * one is acknowledged, rewritten when it has grown.  When the disk is full the
 * record is missing, and the zombie remains the only witness.
 */
#define MAGIC	  0x6a6b7068u
#define LIMIT_MIN (64u << 10)

enum record_kind { RECORD_EXIT = 1, RECORD_ACK };

struct record {
	uint32_t magic, kind;
	uint64_t token;
	int32_t pid;
	uint32_t label_bytes; /* the label follows */
	struct keeper_exit_info info;
};

static bool append(struct keeper *k, const struct job *j, enum record_kind kind)
{
	char buf[sizeof(struct record) + KEEPER_TEXT_MAX];
	struct record r = {.magic = MAGIC, .kind = kind, .token = j->token, .pid = j->session};
	if (kind == RECORD_EXIT) {
		r.info = j->info;
		r.label_bytes = j->label_bytes;
		memcpy(buf + sizeof(r), j->label, j->label_bytes);
	}
	memcpy(buf, &r, sizeof(r));
	size_t n = sizeof(r) + r.label_bytes;
	if (k->journal_fd < 0)
		return false;
	if (pwrite(k->journal_fd, buf, n, (off_t)k->journal_bytes) != (ssize_t)n) {
		(void)!ftruncate(k->journal_fd, (off_t)k->journal_bytes);
		return false;
	}
	k->journal_bytes += n;
	return true;
}

static int open_file(const struct keeper *k, const char *name, int flags)
{
	int fd = openat(k->state_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0600);
	identity_own_file(&k->server.identity, fd);
	return fd;
}

static void rewrite(struct keeper *k)
{
	struct keeper old = *k;
	struct job_iter it = {0};
	struct job *j;
	bool ok = true;
	k->journal_fd = open_file(k, "journal.new", O_TRUNC);
	k->journal_bytes = 0;
	while (ok && (j = job_each(k, &it))) {
		if (j->journaled && !j->acked)
			ok = append(k, j, RECORD_EXIT);
	}
	if (ok && k->journal_fd >= 0 &&
	    renameat(k->state_fd, "journal.new", k->state_fd, "journal") == 0) {
		if (old.journal_fd >= 0)
			close(old.journal_fd);
	} else {
		if (k->journal_fd >= 0)
			close(k->journal_fd);
		k->journal_fd = old.journal_fd;
		k->journal_bytes = old.journal_bytes;
	}
	k->journal_limit = k->journal_bytes * 4 > LIMIT_MIN ? k->journal_bytes * 4 : LIMIT_MIN;
}

void journal_renew(struct keeper *k)
{
	struct stat ours, there;
	if (k->journal_fd >= 0 && fstat(k->journal_fd, &ours) == 0 &&
	    fstatat(k->state_fd, "journal", &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	    ours.st_ino == there.st_ino && ours.st_dev == there.st_dev)
		return;
	rewrite(k);
}

void journal_exit(struct keeper *k, struct job *j)
{
	j->journaled = append(k, j, RECORD_EXIT);
	k->journal_live += j->journaled;
}

void journal_ack(struct keeper *k, const struct job *j)
{
	if (!j->journaled)
		return;
	if (--k->journal_live == 0) {
		if (ftruncate(k->journal_fd, 0) == 0)
			k->journal_bytes = 0;
	} else if (!append(k, j, RECORD_ACK) || k->journal_bytes > k->journal_limit) {
		rewrite(k);
	}
}

static void load_exit(struct keeper *k, const struct record *r, const char *label)
{
	struct job *j = job_find(k, r->token);
	if (!j)
		j = job_new(k, r->token);
	if (!j || j->exited)
		return;
	j->session = r->pid;
	j->info = r->info;
	j->exited = j->empty = j->journaled = true;
	free(j->label);
	j->label = malloc(r->label_bytes + 1u);
	if (j->label) {
		memcpy(j->label, label, r->label_bytes);
		j->label_bytes = r->label_bytes;
	}
	k->journal_live++;
}

static void load_ack(struct keeper *k, uint64_t token)
{
	struct job *j = job_find(k, token);
	if (j) {
		k->journal_live--;
		job_drop(k, j);
	}
}

/* A record that was torn by a crash ends the reading. */
static void load(struct keeper *k, const char *text, size_t n)
{
	struct record r;
	for (size_t at = 0; at + sizeof(r) <= n; at += sizeof(r) + r.label_bytes) {
		memcpy(&r, text + at, sizeof(r));
		if (r.magic != MAGIC || r.label_bytes > KEEPER_TEXT_MAX ||
		    at + sizeof(r) + r.label_bytes > n)
			return;
		if (r.kind == RECORD_EXIT)
			load_exit(k, &r, text + at + sizeof(r));
		else
			load_ack(k, r.token);
	}
}

void journal_open(struct keeper *k)
{
	struct stat st;
	k->journal_fd = open_file(k, "journal", 0);
	if (k->journal_fd < 0 || fstat(k->journal_fd, &st) < 0) {
		say("%s/journal: %s; exits are kept in memory only", k->state_dir, strerror(errno));
		return;
	}
	char *text = st.st_size ? malloc((size_t)st.st_size) : NULL;
	if (text && pread(k->journal_fd, text, (size_t)st.st_size, 0) == st.st_size)
		load(k, text, (size_t)st.st_size);
	free(text);
	k->journal_bytes = (size_t)st.st_size;
	rewrite(k);
}
