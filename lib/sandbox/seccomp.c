/* SPDX-License-Identifier: ISC */
/* seccomp.c - the system calls a program may make, by set
 *
 * A call outside the sets fails with EPERM and is remembered; sandbox_report puts it in the log, once a
 * call.  (The SIGSYS handler itself must not log: the call may come from inside the C library's
 * own locks.)  With 'strict' the process is killed instead.  What runs commands for users (MAY_EXEC)
 * hands its filter down to them, so it refuses only what no mail program needs.  Sanitizers and valgrind need
 * calls of their own, at times of their own: there is no filter with them. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "lib/base/attributes.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/base/valgrind.h"
#include "lib/sandbox/sandbox_private.h"

enum { CALLS_MAX = 1024 };

static atomic_uchar refused[CALLS_MAX];	/* 1: refused, 2: and reported */

/* What a C program with threads, a loop and open descriptors needs; none of it opens anything. */
static const char *const base_calls[] = {
	"read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2", "pwritev2",
	"close", "close_range", "lseek", "dup", "dup2", "dup3", "fcntl", "pipe2", "fstat", "sendfile", "splice",
	"copy_file_range", "ftruncate", "fallocate", "fsync", "fdatasync", "memfd_create", "ioctl",
	"recvmsg", "sendmsg", "recvfrom", "sendto", "recvmmsg", "sendmmsg", "shutdown", "socketpair",
	"getsockopt", "setsockopt", "getsockname", "getpeername",
	"poll", "ppoll", "select", "pselect6", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait",
	"epoll_pwait2", "eventfd2", "timerfd_create", "timerfd_settime", "timerfd_gettime",
	"clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time",
	"munmap", "mremap", "madvise", "brk", "mlock", "mlock2", "munlock", "msync", "mincore",
	"futex", "futex_waitv", "membarrier", "rseq", "set_robust_list", "get_robust_list", "set_tid_address",
	"sched_yield", "sched_getaffinity", "getcpu", "getrandom", "uname", "sysinfo", "getrusage", "times",
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigtimedwait", "sigaltstack",
	"tgkill", "exit", "exit_group", "restart_syscall", "setitimer", "getitimer",
	"getpid", "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid",
	"getgroups", "getpgrp", "prlimit64", "getrlimit", "umask", "arch_prctl", "capget",
};

static const char *const accept_calls[] = { "accept", "accept4", "listen" };
static const char *const read_calls[] = {
	"newfstatat", "stat", "lstat", "statx", "access", "faccessat", "faccessat2", "readlink", "readlinkat",
	"getdents64", "getcwd", "chdir", "fchdir", "statfs", "fstatfs", "fadvise64", "readahead", "flock",
	"inotify_init1", "inotify_add_watch", "inotify_rm_watch",
};
static const char *const write_calls[] = {
	"open", "openat", "creat", "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "link",
	"linkat", "symlink", "symlinkat", "mkdir", "mkdirat", "truncate", "chmod", "fchmod", "fchmodat",
	"chown", "fchown", "lchown", "fchownat", "utimensat", "utime", "utimes", "futimesat", "sync_file_range", "syncfs",
};
static const char *const fork_calls[] = {
	"fork", "vfork", "clone", "wait4", "waitid", "kill", "setpgid", "getpgid", "setsid", "getsid",
	"pidfd_open", "pidfd_send_signal", "setpriority", "getpriority", "setrlimit",
};
static const char *const become_calls[] = {
	"setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "setfsuid",
	"setfsgid", "chroot", "capset", "prctl", "seccomp", "landlock_create_ruleset",
	"landlock_add_rule", "landlock_restrict_self",
};

/* Never, not even in a command a user runs. */
static const char *const dangerous_calls[] = {
	"ptrace", "process_vm_readv", "process_vm_writev", "bpf", "keyctl", "add_key", "request_key", "mount",
	"umount2", "pivot_root", "fsopen", "fsmount", "move_mount", "open_tree", "io_uring_setup",
	"io_uring_enter", "io_uring_register", "userfaultfd", "perf_event_open", "kexec_load",
	"kexec_file_load", "init_module", "finit_module", "delete_module", "reboot", "swapon", "swapoff",
	"settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "acct", "quotactl", "syslog", "setns",
	"unshare", "iopl", "ioperm", "open_by_handle_at", "name_to_handle_at", "kcmp", "fanotify_init",
};

