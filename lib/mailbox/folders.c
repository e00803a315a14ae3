/* SPDX-License-Identifier: ISC */
/* folders.c - list, create, delete, rename folders; counters for STATUS */
#include "lib/mailbox/folders.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/codec.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/mailbox/mailbox_private.h"
#include "lib/mailbox/mutf7.h"
#include "lib/mailbox/subscriptions.h"

enum { DIRECTORY_BYTES = 512 };

static const struct span inbox = SPAN("INBOX");

static const struct {
	unsigned    bit;
	const char *name;
} uses[] = {
	{ FOLDER_ALL, "\\All" },     { FOLDER_ARCHIVE, "\\Archive" }, { FOLDER_DRAFTS, "\\Drafts" },
	{ FOLDER_FLAGGED, "\\Flagged" }, { FOLDER_JUNK, "\\Junk" },   { FOLDER_SENT, "\\Sent" },
	{ FOLDER_TRASH, "\\Trash" },
};

/* Names that clients make by themselves. */
static const struct {
	struct span name;
	unsigned    bit;
} well_known[] = {
	{ SPAN("Archive"), FOLDER_ARCHIVE },   { SPAN("Drafts"), FOLDER_DRAFTS },
	{ SPAN("Junk"), FOLDER_JUNK },         { SPAN("Spam"), FOLDER_JUNK },
	{ SPAN("Sent"), FOLDER_SENT },         { SPAN("Sent Items"), FOLDER_SENT },
	{ SPAN("Sent Messages"), FOLDER_SENT }, { SPAN("Trash"), FOLDER_TRASH },
	{ SPAN("Deleted Items"), FOLDER_TRASH }, { SPAN("Deleted Messages"), FOLDER_TRASH },
};

const char *special_use_name(unsigned bit)
{
	for (size_t i = 0; i < COUNT_OF(uses); i++)
		if (uses[i].bit == bit)
			return uses[i].name;
	return "";
}

unsigned special_use_bit(struct span name)
{
	for (size_t i = 0; i < COUNT_OF(uses); i++)
		if (span_equal_ci(span_of(uses[i].name), name))
			return uses[i].bit;
	return 0;
}

/* ---- listing ---- */

struct listing {
	struct arena  *arena;
	int            root;
	struct folder *folders;
	size_t         count, capacity;
	struct buf     name;
};

static struct folder *add_folder(struct listing *l, struct span name, unsigned attributes)
{
	if (l->count == l->capacity) {
		struct folder *old = l->folders;

		l->capacity = l->capacity == 0 ? 32 : 2 * l->capacity;
		l->folders = ARENA_NEW_ARRAY(l->arena, struct folder, l->capacity);
		if (l->count > 0)
			memcpy(l->folders, old, l->count * sizeof(*old));
	}
	l->folders[l->count] = (struct folder){ arena_dup(l->arena, name), attributes };
	return &l->folders[l->count++];
}

/* ".Work.2024" to "Work/2024". */
static bool decode_directory(struct span directory, struct buf *out)
{
	struct span level;
	bool more = true;

	buf_clear(out);
	if (!span_starts(directory, span_lit(".")))
		return false;
	directory = span_skip(directory, 1);
	while (more) {
		more = span_cut(&directory, '.', &level);
		if (out->len > 0)
			buf_add_byte(out, '/');
		if (level.len == 0 || !mutf7_decode(out, level))
			return false;
	}
	return !span_equal_ci(buf_span(out), inbox);
}

