/* SPDX-License-Identifier: ISC */
/* spawn.c - the spawner, the process it forks for a delivery, and how the rest of local asks for one
 *
 * The spawner trusts local for which uid owns which folder, and refuses root all the same.  What was
 * stored is durable when the child says so: no checkpoint of ours reaches another process. */
#include "local/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/service/places.h"

enum { STORE_TIMEOUT_S = 600, DELIVERY_MAY = MAY_READ_FILES | MAY_WRITE_FILES };

IPC_DEFINE(spawn_notice, 40, SPAWN_NOTICE);
IPC_DEFINE(store_request, 41, STORE_REQUEST);
IPC_DEFINE(store_reply, 42, STORE_REPLY);

/* ---- the child: already the user ---- */

static enum outcome store(const struct store_request *r, struct arena *arena, struct why *why)
{
	const char *path = arena_cstr(arena, r->path);
	struct maildir_delivery delivery = {
		.queue_id = r->queue_id, .recipient = (uint32_t)r->recipient, .arrival_s = r->arrival_s,
		.trace = r->trace, .content = r->content, .file = r->file,
		.content_offset = r->content_offset, .content_length = r->content_length,
		.may_be_repeat = r->may_be_repeat, .sync = true,
	};
	struct maildir md;

	if (maildir_open_or_make(&md, path, r->folder) < 0)
		return cannot_open(path, r->folder, why);
	return mailbox_deliver(&md, &delivery, NULL, why);
}

static NO_RETURN void run_child(const struct spawn_notice *n, bool strict)
{
	struct arena *arena = arena_new(NULL);
	struct sandbox box = { .may = DELIVERY_MAY, .root = SANDBOX_NO_ROOT, .has_user = true,
	                       .uid = (uid_t)n->uid, .gid = (gid_t)n->gid, .strict = strict };
	struct store_request request;
	struct store_reply reply;
	struct ipc_header header;
	struct span packet;
	struct why why = { .dsn = "" };
	int fds[IPC_FDS_MAX];
	size_t fd_count = 0;

	sandbox_take_user(&box);
	sandbox_allow(&box, arena_cstr(arena, n->folder), true);
	sandbox_become(&box);
	if (ipc_blocking_receive(n->peer, arena, &header, &packet, fds, &fd_count) < 0)
		_exit(0);	/* they changed their mind */
	if (!ipc_decode(packet, &store_request_type, fds, fd_count, &request))
		log_fatal("a delivery does not decode");
	reply.outcome = store(&request, arena, &why);
	reply.dsn = span_of(why.dsn);
	reply.text = span_of(why.text);
	if (ipc_blocking_send(n->peer, &store_reply_type, 0, header.request, &reply) < 0)
		log_warning(SPAN_FMT ": nobody hears what became of a delivery", SPAN_ARG(request.queue_id));
	sandbox_report();
	_exit(0);
}

/* ---- the spawner ---- */

static bool is_user(uint64_t id)
{
	return id != 0 && id < UINT32_MAX;
}

