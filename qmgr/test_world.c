/* SPDX-License-Identifier: ISC */
/* test_world.c - the world around qmgr in its tests (test_world.h) */
#include "qmgr/test_world.h"

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

#include "lib/ipc/control.h"
#include "lib/ipc/router.h"
#include "lib/ipc/services.h"

/* ---- the world around qmgr ---- */

void world_main_cf(const struct world *w, const char *backoff)
{
	char name[128];
	FILE *f;

	snprintf(name, sizeof(name), "%s/main.cf", w->path);
	f = fopen(name, "w");
	assert_non_null(f);
	fprintf(f, "queue_directory = %s/spool\nmail_owner = %u:%u\nmyhostname = mx.example.test\n"
	           "journal_segment_size = 1048576\nminimal_backoff_time = %s\nmaillog_file = %s/log\n",
	        w->path, (unsigned)getuid(), (unsigned)getgid(), backoff, w->path);
	fputs(w->more_main_cf, f);
	fclose(f);
}

static int socket_at(const char *path, int type)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type, 0);

	assert_true(fd >= 0 && strlen(path) < sizeof(name.sun_path));
	memcpy(name.sun_path, path, strlen(path));
	assert_int_equal(bind(fd, (struct sockaddr *)(void *)&name, sizeof(name)), 0);
	if (type == SOCK_SEQPACKET)
		assert_int_equal(listen(fd, 16), 0);
	return fd;
}

static void child(const struct world *w, int control)
{
	const char *program = getenv("QMGR") != NULL ? getenv("QMGR") : "qmgr/qmgr";
	int log = fcntl(open("/dev/null", O_WRONLY), F_DUPFD, 20), private, public;

	/* Out of the way of the numbers they must have. */
	control = fcntl(control, F_DUPFD, 20);
	private = fcntl(w->listener, F_DUPFD, 20);
	public = fcntl(w->public_listener, F_DUPFD, 20);
	dup2(control, CONTROL);
	dup2(private, LISTENER);
	dup2(public, LISTENER + 1);
	if (getenv("QMGR_VERBOSE") == NULL)
		dup2(log, STDERR_FILENO);
	execl(program, "qmgr", "-c", w->path, "-n", "qmgr", "-t", "unix", "-s", "2", (char *)NULL);
	_exit(127);
}

void world_start(struct world *w)
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

void world_stop(struct world *w)
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

int world_set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	char name[128];

	assert_non_null(w);
	w->more_main_cf = "";
	snprintf(w->path, sizeof(w->path), "/tmp/qmgr-test.XXXXXX");
	assert_non_null(mkdtemp(w->path));
	snprintf(name, sizeof(name), "%s/spool", w->path);
	assert_int_equal(mkdir(name, 0700), 0);
	world_main_cf(w, "1s");
	snprintf(name, sizeof(name), "%s/spool/qmgr", w->path);
	w->listener = socket_at(name, SOCK_SEQPACKET);
	snprintf(name, sizeof(name), "%s/spool/public", w->path);
	assert_int_equal(mkdir(name, 0755), 0);
	snprintf(name, sizeof(name), "%s/spool/public/qmgr", w->path);
	w->public_listener = socket_at(name, SOCK_SEQPACKET);
	snprintf(name, sizeof(name), "%s/spool/public/postlog", w->path);
	w->log = socket_at(name, SOCK_DGRAM);
	buf_init(&w->lines, BUF_NO_LIMIT);
	w->status = DELIVER_SENT;
	w->transport = "virtual";
	w->list = span_lit("a@example.test\0b@example.test\0a@example.test\0list@example.test\0");
	world_start(w);
	*state = w;
	return 0;
}

int world_tear_down(void **state)
{
	struct world *w = *state;
	char command[128];

	world_stop(w);
	close(w->listener);
	close(w->public_listener);
	close(w->log);
	buf_free(&w->lines);
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
	snprintf(w->last_sender, sizeof(w->last_sender), SPAN_FMT, SPAN_ARG(e.sender));
	snprintf(w->last_recipient, sizeof(w->last_recipient), SPAN_FMT, SPAN_ARG(e.recipients[0].address));
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
			.reports_itself = w->reports_itself,
		};

		if (w->owns_lists && span_starts(e.recipients[i].address, span_lit("list@"))) {
			result.status = DELIVER_EXPANDED;
			result.expansion = span_lit("a@example.test\0b@example.test\0");
			result.owner = span_lit("owner-list@example.test");
		}

		assert_int_equal(ipc_blocking_send(a->fd, &deliver_result_type,
		                                   i + 1 < e.recipient_count ? IPC_MORE : 0, request, &result), 0);
	}
}

