/* SPDX-License-Identifier: ISC */
/* mailbox_test.c - views: opening, flags, expunge, append, copy, the index, and others who change files meanwhile */
#include "lib/mailbox/test_store.h"

static void test_open_assigns_uids_in_order(void **state)
{
	struct test_store *t = *state;
	struct mailbox *m;

	put_file(t, "new/30.M1P1.h", "b\n");
	put_file(t, "cur/20.M1P1.h:2,S", "a\n");
	m = open_inbox(t, 0);
	assert_int_equal(mailbox_count(m), 2);
	assert_int_equal(mailbox_message(m, 1)->uid, 1);
	assert_int_equal(mailbox_message(m, 1)->flags, MAIL_SEEN);
	assert_int_equal(mailbox_message(m, 2)->flags, MAIL_RECENT);
	assert_int_equal(mailbox_recent(m), 1);
	assert_int_equal(mailbox_first_unseen(m), 2);
	assert_int_equal(mailbox_uidnext(m), 3);
	assert_true(has_file(t, "cur/30.M1P1.h:2,"));
	mailbox_close(m);
	m = open_inbox(t, 0);
	assert_int_equal(mailbox_message(m, 2)->uid, 2);
	assert_int_equal(mailbox_recent(m), 0);
	mailbox_close(m);
}

static void test_read_only_takes_nothing(void **state)
{
	struct test_store *t = *state;
	struct mailbox *m;
	uint32_t one = 1;

	put_file(t, "new/30.M1P1.h", "b\n");
	m = open_inbox(t, MAILBOX_READ_ONLY);
	assert_int_equal(mailbox_count(m), 1);
	assert_span(read_all(t, m, 1), "b\r\n");
	assert_true(has_file(t, "new/30.M1P1.h"));
	assert_int_equal(mailbox_store(m, &one, 1, FLAGS_ADD, MAIL_SEEN, 0, NULL), MAIL_READ_ONLY);
	assert_int_equal(mailbox_expunge(m, &one, 1), MAIL_READ_ONLY);
	mailbox_close(m);
	m = open_inbox(t, 0);
	assert_int_equal(mailbox_recent(m), 1);
	mailbox_close(m);
}

static void test_store_flags(void **state)
{
	struct test_store *t = *state;
	struct mailbox *m;
	uint32_t seqs[] = { 1, 2 };
	bool did[2];
	uint64_t before;

	put_file(t, "cur/1.h:2,FX", "a\n");
	put_file(t, "cur/2.h:2,S", "b\n");
	m = open_inbox(t, 0);
	before = mailbox_highest_modseq(m);
	assert_int_equal(mailbox_store(m, seqs, 2, FLAGS_ADD, MAIL_SEEN, 0, did), MAIL_OK);
	assert_true(did[0]);
	assert_false(did[1]);
	assert_true(has_file(t, "cur/1.h:2,FSX"));
	assert_true(mailbox_message(m, 1)->modseq > before);
	assert_true(mailbox_message(m, 2)->modseq <= before);
	assert_int_equal(mailbox_unseen(m), 0);
	assert_int_equal(mailbox_store(m, seqs, 2, FLAGS_REPLACE, MAIL_DELETED, 0, did), MAIL_OK);
	assert_true(has_file(t, "cur/1.h:2,TX"));
	assert_true(has_file(t, "cur/2.h:2,T"));
	assert_int_equal(mailbox_store(m, seqs, 1, FLAGS_REMOVE, MAIL_DELETED, 0, did), MAIL_OK);
	assert_true(has_file(t, "cur/1.h:2,X"));
	assert_int_equal(sync_now(t, m, SYNC_MAY_EXPUNGE).changed_count, 0);
	mailbox_close(m);
}

