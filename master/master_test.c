/* SPDX-License-Identifier: ISC */
/* master_test.c - the tables, and a real master with dummy programs, in a folder of its own
 *
 * A whole run: start, introductions, deaths, hangs, reload, stop.  Waits are for events; their limits are only
 * there so that a failing test ends. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/ipc/services.h"
#include "master/master.h"

enum { PATIENCE_MS = 30000, PATH_SIZE = 512 };

static char top[] = "/tmp/postern-master-XXXXXX";
static char build_dir[PATH_SIZE];
static unsigned port;
static pid_t master_pid;

static const char *path_of(const char *name)
{
	static char text[4][PATH_SIZE];
	static size_t turn;
	char *out = text[turn++ % 4];

	(void)snprintf(out, PATH_SIZE, "%s/%s", top, name);
	return out;
}

/* ---- tables ---- */

static void commands_are_known(void **state)
{
	static const struct { const char *command, *program; } rows[] = {
		{ "smtpd", "smtpd" }, { "postscreen", "smtpd" }, { "pickup", "smtpd" }, { "trivial-rewrite", "router" },
		{ "lmtp", "smtp" }, { "virtual", "local" }, { "cleanup", NULL }, { "anvil", NULL }, { "scache", NULL },
		{ "bounce", NULL }, { "proxymap", NULL }, { "error", NULL }, { "postlogd", "postlogd" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct program *p = program_find(rows[i].command);

		if (p == NULL || (p->program == NULL) != (rows[i].program == NULL) ||
		    (p->program != NULL && strcmp(p->program, rows[i].program) != 0))
			fail_msg("%s", rows[i].command);
	}
	assert_null(program_find("uucp"));
	assert_null(program_find(""));
}

static void only_named_services_are_introduced(void **state)
{
	static const struct { const char *asker, *service, *answerer; bool may; } rows[] = {
		{ "smtpd", SERVICE_QMGR, "qmgr", true },
		{ "smtpd", SERVICE_AUTH, "auth", true },
		{ "smtpd", SERVICE_IMAPD, "imapd", false },
		{ "smtpd", "virtual", "local", false },
		{ "qmgr", "virtual", "local", true },
		{ "qmgr", "any-name", "smtp", true },
		{ "qmgr", SERVICE_AUTH, "auth", false },
		{ "dns", SERVICE_QMGR, "qmgr", false },
		{ "login", SERVICE_POP3D, "pop3d", true },
		{ "login", SERVICE_QMGR, "qmgr", false },
		{ "imapd", SERVICE_AUTH, "auth", false },
		{ "local", SERVICE_TLSMGR, "tlsmgr", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (program_may_ask(program_find(rows[i].asker), rows[i].service,
		                    program_find(rows[i].answerer)) != rows[i].may)
			fail_msg("%s to %s", rows[i].asker, rows[i].service);
}

/* ---- milters ---- */

static int milter_listener(struct span *endpoint, struct arena *arena)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t          length = sizeof(address);
	int                fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (const struct sockaddr *)&address, length), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	*endpoint = arena_printf_span(arena, "inet:localhost:%u", ntohs(address.sin_port));
	return fd;
}

static void only_configured_milters_are_reached(void **state)
{
	struct arena        *arena = arena_new(NULL);
	struct conf_override own = { "smtpd_milters", NULL };
	struct unit          units[2] = {
		{ .name = "smtp", .program = program_find("smtpd"), .overrides = &own, .override_count = 1 },
		{ .name = "smtp", .program = program_find("smtp"), .overrides = &own, .override_count = 1 },
	};
	struct generation g = { .arena = arena, .units = units, .count = 2 };
	const char       *error, *config_dir = arena_printf(arena, "%s-milters", top);
	char             *main_cf = arena_printf(arena, "%s/main.cf", config_dir);
	struct span       there;
	int               listener = milter_listener(&there, arena), fd;

	(void)state;
	assert_int_equal(mkdir(config_dir, 0700), 0);
	assert_int_equal(close(open(main_cf, O_CREAT | O_WRONLY, 0600)), 0);
	own.value = arena_printf(arena, "{ " SPAN_FMT ", default_action=accept }, unix:/nowhere/x inet:no-port",
	                         SPAN_ARG(there));
	g.conf = conf_load(arena, config_dir, NULL, 0, &error);
	assert_non_null(g.conf);
	endpoints_read(&g, &units[0]);
	endpoints_read(&g, &units[1]);
	fd = endpoint_connect(&g, units[0].program, "smtp", there.ptr);
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(endpoint_connect(&g, units[0].program, "smtp", "unix:/nowhere/x"), -1);
	assert_int_equal(errno, EHOSTDOWN);
	assert_int_equal(endpoint_connect(&g, units[0].program, "smtp", "inet:no-port"), -1);
	assert_int_equal(errno, EADDRNOTAVAIL);
	/* Not in the list; another entry; a program that asks no milter. */
	assert_int_equal(endpoint_connect(&g, units[0].program, "smtp", "unix:/run/other"), -1);
	assert_int_equal(errno, EACCES);
	assert_int_equal(endpoint_connect(&g, units[0].program, "submission", there.ptr), -1);
	assert_int_equal(errno, EACCES);
	assert_int_equal(endpoint_connect(&g, units[1].program, "smtp", there.ptr), -1);
	assert_int_equal(errno, EACCES);
	assert_int_equal(close(listener), 0);
	assert_int_equal(unlink(main_cf), 0);
	assert_int_equal(rmdir(config_dir), 0);
	arena_free(arena);
}

/* ---- a real master ---- */

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(path_of(name), "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static unsigned free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t          length = sizeof(address);
	int                fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (const struct sockaddr *)&address, length), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	assert_int_equal(close(fd), 0);
	return ntohs(address.sin_port);
}

