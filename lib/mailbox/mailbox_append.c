/* SPDX-License-Identifier: ISC */
/* mailbox_append.c - APPEND, COPY, MOVE: messages that come into a folder together
 *
 * Order (reliability 2.6): files whole and synced under a name of their own; then, under the uidlist lock, into
 * place, directory synced, UIDs appended and synced; then the caller says OK.  On any failure all of it is taken back.
 * The lock keeps other sessions from giving the files a UID in between. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/mailbox/mailbox_private.h"

enum { OUTPUT_PIECE = 64 * 1024 };

/* A file on its way: in tmp under draft (append), or to be linked from the source (copy). */
struct arrival {
	char     name[FILE_NAME_SIZE];	/* where it goes: base and suffix */
	char     draft[FILE_NAME_SIZE];
	int      source_dir;	/* of draft */
	uint32_t source_seq;	/* copy */
	uint16_t flags;
	uint64_t keywords, size, virtual_size;
	int64_t  date_s;
	bool     to_new, is_placed;
};

struct arrivals {
	struct arrival *items;
	size_t          count, capacity;
};

static struct arrival *add_arrival(struct arrivals *a)
{
	if (a->count == a->capacity) {
		a->capacity = a->capacity == 0 ? 4 : 2 * a->capacity;
		a->items = reallocarray(a->items, a->capacity, sizeof(*a->items));
		if (a->items == NULL)
			log_fatal("out of memory (%zu messages to append)", a->capacity);
	}
	a->items[a->count] = (struct arrival){ .source_dir = -1 };
	return &a->items[a->count++];
}

/* The name it will have: fresh base, sizes, flags. */
static bool make_name(struct arrival *item, struct mailbox *target)
{
	struct buf name;
	char suffix[MAILDIR_SUFFIX_SIZE];
	bool fits;

	item->to_new = item->flags == 0 && item->keywords == 0 && (target->flags & MAILBOX_NO_VIEW) != 0;
	buf_init(&name, sizeof(item->name) - 1);
	maildir_unique(&name);
	if (item->size != MAIL_SIZE_UNKNOWN)
		buf_addf(&name, ",S=%llu", (unsigned long long)item->size);
	if (item->virtual_size != MAIL_SIZE_UNKNOWN)
		buf_addf(&name, ",W=%llu", (unsigned long long)item->virtual_size);
	maildir_suffix(item->flags, item->keywords, suffix);
	if (!item->to_new)
		buf_add_cstr(&name, suffix);
	fits = !name.overflowed;
	if (fits) {
		memcpy(item->name, name.ptr, name.len);
		item->name[name.len] = '\0';
	}
	buf_free(&name);
	return fits;
}

static int directory_of(const struct mailbox *target, const struct arrival *item)
{
	return item->to_new ? target->md.new_mail : target->md.cur;
}

static void take_back(const struct mailbox *target, struct arrivals *a)
{
	for (size_t i = 0; i < a->count; i++)
		if (a->items[i].is_placed)
			(void)unlinkat(directory_of(target, &a->items[i]), a->items[i].name, 0);
}

/* Directories of all items synced. */
static int sync_directories(const struct mailbox *target, const struct arrivals *a)
{
	bool to_new = false, to_cur = false;

	for (size_t i = 0; i < a->count; i++)
		*(a->items[i].to_new ? &to_new : &to_cur) = true;
	if (to_new && fs_sync(target->md.new_mail) < 0)
		return -1;
	return to_cur ? fs_sync(target->md.cur) : 0;
}

/* In the view already, when it was up to date until now; else the next sync finds them. */
static void show(struct mailbox *target, const struct arrivals *a, const uint32_t *uids)
{
	uint64_t modseq = next_modseq(target);

	for (size_t i = 0; i < a->count; i++) {
		struct maildir_name name;
		struct message *r;

		if (!maildir_name_parse(span_of(a->items[i].name), &name))
			continue;
		r = add_record(target, uids[i], &name, span_of(a->items[i].name), false);
		r->modseq = modseq;
		r->internaldate_s = a->items[i].date_s;
		set_flags(target, r, r->flags | MAIL_RECENT, r->keywords);
	}
	target->first_recent_uid = target->next_uid;
}

