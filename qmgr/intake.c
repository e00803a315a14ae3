/* SPDX-License-Identifier: ISC */
/* intake.c - what receivers ask: is there room, a file for a large message, and to commit one
 *
 * A receiver is one of ours, but parses hostile bytes: whatever it sends is checked again.  Nothing is answered DONE
 * that is not on stable storage; a failure of ours is DEFER, and leaves nothing behind. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/codec.h"
#include "lib/ipc/commit.h"
#include "qmgr/qmgr.h"

enum {
	LEASES_MAX = 256,	/* a connection */
	SPARE_BYTES = 1 << 20,	/* left for what we must write ourselves */
	PAUSE_MS = 100,
	TRACE_BYTES = 1 << 16,	/* header fields of ours, which do not count against the client */
};

static void reply_commit(struct ipc_request *request, enum outcome status, const char *dsn, const char *reason,
                         uint64_t pause_ms)
{
	struct commit_reply reply = {
		.status = status, .dsn = span_of(dsn), .reason = span_of(reason), .pause_ms = pause_ms,
	};

	(void)ipc_reply(request, &commit_reply_type, &reply, false);
}

static void reply_error(struct ipc_request *request, int error)
{
	if (error == ENOSPC || error == EDQUOT)
		reply_commit(request, DEFER, "4.3.1", "Insufficient system storage", 0);
	else
		reply_commit(request, DEFER, "4.3.0", "queue file write error", 0);
}

/* pause_ms - intake runs ahead of the disk or of delivery: receivers slow down. */
static uint64_t pause_ms(void)
{
	bool ahead = qmgr->journal.commit_count > (size_t)qmgr->conf->qmgr_intake_limit ||
	             qmgr->active_count >= (size_t)qmgr->conf->qmgr_message_active_limit || journal_is_behind();

	return ahead ? PAUSE_MS : 0;
}

static bool has_space(uint64_t size)
{
	unsigned long long needed = qmgr->conf->queue_minfree > SPARE_BYTES ? qmgr->conf->queue_minfree : SPARE_BYTES;

	/* The journal's own space is allocated already. */
	if (size <= qmgr->conf->journal_message_limit && qmgr->journal.spare != NULL && qmgr->conf->queue_minfree == 0)
		return true;
	return qmgr->free_bytes > needed && qmgr->free_bytes - needed > size;
}

static bool is_too_large(uint64_t size)
{
	return qmgr->conf->message_size_limit != 0 && size > qmgr->conf->message_size_limit;
}

/* is_too_large_whole - with what we and milters have added, which is not the client's fault. */
static bool is_too_large_whole(uint64_t size)
{
	uint64_t added = qmgr->conf->milter_added_size_limit * 2 + TRACE_BYTES;

	return size > added && is_too_large(size - added);
}

void handle_room(struct ipc_request *request)
{
	const struct room_request *r = request->message;

	if (is_too_large(r->size))
		reply_commit(request, REFUSE, "5.3.4", "Message size exceeds fixed limit", 0);
	else if (!has_space(r->size))
		reply_commit(request, DEFER, "4.3.1", "Insufficient system storage", 0);
	else
		reply_commit(request, DONE, "2.0.0", "", pause_ms());
}

/* ---- leases: they die with their connection ---- */

struct lease {
	struct list node;
	uint64_t    number;
	int         fd;
};

struct leases {
	struct list all;
	uint64_t    last;
	size_t      count;
	bool        is_public;	/* came by public/qmgr: may commit nothing */
};

static struct leases *leases_of(struct ipc_peer *peer)
{
	return ipc_peer_value(peer);
}

/* is_public - by the name of the socket it came to; in doubt, yes. */
static bool is_public(const struct ipc_peer *peer)
{
	struct sockaddr_un name;
	socklen_t length = sizeof(name);
	struct span path;

	memset(&name, 0, sizeof(name));
	if (getsockname(ipc_peer_fd(peer), (struct sockaddr *)(void *)&name, &length) < 0)
		return true;
	path = span_first(span_make(name.sun_path, strnlen(name.sun_path, sizeof(name.sun_path))), length);
	return span_ends(span_first(path, span_rfind(path, '/')), span_lit("public"));
}

