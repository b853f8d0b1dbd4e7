#include "server/supervise/path_check.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>

#define HEAD_BYTES  256 /* of a file that execve(2) looks at: BINPRM_BUF_SIZE */
#define MAY_SEARCH  1u
#define HEADERS_MAX 64
#define LOADER_MAX  PATH_MAX

/* ---- permissions ----------------------------------------------------------------------- */

void path_user_init(struct path_user *u, const struct spawn_spec *s)
{
	*u = (struct path_user){.uid = s->has_user ? s->uid : geteuid()};
	u->groups[u->n++] = s->has_user ? s->gid : getegid();
	if (!s->has_groups) {
		int n = getgroups(PATH_GROUPS_MAX - 1, u->groups + 1);

		u->n += n > 0 ? (size_t)n : 0;
	}
	for (size_t i = 0; s->has_groups && i < s->n_groups && u->n < PATH_GROUPS_MAX; i++)
		u->groups[u->n++] = s->groups[i];
}

static bool is_in_group(const struct path_user *u, gid_t gid)
{
	for (size_t i = 0; i < u->n; i++)
		if (u->groups[i] == gid)
			return true;
	return false;
}

/* To execute a file, to search a folder: path_resolution(7). */
static bool may_execute(const struct path_user *u, const struct stat *st)
{
	if (u->uid == 0)
		return S_ISDIR(st->st_mode) || st->st_mode & 0111;
	unsigned shift = st->st_uid == u->uid ? 6 : is_in_group(u, st->st_gid) ? 3 : 0;
	return st->st_mode >> shift & MAY_SEARCH;
}

static void say_denied(const char *what, const char *path, const struct path_user *u,
    const struct stat *st, struct str *out)
{
	str_fmt(out, "%s `%s`: uid %u may not, its mode is %04o, its owner uid %u", what, path,
	    (unsigned)u->uid, st->st_mode & 07777, (unsigned)st->st_uid);
}

/* ---- a path ------------------------------------------------------------------------------- */

/* It can not be looked at: itself, or what it links to. */
static bool explain_absent(const char *path, bool is_last, bool is_folder, struct str *out)
{
	char to[PATH_MAX];
	ssize_t n = readlink(path, to, sizeof(to) - 1);

	if (n >= 0) {
		to[n] = '\0';
		str_fmt(out,
		    errno == ELOOP ? "`%s` is a link to `%s`, which leads back to it"
				   : "`%s` is a link to `%s`, which is not there",
		    path, to);
	} else if (is_last && !is_folder) {
		return false; /* the errno says it */
	} else {
		str_fmt(out, "there is no folder `%s`%s%s%s", path, is_last ? "; mkdir -p " : "",
		    is_last ? path : "", is_last ? "" : "");
	}
	return true;
}

static bool leads_in_circles(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 && errno == ELOOP;
}

static bool check_part(
    const char *path, bool is_last, bool is_folder, const struct path_user *u, struct str *out)
{
	struct stat st;

	if (leads_in_circles(path)) {
		str_fmt(out, "`%s` is a link that leads back to itself", path);
		return true;
	}
	if (stat(path, &st) < 0)
		return (errno == ENOENT || errno == ENOTDIR) &&
		       explain_absent(path, is_last, is_folder, out);
	if (is_last && !is_folder)
		return false;
	if (!S_ISDIR(st.st_mode)) {
		str_fmt(out, "`%s` is a file, no folder", path);
		return true;
	}
	if (!may_execute(u, &st)) {
		say_denied("to enter the folder", path, u, &st, out);
		return true;
	}
	return false;
}

static bool check_parts(
    const char *path, bool is_folder, const struct path_user *u, struct str *out)
{
	auto_free char *part = text_dup(path);

	if (*path != '/')
		return false;
	for (char *slash = part; slash;) {
		slash = strchr(slash + 1, '/');
		while (slash && slash[1] == '/')
			slash++;
		bool is_last = !slash || !slash[1];

		if (slash)
			*slash = '\0';
		if (check_part(*part ? part : "/", is_last, is_folder, u, out))
			return true;
		if (is_last)
			return false;
		*slash = '/';
	}
	return false;
}

bool path_explain(const char *path, const struct path_user *u, struct str *out)
{
	return check_parts(path, false, u, out);
}

bool path_explain_folder(const char *path, const struct path_user *u, struct str *out)
{
	return check_parts(path, true, u, out);
}

/* ---- a file -----------------------------------------------------------------------------------
 */

bool path_explain_executable(const char *path, const struct path_user *u, struct str *out)
{
	struct stat st;
	struct statvfs fs;

	if (stat(path, &st) < 0)
		return false;
	if (S_ISDIR(st.st_mode)) {
		str_fmt(out, "`%s` is a folder; name the program in it", path);
		return true;
	}
	if (!S_ISREG(st.st_mode)) {
		str_fmt(out, "`%s` is no regular file", path);
		return true;
	}
	if (statvfs(path, &fs) == 0 && fs.f_flag & ST_NOEXEC) {
		str_fmt(out,
		    "`%s` lies on a file system that is mounted noexec; move it, or mount "
		    "that with exec",
		    path);
		return true;
	}
	if (may_execute(u, &st))
		return false;
	if (st.st_mode & 0111)
		say_denied("to execute", path, u, &st, out);
	else
		str_fmt(out, "it has no permission to be executed; chmod +x %s", path);
	return true;
}

struct head {
	char bytes[HEAD_BYTES + 1];
	size_t n;
};

static bool read_head(const char *path, struct head *h)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t n = fd >= 0 ? pread(fd, h->bytes, HEAD_BYTES, 0) : -1;

	h->n = n > 0 ? (size_t)n : 0;
	h->bytes[h->n] = '\0';
	return n >= 0;
}

