/* SPDX-License-Identifier: ISC */
/* mailbox_sync.c - bring a view in line with the directories and the uidlist
 *
 * Nothing is read while the stamps (directory mtimes, uidlist) are those the view reflects.  A change of new
 * alone costs reading new; a change of cur costs reading both.  readdir may skip a file that is renamed while it
 * runs, so a message counts as gone only after a scan during which nothing moved. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/hash.h"
#include "lib/base/log.h"
#include "lib/mailbox/mailbox_private.h"

enum { SCANS_MAX = 3, RACY_NS = 10 * 1000 * 1000, INDEX_LEAST = 50 };
#define TEXT_MAX ((size_t)UINT32_MAX)

/* ---- a table from base names to positions in an array ---- */

struct table {
	uint32_t *slots;	/* position + 1; 0: free */
	size_t    mask;
};

typedef struct span key_fn(const void *owner, size_t position);

static void table_init(struct table *t, size_t count)
{
	size_t size = 64;

	while (size < 2 * count)
		size *= 2;
	t->mask = size - 1;
	t->slots = calloc(size, sizeof(*t->slots));
	if (t->slots == NULL)
		log_fatal("out of memory (table of %zu names)", count);
}

/* The slot of key: holding its position, or free. */
static uint32_t *table_slot(const struct table *t, struct span key, key_fn *key_of, const void *owner)
{
	size_t i = (size_t)siphash(key) & t->mask;

	while (t->slots[i] != 0 && !span_equal(key, key_of(owner, t->slots[i] - 1)))
		i = (i + 1) & t->mask;
	return &t->slots[i];
}

static struct span key_of_message(const void *owner, size_t position)
{
	const struct mailbox *m = owner;

	return base_of(m, &m->records[position]);
}

static struct span key_of_line(const void *owner, size_t position)
{
	return ((const struct uidlist *)owner)->records[position].base;
}

/* ---- scanning ---- */

/* A file without a record yet. */
struct fresh {
	uint32_t offset, uid;	/* offset of its name in scan.text */
	uint16_t length;
	bool     in_new;
};

struct scan {
	struct mailbox *m;
	struct table    table;
	unsigned char  *found;	/* a bit for each record */
	bool            in_new;	/* directory under way */
	struct fresh   *fresh;
	size_t          fresh_count, fresh_capacity;
	struct buf      text;
	uint64_t        modseq;	/* one for all changes found; 0: none yet */
};

static void scan_init(struct scan *s, struct mailbox *m, bool only_new)
{
	*s = (struct scan){ .m = m };
	buf_init(&s->text, TEXT_MAX);
	table_init(&s->table, m->count);
	s->found = calloc(m->count / 8 + 1, 1);
	if (s->found == NULL)
		log_fatal("out of memory (scan of %zu messages)", m->count);
	for (size_t i = 0; i < m->count; i++)
		if (!only_new || (m->records[i].state & STATE_IN_NEW) != 0)
			*table_slot(&s->table, base_of(m, &m->records[i]), key_of_message, m) =
				(uint32_t)i + 1;
}

static void scan_free(struct scan *s)
{
	free(s->table.slots);
	free(s->found);
	free(s->fresh);
	buf_free(&s->text);
}

static void add_fresh(struct scan *s, struct span file)
{
	if (s->fresh_count == s->fresh_capacity) {
		s->fresh_capacity = s->fresh_capacity == 0 ? 64 : 2 * s->fresh_capacity;
		s->fresh = reallocarray(s->fresh, s->fresh_capacity, sizeof(*s->fresh));
		if (s->fresh == NULL)
			log_fatal("out of memory (%zu new messages)", s->fresh_capacity);
	}
	s->fresh[s->fresh_count++] = (struct fresh){
		.offset = (uint32_t)s->text.len, .length = (uint16_t)file.len, .in_new = s->in_new,
	};
	if (!buf_add(&s->text, file))
		log_fatal("too many files in one folder");
}

