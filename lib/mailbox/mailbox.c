/* SPDX-License-Identifier: ISC */
/* mailbox.c - a view of one folder: opening, closing, and all that only looks */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/mailbox/mailbox_private.h"

enum { PATH_BYTES_MAX = 4096 };
#define NAMES_LIMIT ((size_t)UINT32_MAX)

/* ---- records and names ---- */

struct message *record_of(struct mailbox *m, uint32_t seq)
{
	REQUIRE(seq >= 1 && seq <= m->count);
	return &m->records[seq - 1];
}

/* The bytes at a name offset: the map's first, then ours. */
static const char *name_at(const struct mailbox *m, uint32_t offset)
{
	size_t mapped = (size_t)m->map.header.names_length;

	return offset < mapped ? m->map.names + offset : m->names.ptr + (offset - mapped);
}

struct span base_of(const struct mailbox *m, const struct message *r)
{
	return span_make(name_at(m, r->name_offset), r->base_length);
}

int file_name(const struct mailbox *m, const struct message *r, char out[FILE_NAME_SIZE])
{
	size_t n = r->name_length;

	memcpy(out, name_at(m, r->name_offset), n);
	out[n] = '\0';
	if (n == r->base_length && (r->state & (STATE_IN_NEW | STATE_NO_SUFFIX)) == 0)
		maildir_suffix(r->flags, r->keywords, out + n);
	return (r->state & STATE_IN_NEW) != 0 ? m->md.new_mail : m->md.cur;
}

static uint32_t add_name(struct mailbox *m, struct span name)
{
	uint64_t offset = m->map.header.names_length + m->names.len;

	if (offset + name.len > NAMES_LIMIT || !buf_add(&m->names, name))
		log_fatal("too many file names in one folder");
	return (uint32_t)offset;
}

void set_name(struct mailbox *m, struct message *r, const struct maildir_name *name, struct span file,
              bool in_new)
{
	bool is_plain = name->suffix.len == 0 || (name->is_canonical && !in_new);

	r->state &= (uint16_t)~(STATE_IN_NEW | STATE_NO_SUFFIX);
	if (in_new)
		r->state |= STATE_IN_NEW;
	else if (name->suffix.len == 0)
		r->state |= STATE_NO_SUFFIX;
	if (is_plain) {
		r->name_length = r->base_length;
	} else if (!span_equal(file, span_make(name_at(m, r->name_offset), r->name_length))) {
		r->name_offset = add_name(m, file);
		r->name_length = (uint16_t)file.len;
	}
}

static void make_room(struct mailbox *m)
{
	size_t capacity = m->capacity < 32 ? 64 : 2 * m->capacity;
	struct message *records;

	if (m->count < m->capacity)
		return;
	records = reallocarray(m->records_are_ours ? m->records : NULL, capacity, sizeof(*records));
	if (records == NULL)
		log_fatal("out of memory (%zu messages)", capacity);
	if (!m->records_are_ours && m->count > 0)
		memcpy(records, m->records, m->count * sizeof(*records));
	m->records = records;
	m->records_are_ours = true;
	m->capacity = capacity;
}

static void count_flags(struct mailbox *m, const struct message *r, int step)
{
	if ((r->flags & MAIL_SEEN) == 0)
		m->unseen += (uint32_t)step;
	if ((r->flags & MAIL_DELETED) != 0)
		m->deleted += (uint32_t)step;
	if ((r->flags & MAIL_RECENT) != 0)
		m->recent += (uint32_t)step;
	m->first_unseen = FIRST_UNSEEN_UNKNOWN;
}

void set_flags(struct mailbox *m, struct message *r, uint16_t flags, uint64_t keywords)
{
	if ((r->state & STATE_GONE) == 0)
		count_flags(m, r, -1);
	r->flags = flags;
	r->keywords = keywords;
	if ((r->state & STATE_GONE) == 0)
		count_flags(m, r, 1);
	m->index_is_stale = true;
}

void mark_gone(struct mailbox *m, struct message *r)
{
	if ((r->state & STATE_GONE) != 0)
		return;
	count_flags(m, r, -1);
	r->state |= STATE_GONE;
	m->gone++;
	m->index_is_stale = true;
}

struct message *add_record(struct mailbox *m, uint32_t uid, const struct maildir_name *name,
                           struct span file, bool in_new)
{
	struct message *r;

