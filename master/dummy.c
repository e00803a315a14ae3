/* SPDX-License-Identifier: ISC */
/* dummy.c - the program master_test has master run: by the name it is called it is smtpd, qmgr or a helper
 *
 * As smtpd it obeys lines of a client: "pid", "ask" (of qmgr), "forbidden", "hang", "die". */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/ipc/commit.h"
#include "lib/ipc/services.h"
#include "lib/net/chat.h"
#include "lib/service/service.h"
#include "lib/task/task.h"

/* qmgr's side: says its pid. */
static void answer(struct ipc_request *r)
{
	struct commit_reply reply = { .pause_ms = (uint64_t)getpid() };

	(void)ipc_reply(r, &commit_reply_type, &reply, false);
}

static const struct ipc_handler handlers[] = { { &room_request_type, answer, false } };

static struct ipc_server *ipc(struct service_run *run)
{
	static struct ipc_server server = { handlers, COUNT_OF(handlers), NULL, 0, NULL, NULL };

	(void)run;
	return &server;
}

static void ask(struct service_run *run, struct chat *chat, const char *service)
{
	struct room_request request = { 1 };
	struct commit_reply reply;

	if (service_call(run, service, true, &room_request_type, &request, &commit_reply_type, &reply,
	                 task_arena(), clock_in_s(20)) < 0)
		chat_printf(chat, "failed %d\r\n", errno);
	else
		chat_printf(chat, "%llu\r\n", (unsigned long long)reply.pause_ms);
}

static void obey(struct service_run *run, struct chat *chat, struct span line)
{
	if (span_equal(line, span_lit("pid")))
		chat_printf(chat, "%d\r\n", (int)getpid());
	else if (span_equal(line, span_lit("ask")))
		ask(run, chat, SERVICE_QMGR);
	else if (span_equal(line, span_lit("forbidden")))
		ask(run, chat, SERVICE_IMAPD);
	else if (span_equal(line, span_lit("hang")))
		(void)raise(SIGSTOP);
	else if (span_equal(line, span_lit("die")))
		_exit(3);
	else
		chat_printf(chat, "what?\r\n");
}

static void serve(struct service_run *run, int fd, size_t listener)
{
	struct stream stream;
	struct chat   chat;
	struct span   line;

	(void)listener;
	stream_plain(&stream, fd);
	chat_init(&chat, &stream, 100);
	while (chat_line(&chat, &line, CLOCK_NEVER) == CHAT_LINE)
		obey(run, &chat, line);
	chat_free(&chat);
	stream_close(&stream);
}

int main(int argc, char **argv)
{
	static const char *const asks[] = { "*", NULL };
	static struct service row = {
		.root = SANDBOX_EMPTY_ROOT, .may = MAY_ACCEPT | MAY_FORK, .asks = asks, .serve = serve, .ipc = ipc,
	};
	const char *slash = strrchr(argv[0], '/');

	row.name = slash != NULL ? slash + 1 : argv[0];
	return service_main(&row, argc, argv);
}