static struct span fresh_file(const struct scan *s, const struct fresh *f)
{
	return span_make(s->text.ptr + f->offset, f->length);
}

/* A known message: take over what its name says now. */
static void update_record(struct scan *s, struct message *r, const struct maildir_name *name,
                          struct span file)
{
	struct mailbox *m = s->m;
	char expected[FILE_NAME_SIZE];
	int dir = file_name(m, r, expected);

	if ((r->state & STATE_GONE) != 0) {
		/* It was only hidden by renames: no client heard that it was gone. */
		r->state &= (uint16_t)~STATE_GONE;
		m->gone--;
		r->flags &= (uint16_t)~MAIL_RECENT;
		set_flags(m, r, r->flags, r->keywords);
	}
	if (dir == (s->in_new ? m->md.new_mail : m->md.cur) && span_equal(file, span_of(expected)))
		return;
	set_name(m, r, name, file, s->in_new);
	m->index_is_stale = true;
	if ((r->flags & (uint16_t)~MAIL_RECENT) == name->flags && r->keywords == name->keywords)
		return;
	set_flags(m, r, (uint16_t)(name->flags | (r->flags & MAIL_RECENT)), name->keywords);
	if (s->modseq == 0)
		s->modseq = next_modseq(m);
	r->modseq = s->modseq;
	r->state |= STATE_CHANGED;
	m->has_changed = true;
}

static bool scan_entry(void *user, struct span file)
{
	struct scan *s = user;
	struct maildir_name name;
	uint32_t position;

	if (!maildir_name_parse(file, &name))
		return true;
	position = *table_slot(&s->table, name.base, key_of_message, s->m);
	if (position == 0) {
		add_fresh(s, file);
		return true;
	}
	s->found[(position - 1) / 8] |= (unsigned char)(1 << ((position - 1) % 8));
	update_record(s, &s->m->records[position - 1], &name, file);
	return true;
}

static int scan_directory(struct scan *s, bool in_new)
{
	s->in_new = in_new;
	return maildir_scan(in_new ? s->m->md.new_mail : s->m->md.cur, scan_entry, s);
}

static bool same_directories(const struct index_stamps *a, const struct index_stamps *b)
{
	return a->cur_mtime_ns == b->cur_mtime_ns && a->new_mtime_ns == b->new_mtime_ns &&
	       a->cur_inode == b->cur_inode && a->new_inode == b->new_inode;
}

static bool is_young(int64_t mtime_ns)
{
	int64_t now_ns = (int64_t)clock_wall_us() * 1000;

	return mtime_ns > now_ns - RACY_NS;
}

static bool all_found(const struct scan *s)
{
	for (size_t i = 0; i < s->m->count; i++)
		if ((s->found[i / 8] & 1 << i % 8) == 0 && (s->m->records[i].state & STATE_GONE) == 0)
			return false;
	return true;
}

/* Both directories, until nothing moved meanwhile or all messages were seen; then the rest is gone. */
static int scan_both(struct scan *s, struct index_stamps *stamps)
{
	struct index_stamps after;

	for (int i = 0; i < SCANS_MAX; i++) {
		s->fresh_count = 0;
		buf_clear(&s->text);
		stamp_directories(s->m, stamps);
		if (scan_directory(s, true) < 0 || scan_directory(s, false) < 0)
			return -1;
		stamp_directories(s->m, &after);
		if (all_found(s) || (same_directories(stamps, &after) && !is_young(after.cur_mtime_ns) &&
		                     !is_young(after.new_mtime_ns)))
			break;
	}
	for (size_t i = 0; i < s->m->count; i++)
		if ((s->found[i / 8] & 1 << i % 8) == 0)
			mark_gone(s->m, &s->m->records[i]);
	return 0;
}

/* ---- UIDs for new files ---- */

/* Give the UIDs that the uidlist (as read) has.  A UID not above the view's last cannot be shown any more: the file then gets
 * a new one.  Those named come first afterwards; gives how many. */