	make_room(m);
	r = &m->records[m->count++];
	*r = (struct message){
		.uid = uid, .base_length = (uint16_t)name->base.len, .name_length = (uint16_t)name->base.len,
		.size = name->size, .virtual_size = name->virtual_size, .internaldate_s = INT64_MIN,
		.modseq = m->highest_modseq, .flags = name->flags, .keywords = name->keywords,
		.name_offset = add_name(m, name->base),
	};
	set_name(m, r, name, file, in_new);
	count_flags(m, r, 1);
	m->index_is_stale = true;
	return r;
}

void forget_all(struct mailbox *m)
{
	if (m->records_are_ours)
		free(m->records);
	index_unload(&m->map);
	buf_clear(&m->names);
	m->records = NULL;
	m->records_are_ours = false;
	m->count = m->capacity = 0;
	m->unseen = m->deleted = m->recent = m->gone = 0;
	m->first_unseen = FIRST_UNSEEN_UNKNOWN;
	m->stamps = (struct index_stamps){ .cur_inode = 0 };
	m->index_is_stale = true;
}

/* ---- stamps ---- */

uint64_t next_modseq(struct mailbox *m)
{
	uint64_t now = clock_wall_us(), second = now / CLOCK_SECOND_US;
	/* Never goes back, even when the index is lost: the clock is ahead of any counter (imap-scope 4.8). */
	uint64_t by_clock = (second << 20) + now % CLOCK_SECOND_US;

	m->highest_modseq = by_clock > m->highest_modseq ? by_clock : m->highest_modseq + 1;
	m->index_is_stale = true;
	return m->highest_modseq;
}

static void stamp_directory(int fd, uint64_t *inode, int64_t *mtime_ns)
{
	struct stat st;

	*inode = 0;
	*mtime_ns = 0;
	if (fstat(fd, &st) < 0)
		return;
	*inode = st.st_ino;
	*mtime_ns = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
}

void stamp_directories(const struct mailbox *m, struct index_stamps *out)
{
	stamp_directory(m->md.cur, &out->cur_inode, &out->cur_mtime_ns);
	stamp_directory(m->md.new_mail, &out->new_inode, &out->new_mtime_ns);
}

void own_change_begin(struct mailbox *m)
{
	stamp_directories(m, &m->before);
	m->own_is_known = m->before.cur_mtime_ns == m->stamps.cur_mtime_ns &&
	                  m->before.new_mtime_ns == m->stamps.new_mtime_ns;
}

void own_change_end(struct mailbox *m)
{
	if (m->own_is_known)
		stamp_directories(m, &m->stamps);
	m->needs_dir_sync = true;
}

void take_header(struct mailbox *m, const struct uidlist_header *h)
{
	m->uidvalidity = h->uidvalidity;
	if (h->next_uid > m->next_uid)
		m->next_uid = h->next_uid;
	if (h->guid[0] != '\0')
		memcpy(m->guid, h->guid, sizeof(m->guid));
	else
		(void)snprintf(m->guid, sizeof(m->guid), "%032x", h->uidvalidity);
	buf_clear(&m->uidl_format);
	buf_add(&m->uidl_format, h->uidl_format);
}

/* ---- opening and closing ---- */

static struct mailbox *new_mailbox(struct mailstore *store, unsigned flags)
{
	struct mailbox *m = calloc(1, sizeof(*m));

	if (m == NULL)
		log_fatal("out of memory (mailbox)");
	m->store = store;
	m->md = (struct maildir){ -1, -1, -1, -1 };
	m->flags = flags;
	m->read_only = (flags & MAILBOX_READ_ONLY) != 0;
	m->next_uid = 1;
	m->watch = -1;
	m->first_unseen = FIRST_UNSEEN_UNKNOWN;
	buf_init(&m->names, NAMES_LIMIT);
	buf_init(&m->uidl_format, 256);
	keywords_init(&m->keywords);
	uidlist_init(&m->uidlist);
	return m;
}

static void free_mailbox(struct mailbox *m)
{
	forget_all(m);
	maildir_close(&m->md);
	buf_free(&m->names);
	buf_free(&m->uidl_format);
	keywords_free(&m->keywords);
	uidlist_free(&m->uidlist);
	if (m->watch >= 0)
		close(m->watch);
	free(m);
}

static enum mail_result open_directories(struct mailbox *m, struct span folder)
{
	struct buf directory;
	const char *path;
	enum mail_result result = MAIL_NONEXISTENT;

	buf_init(&directory, PATH_BYTES_MAX);
	if (store_directory(folder, &directory) && (path = buf_cstr(&directory)) != NULL)
		result = maildir_open(&m->md, m->store->root, path, 0) == 0 ? MAIL_OK : result_of_errno(errno);
	buf_free(&directory);
	return result;
}

