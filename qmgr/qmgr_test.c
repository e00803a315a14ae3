/* SPDX-License-Identifier: ISC */
/* qmgr_test.c - the real qmgr between a scripted master, receiver and delivery agent
 *
 * Messages go in by commits and come out at the agent; the test plays what goes wrong in between: a kill, a lost
 * agent, a failed checkpoint, a bounce.  It runs as whoever starts it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/crc32c.h"
#include "lib/ipc/commit.h"
#include "lib/ipc/control.h"
#include "lib/ipc/deliver.h"
#include "lib/ipc/queue_admin.h"
#include "lib/ipc/router.h"
#include "lib/ipc/services.h"
#include "lib/queue/envelope.h"
#include "lib/queue/queue_id.h"

enum { AGENTS_MAX = 64, PATIENCE_MS = 20000, CONTROL = 3, LISTENER = 4 };

struct agent {
	int  fd;
	char transport[16];
};

struct world {
	char         path[64];
	pid_t        pid;
	int          control, listener, receiver, public_fd;
	struct agent agents[AGENTS_MAX];
	size_t       agent_count;
	/* how the agent behaves */
	enum deliver_status status;
	bool         is_durable, is_silent, loses_connection, checkpoint_fails;
	/* what it saw */
	size_t       routes, deliveries, repeats, checkpoints, commits_done;
	char         last_id[QUEUE_ID_MAX];
	char        *last_content;
	size_t       last_length;
	uint64_t     next_request;
};

/* ---- the world around qmgr ---- */

static void write_main_cf(const struct world *w, const char *backoff)
{
	char name[128];
	FILE *f;

	snprintf(name, sizeof(name), "%s/main.cf", w->path);
	f = fopen(name, "w");
	assert_non_null(f);
	fprintf(f, "queue_directory = %s/spool\nmail_owner = %u:%u\nmyhostname = mx.example.test\n"
	           "journal_segment_size = 1048576\nminimal_backoff_time = %s\nmaillog_file = %s/log\n",
	        w->path, (unsigned)getuid(), (unsigned)getgid(), backoff, w->path);
	fclose(f);
}