static size_t take_listed(struct scan *s)
{
	struct mailbox *m = s->m;
	uint32_t last = m->count > 0 ? m->records[m->count - 1].uid : 0;
	struct table table;
	size_t named = 0;

	table_init(&table, m->uidlist.count);
	for (size_t i = 0; i < m->uidlist.count; i++)
		*table_slot(&table, m->uidlist.records[i].base, key_of_line, &m->uidlist) = (uint32_t)i + 1;
	for (size_t i = 0; i < s->fresh_count; i++) {
		struct fresh f = s->fresh[i];
		struct span file = fresh_file(s, &f);
		uint32_t line = *table_slot(&table, span_first(file, span_find(file, ':')), key_of_line,
		                            &m->uidlist);

		if (line == 0 || m->uidlist.records[line - 1].uid <= last)
			continue;
		f.uid = m->uidlist.records[line - 1].uid;
		s->fresh[i] = s->fresh[named];
		s->fresh[named++] = f;
	}
	free(table.slots);
	return named;
}

static const struct scan *sorting;	/* for qsort alone */

static int by_arrival(const void *a, const void *b)
{
	return maildir_name_order(fresh_file(sorting, a), fresh_file(sorting, b));
}

static int by_uid(const void *a, const void *b)
{
	const struct fresh *x = a, *y = b;

	return x->uid < y->uid ? -1 : x->uid > y->uid;
}

static int append_uids(struct scan *s, int lock, size_t named)
{
	size_t count = s->fresh_count - named;
	struct span *bases = calloc(count, sizeof(*bases));
	uint32_t *uids = calloc(count, sizeof(*uids));
	struct uidlist_header header;
	int result;

	if (bases == NULL || uids == NULL)
		log_fatal("out of memory (%zu UIDs)", count);
	sorting = s;
	qsort(s->fresh + named, count, sizeof(*s->fresh), by_arrival);
	for (size_t i = 0; i < count; i++) {
		struct span file = fresh_file(s, &s->fresh[named + i]);

		bases[i] = span_first(file, span_find(file, ':'));
	}
	result = uidlist_append(lock, bases, count, uids, &header, &s->m->stamps.uidlist);
	if (result == 0)
		take_header(s->m, &header);
	for (size_t i = 0; result == 0 && i < count; i++)
		s->fresh[named + i].uid = uids[i];
	free(bases);
	free(uids);
	return result;
}

static int read_list(struct mailbox *m)
{
	if (uidlist_read(&m->uidlist, m->md.dir) < 0)
		return -1;
	m->uidlist_is_read = true;
	m->stamps.uidlist = m->uidlist.stamp;
	return 0;
}

/* Nothing can be stored.  A folder never opened before is shown under UIDs of this session alone (another session
 * has another UIDVALIDITY); else new mail waits until its UID can be kept. */
static void go_on_unstored(struct scan *s, size_t named)
{
	struct mailbox *m = s->m;

	log_warning("cannot store UIDs: %s", strerror(errno));
	if (errno == EROFS || errno == EACCES || errno == EPERM)
		m->read_only = true;
	if (m->uidvalidity == 0) {
		m->uidvalidity = (uint32_t)time(NULL);
		m->uids_are_temporary = true;
	}
	if (!m->uids_are_temporary) {
		s->fresh_count = named;
		return;
	}
	if (s->fresh_count == named)
		return;
	sorting = s;
	qsort(s->fresh + named, s->fresh_count - named, sizeof(*s->fresh), by_arrival);
	for (size_t i = named; i < s->fresh_count; i++)
		s->fresh[i].uid = m->next_uid++;
}