static void test_keywords_in_names(void **state)
{
	struct test_store *t = *state;
	struct mailbox *m;
	uint32_t one = 1;
	int n;

	put_file(t, "cur/1.h:2,", "a\n");
	m = open_inbox(t, 0);
	assert_int_equal(mailbox_keyword_number(m, span_lit("$Label1"), false), -1);
	n = mailbox_keyword_number(m, span_lit("$Label1"), true);
	assert_int_equal(n, 0);
	assert_int_equal(mailbox_keyword_number(m, span_lit("$LABEL1"), true), 0);
	assert_int_equal(mailbox_store(m, &one, 1, FLAGS_ADD, 0, 1, NULL), MAIL_OK);
	assert_true(has_file(t, "cur/1.h:2,a"));
	assert_true(mailbox_has_keyword_room(m));
	mailbox_close(m);
	m = open_inbox(t, 0);
	assert_int_equal(mailbox_message(m, 1)->keywords, 1);
	assert_span(mailbox_keyword(m, 0), "$Label1");
	mailbox_close(m);
}

static void test_expunge_reports_highest_first(void **state)
{
	struct test_store *t = *state;
	struct mailbox *m;
	uint32_t gone[] = { 1, 3 };
	struct mailbox_changes c;

	put_file(t, "cur/1.h:2,", "a\n");
	put_file(t, "cur/2.h:2,", "b\n");
	put_file(t, "cur/3.h:2,", "c\n");
	m = open_inbox(t, 0);
	assert_int_equal(mailbox_expunge(m, gone, 2), MAIL_OK);
	c = sync_now(t, m, 0);
	assert_int_equal(c.expunged_count, 0);
	assert_int_equal(mailbox_count(m), 3);
	assert_true(mailbox_is_gone(m, 1));
	c = sync_now(t, m, SYNC_MAY_EXPUNGE);
	assert_int_equal(c.expunged_count, 2);
	assert_int_equal(c.expunged[0], 3);
	assert_int_equal(c.expunged_uids[0], 3);
	assert_int_equal(c.expunged[1], 1);
	assert_int_equal(mailbox_count(m), 1);
	assert_int_equal(mailbox_message(m, 1)->uid, 2);
	assert_int_equal(mailbox_seq(m, 1), 1);
	assert_int_equal(mailbox_seq(m, 3), 2);
	mailbox_close(m);
}

static void test_two_views_see_each_other(void **state)
{
	struct test_store *t = *state;
	struct mailbox *a, *b;
	struct mailbox_changes c;
	uint32_t one = 1, two = 2;

	put_file(t, "cur/1.h:2,", "a\n");
	put_file(t, "cur/2.h:2,", "b\n");
	a = open_inbox(t, 0);
	b = open_inbox(t, 0);
	assert_int_equal(mailbox_store(a, &one, 1, FLAGS_ADD, MAIL_FLAGGED, 0, NULL), MAIL_OK);
	assert_int_equal(mailbox_expunge(a, &two, 1), MAIL_OK);
	assert_int_equal(append_text(t, a, "c\r\n", 0), 3);
	c = sync_now(t, b, SYNC_MAY_EXPUNGE);
	assert_int_equal(c.expunged_count, 1);
	assert_int_equal(c.expunged[0], 2);
	assert_int_equal(c.changed_count, 1);
	assert_int_equal(c.changed[0], 1);
	assert_int_equal(c.count, 2);
	assert_int_equal(c.old_count, 1);
	assert_int_equal(mailbox_message(b, 2)->uid, 3);
	assert_int_equal(mailbox_message(b, 1)->flags, MAIL_FLAGGED);
	mailbox_close(a);
	mailbox_close(b);
}

static void test_renamed_outside_is_found(void **state)
{
	struct test_store *t = *state;
	int root = mailstore_root(t->store);
	struct mailbox *m;
	uint32_t one = 1;

	put_file(t, "cur/1.h:2,", "a\n");
	m = open_inbox(t, 0);
	assert_int_equal(renameat(root, "cur/1.h:2,", root, "cur/1.h:2,R"), 0);
	assert_span(read_all(t, m, 1), "a\r\n");
	assert_int_equal(renameat(root, "cur/1.h:2,R", root, "cur/1.h:2,"), 0);
	assert_int_equal(mailbox_store(m, &one, 1, FLAGS_ADD, MAIL_SEEN, 0, NULL), MAIL_OK);
	assert_true(has_file(t, "cur/1.h:2,S"));
	assert_int_equal(renameat(root, "cur/1.h:2,S", root, "cur/1.h:2,RS"), 0);
	assert_int_equal(mailbox_expunge(m, &one, 1), MAIL_OK);
	assert_false(has_file(t, "cur/1.h:2,RS"));
	mailbox_close(m);
}

