/* SPDX-License-Identifier: ISC */
/* main.c - local: stores mail in Maildirs of this host, for the transports "virtual" and "local"
 *
 * qmgr asks; router answers look-ups.  Where all virtual mail is under one uid the process takes that uid for good
 * and is confined to virtual_mailbox_base; else a process a message stores it as its owner (spawn.h). */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/ipc/services.h"
#include "lib/mailbox/folders.h"
#include "local/spawn.h"

enum { REQUESTS_MAX = 100, HEADER_LOOK = 64 * 1024, JUNK_DIRECTORY_MAX = 512 };

static const char *const asks[] = { SERVICE_ROUTER, NULL };

/* Does the header say already that it was delivered to this address (Delivered-To)? */
static bool is_loop(const struct delivery *d)
{
	static const struct span field = SPAN("Delivered-To:");
	struct span rest = d->header, line;

	while (span_cut(&rest, '\n', &line)) {
		line = span_trim_end(line);
		if (line.len == 0)
			return false;
		if (span_starts_ci(line, field) &&
		    span_equal_ci(span_trim(span_skip(line, field.len)), d->recipient->address))
			return true;
	}
	return false;
}

static void deliver_one(struct delivery *d)
{
	bool is_local = span_equal(d->message->transport, span_lit("local"));

	d->started_us = clock_wall_us();
	d->result = (struct deliver_result){ .recipient = d->recipient->number };
	if (is_loop(d)) {
		why_set(&d->why, REFUSE, "5.4.6", "mail forwarding loop for " SPAN_FMT,
		        SPAN_ARG(d->recipient->address));
		set_result(d, DELIVER_BOUNCED);
	} else if (is_local) {
		deliver_local(d);
	} else {
		deliver_virtual(d);
	}
	local_log(d, is_local ? "local" : "virtual");
}

static struct span look_at_header(const struct deliver_request *m, struct arena *arena)
{
	size_t n = m->content_length < HEADER_LOOK ? (size_t)m->content_length : HEADER_LOOK;
	char *data;

	if (m->file < 0)
		return span_first(m->content, HEADER_LOOK);
	data = arena_alloc(arena, n + 1);
	if (fs_pread_all(m->file, data, n, (off_t)m->content_offset) < 0)
		return (struct span){ NULL, 0 };
	return span_make(data, n);
}

static void close_content(const struct deliver_request *m)
{
	if (m->file >= 0)
		close(m->file);
}

static void handle_deliver(struct ipc_request *request)
{
	const struct deliver_request *m = request->message;
	struct envelope envelope;
	struct delivery d = { .local = request->user, .request = request, .message = m,
	                      .envelope = &envelope, .arena = request->arena };

	if (!envelope_decode(request->arena, m->envelope, &envelope) || envelope.recipient_count == 0) {
		struct deliver_result bad = { .status = DELIVER_DEFERRED, .dsn = span_lit("4.3.0"),
		                              .reason = span_lit("the envelope does not decode") };

		log_error("%s does not decode the envelope of " SPAN_FMT, d.local->run->name,
		          SPAN_ARG(m->queue_id));
		(void)ipc_reply(request, &deliver_result_type, &bad, false);
		close_content(m);
		return;
	}
	d.header = look_at_header(m, request->arena);
	for (size_t i = 0; i < envelope.recipient_count; i++) {
		d.recipient = &envelope.recipients[i];
		deliver_one(&d);
		if (ipc_reply(request, &deliver_result_type, &d.result, i + 1 < envelope.recipient_count) < 0)
			break;
	}
	close_content(m);
}

static void handle_checkpoint(struct ipc_request *request)
{
	const struct checkpoint_request *c = request->message;
	struct checkpoint_reply reply = { .number = c->number, .failed = !checkpoint(request->user) };

	(void)ipc_reply(request, &checkpoint_reply_type, &reply, false);
}

static const struct ipc_handler handlers[] = {
	{ &deliver_request_type, handle_deliver, true },
	{ &checkpoint_request_type, handle_checkpoint, true },
};

static struct ipc_server *server(struct service_run *run)
{
	return &((struct local *)run->user)->server;
}