/* UIDs for all of s->fresh, from the list or new.  False: UIDVALIDITY is another now, the view is dead. */
static bool find_uids(struct scan *s)
{
	struct mailbox *m = s->m;
	size_t named = m->uidlist_is_read ? take_listed(s) : 0;
	struct uidlist_stamp now;
	int lock, result = 0;

	if (named == s->fresh_count)
		return true;
	lock = m->uids_are_temporary ? -1 : uidlist_lock(m->md.dir, store_new_uidvalidity, m->store);
	if (lock >= 0) {
		uidlist_stamp_now(m->md.dir, &now);
		if (!uidlist_stamp_equal(&now, &m->stamps.uidlist)) {
			result = read_list(m);
			named = result == 0 ? take_listed(s) : named;
		}
		if (m->uidvalidity != 0 && m->uidlist_is_read && m->uidlist.exists &&
		    m->uidlist.header.uidvalidity != m->uidvalidity) {
			close(lock);
			return false;
		}
		if (result == 0 && named < s->fresh_count)
			result = append_uids(s, lock, named);
		else if (result == 0)
			take_header(m, &m->uidlist.header);
	}
	if (lock < 0 || result < 0)
		go_on_unstored(s, named);
	int error = errno;

	if (lock >= 0)
		close(lock);
	errno = error;
	return true;
}

static void add_fresh_records(struct scan *s)
{
	struct mailbox *m = s->m;

	if (s->fresh_count == 0)
		return;
	qsort(s->fresh, s->fresh_count, sizeof(*s->fresh), by_uid);
	if (s->modseq == 0)
		s->modseq = next_modseq(m);
	for (size_t i = 0; i < s->fresh_count; i++) {
		const struct fresh *f = &s->fresh[i];
		const struct uidlist_record *line =
			m->uidlist_is_read ? uidlist_find(&m->uidlist, f->uid) : NULL;
		struct maildir_name name;
		struct message *r;

		if (!maildir_name_parse(fresh_file(s, f), &name))
			continue;
		if (line != NULL && name.size == MAIL_SIZE_UNKNOWN)
			name.size = line->size;
		if (line != NULL && name.virtual_size == MAIL_SIZE_UNKNOWN)
			name.virtual_size = line->virtual_size;
		r = add_record(m, f->uid, &name, fresh_file(s, f), f->in_new);
		r->modseq = s->modseq;
		if (f->uid >= m->next_uid)
			m->next_uid = f->uid + 1;
	}
}

/* new -> cur: what an opened folder has is not new any more, and recent in this session alone. */
static void move_to_cur(struct mailbox *m, size_t from)
{
	char old[FILE_NAME_SIZE], now[FILE_NAME_SIZE];

	if (m->read_only || (m->flags & MAILBOX_NO_INDEX) != 0)
		return;
	own_change_begin(m);
	for (size_t i = from; i < m->count; i++) {
		struct message *r = &m->records[i];

		if ((r->state & STATE_IN_NEW) == 0)
			continue;
		(void)file_name(m, r, old);
		r->state &= (uint16_t)~STATE_IN_NEW;
		(void)file_name(m, r, now);
		if (fs_rename_new(m->md.new_mail, old, m->md.cur, now) == 0)
			set_flags(m, r, (uint16_t)(r->flags | MAIL_RECENT), r->keywords);
		else
			r->state |= STATE_IN_NEW;	/* stays readable where it is */
	}
	own_change_end(m);
}

/* ---- refreshing a view ---- */

static enum mail_result add_new_mail(struct scan *s, const struct index_stamps *stamps)
{
	struct mailbox *m = s->m;
	struct uidlist_stamp uidlist;
	size_t old = m->count;
	bool has_new = false;
	size_t seen_fresh = s->fresh_count;

	if (s->fresh_count > 0 && !find_uids(s))
		return MAIL_NONEXISTENT;
	add_fresh_records(s);
	uidlist = m->stamps.uidlist;
	m->stamps = *stamps;
	m->stamps.uidlist = uidlist;
	m->stamps.keywords = m->keywords.stamp;
	if (s->fresh_count < seen_fresh)
		m->stamps.new_mtime_ns = m->stamps.cur_mtime_ns = 0;	/* try again */
	m->is_racy = is_young(stamps->cur_mtime_ns) || is_young(stamps->new_mtime_ns);
	for (size_t i = old; i < m->count && !has_new; i++)
		has_new = (m->records[i].state & STATE_IN_NEW) != 0;
	if (has_new)
		move_to_cur(m, old);
	m->index_is_stale = true;
	return MAIL_OK;
}