enum mail_result mailbox_open(struct mailstore *store, struct span folder, unsigned flags,
                              struct mailbox **out)
{
	struct mailbox *m = new_mailbox(store, flags);
	enum mail_result result = open_directories(m, folder);

	*out = NULL;
	if (result == MAIL_OK)
		result = (flags & MAILBOX_NO_VIEW) != 0 ? sync_target(m) : sync_open(m);
	if (result == MAIL_OK)
		*out = m;
	else
		free_mailbox(m);
	return result;
}

void mailbox_idle(struct mailbox *m)
{
	if (m->needs_dir_sync && fs_sync(m->md.cur) < 0)
		log_warning("cannot sync a mail folder: %s", strerror(errno));
	m->needs_dir_sync = false;
	store_index(m);
}

void mailbox_close(struct mailbox *m)
{
	if (m == NULL)
		return;
	mailbox_idle(m);
	free_mailbox(m);
}

/* ---- looking ---- */

bool mailbox_is_read_only(const struct mailbox *m)
{
	return m->read_only;
}

uint32_t mailbox_uidvalidity(const struct mailbox *m)
{
	return m->uidvalidity;
}

uint32_t mailbox_uidnext(const struct mailbox *m)
{
	return m->next_uid;
}

uint32_t mailbox_count(const struct mailbox *m)
{
	return (uint32_t)m->count;
}

uint32_t mailbox_recent(const struct mailbox *m)
{
	return m->recent;
}

uint32_t mailbox_unseen(const struct mailbox *m)
{
	return m->unseen;
}

uint32_t mailbox_first_unseen(const struct mailbox *m)
{
	if (m->unseen == 0)
		return 0;
	if (m->first_unseen != FIRST_UNSEEN_UNKNOWN)
		return m->first_unseen;
	for (size_t i = 0; i < m->count; i++)
		if ((m->records[i].flags & MAIL_SEEN) == 0)
			return (uint32_t)i + 1;
	return 0;
}

uint64_t mailbox_highest_modseq(const struct mailbox *m)
{
	return m->highest_modseq;
}

const char *mailbox_guid(const struct mailbox *m)
{
	return m->guid;
}

struct span mailbox_uidl_format(const struct mailbox *m)
{
	return buf_span(&m->uidl_format);
}

const struct message *mailbox_message(struct mailbox *m, uint32_t seq)
{
	return record_of(m, seq);
}

