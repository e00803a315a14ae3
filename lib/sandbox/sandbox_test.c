/* SPDX-License-Identifier: ISC */
/* sandbox_test.c - inside the sandbox only what the row names works; each case in a child of its own */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/attributes.h"
#include "lib/sandbox/sandbox.h"

/* Exit status of a child that enters s and tries it. */
static int inside(const struct sandbox *s, int (*attempt)(void))
{
	int   status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		sandbox_enter(s);
		_exit(attempt());
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* A sanitizer build leaves it out. */
static bool seccomp_is_built_in(void)
{
#ifdef WITH_SANITIZERS
	return false;
#else
	return true;
#endif
}

static int result(bool worked)
{
	return worked ? 0 : errno;
}

static int nothing(void) { return 0; }
static int make_inet_socket(void) { return result(socket(AF_INET, SOCK_STREAM, 0) >= 0); }
static int make_unix_socket(void) { return result(socket(AF_UNIX, SOCK_STREAM, 0) >= 0); }
static int make_netlink_socket(void) { return result(socket(AF_NETLINK, SOCK_RAW, 0) >= 0); }
static int make_pair(void)
{
	int fds[2];

	return result(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds) == 0);
}
static int open_etc(void) { return result(open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0); }
static int run_command(void)
{
	char *argv[] = { NULL }, *envp[] = { NULL };

	execve("/bin/true", argv, envp);
	return errno;
}
static int make_child(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return result(pid > 0);
}
static int executable_memory(void)
{
	return result(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}
static void *idle_thread(void *arg) { return arg; }
static int make_thread(void)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, idle_thread, NULL) != 0 || pthread_join(thread, NULL) != 0;
}
static int allocate(void)
{
	volatile char *p = malloc(1 << 22);

	p[0] = 1;
	free((void *)(uintptr_t)p);
	return 0;
}
static int core_is_off(void)
{
	struct rlimit core;

	return !(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0 && core.rlim_max == 0);
}

/* Calls decided by seccomp alone; row by row what must work and what must not. */
static void sets_decide(void **state)
{
	static const struct {
		const char *what;
		unsigned    may;
		int       (*attempt)(void);
		int         expect;
	} rows[] = {
		{ "exit", MAY_NOTHING, nothing, 0 },
		{ "memory", MAY_NOTHING, allocate, 0 },
		{ "a thread", MAY_NOTHING, make_thread, 0 },
		{ "a socket pair", MAY_NOTHING, make_pair, 0 },
		{ "an inet socket", MAY_NOTHING, make_inet_socket, EPERM },
		{ "an inet socket", MAY_ACCEPT, make_inet_socket, EPERM },
		{ "an inet socket", MAY_CONNECT_INET, make_inet_socket, 0 },
		{ "an inet socket", MAY_CONNECT_UNIX, make_inet_socket, EPERM },
		{ "a unix socket", MAY_CONNECT_INET, make_unix_socket, EPERM },
		{ "a unix socket", MAY_CONNECT_UNIX, make_unix_socket, 0 },
		{ "a netlink socket", MAY_CONNECT_INET | MAY_CONNECT_UNIX, make_netlink_socket, EPERM },
		{ "executable memory", MAY_READ_FILES | MAY_WRITE_FILES, executable_memory, EPERM },
		{ "a child", MAY_NOTHING, make_child, EPERM },
		{ "a child", MAY_FORK, make_child, 0 },
		{ "exec", MAY_FORK | MAY_READ_FILES, run_command, EPERM },
		{ "open", MAY_NOTHING, open_etc, EPERM },
	};

	(void)state;
	if (!seccomp_is_built_in())
		skip();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct sandbox s = { .may = rows[i].may };
		int            got = inside(&s, rows[i].attempt);

		if (got != rows[i].expect)
			fail_msg("%s with %#x: %d, not %d", rows[i].what, rows[i].may, got, rows[i].expect);
	}
}

static void strict_kills(void **state)
{
	struct sandbox s = { .may = MAY_NOTHING, .strict = true };

	(void)state;
	if (!seccomp_is_built_in())
		skip();
	assert_int_equal(inside(&s, nothing), 0);
	assert_int_equal(inside(&s, make_inet_socket), 128 + SIGSYS);
}