static void test_removed_outside(void **state)
{
	struct test_store *t = *state;
	struct mailbox *m;
	struct message_reader r;
	uint32_t one = 1;

	put_file(t, "cur/1.h:2,", "a\n");
	put_file(t, "cur/2.h:2,", "b\n");
	m = open_inbox(t, 0);
	assert_int_equal(unlinkat(mailstore_root(t->store), "cur/1.h:2,", 0), 0);
	assert_int_equal(mailbox_read(m, 1, &r), MAIL_GONE);
	assert_int_equal(mailbox_store(m, &one, 1, FLAGS_ADD, MAIL_SEEN, 0, NULL), MAIL_OK);
	assert_int_equal(mailbox_count(m), 2);
	assert_int_equal(sync_now(t, m, SYNC_MAY_EXPUNGE).expunged_count, 1);
	assert_int_equal(mailbox_message(m, 1)->uid, 2);
	mailbox_close(m);
}

static void test_append_many_at_once(void **state)
{
	struct test_store *t = *state;
	struct mailbox *m = open_inbox(t, 0);
	struct mailbox_append *a = mailbox_append_begin(m);
	const uint32_t *uids;
	size_t count;
	int64_t date;

	assert_int_equal(mailbox_append_message(a, MAIL_SEEN, 0, 86400), MAIL_OK);
	assert_int_equal(mailbox_append_write(a, span_lit("one\n")), MAIL_OK);
	assert_int_equal(mailbox_append_message(a, 0, 0, INT64_MIN), MAIL_OK);
	assert_int_equal(mailbox_append_write(a, span_lit("two\r\n")), MAIL_OK);
	assert_int_equal(mailbox_append_message(a, 0, 0, INT64_MIN), MAIL_OK);
	mailbox_append_discard(a);
	assert_int_equal(mailbox_append_commit(a, t->arena, &uids, &count), MAIL_OK);
	assert_int_equal(count, 2);
	assert_int_equal(uids[0], 1);
	assert_int_equal(uids[1], 2);
	sync_now(t, m, 0);
	assert_int_equal(mailbox_count(m), 2);
	assert_int_equal(mailbox_recent(m), 2);
	assert_int_equal(mailbox_internaldate(m, 1, &date), MAIL_OK);
	assert_int_equal(date, 86400);
	assert_span(read_all(t, m, 1), "one\r\n");
	assert_span(read_all(t, m, 2), "two\r\n");
	mailbox_close(m);
}

/* Whatever call fails, either all messages are there with UIDs or none is, and nothing is left in tmp. */
static void test_append_is_all_or_nothing(void **state)
{
	struct test_store *t = *state;
	uint32_t expected = 0;

	for (unsigned n = 1; n < 40; n++) {
		struct mailbox *m = open_inbox(t, 0);
		struct mailbox_append *a = mailbox_append_begin(m);
		const uint32_t *uids;
		size_t count = 0;
		enum mail_result result = MAIL_OK;

		fs_fail_at(n, ENOSPC);
		for (int i = 0; i < 2 && result == MAIL_OK; i++) {
			result = mailbox_append_message(a, MAIL_SEEN, 0, INT64_MIN);
			if (result == MAIL_OK)
				result = mailbox_append_write(a, span_lit("text\r\n"));
		}
		if (result == MAIL_OK)
			result = mailbox_append_commit(a, t->arena, &uids, &count);
		else
			mailbox_append_cancel(a);
		fs_fail_at(0, 0);
		expected += result == MAIL_OK ? 2 : 0;
		mailbox_close(m);
		m = open_inbox(t, 0);
		assert_int_equal(mailbox_count(m), expected);
		mailbox_close(m);
	}
	assert_true(expected >= 2);
}