static void refresh_keywords(struct mailbox *m)
{
	if (!keywords_changed(&m->keywords, m->md.dir))
		return;
	if (keywords_read(&m->keywords, m->md.dir) < 0)
		log_warning("cannot read dovecot-keywords: %s", strerror(errno));
	m->keywords_changed = true;
}

static enum mail_result scan_and_add(struct mailbox *m, bool only_new)
{
	struct index_stamps stamps;
	struct scan s;
	enum mail_result result;
	int failed;

	scan_init(&s, m, only_new);
	if (only_new) {
		stamp_directories(m, &stamps);
		failed = scan_directory(&s, true);
	} else {
		refresh_keywords(m);
		failed = scan_both(&s, &stamps);
	}
	result = failed < 0 ? MAIL_UNAVAILABLE : add_new_mail(&s, &stamps);
	scan_free(&s);
	return result;
}

static enum mail_result refresh(struct mailbox *m, bool force)
{
	struct index_stamps now;
	bool cur_is_same, new_is_same;

	stamp_directories(m, &now);
	cur_is_same = now.cur_mtime_ns == m->stamps.cur_mtime_ns && now.cur_inode == m->stamps.cur_inode;
	new_is_same = now.new_mtime_ns == m->stamps.new_mtime_ns && now.new_inode == m->stamps.new_inode;
	if (cur_is_same && new_is_same && !force && !m->is_racy)
		return MAIL_OK;
	return scan_and_add(m, cur_is_same && !force && !m->is_racy);
}

bool find_renamed(struct mailbox *m, uint32_t seq)
{
	struct index_stamps stamps;
	struct scan s;
	bool done;

	/* New files are for the next sync, which sees that the stamps are old. */
	scan_init(&s, m, false);
	done = scan_both(&s, &stamps) == 0;
	scan_free(&s);
	return done && !mailbox_is_gone(m, seq);
}

/* ---- the index ---- */

static void take_map(struct mailbox *m)
{
	const struct index_header *h = &m->map.header;

	m->records = m->map.records;
	m->count = (size_t)h->count;
	m->capacity = m->map.capacity;
	m->uidvalidity = h->uidvalidity;
	m->next_uid = h->next_uid;
	m->first_recent_uid = h->first_recent_uid;
	m->highest_modseq = h->highest_modseq;
	m->unseen = (uint32_t)h->unseen;
	m->deleted = (uint32_t)h->deleted;
	m->first_unseen = h->first_unseen;
	m->stamps = h->stamps;
	m->index_is_stale = false;
	memcpy(m->guid, h->guid, sizeof(m->guid));
}

/* The index, when it belongs to this uidlist.  Costs reading the ends of the uidlist when that changed. */
static bool load_index(struct mailbox *m)
{
	struct arena *arena;
	struct uidlist_header header;
	struct uidlist_stamp now;
	struct index_stamps directories;
	bool good;

	uidlist_stamp_now(m->md.dir, &now);
	if (now.inode == 0 || !index_load(m->md.dir, &m->map))
		return false;
	take_map(m);
	stamp_directories(m, &directories);
	good = same_directories(&directories, &m->stamps) || index_check_names(&m->map);
	if (good && !uidlist_stamp_equal(&now, &m->stamps.uidlist)) {
		arena = arena_new(NULL);
		good = uidlist_peek(m->md.dir, arena, &header, &now) && header.uidvalidity == m->uidvalidity;
		if (good)
			take_header(m, &header);
		arena_free(arena);
	}
	if (!good)
		forget_all(m);
	return good;
}

