/* SPDX-License-Identifier: ISC */
/* test_store.h - a Maildir of their own for the tests of this folder, made below TMPDIR and taken away again */
#ifndef MAILBOX_TEST_STORE_H
#define MAILBOX_TEST_STORE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/mailbox/folders.h"

struct test_store {
	char              path[256];
	struct mailstore *store;
	struct arena     *arena;
};

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

static inline int setup_store(void **state)
{
	struct test_store *t = calloc(1, sizeof(*t));
	const char *base = getenv("TMPDIR");

	assert_non_null(t);
	(void)umask(077);
	(void)snprintf(t->path, sizeof(t->path), "%s/mailbox-test.XXXXXX", base != NULL ? base : "/tmp");
	assert_non_null(mkdtemp(t->path));
	t->store = mailstore_open(t->path, true);
	assert_non_null(t->store);
	t->arena = arena_new(NULL);
	*state = t;
	return 0;
}

static inline int teardown_store(void **state)
{
	struct test_store *t = *state;

	fs_fail_at(0, 0);
	mailstore_close(t->store);
	arena_free(t->arena);
	(void)nftw(t->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(t);
	return 0;
}

/* put_file - path below the Maildir, with its folders. */
static inline void put_file(struct test_store *t, const char *name, const char *content)
{
	char path[1024], *slash;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", t->path, name);
	slash = strrchr(path, '/');
	*slash = '\0';
	assert_int_equal(fs_make_dirs(path, 0700), 0);
	*slash = '/';
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fputs(content, f) >= 0, 1);
	assert_int_equal(fclose(f), 0);
}

static inline bool has_file(const struct test_store *t, const char *name)
{
	return faccessat(mailstore_root(t->store), name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static inline struct mailbox *open_inbox(struct test_store *t, unsigned flags)
{
	struct mailbox *m;

	assert_int_equal(mailbox_open(t->store, span_lit("INBOX"), flags, &m), MAIL_OK);
	return m;
}

static inline struct mailbox_changes sync_now(struct test_store *t, struct mailbox *m, unsigned flags)
{
	struct mailbox_changes c;

	assert_int_equal(mailbox_sync(m, flags, t->arena, &c), MAIL_OK);
	return c;
}

/* append_text - one message; gives its UID. */
static inline uint32_t append_text(struct test_store *t, struct mailbox *m, const char *text, uint16_t flags)
{
	struct mailbox_append *a = mailbox_append_begin(m);
	const uint32_t *uids;
	size_t count;

	assert_non_null(a);
	assert_int_equal(mailbox_append_message(a, flags, 0, INT64_MIN), MAIL_OK);
	assert_int_equal(mailbox_append_write(a, span_of(text)), MAIL_OK);
	assert_int_equal(mailbox_append_commit(a, t->arena, &uids, &count), MAIL_OK);
	assert_int_equal(count, 1);
	return uids[0];
}

/* read_all - the message as the wire wants it. */
static inline struct span read_all(struct test_store *t, struct mailbox *m, uint32_t seq)
{
	struct message_reader r;
	struct span text;

	assert_int_equal(mailbox_read(m, seq, &r), MAIL_OK);
	assert_true(reader_span(&r, 0, r.size, t->arena, &text));
	assert_int_equal(text.len, r.size);
	reader_close(&r);
	return text;
}

static inline void assert_span(struct span got, const char *want)
{
	if (!span_equal(got, span_of(want)))
		print_error("got \"%.*s\", want \"%s\"\n", SPAN_ARG(got), want);
	assert_true(span_equal(got, span_of(want)));
}

#define STORE_TEST(function) cmocka_unit_test_setup_teardown(function, setup_store, teardown_store)

#endif
