/* SPDX-License-Identifier: ISC */
/* maildir_test.c - file names, delivery once, failures at every step */
#include <pthread.h>

#include "lib/mailbox/test_store.h"

static void test_name_fields(void **state)
{
	static const struct {
		const char *file, *base;
		uint16_t    flags;
		uint64_t    keywords, size, virtual_size;
		bool        is_canonical;
	} rows[] = {
		{ "1.M1P1.h,S=10,W=12:2,FRSa", "1.M1P1.h,S=10,W=12", MAIL_FLAGGED | MAIL_ANSWERED | MAIL_SEEN, 1, 10, 12, true },
		{ "1.M1P1.h", "1.M1P1.h", 0, 0, MAIL_SIZE_UNKNOWN, MAIL_SIZE_UNKNOWN, false },
		{ "1.M1P1.h:2,", "1.M1P1.h", 0, 0, MAIL_SIZE_UNKNOWN, MAIL_SIZE_UNKNOWN, true },
		{ "1.h:2,SR", "1.h", MAIL_ANSWERED | MAIL_SEEN, 0, MAIL_SIZE_UNKNOWN, MAIL_SIZE_UNKNOWN, false },
		{ "1.h:2,SX", "1.h", MAIL_SEEN, 0, MAIL_SIZE_UNKNOWN, MAIL_SIZE_UNKNOWN, false },
		{ "1.h,S=x:2,z", "1.h,S=x", 0, 1 << 25, MAIL_SIZE_UNKNOWN, MAIL_SIZE_UNKNOWN, true },
		{ "1.h:1,S", "1.h", 0, 0, MAIL_SIZE_UNKNOWN, MAIL_SIZE_UNKNOWN, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct maildir_name n;

		print_message("%s\n", rows[i].file);
		assert_true(maildir_name_parse(span_of(rows[i].file), &n));
		assert_span(n.base, rows[i].base);
		assert_int_equal(n.flags, rows[i].flags);
		assert_int_equal(n.keywords, rows[i].keywords);
		assert_int_equal(n.size, rows[i].size);
		assert_int_equal(n.virtual_size, rows[i].virtual_size);
		assert_int_equal(n.is_canonical, rows[i].is_canonical);
	}
}

static void test_bad_names(void **state)
{
	struct maildir_name n;

	(void)state;
	assert_false(maildir_name_parse(span_lit(""), &n));
	assert_false(maildir_name_parse(span_lit(".hidden"), &n));
	assert_false(maildir_name_parse(span_lit("a/b"), &n));
	assert_false(maildir_name_parse(span_lit("a\nb"), &n));
	assert_false(maildir_name_parse(span_lit("a\0b"), &n));
	assert_false(maildir_name_parse(span_lit(":2,S"), &n));
}

static void test_unknown_flags_are_kept(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 100);
	maildir_suffix_change(&out, span_lit(":2,FX,text"), MAIL_SEEN, 0);
	assert_span(buf_span(&out), ":2,SX,text");
	buf_free(&out);
}

static void test_order_of_arrival(void **state)
{
	static const char *const sorted[] = { "9.M5.h", "10.M7P1.h", "10.M12P1.h", "11.QabcR1.h", "11.QabcR2.h" };

	(void)state;
	for (size_t i = 0; i + 1 < COUNT_OF(sorted); i++) {
		assert_true(maildir_name_order(span_of(sorted[i]), span_of(sorted[i + 1])) < 0);
		assert_true(maildir_name_order(span_of(sorted[i + 1]), span_of(sorted[i])) > 0);
	}
}

static void test_virtual_size(void **state)
{
	char last = 0;

	(void)state;
	assert_int_equal(maildir_virtual_size(span_lit("a\nb\r\nc"), &last), 7);
	last = 0;
	assert_int_equal(maildir_virtual_size(span_lit("a\r"), &last) + maildir_virtual_size(span_lit("\n"), &last), 3);
}

/* ---- delivery ---- */

struct counted {
	unsigned count;
	char     name[256];
};

static bool count_entry(void *user, struct span name)
{
	struct counted *c = user;

	c->count++;
	memcpy(c->name, name.ptr, name.len);
	c->name[name.len] = '\0';
	return true;
}

static struct counted count_files(int dir)
{
	struct counted c = { .count = 0 };

	assert_int_equal(maildir_scan(dir, count_entry, &c), 0);
	return c;
}

