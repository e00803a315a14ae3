/* SPDX-License-Identifier: ISC */
/* store_index.c - finding all messages at start: segments replayed oldest first, then the message files
 *
 * A message with a whole file of its own is that file, whatever the journal says of it: it was moved, and its history
 * went on there.  A DONE record means the message is over, also when the unlink of its file was lost. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/queue/reader.h"
#include "lib/queue/store.h"

void store_index_init(struct store_index *index, const struct store *s, size_t mail_size)
{
	memset(index, 0, sizeof(*index));
	index->store = s;
	index->mail_size = mail_size;
	index->mails = hash_new();
	index->done = hash_new();
}

static void free_mail(void *mail)
{
	free(((struct mail *)mail)->notes);
	free(mail);
}

void store_index_free(struct store_index *index, bool free_mails)
{
	hash_free(index->mails, free_mails ? free_mail : NULL);
	hash_free(index->done, NULL);
}

static struct mail *new_mail(struct store_index *index, struct span id)
{
	struct mail *m;

	if (!queue_id_is_valid(id))
		return NULL;
	m = calloc(1, index->mail_size);
	if (m == NULL)
		abort();
	memcpy(m->id, id.ptr, id.len);
	(void)hash_put(index->mails, id, m);
	return m;
}

/* ---- segments ---- */