static int give_uids(struct mailbox *target, int lock, const struct arrivals *a, uint32_t *uids)
{
	struct uidlist_header header;
	struct uidlist_stamp stamp;
	struct span *bases = calloc(a->count, sizeof(*bases));
	int result;

	if (bases == NULL)
		log_fatal("out of memory (%zu names)", a->count);
	for (size_t i = 0; i < a->count; i++) {
		struct span name = span_of(a->items[i].name);

		bases[i] = span_first(name, span_find(name, ':'));
	}
	result = uidlist_append(lock, bases, a->count, uids, &header, &stamp);
	free(bases);
	if (result < 0)
		return -1;
	if (target->own_is_known) {
		target->stamps.uidlist = stamp;
		take_header(target, &header);
	}
	return 0;
}

/* All items into place with their UIDs: place() puts one there. */
static enum mail_result arrive(struct mailbox *target, struct arrivals *a,
                               int (*place)(struct mailbox *target, struct arrival *item),
                               uint32_t *uids)
{
	struct uidlist_stamp stamp;
	int lock = uidlist_lock(target->md.dir, store_new_uidvalidity, target->store), failed = 0, error;

	if (lock < 0)
		return result_of_errno(errno);
	own_change_begin(target);
	uidlist_stamp_now(target->md.dir, &stamp);
	target->own_is_known = target->own_is_known && (target->flags & MAILBOX_NO_VIEW) == 0 &&
	                       uidlist_stamp_equal(&stamp, &target->stamps.uidlist);
	for (size_t i = 0; i < a->count && failed == 0; i++) {
		failed = place(target, &a->items[i]);
		a->items[i].is_placed = failed == 0;
	}
	if (failed == 0)
		failed = sync_directories(target, a);
	if (failed == 0)
		failed = give_uids(target, lock, a, uids);
	error = errno;
	if (failed < 0)
		take_back(target, a);
	else if (target->own_is_known)
		show(target, a, uids);
	own_change_end(target);
	close(lock);
	return failed < 0 ? result_of_errno(error) : MAIL_OK;
}

/* ---- APPEND ---- */

struct mailbox_append {
	struct mailbox *m;
	struct arrivals arrivals;
	int             fd;	/* of the message under way, -1 */
	struct buf      output;
	char            last;	/* byte before, for ,W= */
};

struct mailbox_append *mailbox_append_begin(struct mailbox *m)
{
	struct mailbox_append *a;

	if (m->read_only)
		return NULL;
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		log_fatal("out of memory (append)");
	a->m = m;
	a->fd = -1;
	buf_init(&a->output, BUF_NO_LIMIT);
	return a;
}

static struct arrival *under_way(struct mailbox_append *a)
{
	REQUIRE(a->fd >= 0);
	return &a->arrivals.items[a->arrivals.count - 1];
}

static int flush(struct mailbox_append *a)
{
	int result = a->output.len > 0 ? fs_write_all(a->fd, a->output.ptr, a->output.len) : 0;

	buf_clear(&a->output);
	return result;
}

/* The message under way is complete: date, sync, name. */
static enum mail_result finish(struct mailbox_append *a)
{
	struct arrival *item;
	int failed, error;

	if (a->fd < 0)
		return MAIL_OK;
	item = under_way(a);
	failed = flush(a);
	if (failed == 0 && item->date_s != INT64_MIN) {
		struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = (time_t)item->date_s } };

		failed = futimens(a->fd, times);
	}
	if (failed == 0)
		failed = fs_sync(a->fd);
	error = errno;
	if (close(a->fd) < 0 && failed == 0) {
		failed = -1;
		error = errno;
	}
	a->fd = -1;
	if (failed < 0)
		return result_of_errno(error);
	return make_name(item, a->m) ? MAIL_OK : MAIL_LIMIT;
}