/* One notice; false at the end of the channel. */
static bool spawn_one(int channel, bool strict)
{
	struct arena *arena = arena_new(NULL);
	struct spawn_notice notice;
	struct ipc_header header;
	struct span packet;
	int fds[IPC_FDS_MAX];
	size_t fd_count = 0;
	bool good = ipc_blocking_receive(channel, arena, &header, &packet, fds, &fd_count) == 0;
	bool is_known = good && ipc_decode(packet, &spawn_notice_type, fds, fd_count, &notice);

	if (is_known && is_user(notice.uid) && is_user(notice.gid) && notice.folder.len > 0 &&
	    notice.folder.ptr[0] == '/' && notice.peer >= 0) {
		pid_t pid = fork();

		if (pid == 0) {
			(void)close(channel);
			run_child(&notice, strict);
		}
		if (pid < 0)
			log_error("cannot start a delivery process: %s", strerror(errno));
	} else if (good) {
		log_error("refused to start a delivery process: not a user and a folder");
	}
	if (is_known && notice.peer >= 0)
		(void)close(notice.peer);
	for (size_t i = 0; i < fd_count; i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
	arena_free(arena);
	return good;
}

static NO_RETURN void run_spawner(const struct service_run *run, int channel)
{
	struct sandbox box = { .may = MAY_READ_FILES | MAY_WRITE_FILES | MAY_FORK | MAY_BECOME_USER,
	                       .root = SANDBOX_NO_ROOT, .strict = run->sandbox.strict };

	(void)close(run->control_fd);
	for (size_t i = 0; i < run->listener_count; i++)
		(void)close(run->listeners[i]);
	(void)signal(SIGCHLD, SIG_IGN);	/* nobody waits: the answer comes over the channel */
	(void)signal(SIGTERM, SIG_IGN);	/* it ends with the process it serves */
	places_allow_mail(&box, run->conf);
	sandbox_enter(&box);
	sandbox_foresee(DELIVERY_MAY, box.strict);
	while (spawn_one(channel, box.strict))
		;
	_exit(0);
}

void spawner_fork(struct local *l)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		log_fatal("cannot make a socket pair: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		log_fatal("cannot fork: %s", strerror(errno));
	if (pid == 0) {
		(void)close(pair[0]);
		run_spawner(l->run, pair[1]);
	}
	(void)close(pair[1]);
	l->spawner_fd = pair[0];
}

/* ---- in local ---- */

static void on_lost(void *user)
{
	(void)user;
	log_fatal("the process that becomes users is gone");
}

void spawner_open(struct local *l)
{
	if (l->spawner_fd < 0)
		return;
	l->spawner = ipc_channel_open(l->spawner_fd, "spawner");
	if (l->spawner == NULL)
		log_fatal("no task for the spawner");
	ipc_channel_on_notice(l->spawner, NULL, 0, on_lost, NULL);
}

/* A channel to a new process that is uid and sees folder; NULL with errno. */
static struct ipc_channel *spawn(struct local *l, const char *folder, uid_t uid, gid_t gid)
{
	struct spawn_notice notice = { uid, gid, span_of(folder), -1 };
	struct ipc_channel *channel;
	int pair[2], sent;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return NULL;
	notice.peer = pair[1];
	sent = ipc_channel_notify(l->spawner, &spawn_notice_type, &notice);
	(void)close(pair[1]);
	if (sent < 0) {
		(void)close(pair[0]);
		return NULL;
	}
	channel = ipc_channel_open(pair[0], "delivery");
	if (channel == NULL)
		(void)close(pair[0]);
	return channel;
}

static enum outcome take_reply(struct delivery *d, const struct store_reply *reply)
{
	struct arena *a = d->arena;

	if (reply->outcome > REFUSE)
		return why_set(&d->why, DEFER, "4.3.0", "the delivery process sent nonsense");
	d->result.is_durable = reply->outcome == DONE;
	return why_set(&d->why, (enum outcome)reply->outcome, arena_cstr(a, reply->dsn), SPAN_FMT,
	               SPAN_ARG(reply->text));
}

enum outcome store_as(struct delivery *d, const char *path, const char *folder, uid_t uid, gid_t gid)
{
	struct maildir_delivery delivery;
	struct store_request request;
	struct store_reply reply;
	struct ipc_channel *channel;
	int result;

	if (uid == 0 || gid == 0)
		return why_set(&d->why, DEFER, "4.3.5", "mail of root is not delivered: give root an alias");
	if (d->local->spawner == NULL)
		return why_set(&d->why, DEFER, "4.3.5", "mydestination is empty: no mail for users of this system");
	describe_delivery(d, &delivery);
	request = (struct store_request){
		.path = span_of(path), .folder = folder_for(d), .queue_id = delivery.queue_id,
		.recipient = delivery.recipient,
		.arrival_s = delivery.arrival_s, .trace = delivery.trace, .content = delivery.content,
		.content_offset = delivery.content_offset, .content_length = delivery.content_length,
		.may_be_repeat = delivery.may_be_repeat, .file = delivery.file,
	};
	channel = spawn(d->local, folder, uid, gid);
	if (channel == NULL)
		return why_errno(&d->why, DEFER, "4.3.0", "cannot have a delivery process");
	result = ipc_call(channel, &store_request_type, &request, &store_reply_type, &reply, d->arena,
	                  clock_in_s(STORE_TIMEOUT_S));
	ipc_channel_release(channel);
	if (result < 0)
		return why_set(&d->why, DEFER, "4.3.0", "the delivery process failed");
	return take_reply(d, &reply);
}