static void test_copy_and_move(void **state)
{
	struct test_store *t = *state;
	struct mailbox *m, *target;
	struct mailbox_copied copied;
	uint32_t seqs[] = { 1, 2 };
	int64_t date;

	put_file(t, "cur/1.h:2,Sb", "a\n");
	put_file(t, "cur/2.h:2,", "b\n");
	put_file(t, "dovecot-keywords", "0 other\n1 $Label1\n");
	assert_int_equal(folder_create(t->store, span_lit("Sub"), 0), MAIL_OK);
	m = open_inbox(t, 0);
	assert_int_equal(mailbox_open(t->store, span_lit("Sub"), MAILBOX_NO_VIEW, &target), MAIL_OK);
	assert_int_equal(mailbox_copy(m, seqs, 2, target, t->arena, &copied), MAIL_OK);
	assert_int_equal(copied.count, 2);
	assert_int_equal(copied.source_uids[1], 2);
	assert_int_equal(copied.target_uids[1], 2);
	assert_int_equal(copied.uidvalidity, mailbox_uidvalidity(target));
	assert_int_equal(mailbox_move(m, seqs, 1, target, t->arena, &copied), MAIL_OK);
	assert_int_equal(copied.target_uids[0], 3);
	assert_int_equal(sync_now(t, m, SYNC_MAY_EXPUNGE).expunged_count, 1);
	mailbox_close(target);
	assert_int_equal(mailbox_open(t->store, span_lit("Sub"), 0, &target), MAIL_OK);
	assert_int_equal(mailbox_count(target), 3);
	/* The letter differs from folder to folder, the keyword does not. */
	assert_int_equal(mailbox_message(target, 1)->keywords, 1);
	assert_span(mailbox_keyword(target, 0), "$Label1");
	assert_int_equal(mailbox_internaldate(target, 1, &date), MAIL_OK);
	assert_span(read_all(t, target, 2), "b\r\n");
	mailbox_close(target);
	mailbox_close(m);
}

static void test_copy_into_itself(void **state)
{
	struct test_store *t = *state;
	struct mailbox *m;
	struct mailbox_copied copied;
	uint32_t one = 1;

	put_file(t, "cur/1.h:2,F", "a\n");
	m = open_inbox(t, 0);
	assert_int_equal(mailbox_copy(m, &one, 1, m, t->arena, &copied), MAIL_OK);
	sync_now(t, m, SYNC_MAY_EXPUNGE);
	assert_int_equal(mailbox_count(m), 2);
	assert_int_equal(mailbox_message(m, 2)->uid, copied.target_uids[0]);
	assert_int_equal(mailbox_message(m, 2)->flags & MAIL_FLAGGED, MAIL_FLAGGED);
	mailbox_close(m);
}

/* ---- the index ---- */

static void fill(struct test_store *t, unsigned count)
{
	for (unsigned i = 1; i <= count; i++) {
		char name[64];

		(void)snprintf(name, sizeof(name), "cur/%u.M1P1.h,S=3,W=4:2,%s", 1000 + i, i % 2 ? "S" : "");
		put_file(t, name, "ab\n");
	}
}

static void test_index_is_used_and_true(void **state)
{
	struct test_store *t = *state;
	struct mailbox *m;
	uint32_t seqs[] = { 10, 20 };

	fill(t, 200);
	m = open_inbox(t, 0);
	usleep(30000);	/* past the age at which a folder's time is not trusted */
	sync_now(t, m, 0);
	mailbox_close(m);
	assert_true(has_file(t, "postern.index"));
	m = open_inbox(t, 0);
	assert_int_equal(mailbox_count(m), 200);
	assert_int_equal(mailbox_unseen(m), 100);
	assert_int_equal(mailbox_first_unseen(m), 2);
	assert_span(read_all(t, m, 7), "ab\r\n");
	put_file(t, "new/5000.M1P1.h", "new\n");
	assert_int_equal(sync_now(t, m, 0).count, 201);
	assert_int_equal(mailbox_store(m, seqs, 2, FLAGS_ADD, MAIL_SEEN | MAIL_FLAGGED, 0, NULL), MAIL_OK);
	assert_int_equal(mailbox_expunge(m, seqs, 1), MAIL_OK);
	mailbox_close(m);
	m = open_inbox(t, 0);
	assert_int_equal(mailbox_count(m), 200);
	assert_int_equal(mailbox_message(m, 200)->uid, 201);
	assert_int_equal(mailbox_message(m, 19)->flags, MAIL_SEEN | MAIL_FLAGGED);
	assert_int_equal(mailbox_unseen(m), 99);
	mailbox_close(m);
}