/* virtual_mailbox_base, made for its owner when missing. */
static void prepare_base(const char *base, uid_t uid, gid_t gid)
{
	struct stat st;

	if (stat(base, &st) == 0)
		return;
	if (fs_make_dirs(base, 0755) < 0 || (geteuid() == 0 && chown(base, uid, gid) < 0))
		log_fatal("cannot make virtual_mailbox_base %s: %s", base, strerror(errno));
}

/* All mail is under one uid: become it, and see nothing but the mail. */
static void take_one_owner(struct local *l, uid_t uid, gid_t gid)
{
	struct sandbox *box = &l->run->sandbox;
	const char *base = l->conf->virtual_mailbox_base;

	l->has_one_owner = true;
	box->has_user = l->run->is_privileged;
	box->uid = uid;
	box->gid = gid;
	if (base[0] != '/')
		return;
	prepare_base(base, uid, gid);
	sandbox_allow(box, base, true);
}

/* Mail belongs to its users: the spawner becomes them, the rest of us is nobody and reads passwd and :include: files. */
static void use_spawner(struct local *l, bool has_users)
{
	struct sandbox *box = &l->run->sandbox;

	if (!sandbox_user(l->conf->default_privs, &box->uid, &box->gid) || box->uid == 0 || box->gid == 0)
		log_fatal("default_privs = %s: must be an unprivileged user", l->conf->default_privs);
	if (has_users)
		spawner_fork(l);
	box->has_user = true;
	box->may &= ~(unsigned)MAY_WRITE_FILES;
	sandbox_allow(box, "/", false);
}

static void settle_owner(struct local *l)
{
	const struct conf *conf = l->conf;
	bool is_local = strcmp(l->run->name, "local") == 0;
	uid_t uid;
	gid_t gid;

	l->spawner_fd = -1;
	if (!l->run->is_privileged && is_local)
		sandbox_allow(&l->run->sandbox, "/", true);	/* our home may be anywhere */
	if (!l->run->is_privileged)
		take_one_owner(l, geteuid(), getegid());
	else if (!is_local && sandbox_static_owner(conf->virtual_uid_maps, conf->virtual_gid_maps, &uid, &gid))
		take_one_owner(l, uid, gid);
	else
		use_spawner(l, !is_local || conf->mydestination[0] != '\0');
}

static void settle_junk(struct local *l)
{
	struct span name = span_of(l->conf->junk_mailbox_name);

	buf_init(&l->junk_directory, JUNK_DIRECTORY_MAX);
	if (name.len == 0 || span_equal_ci(name, span_lit("INBOX")))
		return;
	if (!folder_directory(name, &l->junk_directory))
		log_fatal("junk_mailbox_name = %s: no name for a folder (levels are separated by /; none is empty, begins "
		          "with ~ or has a control byte or one of . * %% \" \\; all is UTF-8)",
		          l->conf->junk_mailbox_name);
	l->junk_folder = name;
}

static void prepare(struct service_run *run)
{
	static struct local local;

	local = (struct local){
		.run = run, .conf = run->conf,
		.sync_always = strcmp(run->conf->maildir_sync, "always") == 0,
		.mailboxes = hash_new(), .answers = hash_new(),
		.server = { handlers, COUNT_OF(handlers), &local, REQUESTS_MAX, NULL, NULL },
	};
	list_init(&local.by_use);
	list_init(&local.touched);
	if (!local.sync_always && strcmp(run->conf->maildir_sync, "checkpoint") != 0)
		log_fatal("maildir_sync = %s: only \"checkpoint\" and \"always\" are known",
		          run->conf->maildir_sync);
	run->user = &local;
	settle_junk(&local);
	settle_owner(&local);
}

static void start(struct service_run *run)
{
	spawner_open(run->user);
}

static const struct service row = {
	.name = "local",
	.root = SANDBOX_NO_ROOT,
	.may = MAY_ACCEPT | MAY_READ_FILES | MAY_WRITE_FILES,
	.asks = asks,
	.prepare = prepare,
	.start = start,
	.ipc = server,
};

int main(int argc, char **argv)
{
	return service_main(&row, argc, argv);
}
