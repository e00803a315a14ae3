/* SPDX-License-Identifier: ISC */
/* uidvalidity.c - dovecot-uidvalidity: the last UIDVALIDITY this user's folders were given
 *
 * The value stands in the file and, for programs that lost the file, in the name of an empty one beside it:
 * dovecot-uidvalidity.6b04b5f6. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/mailbox/maildir.h"
#include "lib/mailbox/uidlist.h"

#define COUNTER_NAME "dovecot-uidvalidity"

static bool read_hex(struct span digits, uint32_t *value)
{
	unsigned long long n;

	if (digits.len != 8 || !span_hex_u64(digits, &n))
		return false;
	*value = (uint32_t)n;
	return true;
}

static bool take_highest(void *user, struct span name)
{
	uint32_t *last = user, value;

	if (span_starts(name, span_lit(COUNTER_NAME ".")) &&
	    read_hex(span_skip(name, sizeof(COUNTER_NAME)), &value) && value > *last)
		*last = value;
	return true;
}

static uint32_t last_value(int root_fd)
{
	struct buf text;
	uint32_t last = 0;

	buf_init(&text, 64);
	if (fs_read_file(root_fd, COUNTER_NAME, &text) < 0 ||
	    !read_hex(span_trim(buf_span(&text)), &last))
		(void)!maildir_scan(root_fd, take_highest, &last);
	buf_free(&text);
	return last;
}

static void store(int root_fd, uint32_t old, uint32_t value)
{
	char name[sizeof(COUNTER_NAME) + 9], text[9];
	int fd;

	(void)snprintf(text, sizeof(text), "%08x", value);
	if (fs_replace_file(root_fd, COUNTER_NAME, span_of(text), 0600) < 0) {
		log_warning("cannot store %s: %m", COUNTER_NAME);
		return;
	}
	(void)snprintf(name, sizeof(name), "%s.%08x", COUNTER_NAME, value);
	fd = fs_open_at(root_fd, name, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
	if (fd >= 0)
		close(fd);
	(void)snprintf(name, sizeof(name), "%s.%08x", COUNTER_NAME, old);
	(void)unlinkat(root_fd, name, 0);
}

uint32_t uidvalidity_next(int root_fd, time_t now)
{
	uint32_t last = last_value(root_fd), value = (uint32_t)now;

	if (value <= last)
		value = last + 1;
	if (value == 0)
		value = 1;
	store(root_fd, last, value);
	return value;
}
