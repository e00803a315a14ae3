/* SPDX-License-Identifier: ISC */
/* queue_offline.c - the queue tools without qmgr: under its lock, on its files
 *
 * A change to a message in the journal is a record in a segment of our own, which qmgr replays at its next start. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/queue/store.h"
#include "lib/sandbox/sandbox.h"
#include "tools/queue_client.h"

enum { FOLDERS = 256, SEGMENT_SIZE = 1 << 20 };

struct offline {
	struct store       store;
	struct store_index index;
};

static void add_file(void *user, const char *id)
{
	struct offline *o = user;
	struct mail *mail;

	if (store_add_file(&o->index, id, &mail) == STORE_FILE_ERROR)
		log_warning("%s: cannot read its file", id);
}

static int replay_all(struct offline *o)
{
	struct store_segment *segments;
	size_t count;
	int result = 0;

	if (store_segments(&o->store, &segments, &count) < 0)
		return -1;
	for (size_t i = 0; result == 0 && i < count; i++)
		result = store_replay(&o->index, &segments[i]);
	free(segments);
	return result;
}

static void close_offline(struct offline *o)
{
	store_index_free(&o->index, true);
	store_close(&o->store);
}

/* become_owner - root goes on as mail_owner: what it makes in the queue must be qmgr's to read, and a link that was
 * laid there must lead it nowhere else. */
static void become_owner(const struct conf *conf)
{
	struct sandbox who = { .has_user = true };

	if (geteuid() != 0)
		return;
	if (!sandbox_user(conf->mail_owner, &who.uid, &who.gid))
		log_fatal("parameter mail_owner: unknown user %s", conf->mail_owner);
	sandbox_take_user(&who);
}

static int open_offline(struct queue_client *c, struct offline *o)
{
	int saved;

	become_owner(c->conf);
	if (store_open(&o->store, c->conf->queue_directory, false, true) < 0)
		return -1;
	store_index_init(&o->index, &o->store, sizeof(struct mail));
	if (replay_all(o) < 0) {
		saved = errno;
		close_offline(o);
		errno = saved;
		return -1;
	}
	for (unsigned folder = 0; folder < FOLDERS; folder++)
		(void)store_each_file(&o->store, folder, add_file, o);
	return 0;
}

static int by_id(const void *a, const void *b)
{
	return strcmp((*(struct mail *const *)a)->id, (*(struct mail *const *)b)->id);
}

/* sorted - all mails (or the one with that id), oldest first; malloc'ed. */
static struct mail **sorted(const struct offline *o, struct span id, size_t *count)
{
	struct mail **list = calloc(hash_count(o->index.mails) + 1, sizeof(struct mail *));
	size_t cursor = 0;
	struct span key;
	void *value;

	if (list == NULL)
		log_fatal("out of memory");
	*count = 0;
	while (hash_next(o->index.mails, &cursor, &key, &value))
		if (id.len == 0 || span_equal(id, key))
			list[(*count)++] = value;
	if (*count > 0)
		qsort(list, *count, sizeof(struct mail *), by_id);
	return list;
}

static int load(const struct offline *o, const struct mail *m, struct arena *arena, struct loaded *out)
{
	struct journal_segment segment = { .fd = -1 };
	int result, saved;

	if (m->seq != 0 && journal_open(o->store.journal_fd, m->seq, &segment) < 0)
		return -1;
	result = store_load(&o->store, m, segment.fd, 0, false, arena, out);
	saved = errno;
	if (segment.fd >= 0)
		close(segment.fd);
	errno = saved;
	return result;
}

static struct span recipients_of(const struct queued *q, struct buf *out)
{
	for (size_t i = 0; i < q->envelope.recipient_count; i++) {
		const struct envelope_recipient *r = &q->envelope.recipients[i];

		if (q->states[i].status != RECIPIENT_OPEN)
			continue;
		buf_add(out, r->address);
		buf_add_byte(out, '\0');
		buf_add(out, r->original.len > 0 ? r->original : r->address);
		buf_add_byte(out, '\0');
		buf_add(out, q->states[i].reason);
		buf_add_byte(out, '\0');
	}
	return buf_span(out);
}