static int listen_at(const char *path)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	assert_true(fd >= 0 && strlen(path) < sizeof(name.sun_path));
	memcpy(name.sun_path, path, strlen(path));
	assert_int_equal(bind(fd, (struct sockaddr *)(void *)&name, sizeof(name)), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

static void child(const struct world *w, int control)
{
	const char *program = getenv("QMGR") != NULL ? getenv("QMGR") : "qmgr/qmgr";
	int log = open("/dev/null", O_WRONLY);

	/* Out of the way of the numbers they must have. */
	control = fcntl(control, F_DUPFD, 20);
	dup2(fcntl(w->listener, F_DUPFD, 20), LISTENER);
	dup2(control, CONTROL);
	if (getenv("QMGR_VERBOSE") == NULL)
		dup2(log, STDERR_FILENO);
	execl(program, "qmgr", "-c", w->path, "-n", "qmgr", "-t", "unix", "-s", "1", (char *)NULL);
	_exit(127);
}

static void start(struct world *w)
{
	char name[128];
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	w->pid = fork();
	if (w->pid == 0)
		child(w, pair[1]);
	close(pair[1]);
	w->control = pair[0];
	snprintf(name, sizeof(name), "%s/spool/qmgr", w->path);
	w->receiver = ipc_connect_path(name);
	assert_true(w->receiver >= 0);
}

static void stop(struct world *w)
{
	kill(w->pid, SIGKILL);
	(void)waitpid(w->pid, NULL, 0);
	close(w->control);
	close(w->receiver);
	for (size_t i = 0; i < w->agent_count; i++)
		if (w->agents[i].fd >= 0)
			close(w->agents[i].fd);
	w->agent_count = 0;
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	char name[128];

	assert_non_null(w);
	snprintf(w->path, sizeof(w->path), "/tmp/qmgr-test.XXXXXX");
	assert_non_null(mkdtemp(w->path));
	snprintf(name, sizeof(name), "%s/spool", w->path);
	assert_int_equal(mkdir(name, 0700), 0);
	write_main_cf(w, "1s");
	snprintf(name, sizeof(name), "%s/spool/qmgr", w->path);
	w->listener = listen_at(name);
	w->status = DELIVER_SENT;
	start(w);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	char command[128];

	stop(w);
	close(w->listener);
	snprintf(command, sizeof(command), "rm -r '%s'", w->path);
	if (getenv("QMGR_KEEP") == NULL && system(command) != 0)
		return -1;
	free(w->last_content);
	free(w);
	return 0;
}

/* ---- what comes from qmgr ---- */

static void introduce(struct world *w, struct span packet, uint64_t request)
{
	struct control_ask_request ask;
	struct control_ask_reply reply = { .connection = -1 };
	struct agent *a = &w->agents[w->agent_count];
	int pair[2];

	assert_true(ipc_decode(packet, &control_ask_request_type, NULL, 0, &ask));
	assert_true(w->agent_count < AGENTS_MAX);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	snprintf(a->transport, sizeof(a->transport), SPAN_FMT, SPAN_ARG(ask.service));
	a->fd = pair[0];
	w->agent_count++;
	reply.connection = pair[1];
	assert_int_equal(ipc_blocking_send(w->control, &control_ask_reply_type, 0, request, &reply), 0);
	close(pair[1]);
}

static void from_control(struct world *w)
{
	struct arena *arena = arena_new(NULL);
	struct ipc_header header;
	struct span packet;
	int fds[IPC_FDS_MAX];
	size_t count;

	assert_int_equal(ipc_blocking_receive(w->control, arena, &header, &packet, fds, &count), 0);
	if (header.type == control_ask_request_type.number)
		introduce(w, packet, header.request);
	arena_free(arena);
}

static void deliver(struct world *w, struct agent *a, struct arena *arena, struct span packet, int *fds, size_t count,
                    uint64_t request)
{
	struct deliver_request r;
	struct envelope e;

	assert_true(ipc_decode(packet, &deliver_request_type, fds, count, &r));
	assert_true(envelope_decode(arena, r.envelope, &e));
	w->deliveries += e.recipient_count;
	w->repeats += (r.flags & DELIVER_MAY_BE_REPEAT) != 0;
	snprintf(w->last_id, sizeof(w->last_id), SPAN_FMT, SPAN_ARG(r.queue_id));
	free(w->last_content);
	w->last_length = r.content_length;
	w->last_content = malloc(r.content_length + 1);
	assert_non_null(w->last_content);
	if (r.file >= 0) {
		assert_int_equal(pread(r.file, w->last_content, r.content_length, (off_t)r.content_offset),
		                 r.content_length);
		close(r.file);
	} else {
		assert_int_equal(r.content.len, r.content_length);
		memcpy(w->last_content, r.content.ptr, r.content.len);
	}
	w->last_content[w->last_length] = '\0';
	if (w->loses_connection) {
		close(a->fd);
		a->fd = -1;
		w->loses_connection = false;
		return;
	}
	for (size_t i = 0; !w->is_silent && i < e.recipient_count; i++) {
		struct deliver_result result = {
			.recipient = e.recipients[i].number, .status = w->status, .is_durable = w->is_durable,
			.dsn = w->status == DELIVER_SENT ? span_lit("2.0.0") : span_lit("5.1.1"), .reason = span_lit("said the test"),
		};

		assert_int_equal(ipc_blocking_send(a->fd, &deliver_result_type,
		                                   i + 1 < e.recipient_count ? IPC_MORE : 0, request, &result), 0);
	}
}

/* route - every address is a virtual mailbox, but list@ is two of them and itself. */
static void route(struct world *w, struct agent *a, struct span packet, uint64_t request)
{
	struct resolve_request r;
	struct resolve_reply reply = { .verdict = ROUTE_OK, .transport = SPAN("virtual"), .nexthop = SPAN("example.test") };

	assert_true(ipc_decode(packet, &resolve_request_type, NULL, 0, &r));
	w->routes++;
	if (span_starts(r.recipient, span_lit("list@")) && !(r.flags & ROUTE_NO_ALIASES)) {
		reply.verdict = ROUTE_EXPANDED;
		reply.expansion = span_lit("a@example.test\0b@example.test\0a@example.test\0list@example.test\0");
	}
	reply.address = r.recipient;
	assert_int_equal(ipc_blocking_send(a->fd, &resolve_reply_type, 0, request, &reply), 0);
}

static void from_agent(struct world *w, struct agent *a)
{
	struct arena *arena = arena_new(NULL);
	struct ipc_header header;
	struct span packet;
	int fds[IPC_FDS_MAX];
	size_t count;

	if (ipc_blocking_receive(a->fd, arena, &header, &packet, fds, &count) < 0) {
		close(a->fd);
		a->fd = -1;
	} else if (strcmp(a->transport, SERVICE_ROUTER) == 0) {
		route(w, a, packet, header.request);
	} else if (header.type == deliver_request_type.number) {
		deliver(w, a, arena, packet, fds, count, header.request);
	} else if (header.type == checkpoint_request_type.number) {
		struct checkpoint_request r;
		struct checkpoint_reply reply;

		assert_true(ipc_decode(packet, &checkpoint_request_type, fds, count, &r));
		reply = (struct checkpoint_reply){ .number = r.number, .failed = w->checkpoint_fails };
		w->checkpoint_fails = false;
		w->checkpoints++;
		assert_int_equal(ipc_blocking_send(a->fd, &checkpoint_reply_type, 0, header.request, &reply), 0);
	}
	arena_free(arena);
}

static void from_receiver(struct world *w)
{
	struct arena *arena = arena_new(NULL);
	struct commit_reply reply;

	assert_int_equal(ipc_blocking_next(w->receiver, &commit_reply_type, &reply, arena, 5), 0);
	assert_int_equal(reply.status, DONE);
	w->commits_done++;
	arena_free(arena);
}

/* play - one round of the world; false when nothing happened for so long. */
static bool play(struct world *w, int timeout_ms)
{
	struct pollfd fds[AGENTS_MAX + 2] = { { w->control, POLLIN, 0 }, { w->receiver, POLLIN, 0 } };
	size_t agents = w->agent_count;

	for (size_t i = 0; i < agents; i++)
		fds[2 + i] = (struct pollfd){ w->agents[i].fd, POLLIN, 0 };
	if (poll(fds, agents + 2, timeout_ms) <= 0)
		return false;
	if (fds[0].revents != 0)
		from_control(w);
	if (fds[1].revents != 0)
		from_receiver(w);
	for (size_t i = 0; i < agents; i++)
		if (fds[2 + i].revents != 0 && w->agents[i].fd >= 0)
			from_agent(w, &w->agents[i]);
	return true;
}

static void run_until(struct world *w, const size_t *counter, size_t value)
{
	while (*counter < value)
		if (!play(w, PATIENCE_MS))
			fail_msg("nothing happens: %zu deliveries, %zu commits, %zu checkpoints", w->deliveries,
			         w->commits_done, w->checkpoints);
}

/* ---- what goes in ---- */

/* commit_to - a message to address, which the receiver has resolved when is_resolved. */
static void commit_to(struct world *w, const char *sender, const char *address, bool is_resolved, struct span content)
{
	struct envelope_recipient to = { .number = 1, .address = span_of(address),
		                         .transport = is_resolved ? span_lit("virtual") : span_lit(""),
		                         .nexthop = is_resolved ? span_lit("example.test") : span_lit("") };
	struct envelope e = { .arrival_us = clock_wall_us(), .size = content.len, .sender = span_of(sender),
		              .recipients = &to, .recipient_count = 1 };
	char id[QUEUE_ID_MAX];
	struct commit_request r;
	struct buf envelope;

	queue_id_make(e.arrival_us, id);
	buf_init(&envelope, BUF_NO_LIMIT);
	envelope_encode(&envelope, &e);
	r = (struct commit_request){ .queue_id = span_of(id), .envelope = buf_span(&envelope), .content = content };
	assert_int_equal(ipc_blocking_send(w->receiver, &commit_request_type, 0, ++w->next_request, &r), 0);
	buf_free(&envelope);
}

static void commit(struct world *w, const char *sender, struct span content)
{
	commit_to(w, sender, "u1@example.test", true, content);
}

static const struct span mail = SPAN("Subject: test\r\n\r\nbody\r\n");

static size_t listed(struct world *w)
{
	struct queue_list_request request = { span_lit("") };
	struct arena *arena = arena_new(NULL);
	struct queue_entry entry;
	size_t n = 0;

	assert_int_equal(ipc_blocking_send(w->receiver, &queue_list_request_type, 0, ++w->next_request, &request), 0);
	while (ipc_blocking_next(w->receiver, &queue_entry_type, &entry, arena, 5) > 0)
		n++;
	arena_free(arena);
	return n;
}

static void run_until_empty(struct world *w)
{
	for (int i = 0; listed(w) > 0; i++) {
		assert_true(i < 500);
		(void)play(w, 20);
	}
}

static uint64_t act(struct world *w, enum queue_action action, const char *id)
{
	struct queue_action_request request = { .action = action, .queue_id = span_of(id) };
	struct queue_action_reply reply;
	struct arena *arena = arena_new(NULL);

	assert_int_equal(ipc_blocking_call(w->receiver, &queue_action_request_type, &request, &queue_action_reply_type,
	                                   &reply, arena, 5), 0);
	arena_free(arena);
	assert_false(reply.refused);
	return reply.count;
}

static void flush(struct world *w)
{
	(void)act(w, QUEUE_FLUSH, "");
}

/* ---- the tests ---- */

static void a_message_goes_through(void **state)
{
	struct world *w = *state;

	commit(w, "s@example.org", mail);
	run_until(w, &w->checkpoints, 1);
	assert_int_equal(w->commits_done, 1);
	assert_int_equal(w->deliveries, 1);
	assert_int_equal(w->repeats, 0);
	assert_true(span_equal(span_make(w->last_content, w->last_length), mail));
	run_until_empty(w);
}

static void many_messages_go_through(void **state)
{
	struct world *w = *state;
	enum { MANY = 3000, AHEAD = 64 };

	for (size_t i = 0; i < MANY; i++) {
		commit(w, "s@example.org", mail);
		if (i >= AHEAD)
			run_until(w, &w->commits_done, i - AHEAD);
	}
	run_until(w, &w->commits_done, MANY);
	run_until(w, &w->deliveries, MANY);
	run_until(w, &w->checkpoints, 1);
	assert_int_equal(w->deliveries, MANY);
}

static void nothing_acknowledged_is_lost_by_a_kill(void **state)
{
	struct world *w = *state;
	enum { MANY = 200 };

	w->is_silent = true;
	for (int i = 0; i < MANY; i++)
		commit(w, "s@example.org", mail);
	run_until(w, &w->commits_done, MANY);
	stop(w);
	w->deliveries = w->repeats = 0;
	w->is_silent = false;
	start(w);
	run_until(w, &w->deliveries, MANY);
	assert_int_equal(w->repeats, MANY);
}

static void what_was_durable_does_not_come_again(void **state)
{
	struct world *w = *state;

	w->is_durable = true;
	for (int i = 0; i < 20; i++)
		commit(w, "s@example.org", mail);
	run_until(w, &w->deliveries, 20);
	run_until_empty(w);
	poll(NULL, 0, 100);	/* the DONE records are written behind: a lost one is only a repeat */
	stop(w);
	start(w);
	assert_int_equal(listed(w), 0);
}

static void a_lost_agent_gives_back(void **state)
{
	struct world *w = *state;

	w->loses_connection = true;
	commit(w, "s@example.org", mail);
	run_until(w, &w->deliveries, 2);
	assert_int_equal(w->repeats, 1);
	run_until(w, &w->checkpoints, 1);
}

static void a_failed_checkpoint_repeats(void **state)
{
	struct world *w = *state;

	w->checkpoint_fails = true;
	commit(w, "s@example.org", mail);
	run_until(w, &w->checkpoints, 2);
	assert_int_equal(w->deliveries, 2);
	assert_int_equal(w->repeats, 1);
}

static void a_large_message_goes_by_lease(void **state)
{
	struct world *w = *state;
	struct lease_request ask = { .size_hint = 300000 };
	struct arena *arena = arena_new(NULL);
	struct envelope_recipient to = { .number = 1, .address = SPAN("u1@example.test"), .transport = SPAN("virtual"),
		                         .nexthop = SPAN("example.test") };
	struct envelope e = { .arrival_us = clock_wall_us(), .sender = SPAN("s@example.org"), .recipients = &to,
		              .recipient_count = 1 };
	char *content = arena_alloc(arena, 300000), id[QUEUE_ID_MAX];
	struct lease_reply lease;
	struct commit_request r;
	struct buf envelope;

	memset(content, 'x', 300000);
	assert_int_equal(ipc_blocking_call(w->receiver, &lease_request_type, &ask, &lease_reply_type, &lease, arena, 5), 0);
	assert_int_equal(lease.status, DONE);
	assert_int_equal(pwrite(lease.file, content, 300000, (off_t)lease.content_offset), 300000);
	close(lease.file);
	queue_id_make(e.arrival_us, id);
	buf_init(&envelope, BUF_NO_LIMIT);
	envelope_encode(&envelope, &e);
	r = (struct commit_request){ .queue_id = span_of(id), .envelope = buf_span(&envelope), .lease = lease.lease,
		                     .content_length = 300000,
		                     .content_crc32c = crc32c(0, span_make(content, 300000)) };
	assert_int_equal(ipc_blocking_send(w->receiver, &commit_request_type, 0, ++w->next_request, &r), 0);
	run_until(w, &w->checkpoints, 1);
	assert_int_equal(w->last_length, 300000);
	assert_memory_equal(w->last_content, content, 300000);
	buf_free(&envelope);
	arena_free(arena);
}

static void a_failed_notice_ends(void **state)
{
	struct world *w = *state;

	w->status = DELIVER_BOUNCED;
	commit(w, "", mail);
	run_until(w, &w->deliveries, 1);
	run_until_empty(w);
	assert_int_equal(w->deliveries, 1);
}

static void a_failure_comes_back_as_a_report(void **state)
{
	struct world *w = *state;

	w->status = DELIVER_BOUNCED;
	commit(w, "s@example.org", mail);
	run_until(w, &w->deliveries, 1);
	w->status = DELIVER_SENT;
	run_until(w, &w->deliveries, 2);
	assert_non_null(strstr(w->last_content, "Subject: Undelivered Mail Returned to Sender\r\n"));
	assert_non_null(strstr(w->last_content, "Content-Type: multipart/report; report-type=delivery-status;"));
	assert_non_null(strstr(w->last_content, "\r\nFinal-Recipient: rfc822; u1@example.test\r\nAction: failed\r\n"
	                                        "Status: 5.1.1\r\n"));
	assert_non_null(strstr(w->last_content, "Subject: test\r\n\r\nbody\r\n"));
	run_until(w, &w->checkpoints, 1);
	run_until_empty(w);
}

static void a_deferred_message_is_tried_again(void **state)
{
	struct world *w = *state;

	w->status = DELIVER_DEFERRED;
	commit(w, "s@example.org", mail);
	run_until(w, &w->deliveries, 1);
	assert_int_equal(w->routes, 0);
	run_until(w, &w->deliveries, 2);
	assert_int_equal(w->routes, 1);		/* a changed configuration takes effect */
	w->status = DELIVER_SENT;
	run_until(w, &w->checkpoints, 1);
	run_until_empty(w);
}

static void a_list_reaches_each_member_once(void **state)
{
	struct world *w = *state;

	commit_to(w, "s@example.org", "list@example.test", false, mail);
	run_until(w, &w->checkpoints, 1);
	run_until_empty(w);
	assert_int_equal(w->deliveries, 3);	/* a, b, and the copy that list keeps */
}

static void old_segments_go(void **state)
{
	struct world *w = *state;
	char command[160], *big = malloc(60000);
	size_t n = 0;

	assert_non_null(big);
	memset(big, 'y', 60000);
	w->is_durable = true;
	for (size_t i = 0; i < 100; i++) {	/* six segments of 1 MiB */
		commit(w, "s@example.org", span_make(big, 60000));
		run_until(w, &w->commits_done, i + 1);
	}
	free(big);
	run_until(w, &w->deliveries, 100);
	run_until_empty(w);
	snprintf(command, sizeof(command), "test $(ls %s/spool/journal | grep -c '^0') -le 3", w->path);
	while (system(command) != 0) {
		assert_true(n++ < 200);
		poll(NULL, 0, 50);
	}
}

/* fill_segment - until the journal has gone on to the next one. */
static void fill_segment(struct world *w, size_t from)
{
	char *big = calloc(1, 60000);

	assert_non_null(big);
	for (size_t i = 0; i < 40; i++) {
		commit(w, "s@example.org", span_make(big, 60000));
		run_until(w, &w->commits_done, from + i + 1);
	}
	free(big);
}

static size_t files_of(const struct world *w)
{
	char command[160];
	unsigned n = 0;
	FILE *p;

	snprintf(command, sizeof(command), "find %s/spool/message -type f | wc -l", w->path);
	p = popen(command, "r");
	assert_non_null(p);
	assert_int_equal(fscanf(p, "%u", &n), 1);
	pclose(p);
	return n;
}

static void a_deferred_message_moves_out(void **state)
{
	struct world *w = *state;

	write_main_cf(w, "1000s");
	stop(w);
	start(w);
	w->status = DELIVER_DEFERRED;
	w->is_durable = true;
	for (int i = 0; i < 10; i++)
		commit(w, "s@example.org", mail);
	run_until(w, &w->deliveries, 10);
	w->status = DELIVER_SENT;
	fill_segment(w, w->commits_done);
	for (int i = 0; files_of(w) < 10; i++) {
		assert_true(i < 200);
		poll(NULL, 0, 50);
	}
	/* In their files they outlive a kill, and wait for their time. */
	stop(w);
	w->deliveries = 0;
	start(w);
	assert_true(listed(w) <= 50);
	for (int i = 0; listed(w) < 10; i++) {
		assert_true(i < 200);
		poll(NULL, 0, 50);
	}
	flush(w);
	run_until(w, &w->deliveries, 10);
	run_until_empty(w);
	assert_int_equal(files_of(w), 0);
}

static void the_admin_may_hold_release_and_delete(void **state)
{
	struct world *w = *state;

	write_main_cf(w, "1000s");
	stop(w);
	start(w);
	w->status = DELIVER_DEFERRED;
	for (int i = 0; i < 3; i++)
		commit(w, "s@example.org", mail);
	run_until(w, &w->deliveries, 3);
	assert_int_equal(act(w, QUEUE_HOLD, ""), 3);
	assert_int_equal(act(w, QUEUE_HOLD, ""), 0);
	flush(w);
	stop(w);	/* a hold outlives a kill */
	start(w);
	assert_int_equal(listed(w), 3);
	assert_int_equal(act(w, QUEUE_DELETE, w->last_id), 1);
	w->status = DELIVER_SENT;
	w->deliveries = 0;
	assert_int_equal(act(w, QUEUE_RELEASE, ""), 2);
	run_until(w, &w->deliveries, 2);
	run_until(w, &w->checkpoints, 1);
	run_until_empty(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_message_goes_through, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_messages_go_through, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_acknowledged_is_lost_by_a_kill, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_was_durable_does_not_come_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_lost_agent_gives_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_failed_checkpoint_repeats, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_large_message_goes_by_lease, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_failed_notice_ends, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_failure_comes_back_as_a_report, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_deferred_message_is_tried_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_list_reaches_each_member_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(old_segments_go, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_deferred_message_moves_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_admin_may_hold_release_and_delete, set_up, tear_down),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