static int by_seq(const void *a, const void *b)
{
	const struct store_segment *x = a, *y = b;

	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

int store_segments(const struct store *s, struct store_segment **out, size_t *count)
{
	DIR *dir = fdopendir(fs_open_at(s->journal_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0));
	struct store_segment *list = NULL;
	struct dirent *entry;
	size_t n = 0;

	if (dir == NULL)
		return -1;
	while ((entry = readdir(dir)) != NULL) {
		uint64_t seq;

		if (!journal_name_seq(entry->d_name, &seq))
			continue;
		list = realloc(list, (n + 1) * sizeof(*list));
		if (list == NULL)
			abort();
		list[n++] = (struct store_segment){ .seq = seq };
	}
	closedir(dir);
	if (n > 0)
		qsort(list, n, sizeof(*list), by_seq);
	*out = list;
	*count = n;
	return 0;
}

struct replaying {
	struct store_index   *index;
	uint64_t              seq;
};

static void add_note(struct mail *m, enum journal_type type, struct span payload)
{
	struct buf notes = { m->notes, m->notes_len, m->notes_len, BUF_NO_LIMIT, false };

	notes_add(&notes, type, payload);
	m->notes = notes.ptr;
	m->notes_len = (uint32_t)notes.len;
}

/* peek - what the index keeps of a note, beside the note itself. */
static void peek(struct mail *m, const struct journal_record *r)
{
	struct reader reader = { r->payload, false };

	if (r->type == JOURNAL_FLAGS)
		m->flags = reader_u32(&reader);
	if (r->type == JOURNAL_DEFER)
		m->next_attempt_us = reader_u64(&reader);
}

static void add_message(struct replaying *p, const struct journal_record *r)
{
	struct reader reader = { r->payload, false };
	struct mail *m = hash_get(p->index->mails, r->id);

	if (m == NULL)
		m = new_mail(p->index, r->id);
	if (m == NULL)
		return;
	m->seq = p->seq;
	m->offset = r->offset;
	m->length = (uint32_t)r->payload.len;
	m->flags = reader_u32(&reader);
	(void)reader_u32(&reader);	/* length of the envelope */
	(void)reader_u8(&reader);	/* its version */
	m->arrival_us = reader_u64(&reader);
}

static void take_record(void *user, const struct journal_record *r)
{
	struct replaying *p = user;
	struct mail *m;

	if (r->type == JOURNAL_MESSAGE) {
		add_message(p, r);
		return;
	}
	if (r->type == JOURNAL_DONE) {
		m = hash_remove(p->index->mails, r->id);
		if (m != NULL)
			free_mail(m);
		(void)hash_put(p->index->done, r->id, p->index);
		return;
	}
	m = hash_get(p->index->mails, r->id);
	if (m == NULL)
		return;		/* it lives in a file, which knows better */
	peek(m, r);
	add_note(m, r->type, r->payload);
}

int store_keep_segment(const struct store *s, uint64_t seq)
{
	char name[JOURNAL_NAME_MAX], kept[JOURNAL_NAME_MAX + 8];

	journal_name(seq, name);
	snprintf(kept, sizeof(kept), "journal.%s", name);
	if (fs_link_at(s->journal_fd, name, s->corrupt_fd, kept) < 0 && errno != EEXIST)
		return -1;
	return fs_sync(s->corrupt_fd);
}

static void see_nothing(void *user, const struct journal_record *r)
{
	(void)user;
	(void)r;
}

int store_replay(struct store_index *index, struct store_segment *segment)
{
	struct replaying p = { index, segment->seq };
	char name[JOURNAL_NAME_MAX];
	struct journal_replay out;
	struct buf bytes;
	int result = -1;

	buf_init(&bytes, BUF_NO_LIMIT);
	if (fs_read_file(index->store->journal_fd, journal_name(segment->seq, name), &bytes) < 0)
		goto out;
	segment->size = (uint32_t)bytes.len;
	journal_replay(buf_span(&bytes), segment->seq, see_nothing, NULL, &out);
	segment->is_damaged = out.is_damaged;
	if (out.is_damaged && store_keep_segment(index->store, segment->seq) < 0)
		goto out;
	if (out.is_unused) {
		segment->size = 0;
		result = fs_unlink_at(index->store->journal_fd, name);
	} else {
		journal_replay(buf_span(&bytes), segment->seq, take_record, &p, &out);
		result = 0;
	}
	if (segment->seq > index->last_seq)
		index->last_seq = segment->seq;
out:
	buf_free(&bytes);
	return result;
}

/* ---- message files ---- */

int store_each_file(const struct store *s, unsigned folder, void (*fn)(void *user, const char *id), void *user)
{
	char name[4];
	struct dirent *entry;
	DIR *dir;
	int fd;

	snprintf(name, sizeof(name), "%02x", folder & 0xff);
	fd = fs_open_at(s->message_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	dir = fdopendir(fd);
	if (dir == NULL) {
		close(fd);
		return -1;
	}
	while ((entry = readdir(dir)) != NULL)
		if (queue_id_is_valid(span_of(entry->d_name)))
			fn(user, entry->d_name);
	closedir(dir);
	return 0;
}

/* put_away - a torn file: an admin may want its content. */
static enum store_file put_away(struct store_index *index, const char *id, int fd)
{
	struct stat st;
	bool has_content = fstat(fd, &st) == 0 && st.st_size > MESSAGE_FILE_CONTENT;
	bool in_journal = hash_get(index->mails, span_of(id)) != NULL;

	if (!in_journal && has_content)
		return store_set_aside(index->store, span_of(id)) == 0 ? STORE_FILE_CORRUPT : STORE_FILE_ERROR;
	return message_file_remove(index->store->message_fd, span_of(id)) == 0 ? STORE_FILE_LEFT_OVER
	                                                                       : STORE_FILE_ERROR;
}

struct mail *store_adopt_file(struct store_index *index, const char *id, const struct message_preamble *p)
{
	struct mail *m = hash_get(index->mails, span_of(id));

	if (m == NULL)
		m = new_mail(index, span_of(id));
	if (m == NULL)
		return NULL;
	free(m->notes);
	m->notes = NULL;
	m->notes_len = 0;
	m->seq = 0;
	m->offset = 0;
	m->length = (uint32_t)(p->content_length < UINT32_MAX ? p->content_length : UINT32_MAX);
	m->arrival_us = p->arrival_us;
	m->next_attempt_us = p->next_attempt_us;
	m->flags = p->flags;
	return m;
}

enum store_file store_peek_file(const struct store *s, const char *id, struct message_preamble *out)
{
	int fd = message_file_open(s->message_fd, span_of(id));
	enum store_file result = STORE_FILE_GOOD;

	if (fd < 0)
		return errno == ENOENT ? STORE_FILE_LEFT_OVER : STORE_FILE_ERROR;
	if (message_file_preamble(fd, out) < 0)
		result = errno == EBADMSG ? STORE_FILE_CORRUPT : STORE_FILE_ERROR;
	close(fd);
	return result;
}

enum store_file store_add_file(struct store_index *index, const char *id, struct mail **mail)
{
	int fd = message_file_open(index->store->message_fd, span_of(id));
	struct message_preamble p;
	enum store_file result = STORE_FILE_GOOD;

	*mail = NULL;
	if (fd < 0)
		return errno == ENOENT ? STORE_FILE_LEFT_OVER : STORE_FILE_ERROR;
	if (hash_get(index->done, span_of(id)) != NULL)
		result = message_file_remove(index->store->message_fd, span_of(id)) == 0 ? STORE_FILE_LEFT_OVER
		                                                                         : STORE_FILE_ERROR;
	else if (message_file_preamble(fd, &p) < 0)
		result = errno == EBADMSG ? put_away(index, id, fd) : STORE_FILE_ERROR;
	else
		*mail = store_adopt_file(index, id, &p);
	close(fd);
	return result;
}