static void must(int result, const char *what)
{
	if (result < 0)
		log_fatal("sandbox: seccomp: %s: %s", what, strerror(-result));
}

/* A call this architecture or this libseccomp does not know is none to worry about. */
static void add_calls(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int number = seccomp_syscall_resolve_name(names[i]);

		if (number != __NR_SCMP_ERROR && number >= 0)
			must(seccomp_rule_add(filter, action, number, 0), names[i]);
	}
}

static void allow_if(scmp_filter_ctx filter, const char *name, struct scmp_arg_cmp condition)
{
	int number = seccomp_syscall_resolve_name(name);

	if (number != __NR_SCMP_ERROR && number >= 0)
		must(seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 1, &condition), name);
}

static void allow_base(scmp_filter_ctx filter, unsigned may)
{
	static const unsigned long writing = O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY);

	add_calls(filter, SCMP_ACT_ALLOW, base_calls, COUNT_OF(base_calls));
	allow_if(filter, "mmap", SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	allow_if(filter, "mprotect", SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	allow_if(filter, "prctl", SCMP_A0(SCMP_CMP_EQ, 15, 0));	/* PR_SET_NAME */
	/* fstat() of newer C libraries: no path, only the descriptor. */
	allow_if(filter, "newfstatat", SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH));
	if ((may & MAY_FORK) == 0) {
		allow_if(filter, "clone", SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
		allow_if(filter, "kill", SCMP_A1(SCMP_CMP_EQ, 0, 0));
	}
	/* clone3 hides its flags behind a pointer; without it libc uses clone. */
	must(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0), "clone3");
	if ((may & (MAY_READ_FILES | MAY_WRITE_FILES)) == MAY_READ_FILES) {
		allow_if(filter, "openat", SCMP_A2(SCMP_CMP_MASKED_EQ, writing, 0));
		allow_if(filter, "open", SCMP_A1(SCMP_CMP_MASKED_EQ, writing, 0));
	}
}

static void allow_sockets(scmp_filter_ctx filter, unsigned may)
{
	static const char *const connect_call[] = { "connect" }, *const bind_call[] = { "bind" };

	if ((may & (MAY_CONNECT_INET | MAY_BIND_INET)) != 0) {
		allow_if(filter, "socket", SCMP_A0(SCMP_CMP_EQ, AF_INET, 0));
		allow_if(filter, "socket", SCMP_A0(SCMP_CMP_EQ, AF_INET6, 0));
	}
	if ((may & MAY_CONNECT_UNIX) != 0)
		allow_if(filter, "socket", SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0));
	if ((may & (MAY_CONNECT_INET | MAY_CONNECT_UNIX)) != 0)
		add_calls(filter, SCMP_ACT_ALLOW, connect_call, 1);
	if ((may & MAY_BIND_INET) != 0)
		add_calls(filter, SCMP_ACT_ALLOW, bind_call, 1);
}

static void allow_sets(scmp_filter_ctx filter, unsigned may)
{
	static const struct {
		unsigned           may;
		const char *const *names;
		size_t             count;
	} sets[] = {
		{ MAY_ACCEPT, accept_calls, COUNT_OF(accept_calls) },
		{ MAY_READ_FILES | MAY_WRITE_FILES, read_calls, COUNT_OF(read_calls) },
		{ MAY_WRITE_FILES, write_calls, COUNT_OF(write_calls) },
		{ MAY_FORK, fork_calls, COUNT_OF(fork_calls) },
		{ MAY_BECOME_USER, become_calls, COUNT_OF(become_calls) },
	};

	for (size_t i = 0; i < COUNT_OF(sets); i++)
		if ((may & sets[i].may) != 0)
			add_calls(filter, SCMP_ACT_ALLOW, sets[i].names, sets[i].count);
}

/* ---- refused calls fail with EPERM and are remembered ---- */