static bool list_entry(void *user, struct span entry)
{
	struct listing *l = user;
	struct stat st;

	if (decode_directory(entry, &l->name) &&
	    fstatat(l->root, entry.ptr, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
		(void)add_folder(l, buf_span(&l->name), FOLDER_EXISTS);
	return true;
}

/* INBOX first; '/' before all other bytes, so that children follow their parent. */
static int by_name(const void *a, const void *b)
{
	const struct folder *x = a, *y = b;
	bool x_is_inbox = span_equal(x->name, inbox), y_is_inbox = span_equal(y->name, inbox);
	size_t n = x->name.len < y->name.len ? x->name.len : y->name.len;

	if (x_is_inbox != y_is_inbox)
		return x_is_inbox ? -1 : 1;
	for (size_t i = 0; i < n; i++) {
		unsigned char p = (unsigned char)x->name.ptr[i], q = (unsigned char)y->name.ptr[i];

		if (p != q)
			return (p == '/' ? 0 : p) - (q == '/' ? 0 : q);
	}
	return x->name.len < y->name.len ? -1 : x->name.len > y->name.len;
}

/* Sort; of equal names one stays, with the attributes of all. */
static void sort_and_merge(struct listing *l)
{
	size_t kept = 0;

	qsort(l->folders, l->count, sizeof(*l->folders), by_name);
	for (size_t i = 0; i < l->count; i++)
		if (kept > 0 && span_equal(l->folders[kept - 1].name, l->folders[i].name))
			l->folders[kept - 1].attributes |= l->folders[i].attributes;
		else
			l->folders[kept++] = l->folders[i];
	l->count = kept;
}

/* Parents of everything, with what follows from their children. */
static void add_parents(struct listing *l)
{
	size_t count = l->count;

	for (size_t i = 0; i < count; i++) {
		struct folder child = l->folders[i];
		unsigned below = (child.attributes & FOLDER_EXISTS) != 0 ? FOLDER_HAS_CHILDREN : 0;

		if ((child.attributes & FOLDER_SUBSCRIBED) != 0)
			below |= FOLDER_CHILD_SUBSCRIBED;
		for (size_t at = span_rfind(child.name, '/'); at != SPAN_NOT_FOUND;
		     at = span_rfind(span_first(child.name, at), '/'))
			(void)add_folder(l, span_first(child.name, at), below);
	}
}

static void add_special_uses(struct listing *l)
{
	struct span stored = special_uses_read(l->root, l->arena);
	unsigned taken = 0;

	for (size_t i = 0; i < l->count; i++) {
		unsigned bit = special_use_bit(special_use_of(stored, l->folders[i].name));

		l->folders[i].attributes |= bit;
		taken |= bit;
	}
	for (size_t k = 0; k < COUNT_OF(well_known); k++)
		for (size_t i = 0; i < l->count; i++)
			if ((taken & well_known[k].bit) == 0 &&
			    (l->folders[i].attributes & FOLDER_SPECIAL_USES) == 0 &&
			    (l->folders[i].attributes & FOLDER_EXISTS) != 0 &&
			    span_equal_ci(l->folders[i].name, well_known[k].name)) {
				l->folders[i].attributes |= well_known[k].bit;
				taken |= well_known[k].bit;
			}
}

enum mail_result folders_list(struct mailstore *s, struct arena *arena, struct folder **out, size_t *count)
{
	struct listing l = { .arena = arena, .root = s->root };
	struct name_list subscribed;
	int failed;

	buf_init(&l.name, 4096);
	(void)add_folder(&l, inbox, FOLDER_EXISTS);
	failed = maildir_scan(s->root, list_entry, &l);
	buf_free(&l.name);
	if (failed < 0)
		return result_of_errno(errno);
	if (subscriptions_read(s->root, arena, &subscribed) < 0)
		log_warning("cannot read subscriptions: %s", strerror(errno));
	for (size_t i = 0; i < subscribed.count; i++)
		(void)add_folder(&l, span_equal_ci(subscribed.names[i], inbox) ? inbox : subscribed.names[i],
		                 FOLDER_SUBSCRIBED);
	sort_and_merge(&l);
	add_parents(&l);
	sort_and_merge(&l);
	add_special_uses(&l);
	*out = l.folders;
	*count = l.count;
	return MAIL_OK;
}

/* ---- changing ---- */

/* The directory of name in out; NULL when it cannot be a folder. */
static const char *directory_of(struct span name, struct buf *out)
{
	buf_init(out, DIRECTORY_BYTES);
	return store_directory(name, out) ? buf_cstr(out) : NULL;
}

static bool is_inbox(struct span name)
{
	return span_equal_ci(name, inbox);
}

bool folder_exists(struct mailstore *s, struct span name)
{
	struct buf directory;
	const char *path = directory_of(name, &directory);
	struct stat st;
	bool exists = path != NULL && fstatat(s->root, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	              S_ISDIR(st.st_mode);

	buf_free(&directory);
	return exists;
}

/* An empty folder under a name nobody lists, then in one step under its own. */
static int make_folder(int root, const char *path)
{
	struct maildir md;
	char draft[64];
	uint64_t random;
	int fd;

	random_bytes(&random, sizeof(random));
	(void)snprintf(draft, sizeof(draft), "postern-new.%016llx", (unsigned long long)random);
	if (maildir_open(&md, root, draft, MAILDIR_CREATE) < 0)
		return -1;
	fd = fs_open_at(md.dir, "maildirfolder", O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
	if (fd >= 0)
		close(fd);
	/* What is in it must survive a power cut with its name: mail is delivered into it at once. */
	if (fd >= 0 && fs_sync(md.dir) == 0 && fs_rename_new(root, draft, root, path) == 0) {
		maildir_close(&md);
		return fs_sync(root);
	}
	int error = errno;

	(void)unlinkat(md.dir, "maildirfolder", 0);
	(void)unlinkat(md.dir, "cur", AT_REMOVEDIR);
	(void)unlinkat(md.dir, "new", AT_REMOVEDIR);
	(void)unlinkat(md.dir, "tmp", AT_REMOVEDIR);
	(void)unlinkat(root, draft, AT_REMOVEDIR);
	maildir_close(&md);
	errno = error;
	return -1;
}

enum mail_result folder_create(struct mailstore *s, struct span name, unsigned special_use)
{
	struct buf directory;
	const char *path;
	enum mail_result result = MAIL_OK;

	if (span_ends(name, span_lit("/")))
		name = span_first(name, name.len - 1);
	if (is_inbox(name))
		return MAIL_EXISTS;
	if (!folder_name_is_valid(name))
		return MAIL_CANNOT;
	path = directory_of(name, &directory);
	if (path == NULL)
		result = MAIL_CANNOT;
	else if (make_folder(s->root, path) < 0)
		result = result_of_errno(errno);
	if (result == MAIL_OK && special_use != 0 &&
	    special_uses_set(s->root, name, span_of(special_use_name(special_use))) < 0)
		result = result_of_errno(errno);
	buf_free(&directory);
	return result;
}

/* Subscribed to first: a crash in between may leave a name without folder, not a folder that nobody is shown. */
static int make_subscribed(int root, struct span name, const char *path)
{
	if (subscriptions_set(root, name, true) < 0) {
		if (errno == EDQUOT || errno == ENOSPC)
			return -1;
		log_warning("cannot subscribe to the new folder " SPAN_FMT ": %s", SPAN_ARG(name), strerror(errno));
	}
	return make_folder(root, path) == 0 || errno == EEXIST ? 0 : -1;
}

int folder_open_or_make(int root_fd, struct span name, struct maildir *md)
{
	struct buf directory;
	const char *path;
	int result = -1, error = EINVAL;

	*md = (struct maildir){ -1, -1, -1, -1 };
	buf_init(&directory, DIRECTORY_BYTES);
	if (folder_directory(name, &directory) && (path = buf_cstr(&directory)) != NULL) {
		result = maildir_open(md, root_fd, path, 0);
		if (result < 0 && errno == ENOENT && make_subscribed(root_fd, name, path) == 0)
			result = maildir_open(md, root_fd, path, 0);
		error = errno;
	}
	buf_free(&directory);
	errno = error;
	return result;
}

static bool unlink_entry(void *user, struct span name)
{
	(void)unlinkat(*(const int *)user, name.ptr, 0);
	return true;
}

/* All files of the directory, then it: nothing nested is expected but cur, new, tmp. */
static int remove_tree(int parent, const char *path, unsigned depth)
{
	static const char *const inner[] = { "cur", "new", "tmp", "courierimapkeywords" };
	int fd = openat(parent, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), result;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	for (size_t i = 0; depth == 0 && i < COUNT_OF(inner); i++)
		(void)!remove_tree(fd, inner[i], depth + 1);
	result = maildir_scan(fd, unlink_entry, &fd);
	close(fd);
	return result < 0 ? -1 : unlinkat(parent, path, AT_REMOVEDIR);
}

static void forget_special_use(int root, struct span name)
{
	struct arena *arena = arena_new(NULL);

	if (special_use_of(special_uses_read(root, arena), name).len > 0 &&
	    special_uses_set(root, name, (struct span){ NULL, 0 }) < 0)
		log_warning("cannot forget the special use of a folder: %s", strerror(errno));
	arena_free(arena);
}

enum mail_result folder_delete(struct mailstore *s, struct span name)
{
	struct buf directory;
	const char *path = directory_of(name, &directory);
	char trash[64];
	uint64_t random;
	enum mail_result result = MAIL_OK;

	random_bytes(&random, sizeof(random));
	(void)snprintf(trash, sizeof(trash), "postern-old.%016llx", (unsigned long long)random);
	if (is_inbox(name))
		result = MAIL_CANNOT;
	else if (path == NULL)
		result = MAIL_NONEXISTENT;
	else if (fs_rename_new(s->root, path, s->root, trash) < 0)
		result = result_of_errno(errno);
	buf_free(&directory);
	if (result != MAIL_OK)
		return result;
	/* Gone for every reader from here on; what cannot be removed now only takes room. */
	if (remove_tree(s->root, trash, 0) < 0)
		log_warning("cannot remove %s: %s", trash, strerror(errno));
	forget_special_use(s->root, name);
	return MAIL_OK;
}

/* ---- RENAME ---- */

struct renaming {
	int         root;
	struct span from, to;	/* directory names */
	bool        is_check;	/* first look whether all can be done */
	bool        found;
	int         error;
};

static bool rename_entry(void *user, struct span entry)
{
	struct renaming *r = user;
	char to[DIRECTORY_BYTES];
	struct span rest = span_skip(entry, r->from.len);
	struct stat st;

	if (!span_starts(entry, r->from) || (rest.len > 0 && rest.ptr[0] != '.'))
		return true;
	r->found = r->found || rest.len == 0;
	(void)snprintf(to, sizeof(to), SPAN_FMT SPAN_FMT, SPAN_ARG(r->to), SPAN_ARG(rest));
	if (r->to.len + rest.len > 255)
		r->error = ENAMETOOLONG;
	else if (r->is_check && fstatat(r->root, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
		r->error = EEXIST;
	else if (!r->is_check && fs_rename_new(r->root, entry.ptr, r->root, to) < 0)
		r->error = errno;
	return r->error == 0;
}

static enum mail_result rename_directories(struct mailstore *s, struct span from, struct span to)
{
	struct renaming r = { .root = s->root, .from = from, .to = to, .is_check = true };

	if (maildir_scan(s->root, rename_entry, &r) < 0)
		return result_of_errno(errno);
	if (r.error != 0)
		return result_of_errno(r.error);
	if (!r.found)
		return MAIL_NONEXISTENT;
	r.is_check = false;
	if (maildir_scan(s->root, rename_entry, &r) < 0 || r.error != 0)
		return result_of_errno(r.error != 0 ? r.error : errno);
	return fs_sync(s->root) < 0 ? result_of_errno(errno) : MAIL_OK;
}

/* INBOX: its messages go, it stays (RFC 3501 6.3.5). */
static enum mail_result rename_inbox(struct mailstore *s, struct span to)
{
	struct mailbox *from = NULL, *target = NULL;
	struct arena *arena = arena_new(NULL);
	struct mailbox_copied copied;
	uint32_t *seqs;
	enum mail_result result = folder_create(s, to, 0);

	if (result == MAIL_OK)
		result = mailbox_open(s, inbox, 0, &from);
	if (result == MAIL_OK)
		result = mailbox_open(s, to, MAILBOX_NO_VIEW, &target);
	if (result == MAIL_OK) {
		seqs = ARENA_NEW_ARRAY(arena, uint32_t, from->count + 1);
		for (uint32_t i = 0; i < from->count; i++)
			seqs[i] = i + 1;
		result = mailbox_move(from, seqs, from->count, target, arena, &copied);
	}
	mailbox_close(target);
	mailbox_close(from);
	arena_free(arena);
	return result;
}

enum mail_result folder_rename(struct mailstore *s, struct span from, struct span to)
{
	struct buf from_directory, to_directory;
	const char *old, *new_path;
	enum mail_result result;

	if (span_ends(to, span_lit("/")))
		to = span_first(to, to.len - 1);
	if (is_inbox(to))
		return MAIL_EXISTS;
	if (!folder_name_is_valid(to))
		return MAIL_CANNOT;
	if (is_inbox(from))
		return rename_inbox(s, to);
	old = directory_of(from, &from_directory);
	new_path = directory_of(to, &to_directory);
	if (old == NULL)
		result = MAIL_NONEXISTENT;
	else if (new_path == NULL || (span_starts(to, from) && to.len > from.len && to.ptr[from.len] == '/'))
		result = MAIL_CANNOT;
	else
		result = rename_directories(s, span_of(old), span_of(new_path));
	buf_free(&from_directory);
	buf_free(&to_directory);
	return result;
}

enum mail_result folder_subscribe(struct mailstore *s, struct span name, bool on)
{
	struct buf directory;
	const char *path = directory_of(name, &directory);

	buf_free(&directory);
	if (path == NULL)
		return on ? MAIL_CANNOT : MAIL_OK;
	if (subscriptions_set(s->root, is_inbox(name) ? inbox : name, on) < 0)
		return result_of_errno(errno);
	return MAIL_OK;
}

/* ---- counters ---- */

/* From the index header alone, when it is that of the folder as it is now. */
static bool status_of_index(int dir, bool want_size, struct folder_status *out)
{
	struct mailbox m = { .md = { dir, -1, -1, -1 } };
	struct index_header h;
	struct index_stamps now;
	struct uidlist_stamp uidlist;

	if (!index_read_header(dir, &h) || (want_size && h.total_size == MAIL_SIZE_UNKNOWN))
		return false;
	m.md.cur = openat(dir, "cur", O_PATH | O_DIRECTORY | O_CLOEXEC);
	m.md.new_mail = openat(dir, "new", O_PATH | O_DIRECTORY | O_CLOEXEC);
	stamp_directories(&m, &now);
	m.md.dir = -1;
	maildir_close(&m.md);
	uidlist_stamp_now(dir, &uidlist);
	if (now.cur_mtime_ns != h.stamps.cur_mtime_ns || now.new_mtime_ns != h.stamps.new_mtime_ns ||
	    now.cur_inode != h.stamps.cur_inode || now.new_inode != h.stamps.new_inode ||
	    !uidlist_stamp_equal(&uidlist, &h.stamps.uidlist))
		return false;
	*out = (struct folder_status){
		.messages = (uint32_t)h.count, .uidnext = h.next_uid, .uidvalidity = h.uidvalidity,
		.unseen = (uint32_t)h.unseen, .deleted = (uint32_t)h.deleted,
		.highest_modseq = h.highest_modseq, .size = h.total_size,
		.recent = h.next_uid > h.first_recent_uid ? h.next_uid - h.first_recent_uid : 0,
	};
	memcpy(out->guid, h.guid, sizeof(out->guid));
	return out->recent == 0;	/* which of those UIDs are still there, only a view knows */
}

static enum mail_result status_of_view(struct mailstore *s, struct span name, bool want_size,
                                       struct folder_status *out)
{
	struct mailbox *m;
	enum mail_result result = mailbox_open(s, name, MAILBOX_READ_ONLY, &m);

	if (result != MAIL_OK)
		return result;
	*out = (struct folder_status){
		.messages = (uint32_t)m->count, .uidnext = m->next_uid, .uidvalidity = m->uidvalidity,
		.unseen = m->unseen, .deleted = m->deleted, .highest_modseq = m->highest_modseq,
	};
	memcpy(out->guid, m->guid, sizeof(out->guid));
	for (uint32_t seq = 1; seq <= m->count; seq++) {
		const struct message *r = record_of(m, seq);
		uint64_t size;

		out->recent += (r->state & STATE_IN_NEW) != 0 || (r->flags & MAIL_RECENT) != 0;
		if (want_size && mailbox_size(m, seq, &size) == MAIL_OK)
			out->size += size;
	}
	mailbox_close(m);
	return MAIL_OK;
}

enum mail_result folder_status(struct mailstore *s, struct span name, bool want_size,
                               struct folder_status *out)
{
	struct buf directory;
	const char *path = directory_of(name, &directory);
	int dir = path != NULL ? openat(s->root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
	bool done = dir >= 0 && status_of_index(dir, want_size, out);

	buf_free(&directory);
	if (dir < 0)
		return MAIL_NONEXISTENT;
	close(dir);
	return done ? MAIL_OK : status_of_view(s, name, want_size, out);
}