static void write_configuration(const char *more_services)
{
	char text[4096];

	(void)snprintf(text, sizeof(text),
	               "compatibility_level = 3.6\nqueue_directory = %s/queue\ndata_directory = %s/data\n"
	               "daemon_directory = %s/libexec\nmaillog_file = %s/log\nmaillog_file_prefixes = /\n"
	               "inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmail_owner = 12345\nlog_owner = 12345\n"
	               "service_worker_limit = 2\nmaster_heartbeat_interval = 1s\nmaster_heartbeat_limit = 3s\n"
	               "service_stop_time_limit = 2s\nmyhostname = mx.example.test\n", top, top, top, top);
	write_file("main.cf", text);
	(void)snprintf(text, sizeof(text),
	               "127.0.0.1:%u inet n - n - 2 smtpd\npostlog unix-dgram n - n - 1 postlogd\n"
	               "qmgr unix n - n - 1 qmgr\ncleanup unix n - n - 0 cleanup\n%s", port, more_services);
	write_file("master.cf", text);
}

static void link_program(const char *name, const char *target)
{
	char from[2 * PATH_SIZE], to[64];

	(void)snprintf(from, sizeof(from), "%s/%s", build_dir, target);
	(void)snprintf(to, sizeof(to), "libexec/%s", name);
	assert_int_equal(symlink(from, path_of(to)), 0);
}

/* What master reports about its start, into line. */
static void start_master(char *line, size_t size)
{
	char          program[2 * PATH_SIZE];
	int           report[2];
	struct pollfd p;
	ssize_t       n;

	(void)snprintf(program, sizeof(program), "%s/master/master", build_dir);
	assert_int_equal(pipe(report), 0);
	master_pid = fork();
	if (master_pid == 0) {
		char fd[16];

		(void)close(report[0]);
		(void)snprintf(fd, sizeof(fd), "%d", report[1]);
		execl(program, program, "-c", top, "-r", fd, (char *)NULL);
		_exit(126);
	}
	(void)close(report[1]);
	p = (struct pollfd){ .fd = report[0], .events = POLLIN };
	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	n = read(report[0], line, size - 1);
	line[n > 0 ? n : 0] = '\0';
	(void)close(report[0]);
}

static int end_master(int signo)
{
	int status = -1;

	if (master_pid == 0)
		return 0;
	assert_int_equal(kill(master_pid, signo), 0);
	assert_int_equal(waitpid(master_pid, &status, 0), master_pid);
	master_pid = 0;
	return status;
}

static void started(void)
{
	char line[512];

	start_master(line, sizeof(line));
	assert_string_equal(line, "ready\n");
}