/* ---- files ---- */

static char folder[] = "/tmp/postern-sandbox-XXXXXX";
static char inner[64], outer[64];

static int read_inner(void) { return result(open(inner, O_RDONLY | O_CLOEXEC) >= 0); }
static int write_inner(void) { return result(open(inner, O_WRONLY | O_CLOEXEC) >= 0); }
static int create_inner(void)
{
	char name[128];

	(void)snprintf(name, sizeof(name), "%s.new", inner);
	return result(open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0 && unlink(name) == 0);
}
static int read_outer(void) { return result(open(outer, O_RDONLY | O_CLOEXEC) >= 0); }

static void paths_confine(void **state)
{
	static const struct {
		const char *what;
		unsigned    may;
		bool        may_write;
		int       (*attempt)(void);
		bool        works;
	} rows[] = {
		{ "read inside", MAY_READ_FILES, false, read_inner, true },
		{ "write inside, reader", MAY_READ_FILES, false, write_inner, false },
		{ "write inside, read-only path", MAY_WRITE_FILES, false, write_inner, false },
		{ "write inside", MAY_WRITE_FILES, true, write_inner, true },
		{ "create inside", MAY_WRITE_FILES, true, create_inner, true },
		{ "read outside", MAY_READ_FILES | MAY_WRITE_FILES, true, read_outer, false },
	};

	(void)state;
	if (sandbox_landlock_abi() == 0)
		skip();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct sandbox s = { .may = rows[i].may };
		char           path[64];

		(void)snprintf(path, sizeof(path), "%s/in", folder);
		sandbox_allow(&s, path, rows[i].may_write);
		if ((inside(&s, rows[i].attempt) == 0) != rows[i].works)
			fail_msg("%s", rows[i].what);
	}
}