enum mail_result mailbox_append_message(struct mailbox_append *a, uint16_t flags, uint64_t keywords,
                                        int64_t internaldate_s)
{
	enum mail_result result = finish(a);
	struct arrival *item;
	struct buf draft;

	if (result != MAIL_OK)
		return result;
	item = add_arrival(&a->arrivals);
	item->flags = flags & (uint16_t)~MAIL_RECENT;
	item->keywords = keywords;
	item->date_s = internaldate_s;
	item->source_dir = a->m->md.tmp;
	buf_init(&draft, sizeof(item->draft) - 1);
	maildir_unique(&draft);
	memcpy(item->draft, draft.ptr, draft.len);
	item->draft[draft.len] = '\0';
	buf_free(&draft);
	a->last = '\0';
	a->fd = fs_open_at(a->m->md.tmp, item->draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (a->fd >= 0)
		return MAIL_OK;
	a->arrivals.count--;
	return result_of_errno(errno);
}

enum mail_result mailbox_append_write(struct mailbox_append *a, struct span data)
{
	struct arrival *item = under_way(a);

	item->size += data.len;
	item->virtual_size += maildir_virtual_size(data, &a->last);
	buf_add(&a->output, data);
	if (a->output.len >= OUTPUT_PIECE && flush(a) < 0)
		return result_of_errno(errno);
	return MAIL_OK;
}

void mailbox_append_discard(struct mailbox_append *a)
{
	if (a->fd < 0)
		return;
	(void)unlinkat(a->m->md.tmp, under_way(a)->draft, 0);
	close(a->fd);
	a->fd = -1;
	buf_clear(&a->output);
	a->arrivals.count--;
}

static int place_draft(struct mailbox *target, struct arrival *item)
{
	int result = fs_rename_new(item->source_dir, item->draft, directory_of(target, item), item->name);

	if (result == 0)
		item->draft[0] = '\0';
	return result;
}

void mailbox_append_cancel(struct mailbox_append *a)
{
	if (a->fd >= 0)
		close(a->fd);
	for (size_t i = 0; i < a->arrivals.count; i++)
		if (a->arrivals.items[i].draft[0] != '\0')
			(void)unlinkat(a->m->md.tmp, a->arrivals.items[i].draft, 0);
	free(a->arrivals.items);
	buf_free(&a->output);
	free(a);
}

enum mail_result mailbox_append_commit(struct mailbox_append *a, struct arena *arena,
                                       const uint32_t **uids, size_t *count)
{
	uint32_t *given = ARENA_NEW_ARRAY(arena, uint32_t, a->arrivals.count + 1);
	enum mail_result result = finish(a);

	*uids = given;
	*count = 0;
	if (result == MAIL_OK && a->arrivals.count > 0)
		result = arrive(a->m, &a->arrivals, place_draft, given);
	if (result == MAIL_OK)
		*count = a->arrivals.count;
	mailbox_append_cancel(a);
	return result;
}

/* ---- COPY and MOVE ---- */

/* Keyword bits of the source as the target numbers them; those it has no letter for are lost. */
static uint64_t map_keywords(struct mailbox *from, uint64_t keywords, struct mailbox *to)
{
	uint64_t mapped = 0;

	if (from == to)
		return keywords;
	for (unsigned n = 0; n < MAIL_KEYWORDS_MAX; n++) {
		struct span name = mailbox_keyword(from, n);
		int number;

		if ((keywords & UINT64_C(1) << n) == 0 || name.len == 0)
			continue;
		number = mailbox_keyword_number(to, name, true);
		if (number >= 0)
			mapped |= UINT64_C(1) << number;
	}
	return mapped;
}

/* Across file systems, or with too many links: a copy in the target's tmp that is then renamed. */
static int copy_file(struct mailbox *target, struct arrival *item)
{
	char piece[OUTPUT_PIECE];
	struct stat st;
	int from = fs_open_at(item->source_dir, item->draft, O_RDONLY | O_NOFOLLOW, 0), to, failed = -1;
	ssize_t n = -1;

	if (from < 0)
		return -1;
	to = fs_open_at(target->md.tmp, item->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	while (to >= 0 && (n = read(from, piece, sizeof(piece))) > 0 &&
	       fs_write_all(to, piece, (size_t)n) == 0)
		;
	if (to >= 0 && n == 0 && fstat(from, &st) == 0) {
		struct timespec times[2] = { st.st_atim, st.st_mtim };

		failed = futimens(to, times) == 0 && fs_sync(to) == 0 ? 0 : -1;
	}
	int error = errno;

	close(from);
	if (to >= 0)
		close(to);
	errno = error;
	if (failed == 0)
		failed = fs_rename_new(target->md.tmp, item->name, directory_of(target, item), item->name);
	if (failed < 0 && to >= 0)
		(void)unlinkat(target->md.tmp, item->name, 0);
	return failed;
}

static int place_link(struct mailbox *target, struct arrival *item)
{
	int result = fs_link_at(item->source_dir, item->draft, directory_of(target, item), item->name);

	if (result < 0 && (errno == EXDEV || errno == EMLINK || errno == EPERM))
		result = copy_file(target, item);
	return result;
}

/* What is to be copied, with the names it has now.  Messages that are gone are left out. */
static enum mail_result collect(struct mailbox *m, const uint32_t *seqs, size_t count,
                                struct mailbox *target, struct arrivals *a)
{
	for (size_t i = 0; i < count; i++) {
		struct message *r = record_of(m, seqs[i]);
		struct arrival *item;
		struct stat st;

		if ((r->state & STATE_GONE) != 0)
			continue;
		item = add_arrival(a);
		item->source_dir = file_name(m, r, item->draft);
		if (fstatat(item->source_dir, item->draft, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno != ENOENT)
				return result_of_errno(errno);
			if (!find_renamed(m, seqs[i])) {
				a->count--;
				continue;
			}
			item->source_dir = file_name(m, r, item->draft);
		}
		item->source_seq = seqs[i];
		item->flags = r->flags & (uint16_t)~MAIL_RECENT;
		item->keywords = map_keywords(m, r->keywords, target);
		item->size = r->size;
		item->virtual_size = r->virtual_size;
		item->date_s = r->internaldate_s;
		if (!make_name(item, target))
			return MAIL_LIMIT;
	}
	return MAIL_OK;
}

static void tell_copied(struct mailbox *m, const struct mailbox *target, const struct arrivals *a,
                        const uint32_t *uids, struct arena *arena, struct mailbox_copied *copied)
{
	uint32_t *from = ARENA_NEW_ARRAY(arena, uint32_t, a->count + 1);

	for (size_t i = 0; i < a->count; i++)
		from[i] = record_of(m, a->items[i].source_seq)->uid;
	*copied = (struct mailbox_copied){ from, uids, a->count, target->uidvalidity };
}

enum mail_result mailbox_copy(struct mailbox *m, const uint32_t *seqs, size_t count,
                              struct mailbox *target, struct arena *arena, struct mailbox_copied *copied)
{
	struct arrivals a = { .count = 0 };
	uint32_t *uids = ARENA_NEW_ARRAY(arena, uint32_t, count + 1);
	enum mail_result result = target->read_only ? MAIL_READ_ONLY : MAIL_OK;

	*copied = (struct mailbox_copied){ .uidvalidity = target->uidvalidity };
	if (result == MAIL_OK)
		result = collect(m, seqs, count, target, &a);
	if (result == MAIL_OK && a.count > 0)
		result = arrive(target, &a, place_link, uids);
	if (result == MAIL_OK)
		tell_copied(m, target, &a, uids, arena, copied);
	free(a.items);
	return result;
}

enum mail_result mailbox_move(struct mailbox *m, const uint32_t *seqs, size_t count,
                              struct mailbox *target, struct arena *arena, struct mailbox_copied *copied)
{
	enum mail_result result;
	uint32_t *moved = ARENA_NEW_ARRAY(arena, uint32_t, count + 1);

	if (m->read_only)
		return MAIL_READ_ONLY;
	result = mailbox_copy(m, seqs, count, target, arena, copied);
	if (result != MAIL_OK)
		return result;
	for (size_t i = 0; i < copied->count; i++)
		moved[i] = mailbox_seq(m, copied->source_uids[i]);
	return mailbox_expunge(m, moved, copied->count);
}