static bool is_script(const struct head *h)
{
	return h->n >= 2 && h->bytes[0] == '#' && h->bytes[1] == '!';
}

/* The first word behind #!, as execve(2) takes it: a carriage return belongs to it. */
static char *interpreter_of(const struct head *h)
{
	const char *at = h->bytes + 2;

	at += strspn(at, " \t");
	return text_dup_n(at, strcspn(at, " \t\n"));
}

static bool is_elf(const struct head *h)
{
	return h->n >= sizeof(Elf64_Ehdr) && memcmp(h->bytes, ELFMAG, SELFMAG) == 0;
}

static char *loader_of(const char *path, const struct head *h)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	char loader[LOADER_MAX] = "";
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	memcpy(&eh, h->bytes, sizeof(eh));
	if (fd < 0 || eh.e_ident[EI_CLASS] != ELFCLASS64)
		return NULL;
	for (unsigned i = 0; i < eh.e_phnum && i < HEADERS_MAX; i++) {
		off_t at = (off_t)(eh.e_phoff + i * sizeof(ph));

		if (pread(fd, &ph, sizeof(ph), at) != (ssize_t)sizeof(ph))
			return NULL;
		if (ph.p_type != PT_INTERP || ph.p_filesz >= sizeof(loader))
			continue;
		if (pread(fd, loader, ph.p_filesz, (off_t)ph.p_offset) != (ssize_t)ph.p_filesz)
			return NULL;
		return text_dup(loader);
	}
	return NULL;
}

/* ---- what a file names in its head --------------------------------------------------------------
 */

static bool explain_dos_end(const char *path, const char *interpreter, struct str *out)
{
	size_t n = strlen(interpreter);

	if (!n || interpreter[n - 1] != '\r')
		return false;
	str_fmt(out,
	    "its first line has a DOS line end, so its interpreter is `%.*s\\r`; mend it by sed -i "
	    "'s/\\r$//' %s",
	    (int)(n - 1), interpreter, path);
	return true;
}

static bool explain_named(const char *what, const char *named, const char *cwd,
    const struct path_user *u, struct str *out)
{
	auto_free char *full = *named == '/' ? text_dup(named) : text_fmt("%s/%s", cwd, named);
	auto_str more = {0};
	struct stat st;

	bool blocked = path_explain(full, u, &more);
	bool is_there = stat(full, &st) == 0;
	if (!blocked && is_there && !path_explain_executable(full, u, &more))
		return false;
	str_fmt(out, "%s is `%s`", what, named);
	if (more.n)
		str_fmt(out, ": %s", more.s);
	else
		str_add(out, ", which is not there; install it");
	return true;
}

bool path_explain_interpreter(
    const char *path, const char *cwd, const struct path_user *u, struct str *out)
{
	struct head h;

	if (!read_head(path, &h))
		return false;
	if (is_script(&h)) {
		auto_free char *named = interpreter_of(&h);

		if (!*named)
			return str_add(out, "its first line names no interpreter behind #!"), true;
		return explain_dos_end(path, named, out) ||
		       explain_named(
			   "the interpreter that its first line names", named, cwd, u, out);
	}
	auto_free char *loader = is_elf(&h) ? loader_of(path, &h) : NULL;
	return loader &&
	       explain_named("it was built for another C library: its loader", loader, cwd, u, out);
}

/* ---- formats
 * -------------------------------------------------------------------------------------- */

static const char *machine_name(unsigned machine)
{
	static const struct {
		unsigned machine;
		const char *name;
	} names[] = {{EM_X86_64, "x86_64"}, {EM_386, "i386"}, {EM_AARCH64, "aarch64"},
	    {EM_ARM, "arm"}, {EM_RISCV, "riscv64"}, {EM_PPC64, "ppc64"}, {EM_S390, "s390x"}};

	for (size_t i = 0; i < countof(names); i++)
		if (names[i].machine == machine)
			return names[i].name;
	return "another machine";
}

static bool explain_elf(const struct head *h, struct str *out)
{
	struct utsname here = {0};
	Elf64_Ehdr eh;

	memcpy(&eh, h->bytes, sizeof(eh)); /* e_machine stands at the same place in both classes */
	uname(&here);
	const char *built = machine_name(eh.e_machine);
	if (eh.e_type == ET_REL || eh.e_type == ET_CORE)
		str_add(out, "it is an object file or a core, no program");
	else if (strcmp(built, here.machine) != 0)
		str_fmt(out,
		    "it is a program for %s, and this machine is %s; install the one for "
		    "it",
		    built, here.machine);
	else
		str_add(out, "it is damaged; build or install it anew");
	return true;
}

static bool is_text(const struct head *h)
{
	for (size_t i = 0; i < h->n; i++)
		if ((unsigned char)h->bytes[i] < ' ' && !strchr("\t\n\r\f\033", h->bytes[i]))
			return false;
	return true;
}

bool path_explain_format(const char *path, struct str *out)
{
	struct head h;

	if (!read_head(path, &h))
		return false;
	if (h.n == 0)
		str_add(out, "the file is empty");
	else if (is_elf(&h))
		return explain_elf(&h, out);
	else if (strncmp(h.bytes, "\xef\xbb\xbf#!", 5) == 0)
		str_fmt(out,
		    "a byte order mark stands before its #!; mend it by sed -i "
		    "'1s/^\\xEF\\xBB\\xBF//' %s",
		    path);
	else if (is_script(&h))
		str_add(out, "its first line names no interpreter behind #!");
	else if (is_text(&h))
		str_add(out,
		    "it is a text without #!; begin it with #!/bin/sh, or the interpreter "
		    "that it is for");
	else
		str_add(out, "it is no program that this kernel knows");
	return true;
}