/* route - every address is a virtual mailbox, but list@ is two of them and itself. */
static void route(struct world *w, struct agent *a, struct span packet, uint64_t request)
{
	struct resolve_request r;
	struct resolve_reply reply = { .verdict = ROUTE_OK, .nexthop = SPAN("example.test") };

	reply.transport = span_of(w->transport);
	assert_true(ipc_decode(packet, &resolve_request_type, NULL, 0, &r));
	w->routes++;
	if (!w->owns_lists && span_starts(r.recipient, span_lit("list@")) && !(r.flags & ROUTE_NO_ALIASES)) {
		reply.verdict = ROUTE_EXPANDED;
		reply.expansion = w->list;
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
	w->last_pause_ms = reply.pause_ms;
	w->commits_done++;
	arena_free(arena);
}

/* read_log - what qmgr logged since; it must never wait for us. */
static void read_log(struct world *w)
{
	char line[8192];
	ssize_t n;

	while ((n = recv(w->log, line, sizeof(line), MSG_DONTWAIT)) > 0) {
		buf_add(&w->lines, span_make(line, (size_t)n));
		if (getenv("QMGR_VERBOSE") != NULL)
			fprintf(stderr, "%.*s\n", (int)n, line);
	}
}

bool world_play(struct world *w, int timeout_ms)
{
	struct pollfd fds[AGENTS_MAX + 2] = { { w->control, POLLIN, 0 }, { w->receiver, POLLIN, 0 } };
	size_t agents = w->agent_count;

	read_log(w);
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

void run_until(struct world *w, const size_t *counter, size_t value)
{
	while (*counter < value)
		if (!world_play(w, PATIENCE_MS))
			fail_msg("nothing happens: %zu deliveries, %zu commits, %zu checkpoints", w->deliveries,
			         w->commits_done, w->checkpoints);
}

/* ---- what goes in ---- */

void commit_to(struct world *w, const char *sender, const char *address, bool is_resolved, struct span content)
{
	struct envelope_recipient to = { .number = 1, .address = span_of(address), .notify = w->notify,
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

void commit(struct world *w, const char *sender, struct span content)
{
	commit_to(w, sender, "u1@example.test", true, content);
}

const struct span mail = SPAN("Subject: test\r\n\r\nbody\r\n");

size_t listed(struct world *w)
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

void run_until_empty(struct world *w)
{
	for (int i = 0; listed(w) > 0; i++) {
		assert_true(i < 500);
		(void)world_play(w, 20);
	}
}

uint64_t act(struct world *w, enum queue_action action, const char *id)
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

void flush(struct world *w)
{
	(void)act(w, QUEUE_FLUSH, "");
}

size_t files_of(const struct world *w)
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

void fill_segment(struct world *w, size_t from)
{
	char *big = calloc(1, 60000);

	assert_non_null(big);
	for (size_t i = 0; i < 40; i++) {
		commit(w, "s@example.org", span_make(big, 60000));
		run_until(w, &w->commits_done, from + i + 1);
	}
	free(big);
}

int public_socket(const struct world *w)
{
	char name[128];
	int fd;

	snprintf(name, sizeof(name), "%s/spool/public/qmgr", w->path);
	fd = ipc_connect_path(name);
	assert_true(fd >= 0);
	return fd;
}

static bool log_has(struct world *w, const char *text)
{
	read_log(w);
	return span_search(buf_span(&w->lines), span_of(text)) != SPAN_NOT_FOUND;
}

void wait_for_log(struct world *w, const char *text)
{
	for (int i = 0; !log_has(w, text); i++) {
		if (i > 1000)
			fail_msg("the log never has: %s", text);
		(void)world_play(w, 20);
	}
}

void wait_for_files(struct world *w, size_t count)
{
	for (int i = 0; files_of(w) != count; i++) {
		assert_true(i < 500);
		(void)world_play(w, 20);
	}
}