uint32_t mailbox_seq(struct mailbox *m, uint32_t uid)
{
	size_t low = 0, high = m->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (m->records[middle].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return (uint32_t)low + 1;
}

bool mailbox_is_gone(struct mailbox *m, uint32_t seq)
{
	return (record_of(m, seq)->state & STATE_GONE) != 0;
}

struct span mailbox_base(struct mailbox *m, uint32_t seq)
{
	return base_of(m, record_of(m, seq));
}

void mailbox_pop3_record(struct mailbox *m, uint32_t seq, struct span *uidl, uint32_t *order)
{
	const struct uidlist_record *r = NULL;

	if (!m->uidlist_is_read)
		m->uidlist_is_read = uidlist_read(&m->uidlist, m->md.dir) == 0;
	if (m->uidlist_is_read && m->uidlist.header.uidvalidity == m->uidvalidity)
		r = uidlist_find(&m->uidlist, record_of(m, seq)->uid);
	*uidl = r != NULL ? r->uidl : (struct span){ NULL, 0 };
	*order = r != NULL ? r->pop3_order : 0;
}

/* ---- keywords ---- */

struct span mailbox_keyword(const struct mailbox *m, unsigned n)
{
	return n < MAIL_KEYWORDS_MAX ? buf_span(&m->keywords.names[n]) : (struct span){ NULL, 0 };
}

bool mailbox_has_keyword_room(const struct mailbox *m)
{
	for (size_t i = 0; i < MAIL_KEYWORDS_MAX; i++)
		if (m->keywords.names[i].len == 0)
			return true;
	return false;
}

int mailbox_keyword_number(struct mailbox *m, struct span name, bool create)
{
	int number = keywords_find(&m->keywords, name), lock;

	if (number >= 0 || !create || m->read_only)
		return number;
	lock = uidlist_lock(m->md.dir, store_new_uidvalidity, m->store);
	if (lock < 0)
		return -1;
	/* Another session may have made it, or taken the letter. */
	if (keywords_changed(&m->keywords, m->md.dir)) {
		m->keywords_changed = true;
		(void)!keywords_read(&m->keywords, m->md.dir);
	}
	number = keywords_find(&m->keywords, name);
	if (number < 0)
		number = keywords_add(&m->keywords, m->md.dir, name);
	close(lock);
	m->index_is_stale = true;
	return number;
}

/* ---- one message ---- */

/* The file of a message, also when others renamed it meanwhile. */
static enum mail_result open_file(struct mailbox *m, uint32_t seq, int *fd)
{
	char name[FILE_NAME_SIZE];

	for (int tries = 0; tries < 2; tries++) {
		struct message *r = record_of(m, seq);
		int dir;

		if ((r->state & STATE_GONE) != 0)
			return MAIL_GONE;
		dir = file_name(m, r, name);
		*fd = fs_open_at(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
		if (*fd >= 0)
			return MAIL_OK;
		if (errno != ENOENT)
			return errno == EACCES || errno == EPERM ? MAIL_NOPERM :
			       errno == EMFILE || errno == ENFILE ? MAIL_UNAVAILABLE : MAIL_CORRUPT;
		if (!find_renamed(m, seq))
			return MAIL_GONE;
	}
	return MAIL_UNAVAILABLE;
}

enum mail_result mailbox_read(struct mailbox *m, uint32_t seq, struct message_reader *reader)
{
	enum mail_result result;
	struct message *r;
	int fd;

	result = open_file(m, seq, &fd);
	if (result != MAIL_OK)
		return result;
	r = record_of(m, seq);
	if (reader_open(reader, fd, r->size, r->virtual_size) < 0)
		return MAIL_CORRUPT;
	if (r->virtual_size != reader->size || r->size != reader->file_size) {
		/* The name says otherwise or nothing: what is read is what counts. */
		r->size = reader->file_size;
		r->virtual_size = reader->size;
		m->index_is_stale = true;
	}
	if (r->internaldate_s != reader->mtime_s) {
		r->internaldate_s = reader->mtime_s;
		m->index_is_stale = true;
	}
	return MAIL_OK;
}

enum mail_result mailbox_size(struct mailbox *m, uint32_t seq, uint64_t *size)
{
	struct message *r = record_of(m, seq);
	struct message_reader reader;
	enum mail_result result;

	if (r->virtual_size == MAIL_SIZE_UNKNOWN) {
		result = mailbox_read(m, seq, &reader);
		if (result != MAIL_OK)
			return result;
		reader_close(&reader);
		r = record_of(m, seq);
	}
	*size = r->virtual_size;
	return MAIL_OK;
}

static enum mail_result stat_file(struct mailbox *m, uint32_t seq, struct stat *st)
{
	char name[FILE_NAME_SIZE];

	for (int tries = 0; tries < 2; tries++) {
		struct message *r = record_of(m, seq);
		int dir;

		if ((r->state & STATE_GONE) != 0)
			return MAIL_GONE;
		dir = file_name(m, r, name);
		if (fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW) == 0)
			return MAIL_OK;
		if (errno != ENOENT)
			return MAIL_CORRUPT;
		if (!find_renamed(m, seq))
			return MAIL_GONE;
	}
	return MAIL_UNAVAILABLE;
}

enum mail_result mailbox_internaldate(struct mailbox *m, uint32_t seq, int64_t *seconds)
{
	struct stat st;

	if (record_of(m, seq)->internaldate_s == INT64_MIN) {
		enum mail_result result = stat_file(m, seq, &st);

		if (result != MAIL_OK)
			return result;
		record_of(m, seq)->internaldate_s = st.st_mtime;
		m->index_is_stale = true;
	}
	*seconds = record_of(m, seq)->internaldate_s;
	return MAIL_OK;
}

enum mail_result mailbox_savedate(struct mailbox *m, uint32_t seq, int64_t *seconds)
{
	struct stat st;
	enum mail_result result = stat_file(m, seq, &st);

	if (result == MAIL_OK)
		*seconds = st.st_ctime;
	return result;
}

/* ---- waiting ---- */

int mailbox_watch(struct mailbox *m)
{
	enum { EVENTS = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO };
	char path[64];
	const int dirs[] = { m->md.cur, m->md.new_mail };

	if (m->watch >= 0)
		return m->watch;
	m->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	for (size_t i = 0; i < COUNT_OF(dirs) && m->watch >= 0; i++) {
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", dirs[i]);
		if (inotify_add_watch(m->watch, path, EVENTS) < 0) {
			close(m->watch);
			m->watch = -1;
		}
	}
	return m->watch;
}

void mailbox_watch_clear(struct mailbox *m)
{
	char events[4096];

	while (m->watch >= 0 && read(m->watch, events, sizeof(events)) > 0)
		;
}