void intake_opened(struct ipc_peer *peer, void *user)
{
	struct leases *l = calloc(1, sizeof(*l));

	(void)user;
	if (l == NULL)
		log_fatal("out of memory");
	list_init(&l->all);
	/* A receiver that kept a number over our restart must not find another's file under it. */
	random_bytes(&l->last, sizeof(l->last));
	l->is_public = is_public(peer);
	ipc_peer_set_value(peer, l);
}

static void end_lease(struct leases *l, struct lease *lease)
{
	list_remove(&lease->node);
	l->count--;
	close(lease->fd);
	free(lease);
}

static struct lease *find_lease(struct leases *l, uint64_t number)
{
	LIST_EACH(node, &l->all)
		if (CONTAINER_OF(node, struct lease, node)->number == number)
			return CONTAINER_OF(node, struct lease, node);
	return NULL;
}

void intake_closed(struct ipc_peer *peer, void *user)
{
	struct leases *l = ipc_peer_value(peer);

	(void)user;
	while (!list_is_empty(&l->all))
		end_lease(l, CONTAINER_OF(l->all.next, struct lease, node));
	free(l);
	ipc_peer_set_value(peer, NULL);
}

struct opening {
	int fd, error;
};

static void open_blocking(void *arg)
{
	struct opening *o = arg;

	o->fd = message_file_lease(qmgr->store.message_fd);
	o->error = o->fd < 0 ? errno : 0;
}

static void reply_lease(struct ipc_request *request, enum outcome status, const char *dsn, const char *reason,
                        const struct lease *lease)
{
	struct lease_reply reply = {
		.status = status, .dsn = span_of(dsn), .reason = span_of(reason), .file = -1,
		.content_offset = MESSAGE_FILE_CONTENT,
	};

	if (lease != NULL) {
		reply.lease = lease->number;
		reply.file = lease->fd;
	}
	(void)ipc_reply(request, &lease_reply_type, &reply, false);
}

void handle_lease(struct ipc_request *request)
{
	const struct lease_request *r = request->message;
	struct leases *l = leases_of(request->peer);
	struct opening opening;
	struct lease *lease;

	if (is_too_large(r->size_hint)) {
		reply_lease(request, REFUSE, "5.3.4", "Message size exceeds fixed limit", NULL);
		return;
	}
	if (l->is_public || l->count >= LEASES_MAX || !has_space(r->size_hint)) {
		reply_lease(request, DEFER, "4.3.1", "Insufficient system storage", NULL);
		return;
	}
	task_offload(open_blocking, &opening);
	if (opening.fd < 0) {
		log_warning("cannot make a message file: %s", strerror(opening.error));
		reply_lease(request, DEFER, opening.error == ENOSPC || opening.error == EDQUOT ? "4.3.1" : "4.3.0",
		            "queue file write error", NULL);
		return;
	}
	lease = calloc(1, sizeof(*lease));
	if (lease == NULL)
		log_fatal("out of memory");
	lease->fd = opening.fd;
	/* 0 stands for none. */
	lease->number = ++l->last == 0 ? ++l->last : l->last;
	list_push_back(&l->all, &lease->node);
	l->count++;
	reply_lease(request, DONE, "2.0.0", "", lease);
}

void handle_lease_end(struct ipc_request *request)
{
	const struct lease_end_request *r = request->message;
	struct leases *l = leases_of(request->peer);
	struct lease *lease = find_lease(l, r->lease);

	if (lease != NULL)
		end_lease(l, lease);
	reply_commit(request, DONE, "2.0.0", "", 0);
}

/* ---- commits ---- */

struct publishing {
	struct span    id, envelope;
	int            fd;
	uint64_t       length;
	uint32_t       crc, flags;
	struct arena  *arena;
	struct queued  queued;
	int            error;
};

static int publish(struct publishing *p)
{
	struct stat st;

	if (fstat(p->fd, &st) < 0)
		return -1;
	errno = EINVAL;
	if (p->length > INT64_MAX / 2 || (uint64_t)st.st_size < MESSAGE_FILE_CONTENT + p->length ||
	    !queued_decode(p->arena, p->envelope, &p->queued))
		return -1;
	p->queued.flags = p->flags;
	if (message_file_finish(p->fd, &p->queued, p->length, p->crc) < 0)
		return -1;
	return message_file_publish(p->fd, qmgr->store.message_fd, p->id, true);
}

