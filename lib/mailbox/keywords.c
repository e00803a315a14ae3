/* SPDX-License-Identifier: ISC */
/* keywords.c - dovecot-keywords: which keyword the letters a-z of file names mean in this folder */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "lib/base/fs.h"
#include "lib/mailbox/maildir.h"
#include "lib/mailbox/uidlist.h"

#define KEYWORDS_NAME "dovecot-keywords"

enum { KEYWORD_MAX = 255, FILE_MAX = 64 * 1024 };

void keywords_init(struct keywords *k)
{
	for (size_t i = 0; i < COUNT_OF(k->names); i++)
		buf_init(&k->names[i], KEYWORD_MAX);
	k->stamp = (struct uidlist_stamp){ 0, 0, 0 };
}

void keywords_free(struct keywords *k)
{
	for (size_t i = 0; i < COUNT_OF(k->names); i++)
		buf_free(&k->names[i]);
}

static void parse_line(struct keywords *k, struct span line)
{
	struct span number;
	unsigned long long n;

	if (!span_cut(&line, ' ', &number) || !span_u64(number, COUNT_OF(k->names) - 1, &n) ||
	    line.len == 0 || line.len > KEYWORD_MAX)
		return;
	buf_clear(&k->names[n]);
	buf_add(&k->names[n], line);
}

int keywords_read(struct keywords *k, int dir_fd)
{
	struct buf text;
	struct span rest, line;
	struct stat st;
	bool more = true;

	keywords_free(k);
	keywords_init(k);
	if (fstatat(dir_fd, KEYWORDS_NAME, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -1;
	buf_init(&text, FILE_MAX);
	if (fs_read_file(dir_fd, KEYWORDS_NAME, &text) < 0) {
		buf_free(&text);
		return -1;
	}
	for (rest = buf_span(&text); more;) {
		more = span_cut(&rest, '\n', &line);
		parse_line(k, line);
	}
	buf_free(&text);
	k->stamp = (struct uidlist_stamp){
		.inode = st.st_ino, .size = (uint64_t)st.st_size,
		.mtime_ns = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec,
	};
	return 0;
}

bool keywords_changed(const struct keywords *k, int dir_fd)
{
	struct stat st;

	if (fstatat(dir_fd, KEYWORDS_NAME, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return k->stamp.inode != 0;
	return k->stamp.inode != st.st_ino || k->stamp.size != (uint64_t)st.st_size ||
	       k->stamp.mtime_ns != st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
}

int keywords_find(const struct keywords *k, struct span name)
{
	for (size_t i = 0; i < COUNT_OF(k->names); i++)
		if (name.len > 0 && span_equal_ci(buf_span(&k->names[i]), name))
			return (int)i;
	return -1;
}

static int store(struct keywords *k, int dir_fd)
{
	struct buf out;
	int result;

	buf_init(&out, FILE_MAX);
	for (size_t i = 0; i < COUNT_OF(k->names); i++)
		if (k->names[i].len > 0)
			buf_addf(&out, "%zu " SPAN_FMT "\n", i, SPAN_ARG(buf_span(&k->names[i])));
	result = fs_replace_file(dir_fd, KEYWORDS_NAME, buf_span(&out), 0600);
	buf_free(&out);
	return result;
}

int keywords_add(struct keywords *k, int dir_fd, struct span name)
{
	for (size_t i = 0; i < COUNT_OF(k->names); i++) {
		if (k->names[i].len > 0)
			continue;
		if (!buf_add(&k->names[i], name))
			break;
		if (store(k, dir_fd) < 0 || keywords_read(k, dir_fd) < 0) {
			buf_clear(&k->names[i]);
			return -1;
		}
		return (int)i;
	}
	errno = ENOSPC;
	return -1;
}