/* Make the interrupted call return -EPERM; false where we do not know how. */
static bool fail_call(ucontext_t *context)
{
#if defined(__x86_64__)
	context->uc_mcontext.gregs[REG_RAX] = -EPERM;
	return true;
#elif defined(__aarch64__)
	context->uc_mcontext.regs[0] = (unsigned long long)-EPERM;
	return true;
#else
	(void)context;
	return false;
#endif
}

static void on_refused(int signo, siginfo_t *info, void *context)
{
	int number = info->si_syscall;

	(void)signo;
	if (number >= 0 && number < CALLS_MAX && refused[number] == 0)
		refused[number] = 1;
	(void)fail_call(context);
}

/* The action for calls outside the sets. */
static uint32_t refusal(bool strict)
{
	struct sigaction action = { .sa_sigaction = on_refused, .sa_flags = SA_SIGINFO | SA_NODEFER };
	ucontext_t       probe;

	if (strict)
		return SCMP_ACT_KILL_PROCESS;
	memset(&probe, 0, sizeof(probe));
	if (!fail_call(&probe) || sigaction(SIGSYS, &action, NULL) < 0)
		return SCMP_ACT_ERRNO(EPERM);
	return SCMP_ACT_TRAP;
}

void sandbox_report(void)
{
	for (int i = 0; i < CALLS_MAX; i++) {
		char *name;

		if (refused[i] != 1)
			continue;
		refused[i] = 2;
		name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i);
		log_warning("sandbox: refused system call %s (%d)", name != NULL ? name : "unknown", i);
		free(name);
	}
}

/* ---- the filter, compiled once for each kind of process ---- */

static struct {
	bool              is_there;
	unsigned          may;
	bool              is_strict;
	struct sock_fprog program;
} compiled;

static scmp_filter_ctx make_filter(unsigned may, bool strict)
{
	bool            runs_commands = (may & MAY_EXEC) != 0;
	scmp_filter_ctx filter = seccomp_init(runs_commands ? SCMP_ACT_ALLOW : refusal(strict));

	if (filter == NULL)
		log_fatal("sandbox: seccomp: no memory");
	if (runs_commands) {
		add_calls(filter, SCMP_ACT_ERRNO(EPERM), dangerous_calls, COUNT_OF(dangerous_calls));
	} else {
		allow_base(filter, may);
		allow_sockets(filter, may);
		allow_sets(filter, may);
	}
	return filter;
}

/* libseccomp writes programs to descriptors only. */
static void read_program(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	void *code = size > 0 ? malloc((size_t)size) : NULL;

	if (code == NULL || fs_pread_all(fd, code, (size_t)size, 0) < 0)
		log_fatal("sandbox: seccomp: reading the filter: %s", strerror(errno));
	free(compiled.program.filter);
	compiled.program.filter = code;
	compiled.program.len = (unsigned short)((size_t)size / sizeof(struct sock_filter));
}

void seccomp_foresee(unsigned may, bool strict)
{
	scmp_filter_ctx filter;
	int             fd;

	if (compiled.is_there && compiled.may == may && compiled.is_strict == strict)
		return;
	filter = make_filter(may, strict);
	fd = memfd_create("filter", MFD_CLOEXEC);
	if (fd < 0)
		log_fatal("sandbox: seccomp: %s", strerror(errno));
	must(seccomp_export_bpf(filter, fd), "export");
	read_program(fd);
	(void)close(fd);
	seccomp_release(filter);
	compiled.may = may;
	compiled.is_strict = strict;
	compiled.is_there = true;
}

/* Sanitizers and valgrind need calls of their own, at times of their own. */
static bool has_no_filter(void)
{
#ifdef WITH_SANITIZERS
	return true;
#else
	return RUNNING_ON_VALGRIND;
#endif
}

void seccomp_enter(unsigned may, bool strict)
{
	if (has_no_filter())
		return;
	seccomp_foresee(may, strict);
	/* All threads at once, should a library have started one before. */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &compiled.program) != 0)
		log_fatal("sandbox: seccomp: load: %s", strerror(errno));
}
