/* SPDX-License-Identifier: ISC */
/* mailstore.c - a user's Maildir as a whole: its root, names of folders on disk, results as text */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/mailbox/folders.h"
#include "lib/mailbox/mailbox_private.h"
#include "lib/mailbox/mutf7.h"

enum { DIRECTORY_MAX = 255, NAME_BYTES_MAX = 4096 };

static const struct {
	const char *code, *text;
} results[] = {
	[MAIL_OK]          = { "", "Done." },
	[MAIL_NONEXISTENT] = { "NONEXISTENT", "There is no such folder." },
	[MAIL_EXISTS]      = { "ALREADYEXISTS", "There is a folder of this name already." },
	[MAIL_CANNOT]      = { "CANNOT", "This is not possible here." },
	[MAIL_NOPERM]      = { "NOPERM", "Permission denied." },
	[MAIL_READ_ONLY]   = { "", "The folder is open read-only." },
	[MAIL_OVERQUOTA]   = { "OVERQUOTA", "There is no room left." },
	[MAIL_LIMIT]       = { "LIMIT", "A limit of this folder is reached." },
	[MAIL_GONE]        = { "EXPUNGEISSUED", "The message is gone." },
	[MAIL_CORRUPT]     = { "CORRUPTION", "The message cannot be read." },
	[MAIL_UNAVAILABLE] = { "UNAVAILABLE", "The mail store cannot do this now; try later." },
};

const char *mail_result_code(enum mail_result r)
{
	return (size_t)r < COUNT_OF(results) ? results[r].code : "";
}

const char *mail_result_text(enum mail_result r)
{
	return (size_t)r < COUNT_OF(results) ? results[r].text : results[MAIL_UNAVAILABLE].text;
}

enum mail_result result_of_errno(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return MAIL_NONEXISTENT;
	case EEXIST:
		return MAIL_EXISTS;
	case EACCES:
	case EPERM:
		return MAIL_NOPERM;
	case EROFS:
		return MAIL_READ_ONLY;
	case ENOSPC:
	case EDQUOT:
		return MAIL_OVERQUOTA;
	case EOVERFLOW:
		return MAIL_LIMIT;
	case ENAMETOOLONG:
	case EINVAL:
	case ELOOP:
		return MAIL_CANNOT;
	default:
		errno = error;
		return MAIL_UNAVAILABLE;
	}
}

struct mailstore *mailstore_open(const char *path, bool create)
{
	struct mailstore *s;
	int fd = fs_open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0 && errno == ENOENT && create && fs_make_dirs(path, 0700) == 0)
		fd = fs_open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return NULL;
	s = malloc(sizeof(*s));
	if (s == NULL)
		log_fatal("out of memory");
	s->root = fd;
	return s;
}

void mailstore_close(struct mailstore *s)
{
	if (s == NULL)
		return;
	close(s->root);
	free(s);
}

int mailstore_root(const struct mailstore *s)
{
	return s->root;
}

uint32_t store_new_uidvalidity(void *store)
{
	return uidvalidity_next(((const struct mailstore *)store)->root, time(NULL));
}

static bool level_is_valid(struct span level)
{
	if (level.len == 0 || level.ptr[0] == '~')
		return false;
	for (size_t i = 0; i < level.len; i++) {
		unsigned char c = (unsigned char)level.ptr[i];

		if (c < 0x20 || c == 0x7f || c == '.')
			return false;
	}
	return true;
}

bool store_directory(struct span folder, struct buf *out)
{
	struct span level;
	bool more = true;

	buf_clear(out);
	if (span_equal_ci(folder, span_lit("INBOX")))
		return buf_add_byte(out, '.');
	if (folder.len > NAME_BYTES_MAX || !utf8_is_valid(folder))
		return false;
	while (more) {
		more = span_cut(&folder, '/', &level);
		if (!level_is_valid(level) || !buf_add_byte(out, '.') || !mutf7_encode(out, level))
			return false;
	}
	return out->len <= DIRECTORY_MAX;
}

bool folder_directory(struct span name, struct buf *out)
{
	static const char wild[] = "*%\"\\";

	for (size_t i = 0; i < name.len; i++)
		if (memchr(wild, name.ptr[i], sizeof(wild) - 1) != NULL)
			return false;
	return store_directory(name, out);
}

bool folder_name_is_valid(struct span name)
{
	struct buf directory;
	bool valid;

	buf_init(&directory, NAME_BYTES_MAX);
	valid = folder_directory(name, &directory);
	buf_free(&directory);
	return valid;
}