/* Messages that no session has had as recent yet, also those that came straight into cur. */
static void mark_recent(struct mailbox *m)
{
	for (size_t i = m->count; i-- > 0 && m->records[i].uid >= m->first_recent_uid;)
		set_flags(m, &m->records[i], m->records[i].flags | MAIL_RECENT, m->records[i].keywords);
	if (!m->read_only)
		m->first_recent_uid = m->next_uid;
}

/* Make sure that there is a uidlist, so that UIDVALIDITY is one for ever. */
static void ensure_list(struct mailbox *m)
{
	struct scan none = { .m = m };
	int lock;

	if (m->uidvalidity != 0)
		return;
	lock = uidlist_lock(m->md.dir, store_new_uidvalidity, m->store);
	if (lock < 0 || read_list(m) < 0)
		go_on_unstored(&none, 0);
	else
		take_header(m, &m->uidlist.header);
	if (lock >= 0)
		close(lock);
}

enum mail_result sync_open(struct mailbox *m)
{
	enum mail_result result;

	if (keywords_read(&m->keywords, m->md.dir) < 0)
		log_warning("cannot read dovecot-keywords: %s", strerror(errno));
	if (!load_index(m)) {
		m->uidvalidity = 0;
		m->next_uid = 1;
		m->first_recent_uid = UINT32_MAX;
		if (read_list(m) < 0)
			return MAIL_UNAVAILABLE;
		if (m->uidlist.exists)
			take_header(m, &m->uidlist.header);
	}
	ensure_list(m);
	result = refresh(m, false);
	if (result != MAIL_OK)
		return result;
	if (m->highest_modseq == 0)
		(void)next_modseq(m);
	if (m->first_recent_uid == UINT32_MAX)
		m->first_recent_uid = m->next_uid;
	mark_recent(m);
	m->keywords_changed = false;
	return MAIL_OK;
}

enum mail_result sync_target(struct mailbox *m)
{
	struct uidlist_header header;
	struct arena *arena = arena_new(NULL);

	if (keywords_read(&m->keywords, m->md.dir) < 0)
		log_warning("cannot read dovecot-keywords: %s", strerror(errno));
	if (uidlist_peek(m->md.dir, arena, &header, &m->stamps.uidlist))
		take_header(m, &header);
	else
		ensure_list(m);
	arena_free(arena);
	return m->uids_are_temporary ? MAIL_READ_ONLY : MAIL_OK;
}

/* Names and records as the file wants them: without the gone, without what is of this session. */
static size_t pack(const struct mailbox *m, struct message *records, struct buf *names)
{
	size_t count = 0;

	for (size_t i = 0; i < m->count; i++) {
		const struct message *r = &m->records[i];
		char name[FILE_NAME_SIZE];

		if ((r->state & STATE_GONE) != 0)
			continue;
		records[count] = *r;
		records[count].flags &= (uint16_t)~MAIL_RECENT;
		records[count].state &= STATE_STORED;
		records[count].name_offset = (uint32_t)names->len;
		(void)file_name(m, r, name);
		buf_add(names, span_make(name, r->name_length));
		count++;
	}
	return count;
}

static uint64_t total_size(const struct message *records, size_t count)
{
	uint64_t total = 0;

	for (size_t i = 0; i < count; i++) {
		if (records[i].virtual_size == MAIL_SIZE_UNKNOWN)
			return MAIL_SIZE_UNKNOWN;
		total += records[i].virtual_size;
	}
	return total;
}