static void test_index_may_be_deleted(void **state)
{
	struct test_store *t = *state;
	struct mailbox *m;
	uint32_t uidvalidity;

	fill(t, 60);
	m = open_inbox(t, 0);
	uidvalidity = mailbox_uidvalidity(m);
	mailbox_close(m);
	assert_int_equal(unlinkat(mailstore_root(t->store), "postern.index", 0), 0);
	m = open_inbox(t, 0);
	assert_int_equal(mailbox_uidvalidity(m), uidvalidity);
	assert_int_equal(mailbox_count(m), 60);
	assert_int_equal(mailbox_message(m, 60)->uid, 60);
	mailbox_close(m);
}

/* Any byte of it may be wrong: the answers stay right. */
static void test_index_damage_is_harmless(void **state)
{
	struct test_store *t = *state;
	struct mailbox *m;
	struct stat st;
	int fd;

	fill(t, 60);
	m = open_inbox(t, 0);
	mailbox_close(m);
	fd = openat(mailstore_root(t->store), "postern.index", O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	for (off_t at = 0; at < st.st_size; at += 37) {
		unsigned char byte, wrong;

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		wrong = byte ^ 0x40;
		assert_int_equal(pwrite(fd, &wrong, 1, at), 1);
		m = open_inbox(t, MAILBOX_NO_INDEX);
		assert_int_equal(mailbox_count(m), 60);
		assert_int_equal(mailbox_message(m, 60)->uid, 60);
		assert_span(read_all(t, m, 33), "ab\r\n");
		mailbox_close(m);
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	for (off_t size = 0; size < st.st_size; size += 101) {
		assert_int_equal(ftruncate(fd, size), 0);
		m = open_inbox(t, MAILBOX_NO_INDEX);
		assert_int_equal(mailbox_count(m), 60);
		mailbox_close(m);
	}
	close(fd);
}

/* ---- failures ---- */

static void test_full_disk_still_opens(void **state)
{
	struct test_store *t = *state;

	for (unsigned n = 1; n < 30; n++) {
		struct mailbox *m;
		char name[32];

		(void)snprintf(name, sizeof(name), "new/%u.M1P1.h", n);
		put_file(t, name, "a\n");
		fs_fail_at(n, ENOSPC);
		if (mailbox_open(t->store, span_lit("INBOX"), 0, &m) == MAIL_OK)
			mailbox_close(m);
		fs_fail_at(0, 0);
		m = open_inbox(t, 0);
		assert_int_equal(mailbox_count(m), n);
		for (uint32_t seq = 1; seq <= n; seq++)
			assert_span(read_all(t, m, seq), "a\r\n");
		mailbox_close(m);
	}
}

static void test_adopts_a_dovecot_maildir(void **state)
{
	struct test_store *t = *state;
	struct mailbox *m;
	struct span uidl;
	uint32_t order;

	put_file(t, "dovecot-uidlist",
	         "3 V1795470838 N5 G0d9a0001f6b5046bb12d000083ecc375\n"
	         "1 :1700000000.M000000P1000.mail,S=4,W=5\n"
	         "2 :1700000001.M000001P1000.mail,S=4,W=5\n"
	         "4 W7 Pold-id O9 :1700000003.M000003P1000.mail\n");
	put_file(t, "dovecot-keywords", "0 $Junk\n");
	put_file(t, "cur/1700000000.M000000P1000.mail,S=4,W=5:2,RSa", "one\n");
	put_file(t, "cur/1700000003.M000003P1000.mail:2,", "a\nb\nc\n");
	put_file(t, "new/1700000009.M000003P1000.mail", "new\n");
	m = open_inbox(t, 0);
	assert_int_equal(mailbox_uidvalidity(m), 1795470838);
	assert_string_equal(mailbox_guid(m), "0d9a0001f6b5046bb12d000083ecc375");
	assert_int_equal(mailbox_count(m), 3);
	assert_int_equal(mailbox_message(m, 1)->uid, 1);
	assert_int_equal(mailbox_message(m, 1)->keywords, 1);
	assert_int_equal(mailbox_message(m, 2)->uid, 4);
	assert_int_equal(mailbox_message(m, 3)->uid, 5);
	mailbox_pop3_record(m, 2, &uidl, &order);
	assert_span(uidl, "old-id");
	assert_int_equal(order, 9);
	mailbox_close(m);
}

/* An outside program moves files about while we look: nothing is lost, nothing comes twice. */
static void test_torture_by_renames(void **state)
{
	struct test_store *t = *state;
	int root = mailstore_root(t->store);
	struct mailbox *m;
	uint32_t seed = 12345;

	for (unsigned i = 0; i < 40; i++) {
		char name[64];

		(void)snprintf(name, sizeof(name), "cur/%u.h:2,", 100 + i);
		put_file(t, name, "a\n");
	}
	m = open_inbox(t, 0);
	for (unsigned round = 0; round < 300; round++) {
		uint32_t seq = (seed = seed * 1103515245 + 12345) / 65536 % 40 + 1;
		char old[64], now[64];

		(void)snprintf(old, sizeof(old), "cur/%u.h:2,%s", 99 + seq,
		               (mailbox_message(m, seq)->flags & MAIL_SEEN) != 0 ? "S" : "");
		(void)snprintf(now, sizeof(now), "cur/%u.h:2,%s", 99 + seq,
		               (mailbox_message(m, seq)->flags & MAIL_SEEN) != 0 ? "" : "S");
		assert_int_equal(renameat(root, old, root, now), 0);
		if (round % 3 == 0) {
			assert_span(read_all(t, m, seq), "a\r\n");
		} else {
			struct mailbox_changes c = sync_now(t, m, SYNC_MAY_EXPUNGE | SYNC_FULL);

			assert_int_equal(c.expunged_count, 0);
		}
		sync_now(t, m, SYNC_MAY_EXPUNGE | SYNC_FULL);
		assert_int_equal(mailbox_count(m), 40);
		assert_int_equal(mailbox_message(m, 40)->uid, 40);
	}
	mailbox_close(m);
}

static void test_watch(void **state)
{
	struct test_store *t = *state;
	struct mailbox *m = open_inbox(t, 0);
	int fd = mailbox_watch(m);
	char byte[512];

	assert_true(fd >= 0);
	assert_int_equal(read(fd, byte, sizeof(byte)), -1);
	put_file(t, "new/1.h", "x\n");
	assert_true(read(fd, byte, sizeof(byte)) > 0);
	mailbox_watch_clear(m);
	assert_int_equal(sync_now(t, m, 0).count, 1);
	mailbox_close(m);
}

static void test_missing_folder(void **state)
{
	struct test_store *t = *state;
	struct mailbox *m;

	assert_int_equal(mailbox_open(t->store, span_lit("Nowhere"), 0, &m), MAIL_NONEXISTENT);
	assert_null(m);
	assert_int_equal(mailbox_open(t->store, span_lit("../x"), 0, &m), MAIL_NONEXISTENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_open_assigns_uids_in_order),
		STORE_TEST(test_read_only_takes_nothing),
		STORE_TEST(test_store_flags),
		STORE_TEST(test_keywords_in_names),
		STORE_TEST(test_expunge_reports_highest_first),
		STORE_TEST(test_two_views_see_each_other),
		STORE_TEST(test_renamed_outside_is_found),
		STORE_TEST(test_removed_outside),
		STORE_TEST(test_append_many_at_once),
		STORE_TEST(test_append_is_all_or_nothing),
		STORE_TEST(test_copy_and_move),
		STORE_TEST(test_copy_into_itself),
		STORE_TEST(test_index_is_used_and_true),
		STORE_TEST(test_index_may_be_deleted),
		STORE_TEST(test_index_damage_is_harmless),
		STORE_TEST(test_full_disk_still_opens),
		STORE_TEST(test_adopts_a_dovecot_maildir),
		STORE_TEST(test_torture_by_renames),
		STORE_TEST(test_watch),
		STORE_TEST(test_missing_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
