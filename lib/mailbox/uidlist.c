/* SPDX-License-Identifier: ISC */
/* uidlist.c - dovecot-uidlist: read, lock, append, rewrite
 *
 * Crash rules (reliability 2.6): a line is synced before its UID is told; bytes behind the last LF were never
 * synced, so nobody knows them, and the next writer cuts them off. */
#include "lib/mailbox/uidlist.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/codec.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/mailbox/maildir.h"

#define COURIER_NAME "courierimapuiddb"
#define BAD_NAME     UIDLIST_NAME ".bad"

enum { HEADER_MAX = 1024, TAIL = 4096, LOCK_TRIES = 100 };
#define FILE_MAX ((size_t)4 << 30)

/* ---- stamps ---- */

static void stamp_of(const struct stat *st, struct uidlist_stamp *out)
{
	*out = (struct uidlist_stamp){
		.inode = st->st_ino, .size = (uint64_t)st->st_size,
		.mtime_ns = st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec,
	};
}

static void stamp_name(int dir_fd, const char *name, struct uidlist_stamp *out)
{
	struct stat st;

	*out = (struct uidlist_stamp){ 0, 0, 0 };
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		stamp_of(&st, out);
}

void uidlist_stamp_now(int dir_fd, struct uidlist_stamp *out)
{
	stamp_name(dir_fd, UIDLIST_NAME, out);
}

bool uidlist_stamp_equal(const struct uidlist_stamp *a, const struct uidlist_stamp *b)
{
	return a->inode == b->inode && a->size == b->size && a->mtime_ns == b->mtime_ns;
}

/* ---- reading ---- */

void uidlist_init(struct uidlist *l)
{
	*l = (struct uidlist){ .exists = false };
	buf_init(&l->text, FILE_MAX);
}

void uidlist_free(struct uidlist *l)
{
	free(l->records);
	buf_free(&l->text);
	uidlist_init(l);
}

static void add_record(struct uidlist *l, const struct uidlist_record *r)
{
	if (l->count == l->capacity) {
		l->capacity = l->capacity == 0 ? 64 : 2 * l->capacity;
		l->records = reallocarray(l->records, l->capacity, sizeof(*r));
		if (l->records == NULL)
			log_fatal("out of memory (%zu uidlist records)", l->capacity);
	}
	l->records[l->count++] = *r;
}

static void parse_text(struct uidlist *l)
{
	struct span rest = buf_span(&l->text), line;
	unsigned version;
	uint32_t last = 0;

	if (!span_cut(&rest, '\n', &line) || !uidlist_parse_header(line, &l->header, &version))
		return;
	l->exists = true;
	while (span_cut(&rest, '\n', &line)) {
		struct uidlist_record r;

		if (!uidlist_parse_record(line, version, &r) || r.uid <= last) {
			l->damaged++;
			continue;
		}
		last = r.uid;
		add_record(l, &r);
	}
	if (l->header.next_uid <= last)
		l->header.next_uid = last + 1;
}

/* Read name into l->text; 1 when it is not there. */
static int read_text(struct uidlist *l, int dir_fd, const char *name)
{
	struct stat st;
	int fd = fs_open_at(dir_fd, name, O_RDONLY | O_NOFOLLOW, 0), result = -1;
	char *at;

	if (fd < 0)
		return errno == ENOENT ? 1 : -1;
	if (fstat(fd, &st) == 0) {
		stamp_of(&st, &l->stamp);
		at = buf_reserve(&l->text, (size_t)st.st_size + 1);
		if (at != NULL && (result = fs_pread_all(fd, at, (size_t)st.st_size, 0)) == 0)
			buf_commit(&l->text, (size_t)st.st_size);
	}
	int error = errno;

	close(fd);
	errno = error;
	return result;
}

int uidlist_read(struct uidlist *l, int dir_fd)
{
	int result;

	uidlist_free(l);
	result = read_text(l, dir_fd, UIDLIST_NAME);
	if (result == 1 || (result == 0 && l->text.len == 0)) {
		result = read_text(l, dir_fd, COURIER_NAME);
		l->stamp = (struct uidlist_stamp){ 0, 0, 0 };
	}
	if (result < 0)
		return -1;
	parse_text(l);
	if (l->damaged > 0)
		log_warning("%s: %zu damaged lines skipped", UIDLIST_NAME, l->damaged);
	return 0;
}