enum { SCAN_FILES = 3000, SCAN_THREADS = 4, SCAN_ROUNDS = 20 };

static void *scan_often(void *arg)
{
	const int *dir = arg;
	size_t wrong = 0;

	for (int i = 0; i < SCAN_ROUNDS; i++) {
		struct counted c = { .count = 0 };

		wrong += maildir_scan(*dir, count_entry, &c) < 0 || c.count != SCAN_FILES;
	}
	return (void *)(uintptr_t)wrong;
}

/* Deliveries run on several threads, with one descriptor of the folder. */
static void threads_scan_at_once(void **state)
{
	char path[] = "/tmp/postern-scan-XXXXXX", name[64];
	pthread_t threads[SCAN_THREADS];
	int dir;

	(void)state;
	assert_non_null(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	for (int i = 0; i < SCAN_FILES; i++) {
		int fd;

		snprintf(name, sizeof(name), "1700000000.Qsome%dR1.host", i);
		fd = openat(dir, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		close(fd);
	}
	for (int i = 0; i < SCAN_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, scan_often, &dir), 0);
	for (int i = 0; i < SCAN_THREADS; i++) {
		void *wrong;

		assert_int_equal(pthread_join(threads[i], &wrong), 0);
		assert_null(wrong);
	}
	for (int i = 0; i < SCAN_FILES; i++) {
		snprintf(name, sizeof(name), "1700000000.Qsome%dR1.host", i);
		assert_int_equal(unlinkat(dir, name, 0), 0);
	}
	close(dir);
	assert_int_equal(rmdir(path), 0);
}

static struct maildir_delivery sample(void)
{
	return (struct maildir_delivery){
		.queue_id = span_lit("4XyzAbc"), .recipient = 2, .arrival_s = 1700000000,
		.trace = span_lit("Delivered-To: a@b\r\n"), .content = span_lit("Subject: x\r\n\r\nbody\r\n"), .file = -1,
	};
}

static struct maildir open_root(struct test_store *t)
{
	struct maildir md;

	assert_int_equal(maildir_open(&md, mailstore_root(t->store), ".", 0), 0);
	return md;
}

static void test_deliver(void **state)
{
	struct test_store *t = *state;
	struct maildir md = open_root(t);
	struct maildir_delivery d = sample();
	struct maildir_name name;
	struct counted c;
	struct why why;

	assert_int_equal(mailbox_deliver(&md, &d, NULL, &why), DONE);
	c = count_files(md.new_mail);
	assert_int_equal(c.count, 1);
	assert_true(span_starts(span_of(c.name), span_lit("1700000000.Q4XyzAbcR2.")));
	assert_true(maildir_name_parse(span_of(c.name), &name));
	assert_int_equal(name.size, d.trace.len + d.content.len);
	assert_int_equal(name.virtual_size, name.size);
	assert_int_equal(count_files(md.tmp).count, 0);
	maildir_close(&md);
}

static void test_deliver_repeat_is_one_message(void **state)
{
	struct test_store *t = *state;
	struct maildir md = open_root(t);
	struct maildir_delivery d = sample();
	struct counted c;
	struct why why;
	bool was_there;

	assert_int_equal(mailbox_deliver(&md, &d, &was_there, &why), DONE);
	assert_false(was_there);
	d.may_be_repeat = true;
	assert_int_equal(mailbox_deliver(&md, &d, &was_there, &why), DONE);
	assert_true(was_there);
	/* The user has read it meanwhile. */
	c = count_files(md.new_mail);
	char read_name[300];
	(void)snprintf(read_name, sizeof(read_name), "%s:2,S", c.name);
	assert_int_equal(renameat(md.new_mail, c.name, md.cur, read_name), 0);
	assert_int_equal(mailbox_deliver(&md, &d, &was_there, &why), DONE);
	assert_true(was_there);
	assert_int_equal(count_files(md.new_mail).count, 0);
	assert_int_equal(count_files(md.cur).count, 1);
	maildir_close(&md);
}

static void test_repeat_mends_a_torn_file(void **state)
{
	struct test_store *t = *state;
	struct maildir md = open_root(t);
	struct maildir_delivery d = sample();
	struct counted c;
	struct why why;
	struct stat st;
	bool was_there;

	assert_int_equal(mailbox_deliver(&md, &d, NULL, &why), DONE);
	c = count_files(md.new_mail);
	int fd = openat(md.new_mail, c.name, O_WRONLY | O_TRUNC);
	assert_true(fd >= 0);
	close(fd);
	d.may_be_repeat = true;
	assert_int_equal(mailbox_deliver(&md, &d, &was_there, &why), DONE);
	assert_int_equal(count_files(md.new_mail).count, 1);
	assert_int_equal(fstatat(md.new_mail, c.name, &st, 0), 0);
	assert_int_equal(st.st_size, d.trace.len + d.content.len);
	maildir_close(&md);
}

static void test_deliver_from_a_file(void **state)
{
	struct test_store *t = *state;
	struct maildir md = open_root(t);
	struct maildir_delivery d = sample();
	struct mailbox *m;
	struct why why;

	put_file(t, "queue-file", "preambleSubject: y\r\n\r\nlong body\r\n");
	d.file = openat(mailstore_root(t->store), "queue-file", O_RDONLY);
	d.content_offset = 8;
	d.content_length = strlen("Subject: y\r\n\r\nlong body\r\n");
	d.content = (struct span){ NULL, 0 };
	d.sync = true;
	assert_int_equal(mailbox_deliver(&md, &d, NULL, &why), DONE);
	close(d.file);
	maildir_close(&md);
	m = open_inbox(t, 0);
	assert_int_equal(mailbox_count(m), 1);
	assert_span(read_all(t, m, 1), "Delivered-To: a@b\r\nSubject: y\r\n\r\nlong body\r\n");
	mailbox_close(m);
}

/* Whatever call fails: DEFER, nothing in new, nothing left in tmp, and the next attempt works. */
static void test_deliver_fails_cleanly(void **state)
{
	struct test_store *t = *state;
	struct maildir md = open_root(t);
	struct maildir_delivery d = sample();
	struct why why;
	unsigned n = 1;

	d.sync = true;
	for (;; n++) {
		fs_fail_at(n, ENOSPC);
		if (mailbox_deliver(&md, &d, NULL, &why) == DONE)
			break;
		fs_fail_at(0, 0);
		assert_string_equal(why.dsn, "4.3.1");
		assert_int_equal(count_files(md.tmp).count, 0);
		assert_true(n < 20);
		/* Only the sync of the folder comes after the file is in place. */
		if (count_files(md.new_mail).count == 1)
			d.may_be_repeat = true;
	}
	fs_fail_at(0, 0);
	assert_true(n >= 5);
	assert_int_equal(count_files(md.new_mail).count, 1);
	maildir_close(&md);
}

static void test_quota_has_its_code(void **state)
{
	struct test_store *t = *state;
	struct maildir md = open_root(t);
	struct maildir_delivery d = sample();
	struct why why;

	fs_fail_at(2, EDQUOT);
	assert_int_equal(mailbox_deliver(&md, &d, NULL, &why), DEFER);
	assert_string_equal(why.dsn, "4.2.2");
	maildir_close(&md);
}

static void test_foreign_directories_are_refused(void **state)
{
	struct test_store *t = *state;
	struct maildir md;

	put_file(t, "new/x", "");
	assert_int_equal(fchmodat(mailstore_root(t->store), "new", 0777, 0), 0);
	assert_int_equal(maildir_open(&md, mailstore_root(t->store), ".", 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(symlinkat("/tmp", mailstore_root(t->store), "link"), 0);
	assert_int_equal(maildir_open(&md, mailstore_root(t->store), "link", 0), -1);
}

static void test_old_tmp_files_go(void **state)
{
	struct test_store *t = *state;
	struct maildir md = open_root(t);

	put_file(t, "tmp/fresh", "x");
	maildir_clean_tmp(&md, 3600);
	assert_true(has_file(t, "tmp/fresh"));
	maildir_close(&md);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_scan_at_once),
		cmocka_unit_test(test_name_fields),
		cmocka_unit_test(test_bad_names),
		cmocka_unit_test(test_unknown_flags_are_kept),
		cmocka_unit_test(test_order_of_arrival),
		cmocka_unit_test(test_virtual_size),
		STORE_TEST(test_deliver),
		STORE_TEST(test_deliver_repeat_is_one_message),
		STORE_TEST(test_repeat_mends_a_torn_file),
		STORE_TEST(test_deliver_from_a_file),
		STORE_TEST(test_deliver_fails_cleanly),
		STORE_TEST(test_quota_has_its_code),
		STORE_TEST(test_foreign_directories_are_refused),
		STORE_TEST(test_old_tmp_files_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