static int dial(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval     limit = { .tv_sec = PATIENCE_MS / 1000 };
	int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Send a command on fd; the number it answers, 0 when the connection ends. */
static long say(int fd, const char *command)
{
	char   line[64];
	size_t length = 0;

	if (send(fd, command, strlen(command), MSG_NOSIGNAL) < 0)
		return 0;
	while (length < sizeof(line) - 1 && recv(fd, line + length, 1, 0) == 1 && line[length] != '\n')
		length++;
	line[length] = '\0';
	return strncmp(line, "failed ", 7) == 0 ? -strtol(line + 7, NULL, 10) : strtol(line, NULL, 10);
}

static long say_once(const char *command)
{
	int  fd = dial();
	long answer = say(fd, command);

	(void)close(fd);
	return answer;
}

static void await_end(pid_t pid)
{
	for (int i = 0; i < PATIENCE_MS / 10 && kill(pid, 0) == 0; i++)
		(void)usleep(10000);
	assert_int_not_equal(kill(pid, 0), 0);
}

/* A failed test leaves no master to the next. */
static int put_down(void **state)
{
	(void)state;
	(void)end_master(SIGKILL);
	return 0;
}

static void introductions_work(void **state)
{
	int  fd;
	long smtpd, qmgr;

	(void)state;
	write_configuration("");
	started();
	fd = dial();
	smtpd = say(fd, "pid\r\n");
	qmgr = say(fd, "ask\r\n");
	assert_true(smtpd > 0 && qmgr > 0 && smtpd != qmgr);
	assert_true(say(fd, "ask\r\n") == qmgr);
	assert_true(say(fd, "forbidden\r\n") == -ENOENT || say(fd, "forbidden\r\n") == -EACCES);
	(void)close(fd);
	assert_int_equal(end_master(SIGTERM), 0);
}

static void dead_worker_comes_back(void **state)
{
	int fd;

	(void)state;
	started();
	for (int i = 0; i < 4; i++) {
		fd = dial();
		assert_int_equal(say(fd, "die\r\n"), 0);
		(void)close(fd);
		assert_true(say_once("pid\r\n") > 0);
	}
	assert_int_equal(end_master(SIGTERM), 0);
}

static void dead_qmgr_is_reconnected(void **state)
{
	long first, second;
	int  fd;

	(void)state;
	started();
	fd = dial();
	first = say(fd, "ask\r\n");
	assert_int_equal(kill((pid_t)first, SIGKILL), 0);
	/* Until then its channel still takes requests, and loses them. */
	while (kill((pid_t)first, 0) == 0)
		(void)usleep(10000);
	second = say(fd, "ask\r\n");
	assert_true(second > 0 && second != first);
	(void)close(fd);
	assert_int_equal(end_master(SIGTERM), 0);
}

static void hung_worker_is_replaced(void **state)
{
	int  fd;
	long pid;

	(void)state;
	started();
	fd = dial();
	pid = say(fd, "pid\r\n");
	assert_int_equal(say(fd, "hang\r\n"), 0);	/* until master kills it: the connection ends */
	await_end((pid_t)pid);
	(void)close(fd);
	assert_true(say_once("pid\r\n") > 0);
	assert_int_equal(end_master(SIGTERM), 0);
}

static void reload_drops_no_session(void **state)
{
	int  fd;
	long old, now;

	(void)state;
	started();
	fd = dial();
	old = say(fd, "pid\r\n");
	assert_int_equal(kill(master_pid, SIGHUP), 0);
	do {
		now = say_once("pid\r\n");
		assert_true(now > 0);
	} while (now == old);
	assert_true(say(fd, "pid\r\n") == old);	/* it goes on in the old worker */
	assert_true(say(fd, "ask\r\n") > 0);
	(void)close(fd);
	assert_int_equal(end_master(SIGTERM), 0);
}

static void unknown_daemon_costs_its_service_only(void **state)
{
	struct buf log;

	(void)state;
	write_configuration("strange unix - n n - - no-such-daemon\nother unix - n n - - pop3d\n");
	started();
	assert_true(say_once("ask\r\n") > 0);
	assert_int_equal(end_master(SIGTERM), 0);
	buf_init(&log, BUF_NO_LIMIT);
	assert_int_equal(fs_read_file(AT_FDCWD, path_of("log"), &log), 0);
	assert_true(span_search(buf_span(&log), span_lit("no daemon \"no-such-daemon\" here")) != SPAN_NOT_FOUND);
	assert_true(span_search(buf_span(&log), span_lit("daemon started -- version")) != SPAN_NOT_FOUND);
	assert_true(span_search(buf_span(&log), span_lit("terminating on signal 15")) != SPAN_NOT_FOUND);
	buf_free(&log);
	write_configuration("");
}

static void second_master_is_refused(void **state)
{
	char  line[512];
	pid_t first;

	(void)state;
	started();
	first = master_pid;
	start_master(line, sizeof(line));
	assert_string_equal(line, "the mail system is already running\n");
	assert_int_equal(waitpid(master_pid, NULL, 0), master_pid);
	master_pid = first;
	assert_int_equal(end_master(SIGTERM), 0);
}

static void children_of_a_killed_master_leave(void **state)
{
	long pid;

	(void)state;
	started();
	pid = say_once("pid\r\n");
	assert_true(WIFSIGNALED(end_master(SIGKILL)));
	started();	/* needs the port and the lock that the orphans and the dead had */
	await_end((pid_t)pid);
	assert_true(say_once("ask\r\n") > 0);
	assert_int_equal(end_master(SIGTERM), 0);
}

static void taken_port_is_reported(void **state)
{
	char               line[512];
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int                fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	(void)state;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	start_master(line, sizeof(line));
	assert_non_null(strstr(line, "Address already in use"));
	assert_int_equal(waitpid(master_pid, NULL, 0), master_pid);
	master_pid = 0;
	(void)close(fd);
}

static void failing_program_fails_the_start(void **state)
{
	char line[512];

	(void)state;
	assert_int_equal(unlink(path_of("libexec/tlsmgr")), 0);
	assert_int_equal(symlink("/bin/false", path_of("libexec/tlsmgr")), 0);
	start_master(line, sizeof(line));
	assert_non_null(strstr(line, "tlsmgr"));
	assert_int_equal(waitpid(master_pid, NULL, 0), master_pid);
	master_pid = 0;
}

static int set_up(void **state)
{
	static const char *const dummies[] = { "smtpd", "qmgr", "router", "dns", "auth", "tlsmgr" };
	char                    *slash;
	ssize_t                  n = readlink("/proc/self/exe", build_dir, sizeof(build_dir) - 1);

	(void)state;
	assert_true(n > 0);
	build_dir[n] = '\0';
	for (int i = 0; i < 2 && (slash = strrchr(build_dir, '/')) != NULL; i++)
		*slash = '\0';	/* .../master/master_test */
	assert_non_null(mkdtemp(top));
	assert_int_equal(chmod(top, 0755), 0);
	assert_int_equal(mkdir(path_of("libexec"), 0755), 0);
	for (size_t i = 0; i < COUNT_OF(dummies); i++)
		link_program(dummies[i], "master/dummy_program");
	link_program("postlogd", "log/postlogd");
	port = free_port();
	return 0;
}

static int tear_down(void **state)
{
	char command[PATH_SIZE];

	(void)state;
	if (master_pid != 0)
		(void)end_master(SIGKILL);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", top);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_are_known),
		cmocka_unit_test(only_named_services_are_introduced),
		cmocka_unit_test(only_configured_milters_are_reached),
		cmocka_unit_test_teardown(introductions_work, put_down),
		cmocka_unit_test_teardown(dead_worker_comes_back, put_down),
		cmocka_unit_test_teardown(dead_qmgr_is_reconnected, put_down),
		cmocka_unit_test_teardown(hung_worker_is_replaced, put_down),
		cmocka_unit_test_teardown(reload_drops_no_session, put_down),
		cmocka_unit_test_teardown(unknown_daemon_costs_its_service_only, put_down),
		cmocka_unit_test_teardown(second_master_is_refused, put_down),
		cmocka_unit_test_teardown(children_of_a_killed_master_leave, put_down),
		cmocka_unit_test_teardown(taken_port_is_reported, put_down),
		cmocka_unit_test_teardown(failing_program_fails_the_start, put_down),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