int queue_offline_each(struct queue_client *c, struct span id,
                       void (*fn)(const struct queue_entry *entry, void *user), void *user)
{
	struct offline o;
	struct mail **list;
	size_t count;

	if (open_offline(c, &o) < 0)
		return -1;
	list = sorted(&o, id, &count);
	for (size_t i = 0; i < count; i++) {
		struct arena *arena = arena_new(NULL);
		struct queue_entry entry = { .queue_id = span_of(list[i]->id), .arrival_us = list[i]->arrival_us };
		struct loaded l;
		struct buf recipients;

		buf_init(&recipients, BUF_NO_LIMIT);
		if (load(&o, list[i], arena, &l) == 0) {
			entry.state = (list[i]->flags & MESSAGE_HELD) != 0 ? span_lit("hold") : span_lit("deferred");
			entry.size = l.content_length;
			entry.is_forced_to_expire = (list[i]->flags & MESSAGE_EXPIRE) != 0;
			entry.sender = l.queued.envelope.sender;
			entry.recipients = recipients_of(&l.queued, &recipients);
			fn(&entry, user);
			if (l.fd >= 0)
				close(l.fd);
		}
		buf_free(&recipients);
		arena_free(arena);
	}
	free(list);
	close_offline(&o);
	return 0;
}

int queue_offline_read(struct queue_client *c, struct span id, struct queue_read_reply *reply)
{
	struct offline o;
	struct mail *m;
	struct loaded l;
	struct buf envelope;
	int result = -1;

	if (open_offline(c, &o) < 0)
		return -1;
	errno = ENOENT;
	m = hash_get(o.index.mails, id);
	if (m != NULL && load(&o, m, c->arena, &l) == 0) {
		buf_init(&envelope, BUF_NO_LIMIT);
		envelope_encode(&envelope, &l.queued.envelope);
		*reply = (struct queue_read_reply){
			.is_found = true, .envelope = arena_dup(c->arena, buf_span(&envelope)), .file = l.fd,
			.content_offset = l.content_offset, .content_length = l.content_length,
		};
		buf_free(&envelope);
		result = 0;
	}
	close_offline(&o);
	return result;
}

/* ---- changes ---- */

struct change {
	struct buf             batch;
	struct journal_segment segment;
};

/* new_flags - what action makes of flags; false when nothing changes. */
static bool new_flags(enum queue_action action, uint32_t *flags)
{
	uint32_t old = *flags;

	switch (action) {
	case QUEUE_HOLD:
		*flags |= MESSAGE_HELD;
		break;
	case QUEUE_RELEASE:
	case QUEUE_REQUEUE:
		*flags &= ~(uint32_t)MESSAGE_HELD;
		break;
	case QUEUE_EXPIRE:
		*flags |= MESSAGE_EXPIRE;
		break;
	case QUEUE_FLUSH:
	case QUEUE_DELETE:
		break;
	}
	return action == QUEUE_DELETE || *flags != old;
}

static int set_file_flags(const struct store *s, const struct mail *m)
{
	int fd = message_file_open(s->message_fd, span_of(m->id));
	struct message_preamble p;
	struct queued q;
	int result = -1;

	memset(&q, 0, sizeof(q));
	if (fd >= 0 && message_file_preamble(fd, &p) == 0) {
		q.flags = m->flags;
		q.attempts = p.attempts;
		q.next_attempt_us = p.next_attempt_us;
		result = message_file_retry(fd, &q);
	}
	if (fd >= 0)
		close(fd);
	return result;
}

static int change_one(struct offline *o, struct change *change, const struct mail *m, enum queue_action action)
{
	char payload[4] = { (char)m->flags, (char)(m->flags >> 8), (char)(m->flags >> 16), (char)(m->flags >> 24) };
	struct span piece = span_make(payload, action == QUEUE_DELETE ? 0 : sizeof(payload));
	enum journal_type type = action == QUEUE_DELETE ? JOURNAL_DONE : JOURNAL_FLAGS;

	if (m->seq == 0)
		return action == QUEUE_DELETE ? message_file_remove(o->store.message_fd, span_of(m->id))
		                              : set_file_flags(&o->store, m);
	(void)journal_record_add(&change->batch, &change->segment, type, span_of(m->id), &piece, 1);
	return 0;
}

static int write_changes(struct change *change)
{
	int result = 0;

	if (change->batch.len > 0)
		result = journal_write(&change->segment, buf_span(&change->batch), true);
	close(change->segment.fd);
	return result;
}

long long queue_offline_act(struct queue_client *c, enum queue_action action, struct span id)
{
	struct change change;
	struct offline o;
	struct mail **list;
	size_t count;
	long long done = 0;

	if (open_offline(c, &o) < 0)
		return -1;
	list = sorted(&o, id, &count);
	buf_init(&change.batch, BUF_NO_LIMIT);
	if (journal_create(o.store.journal_fd, o.index.last_seq + 1, SEGMENT_SIZE, 0, &change.segment) < 0)
		done = -1;
	for (size_t i = 0; done >= 0 && i < count; i++)
		if (new_flags(action, &list[i]->flags) && change_one(&o, &change, list[i], action) == 0)
			done++;
	if (done >= 0 && write_changes(&change) < 0)
		done = -1;
	buf_free(&change.batch);
	free(list);
	close_offline(&o);
	return done;
}