void store_index(struct mailbox *m)
{
	struct index_header h;
	struct message *records;
	struct buf names;
	size_t count;

	if (!m->index_is_stale || m->uids_are_temporary || (m->flags & (MAILBOX_NO_INDEX | MAILBOX_NO_VIEW)) != 0 ||
	    (m->count < INDEX_LEAST && m->map.mapping == NULL))
		return;
	records = calloc(m->count + 1, sizeof(*records));
	if (records == NULL)
		return;
	buf_init(&names, TEXT_MAX);
	count = pack(m, records, &names);
	h = (struct index_header){
		.generation = m->map.header.generation, .uidvalidity = m->uidvalidity,
		.next_uid = m->next_uid, .first_recent_uid = m->first_recent_uid,
		.first_unseen = m->gone == 0 ? mailbox_first_unseen(m) : FIRST_UNSEEN_UNKNOWN,
		.highest_modseq = m->highest_modseq, .unseen = m->unseen, .deleted = m->deleted,
		.total_size = total_size(records, count), .stamps = m->stamps,
	};
	if (m->is_racy)
		h.stamps.cur_mtime_ns = 0;
	memcpy(h.guid, m->guid, sizeof(m->guid));
	if (index_store(m->md.dir, &h, records, count, buf_span(&names)) == 0)
		m->index_is_stale = false;
	else
		log_debug("cannot store %s: %s", INDEX_NAME, strerror(errno));
	buf_free(&names);
	free(records);
}

/* ---- telling the session ---- */

static uint32_t *numbers(struct arena *arena, size_t count)
{
	return ARENA_NEW_ARRAY(arena, uint32_t, count + 1);
}

/* Take gone messages out of the array. */
static void expunge_records(struct mailbox *m, struct arena *arena, struct mailbox_changes *c)
{
	uint32_t *seqs = numbers(arena, m->gone), *uids = numbers(arena, m->gone);
	size_t left = m->gone, kept = 0;

	c->expunged = seqs;
	c->expunged_uids = uids;
	c->expunged_count = m->gone;
	for (size_t i = 0; i < m->count; i++) {
		if ((m->records[i].state & STATE_GONE) == 0) {
			if (kept != i)
				m->records[kept] = m->records[i];
			kept++;
		} else {
			seqs[--left] = (uint32_t)i + 1;
			uids[left] = m->records[i].uid;
		}
	}
	m->count = kept;
	m->gone = 0;
	m->first_unseen = FIRST_UNSEEN_UNKNOWN;
	m->has_expunged = true;
	m->index_is_stale = true;
	(void)next_modseq(m);
}

static void list_changed(struct mailbox *m, struct arena *arena, struct mailbox_changes *c)
{
	size_t count = 0;
	uint32_t *seqs;

	for (size_t i = 0; i < m->count; i++)
		count += (m->records[i].state & STATE_CHANGED) != 0;
	if (count == 0)
		return;
	c->changed = seqs = numbers(arena, count);
	for (size_t i = 0; i < m->count; i++)
		if ((m->records[i].state & STATE_CHANGED) != 0) {
			m->records[i].state &= (uint16_t)~STATE_CHANGED;
			if ((m->records[i].state & STATE_GONE) == 0)
				seqs[c->changed_count++] = (uint32_t)i + 1;
		}
}

static void tell(struct mailbox *m, unsigned flags, struct arena *arena, struct mailbox_changes *c)
{
	size_t old = c->count;

	if ((flags & SYNC_MAY_EXPUNGE) != 0 && m->gone > 0)
		expunge_records(m, arena, c);
	if (m->has_changed)
		list_changed(m, arena, c);
	c->count = (uint32_t)m->count;
	c->old_count = (uint32_t)(old - c->expunged_count);
	c->keywords_changed = m->keywords_changed;
	m->keywords_changed = m->has_changed = false;
}

enum mail_result mailbox_sync(struct mailbox *m, unsigned flags, struct arena *arena,
                              struct mailbox_changes *changes)
{
	struct mailbox_changes ignored, *c = changes != NULL ? changes : &ignored;
	struct arena *own = changes == NULL ? arena_new(NULL) : NULL;
	enum mail_result result = MAIL_OK;

	*c = (struct mailbox_changes){ .count = (uint32_t)m->count };
	if ((m->flags & MAILBOX_NO_VIEW) == 0)
		result = refresh(m, (flags & SYNC_FULL) != 0);
	if (result == MAIL_OK)
		tell(m, flags, own != NULL ? own : arena, c);
	if (own != NULL)
		arena_free(own);
	return result;
}
