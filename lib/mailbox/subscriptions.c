/* SPDX-License-Identifier: ISC */
/* subscriptions.c - read and write the subscriptions file as Dovecot does, and our list of special uses
 *
 * Writers take a kernel lock on the root directory's lock file and replace the file by rename; readers need none. */
#include "lib/mailbox/subscriptions.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/fs.h"
#include "lib/mailbox/mutf7.h"

#define SUBSCRIPTIONS  "subscriptions"
#define COURIER        "courierimapsubscribed"
#define SPECIAL_USES   "postern-special-use"
#define LOCK           "postern-lists.lock"

enum { FILE_MAX = 16 * 1024 * 1024 };

/* Levels between separator, in mUTF-7, to a name; false when ill-formed. */
static bool decode_name(struct span stored, char separator, struct buf *out)
{
	struct span level;
	bool more = true, first = true;

	while (more) {
		more = span_cut(&stored, separator, &level);
		if (!first)
			buf_add_byte(out, '/');
		if (level.len == 0 || !mutf7_decode(out, level))
			return false;
		first = false;
	}
	return true;
}

static bool encode_name(struct span name, struct buf *out)
{
	struct span level;
	bool more = true, first = true;

	while (more) {
		more = span_cut(&name, '/', &level);
		if (!first)
			buf_add_byte(out, '\t');
		if (!mutf7_encode(out, level))
			return false;
		first = false;
	}
	return true;
}

/* Courier writes INBOX.Work for Work. */
static struct span without_inbox(struct span line)
{
	static const struct span prefix = SPAN("INBOX.");

	return span_starts(line, prefix) ? span_skip(line, prefix.len) : line;
}

static void parse_lines(struct span text, char separator, struct arena *arena, struct name_list *out)
{
	struct span rest = text, line;
	struct buf name;
	bool more = true;

	out->names = ARENA_NEW_ARRAY(arena, struct span, text.len / 2 + 1);
	buf_init(&name, FILE_MAX);
	while (more && rest.len > 0) {
		more = span_cut(&rest, '\n', &line);
		buf_clear(&name);
		if (separator == '.')
			line = without_inbox(line);
		if (line.len > 0 && decode_name(line, separator, &name))
			out->names[out->count++] = arena_dup(arena, buf_span(&name));
	}
	buf_free(&name);
}

void subscriptions_parse(struct span text, struct arena *arena, struct name_list *out)
{
	static const struct span version_2 = SPAN("V\t2\n");

	*out = (struct name_list){ .count = 0 };
	if (span_starts(text, version_2))
		parse_lines(span_skip(text, version_2.len), '\t', arena, out);
	else
		parse_lines(text, '.', arena, out);
}

int subscriptions_read(int root_fd, struct arena *arena, struct name_list *out)
{
	struct buf text;
	int result;

	buf_init(&text, FILE_MAX);
	result = fs_read_file(root_fd, SUBSCRIPTIONS, &text);
	if (result < 0 && errno == ENOENT)
		result = fs_read_file(root_fd, COURIER, &text);
	if (result < 0 && errno == ENOENT)
		result = 0;
	subscriptions_parse(buf_span(&text), arena, out);
	buf_free(&text);
	return result;
}

static int lock_lists(int root_fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = fs_open_at(root_fd, LOCK, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);

	if (fd >= 0 && fcntl(fd, F_OFD_SETLKW, &lock) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void print(struct buf *out, const struct name_list *list, struct span name, bool on)
{
	bool has = false;

	buf_add_cstr(out, "V\t2\n\n");
	for (size_t i = 0; i < list->count; i++) {
		bool is_it = span_equal(list->names[i], name);

		if (is_it && (!on || has))
			continue;
		has = has || is_it;
		(void)encode_name(list->names[i], out);
		buf_add_byte(out, '\n');
	}
	if (on && !has) {
		(void)encode_name(name, out);
		buf_add_byte(out, '\n');
	}
}

int subscriptions_set(int root_fd, struct span name, bool on)
{
	struct arena *arena;
	struct name_list list;
	struct buf out;
	int result, lock = lock_lists(root_fd), error;

	if (lock < 0)
		return -1;
	arena = arena_new(NULL);
	buf_init(&out, FILE_MAX);
	result = subscriptions_read(root_fd, arena, &list);
	if (result == 0) {
		print(&out, &list, name, on);
		result = fs_replace_file(root_fd, SUBSCRIPTIONS, buf_span(&out), 0600);
	}
	error = errno;
	buf_free(&out);
	arena_free(arena);
	close(lock);
	errno = error;
	return result;
}

/* ---- special uses ---- */

struct span special_uses_read(int root_fd, struct arena *arena)
{
	struct buf text;
	struct span copy = { NULL, 0 };

	buf_init(&text, FILE_MAX);
	if (fs_read_file(root_fd, SPECIAL_USES, &text) == 0)
		copy = arena_dup(arena, buf_span(&text));
	buf_free(&text);
	return copy;
}

struct span special_use_of(struct span text, struct span folder)
{
	struct span line, use;

	while (span_cut(&text, '\n', &line))
		if (span_cut(&line, '\t', &use) && span_equal(line, folder))
			return use;
	return (struct span){ NULL, 0 };
}

int special_uses_set(int root_fd, struct span folder, struct span use)
{
	struct arena *arena;
	struct span rest, line, key;
	struct buf out;
	int result, lock = lock_lists(root_fd);

	if (lock < 0)
		return -1;
	arena = arena_new(NULL);
	buf_init(&out, FILE_MAX);
	rest = special_uses_read(root_fd, arena);
	while (span_cut(&rest, '\n', &line)) {
		struct span name = line;

		if (span_cut(&name, '\t', &key) && !span_equal(name, folder))
			buf_addf(&out, SPAN_FMT "\n", SPAN_ARG(line));
	}
	if (use.len > 0)
		buf_addf(&out, SPAN_FMT "\t" SPAN_FMT "\n", SPAN_ARG(use), SPAN_ARG(folder));
	result = fs_replace_file(root_fd, SPECIAL_USES, buf_span(&out), 0600);
	buf_free(&out);
	arena_free(arena);
	close(lock);
	return result;
}