static void publish_blocking(void *arg)
{
	struct publishing *p = arg;

	p->error = publish(p) < 0 ? errno : 0;
}

static void commit_lease(struct ipc_request *request, const struct commit_request *r, uint64_t arrival_us)
{
	struct leases *l = leases_of(request->peer);
	struct lease *lease = find_lease(l, r->lease);
	struct publishing p = {
		.id = r->queue_id, .envelope = r->envelope, .length = r->content_length,
		.crc = (uint32_t)r->content_crc32c, .flags = r->is_held ? MESSAGE_HELD : 0, .arena = request->arena,
	};

	if (lease == NULL) {
		reply_commit(request, DEFER, "4.3.0", "no such lease", 0);
		return;
	}
	p.fd = lease->fd;
	list_remove(&lease->node);	/* nobody else may use it meanwhile */
	(void)hash_put(qmgr->publishing, p.id, l);
	task_offload(publish_blocking, &p);
	(void)hash_remove(qmgr->publishing, p.id);
	end_lease(l, lease);
	if (p.error != 0) {
		log_error(SPAN_FMT ": cannot commit: %s", SPAN_ARG(r->queue_id), strerror(p.error));
		reply_error(request, p.error);
		return;
	}
	(void)message_adopt_file(r->queue_id, arrival_us, r->content_length, p.flags);
	reply_commit(request, DONE, "2.0.0", "", pause_ms());
}

struct inline_commit {
	struct commit       commit;
	struct ipc_request *request;
};

static void inline_done(struct commit *commit, int error)
{
	struct inline_commit *c = CONTAINER_OF(commit, struct inline_commit, commit);

	if (error == 0) {
		(void)message_accept(commit, (commit->flags & MESSAGE_HELD) != 0);
		reply_commit(c->request, DONE, "2.0.0", "", pause_ms());
	} else {
		reply_error(c->request, error);
	}
}

static void commit_inline(struct ipc_request *request, const struct commit_request *r)
{
	struct inline_commit *c = ARENA_NEW(request->arena, struct inline_commit);

	c->request = request;
	c->commit.id = r->queue_id;
	c->commit.envelope = r->envelope;
	c->commit.content = r->content;
	c->commit.flags = r->is_held ? MESSAGE_HELD : 0;
	c->commit.done = inline_done;
	journal_commit(&c->commit);
}

/* check - is this a message at all? */
static bool check(struct ipc_request *request, const struct commit_request *r, struct envelope *e)
{
	if (leases_of(request->peer)->is_public || !queue_id_is_valid(r->queue_id) || message_find(r->queue_id) != NULL ||
	    !envelope_decode(request->arena, r->envelope, e) || e->recipient_count == 0) {
		log_warning("a receiver committed a malformed message");
		reply_commit(request, DEFER, "4.3.0", "malformed commit", 0);
		return false;
	}
	if (is_too_large_whole(r->lease != 0 ? r->content_length : r->content.len)) {
		reply_commit(request, REFUSE, "5.3.4", "Message size exceeds fixed limit", 0);
		return false;
	}
	return true;
}

struct lease_commit {
	struct ipc_request *request;
	uint64_t            arrival_us;
};

static void lease_task(void *arg)
{
	struct lease_commit *c = arg;

	commit_lease(c->request, c->request->message, c->arrival_us);
}

/* start_lease_commit - in a task of its own: the connection's other requests go on. */
static void start_lease_commit(struct ipc_request *request, uint64_t arrival_us)
{
	struct lease_commit *c = ARENA_NEW(request->arena, struct lease_commit);

	*c = (struct lease_commit){ request, arrival_us };
	if (task_spawn(lease_task, c, "commit") == NULL)
		reply_commit(request, DEFER, "4.3.0", "out of resources", 0);
}

/* handle_commit - runs in the connection's reader: an inline commit is answered when its batch is on disk. */
void handle_commit(struct ipc_request *request)
{
	const struct commit_request *r = request->message;
	struct envelope e;

	if (!check(request, r, &e))
		return;
	if (r->lease != 0)
		start_lease_commit(request, e.arrival_us);
	else
		commit_inline(request, r);
}