/* What master may do, and so the most that any of its programs can. */
static int supervise(const char *writable, int (*attempt)(void))
{
	pid_t pid = fork();
	int   status;

	if (pid == 0) {
		struct sandbox s = { .root = SANDBOX_NO_ROOT };

		sandbox_allow(&s, "/", false);
		sandbox_allow_programs(&s, "/usr");
		sandbox_allow_programs(&s, "/bin");
		sandbox_allow_programs(&s, "/lib");
		if (access("/lib64", F_OK) == 0)
			sandbox_allow_programs(&s, "/lib64");
		sandbox_allow(&s, writable, true);
		sandbox_supervise(&s);
		_exit(attempt());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static int run(const char *program)
{
	pid_t pid = fork();
	int   status;

	if (pid == 0) {
		(void)execl(program, "true", (char *)NULL);
		_exit(99);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static int run_system_program(void) { return run("/bin/true"); }

/* Bytes that one of us has written are not run: a copy of a good program is not either. */
static int run_own_file(void)
{
	char copy[128], command[256];

	(void)snprintf(copy, sizeof(copy), "%s.run", inner);
	(void)snprintf(command, sizeof(command), "cp /bin/true %s", copy);
	return system(command) == 0 && run(copy) == 99 && unlink(copy) == 0 ? 0 : 1;
}

static int write_outer(void) { return result(open(outer, O_WRONLY | O_CLOEXEC) >= 0); }

static void supervisor_is_confined(void **state)
{
	char path[64];

	(void)state;
	if (sandbox_landlock_abi() == 0)
		skip();
	(void)snprintf(path, sizeof(path), "%s/in", folder);
	assert_int_equal(supervise(path, write_inner), 0);
	assert_int_equal(supervise(path, create_inner), 0);
	assert_int_equal(supervise(path, read_outer), 0);
	assert_int_equal(supervise(path, write_outer), EACCES);
	assert_int_equal(supervise(path, run_system_program), 0);
	assert_int_equal(supervise(path, run_own_file), 0);
}

static int become_and_read(void)
{
	struct sandbox s = { .may = MAY_READ_FILES };
	char           path[64];

	(void)snprintf(path, sizeof(path), "%s/in", folder);
	sandbox_allow(&s, path, false);
	sandbox_become(&s);
	if (read_inner() != 0)
		return 100;
	return read_outer() == 0 ? 101 : 0;
}

static void zygote_child_is_narrower(void **state)
{
	struct sandbox s = { .may = MAY_FORK | MAY_BECOME_USER | MAY_READ_FILES };

	sandbox_allow(&s, folder, false);

	(void)state;
	if (sandbox_landlock_abi() == 0)
		skip();
	assert_int_equal(inside(&s, become_and_read), 0);
}

static int privileges_are_gone(void)
{
	if (getuid() == 0 || geteuid() == 0)
		return 2;
	if (setresuid(0, 0, 0) == 0)
		return 3;
	return core_is_off();
}

static void user_changes(void **state)
{
	struct sandbox s = { .may = MAY_NOTHING, .has_user = true, .uid = 12345, .gid = 12345,
		.root = SANDBOX_EMPTY_ROOT, .root_path = folder };

	(void)state;
	if (getuid() == 0) {
		s.may = MAY_READ_FILES;
		assert_int_equal(inside(&s, privileges_are_gone), 0);
		assert_int_equal(inside(&s, read_outer), ENOENT);	/* the new root is the folder itself */
	} else {
		assert_int_equal(inside(&s, core_is_off), 0);	/* the uid stays, the rest is done */
	}
}

static void users_are_found(void **state)
{
	static const struct { const char *text; bool found; uid_t uid; gid_t gid; } rows[] = {
		{ "root", true, 0, 0 },
		{ "0", true, 0, 0 },
		{ "54321", true, 54321, 54321 },
		{ "54321:12", true, 54321, 12 },
		{ "root:12", true, 0, 12 },
		{ "54321:root", true, 54321, 0 },
		{ "no-such-user-here", false, 0, 0 },
		{ "root:no-such-group-here", false, 0, 0 },
		{ "", false, 0, 0 },
		{ "-1", false, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uid_t uid;
		gid_t gid;
		bool  found = sandbox_user(rows[i].text, &uid, &gid);

		if (found != rows[i].found || (found && (uid != rows[i].uid || gid != rows[i].gid)))
			fail_msg("\"%s\"", rows[i].text);
	}
}

static void write_file(const char *path)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs("x", f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0644), 0);
}

static int make_files(void **state)
{
	char path[64];

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chmod(folder, 0755), 0);
	(void)snprintf(path, sizeof(path), "%s/in", folder);
	assert_int_equal(mkdir(path, 0755), 0);
	(void)snprintf(inner, sizeof(inner), "%s/in/file", folder);
	(void)snprintf(outer, sizeof(outer), "%s/file", folder);
	write_file(inner);
	write_file(outer);
	return 0;
}

static int remove_files(void **state)
{
	char path[64];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/in", folder);
	return unlink(inner) != 0 || unlink(outer) != 0 || rmdir(path) != 0 || rmdir(folder) != 0;
}

static void one_owner_of_virtual_mail(void **state)
{
	static const struct {
		const char *users, *groups;
		bool        is_found;
		uid_t       uid;
	} rows[] = {
		{ "static:5000", "static:5001", true, 5000 },
		{ " static:nobody ", "static:nogroup", true, 65534 },
		{ "static:0", "static:5000", false, 0 },	/* mail is never root's */
		{ "static:5000", "", false, 0 },
		{ "hash:/etc/owners", "static:5000", false, 0 },
		{ "static:no-such-user", "static:5000", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uid_t uid = 0;
		gid_t gid = 0;
		bool is_found = sandbox_static_owner(rows[i].users, rows[i].groups, &uid, &gid);

		if (is_found != rows[i].is_found || (is_found && uid != rows[i].uid))
			fail_msg("row %zu: %s %s", i, rows[i].users, rows[i].groups);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_decide),
		cmocka_unit_test(strict_kills),
		cmocka_unit_test(paths_confine),
		cmocka_unit_test(supervisor_is_confined),
		cmocka_unit_test(zygote_child_is_narrower),
		cmocka_unit_test(user_changes),
		cmocka_unit_test(users_are_found),
		cmocka_unit_test(one_owner_of_virtual_mail),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