const struct uidlist_record *uidlist_find(const struct uidlist *l, uint32_t uid)
{
	size_t low = 0, high = l->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (l->records[middle].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < l->count && l->records[low].uid == uid ? &l->records[low] : NULL;
}

/* ---- the ends of the file ---- */

/* Header line of fd into text (HEADER_MAX bytes); false: none that is usable. */
static bool read_header(int fd, char text[HEADER_MAX], struct uidlist_header *header)
{
	struct span rest, line;
	unsigned version;
	ssize_t n = pread(fd, text, HEADER_MAX, 0);

	rest = span_make(text, n > 0 ? (size_t)n : 0);
	return span_cut(&rest, '\n', &line) && uidlist_parse_header(line, header, &version) &&
	       version == 3;
}

/* The highest UID among the whole lines in the last window bytes before size.  1 found, 0 none there, -1 errno. */
static int last_uid(int fd, uint64_t size, size_t window, uint32_t *uid, uint64_t *whole_size)
{
	size_t n = size < window ? (size_t)size : window;
	char *text = malloc(n + 1);
	struct span rest = { text, n }, line;
	bool at_line = n == size;
	size_t end;

	if (text == NULL || fs_pread_all(fd, text, n, (off_t)(size - n)) < 0) {
		free(text);
		return -1;
	}
	*whole_size = size;
	end = span_rfind(rest, '\n');
	if (end != SPAN_NOT_FOUND)
		*whole_size = size - n + end + 1;
	*uid = 0;
	while (span_cut(&rest, '\n', &line)) {
		struct uidlist_record r;

		if (at_line && uidlist_parse_record(line, 3, &r) && r.uid > *uid)
			*uid = r.uid;
		at_line = true;
	}
	free(text);
	return *uid != 0;
}

/* Next UID and where the last whole line ends. */
static bool find_end(int fd, struct uidlist_header *header, uint64_t *end)
{
	struct stat st;
	uint32_t uid = 0;
	uint64_t size;
	int found;

	if (fstat(fd, &st) < 0)
		return false;
	size = (uint64_t)st.st_size;
	found = last_uid(fd, size, TAIL, &uid, end);
	/* A damaged end: look at all of it rather than give a UID twice. */
	if (found == 0 && size > TAIL)
		found = last_uid(fd, size, (size_t)size, &uid, end);
	if (found < 0)
		return false;
	if (header->next_uid <= uid)
		header->next_uid = uid + 1;
	return true;
}

bool uidlist_peek(int dir_fd, struct arena *arena, struct uidlist_header *header,
                  struct uidlist_stamp *stamp)
{
	char *text = arena_alloc(arena, HEADER_MAX);
	struct stat st;
	uint64_t end;
	int fd = fs_open_at(dir_fd, UIDLIST_NAME, O_RDONLY | O_NOFOLLOW, 0);
	bool found;

	if (fd < 0)
		return false;
	found = fstat(fd, &st) == 0 && read_header(fd, text, header) && find_end(fd, header, &end);
	if (found)
		stamp_of(&st, stamp);
	close(fd);
	return found;
}

/* ---- writing ---- */

static void new_guid(char guid[UIDLIST_GUID_SIZE])
{
	unsigned char bytes[(UIDLIST_GUID_SIZE - 1) / 2];

	random_bytes(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		(void)snprintf(guid + 2 * i, 3, "%02x", bytes[i]);
}

static bool keep_all(void *user, const struct uidlist_record *r)
{
	(void)user;
	(void)r;
	return true;
}

/* Make the file: from Courier's when there is one, else with a header alone. */
static int create(int dir_fd, uint32_t (*new_uidvalidity)(void *user), void *user)
{
	struct uidlist l;
	int result;

	uidlist_init(&l);
	if (uidlist_read(&l, dir_fd) < 0) {
		uidlist_free(&l);
		return -1;
	}
	if (!l.exists)
		l.header = (struct uidlist_header){ .uidvalidity = new_uidvalidity(user), .next_uid = 1 };
	if (l.header.guid[0] == '\0')
		new_guid(l.header.guid);
	result = uidlist_rewrite(dir_fd, &l, keep_all, NULL);
	uidlist_free(&l);
	return result;
}

static bool is_current(int dir_fd, int fd)
{
	struct stat ours, named;

	return fstat(fd, &ours) == 0 && fstatat(dir_fd, UIDLIST_NAME, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

static int lock_file(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int result;

	do
		result = fcntl(fd, F_OFD_SETLKW, &lock);
	while (result < 0 && errno == EINTR);
	return result;
}

/* Open for writing; an empty file takes the place of a missing one, so that there is something to lock. */
static int open_locked(int dir_fd)
{
	int fd = fs_open_at(dir_fd, UIDLIST_NAME, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);

	if (fd >= 0 && lock_file(fd) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

int uidlist_lock(int dir_fd, uint32_t (*new_uidvalidity)(void *user), void *user)
{
	char text[HEADER_MAX];
	struct uidlist_header header;
	struct stat st;

	for (int i = 0; i < LOCK_TRIES; i++) {
		int fd = open_locked(dir_fd), result = 0;

		if (fd < 0)
			return -1;
		if (is_current(dir_fd, fd)) {
			if (read_header(fd, text, &header))
				return fd;
			if (fstat(fd, &st) == 0 && st.st_size > 0) {
				log_error("%s has no usable header: kept as %s, new UIDVALIDITY",
				          UIDLIST_NAME, BAD_NAME);
				(void)unlinkat(dir_fd, BAD_NAME, 0);
				(void)!linkat(dir_fd, UIDLIST_NAME, dir_fd, BAD_NAME, 0);
			}
			/* Renamed over the file whose lock we hold: who waits for that looks again. */
			result = create(dir_fd, new_uidvalidity, user);
		}
		int error = errno;

		close(fd);
		errno = error;
		if (result < 0)
			return -1;
	}
	errno = EAGAIN;
	return -1;
}

static int write_lines(int fd, uint64_t end, const struct buf *lines)
{
	if (ftruncate(fd, (off_t)end) < 0)
		return -1;
	if (fs_pwrite_all(fd, lines->ptr, lines->len, (off_t)end) == 0 && fs_sync_data(fd) == 0)
		return 0;
	int error = errno;

	/* Not told to anybody: take it back as far as the disk lets us. */
	if (ftruncate(fd, (off_t)end) < 0)
		log_error("cannot shorten %s: %s", UIDLIST_NAME, strerror(errno));
	errno = error;
	return -1;
}

int uidlist_append(int lock_fd, const struct span *bases, size_t count, uint32_t *uids,
                   struct uidlist_header *header, struct uidlist_stamp *stamp)
{
	static _Thread_local char text[HEADER_MAX];
	struct buf lines;
	struct stat st;
	uint64_t end;
	int result;

	if (!read_header(lock_fd, text, header) || !find_end(lock_fd, header, &end))
		return -1;
	if (count >= UINT32_MAX - 1 - (size_t)header->next_uid) {
		errno = EOVERFLOW;
		return -1;
	}
	buf_init(&lines, FILE_MAX);
	for (size_t i = 0; i < count; i++) {
		struct uidlist_record r = { .uid = header->next_uid + (uint32_t)i, .base = bases[i] };

		uids[i] = r.uid;
		uidlist_print_record(&lines, &r);
	}
	result = write_lines(lock_fd, end, &lines);
	buf_free(&lines);
	if (result < 0 || fstat(lock_fd, &st) < 0)
		return -1;
	header->next_uid += (uint32_t)count;
	stamp_of(&st, stamp);
	return 0;
}

int uidlist_rewrite(int dir_fd, const struct uidlist *l,
                    bool (*keep)(void *user, const struct uidlist_record *r), void *user)
{
	struct buf out;
	int result;

	buf_init(&out, FILE_MAX);
	uidlist_print_header(&out, &l->header);
	for (size_t i = 0; i < l->count; i++)
		if (keep(user, &l->records[i]))
			uidlist_print_record(&out, &l->records[i]);
	result = fs_replace_file(dir_fd, UIDLIST_NAME, buf_span(&out), 0600);
	buf_free(&out);
	return result;
}
