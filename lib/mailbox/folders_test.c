/* SPDX-License-Identifier: ISC */
/* folders_test.c - folders, subscriptions, special uses, counters */
#include "lib/mailbox/test_store.h"

#include "lib/mailbox/subscriptions.h"

static const struct folder *find(struct test_store *t, const char *name)
{
	struct folder *folders;
	size_t count;

	assert_int_equal(folders_list(t->store, t->arena, &folders, &count), MAIL_OK);
	for (size_t i = 0; i < count; i++)
		if (span_equal(folders[i].name, span_of(name)))
			return &folders[i];
	return NULL;
}

static enum mail_result create(struct test_store *t, const char *name)
{
	return folder_create(t->store, span_of(name), 0);
}

static void test_create_and_list(void **state)
{
	struct test_store *t = *state;
	struct folder *folders;
	size_t count;

	assert_int_equal(create(t, "Work"), MAIL_OK);
	assert_int_equal(create(t, "Work"), MAIL_EXISTS);
	assert_int_equal(create(t, "inbox"), MAIL_EXISTS);
	assert_int_equal(create(t, "Work-x"), MAIL_OK);
	assert_int_equal(create(t, "Work/2024/"), MAIL_OK);
	assert_int_equal(create(t, "Gel\xc3\xb6scht"), MAIL_OK);
	assert_true(has_file(t, ".Work.2024/cur"));
	assert_true(has_file(t, ".Work.2024/maildirfolder"));
	assert_true(has_file(t, ".Gel&APY-scht/cur"));
	assert_int_equal(folders_list(t->store, t->arena, &folders, &count), MAIL_OK);
	assert_int_equal(count, 5);
	assert_span(folders[0].name, "INBOX");
	assert_span(folders[1].name, "Gel\xc3\xb6scht");
	assert_span(folders[2].name, "Work");
	assert_span(folders[3].name, "Work/2024");
	assert_span(folders[4].name, "Work-x");
	assert_int_equal(folders[2].attributes, FOLDER_EXISTS | FOLDER_HAS_CHILDREN);
	assert_int_equal(folders[4].attributes, FOLDER_EXISTS);
}

static void test_names_that_cannot_be(void **state)
{
	static const char *const bad[] = {
		"", "a.b", "/a", "a//b", "~a", "a/~b", "a\nb", "a*", "a%", "\xff", "../x", ".", "a\\b",
	};
	struct test_store *t = *state;

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		print_message("\"%s\"\n", bad[i]);
		assert_int_equal(create(t, bad[i]), MAIL_CANNOT);
	}
}

static void append_listing(struct test_store *t, struct buf *out, const char *path)
{
	struct stat st;

	if (fstatat(mailstore_root(t->store), path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		buf_addf(out, "%s %o %lld\n", path, st.st_mode, (long long)(S_ISREG(st.st_mode) ? st.st_size : 0));
}

/* What stands on disk of the folder .Junk, and all of the subscriptions. */
static struct span junk_on_disk(struct test_store *t)
{
	static const char *const paths[] = { ".Junk", ".Junk/cur", ".Junk/new", ".Junk/tmp", ".Junk/maildirfolder" };
	struct buf out;
	struct span copy;

	buf_init(&out, BUF_NO_LIMIT);
	for (size_t i = 0; i < COUNT_OF(paths); i++)
		append_listing(t, &out, paths[i]);
	assert_int_equal(fs_read_file(mailstore_root(t->store), "subscriptions", &out), 0);
	copy = arena_dup(t->arena, buf_span(&out));
	buf_free(&out);
	return copy;
}

static int open_or_make(struct test_store *t, const char *name)
{
	struct maildir md;
	int result = folder_open_or_make(mailstore_root(t->store), span_of(name), &md);

	assert_int_equal(result == 0, md.dir >= 0 && md.cur >= 0 && md.new_mail >= 0 && md.tmp >= 0);
	maildir_close(&md);
	return result;
}

static void test_a_delivery_makes_what_a_client_would(void **state)
{
	struct test_store *t = *state;
	struct span of_client;

	assert_int_equal(create(t, "Junk"), MAIL_OK);
	assert_int_equal(folder_subscribe(t->store, span_lit("Junk"), true), MAIL_OK);
	of_client = junk_on_disk(t);
	assert_int_equal(folder_delete(t->store, span_lit("Junk")), MAIL_OK);
	assert_int_equal(folder_subscribe(t->store, span_lit("Junk"), false), MAIL_OK);
	assert_int_equal(open_or_make(t, "Junk"), 0);
	assert_true(span_equal(junk_on_disk(t), of_client));
	assert_int_equal(find(t, "Junk")->attributes, FOLDER_EXISTS | FOLDER_SUBSCRIBED | FOLDER_JUNK);
	/* It is there: nothing changes any more. */
	assert_int_equal(folder_subscribe(t->store, span_lit("Junk"), false), MAIL_OK);
	assert_int_equal(open_or_make(t, "Junk"), 0);
	assert_int_equal(find(t, "Junk")->attributes, FOLDER_EXISTS | FOLDER_JUNK);
	assert_int_equal(open_or_make(t, "inbox"), 0);
	assert_int_equal(open_or_make(t, "../Junk"), -1);
	assert_int_equal(errno, EINVAL);
}

static void test_a_delivery_can_try_again(void **state)
{
	struct test_store *t = *state;
	unsigned step = 1;

	for (;; step++) {
		fs_fail_at(step, step % 2 == 0 ? ENOSPC : EDQUOT);
		if (open_or_make(t, "Junk") == 0)
			break;
		assert_true(errno == ENOSPC || errno == EDQUOT);
		fs_fail_at(0, 0);
		assert_int_equal(open_or_make(t, "Junk"), 0);
		assert_int_equal(find(t, "Junk")->attributes, FOLDER_EXISTS | FOLDER_SUBSCRIBED | FOLDER_JUNK);
		assert_int_equal(folder_delete(t->store, span_lit("Junk")), MAIL_OK);
		assert_int_equal(folder_subscribe(t->store, span_lit("Junk"), false), MAIL_OK);
	}
	assert_true(step > 5);
}

static void test_a_delivery_does_not_need_the_subscriptions(void **state)
{
	struct test_store *t = *state;

	put_file(t, "subscriptions/x", "");	/* a folder: cannot be read, nor replaced */
	assert_int_equal(open_or_make(t, "Junk"), 0);
	assert_true(has_file(t, ".Junk/new"));
}

static void test_missing_parent_is_listed(void **state)
{
	struct test_store *t = *state;

	assert_int_equal(create(t, "A/B/C"), MAIL_OK);
	assert_int_equal(find(t, "A")->attributes, FOLDER_HAS_CHILDREN);
	assert_int_equal(find(t, "A/B")->attributes, FOLDER_HAS_CHILDREN);
	assert_false(folder_exists(t->store, span_lit("A/B")));
	assert_true(folder_exists(t->store, span_lit("A/B/C")));
}

static void test_delete(void **state)
{
	struct test_store *t = *state;

	assert_int_equal(create(t, "A"), MAIL_OK);
	assert_int_equal(create(t, "A/B"), MAIL_OK);
	put_file(t, ".A/cur/1.h:2,", "x");
	assert_int_equal(folder_delete(t->store, span_lit("A")), MAIL_OK);
	assert_false(has_file(t, ".A"));
	assert_true(has_file(t, ".A.B"));
	assert_int_equal(folder_delete(t->store, span_lit("A")), MAIL_NONEXISTENT);
	assert_int_equal(folder_delete(t->store, span_lit("INBOX")), MAIL_CANNOT);
}

static void test_rename_takes_children(void **state)
{
	struct test_store *t = *state;
	struct folder_status before, after;

	assert_int_equal(create(t, "A"), MAIL_OK);
	assert_int_equal(create(t, "A/B"), MAIL_OK);
	assert_int_equal(create(t, "AB"), MAIL_OK);
	put_file(t, ".A/cur/1.h:2,", "x\n");
	assert_int_equal(folder_status(t->store, span_lit("A"), false, &before), MAIL_OK);
	assert_int_equal(folder_rename(t->store, span_lit("A"), span_lit("AB")), MAIL_EXISTS);
	assert_int_equal(folder_rename(t->store, span_lit("A"), span_lit("A/C")), MAIL_CANNOT);
	assert_int_equal(folder_rename(t->store, span_lit("nope"), span_lit("X")), MAIL_NONEXISTENT);
	assert_int_equal(folder_rename(t->store, span_lit("A"), span_lit("Z")), MAIL_OK);
	assert_true(has_file(t, ".Z.B"));
	assert_true(has_file(t, ".AB"));
	assert_false(has_file(t, ".A"));
	assert_int_equal(folder_status(t->store, span_lit("Z"), false, &after), MAIL_OK);
	assert_int_equal(after.uidvalidity, before.uidvalidity);
}

static void test_rename_inbox_leaves_it_empty(void **state)
{
	struct test_store *t = *state;
	struct folder_status s;

	put_file(t, "new/1.h", "x\n");
	put_file(t, "cur/2.h:2,S", "y\n");
	assert_int_equal(folder_rename(t->store, span_lit("Inbox"), span_lit("Old")), MAIL_OK);
	assert_int_equal(folder_status(t->store, span_lit("INBOX"), false, &s), MAIL_OK);
	assert_int_equal(s.messages, 0);
	assert_int_equal(folder_status(t->store, span_lit("Old"), false, &s), MAIL_OK);
	assert_int_equal(s.messages, 2);
}

static void test_subscriptions(void **state)
{
	struct test_store *t = *state;
	struct buf text;

	assert_int_equal(create(t, "A"), MAIL_OK);
	assert_int_equal(folder_subscribe(t->store, span_lit("A/\xc3\xa9t\xc3\xa9"), true), MAIL_OK);
	assert_int_equal(folder_subscribe(t->store, span_lit("inbox"), true), MAIL_OK);
	assert_int_equal(folder_subscribe(t->store, span_lit("inbox"), true), MAIL_OK);
	buf_init(&text, 1000);
	assert_int_equal(fs_read_file(mailstore_root(t->store), "subscriptions", &text), 0);
	assert_span(buf_span(&text), "V\t2\n\nA\t&AOk-t&AOk-\nINBOX\n");
	buf_free(&text);
	assert_int_equal(find(t, "INBOX")->attributes, FOLDER_EXISTS | FOLDER_SUBSCRIBED);
	assert_int_equal(find(t, "A/\xc3\xa9t\xc3\xa9")->attributes, FOLDER_SUBSCRIBED);
	assert_int_equal(find(t, "A")->attributes, FOLDER_EXISTS | FOLDER_CHILD_SUBSCRIBED);
	assert_int_equal(folder_subscribe(t->store, span_lit("INBOX"), false), MAIL_OK);
	assert_int_equal(find(t, "INBOX")->attributes, FOLDER_EXISTS);
}

static void test_old_subscription_files(void **state)
{
	struct test_store *t = *state;

	put_file(t, "courierimapsubscribed", "INBOX.Work.2024\nINBOX\n");
	assert_int_equal(find(t, "Work/2024")->attributes, FOLDER_SUBSCRIBED);
	put_file(t, "subscriptions", "Sent\nWork.2023\n\nbad&\n");
	assert_null(find(t, "Work/2024"));
	assert_int_equal(find(t, "Work/2023")->attributes, FOLDER_SUBSCRIBED);
	assert_int_equal(find(t, "Sent")->attributes, FOLDER_SUBSCRIBED);
}

static void test_special_uses(void **state)
{
	struct test_store *t = *state;

	assert_int_equal(create(t, "Sent"), MAIL_OK);
	assert_int_equal(find(t, "Sent")->attributes, FOLDER_EXISTS | FOLDER_SENT);
	assert_int_equal(folder_create(t->store, span_lit("Gesendet"), FOLDER_SENT), MAIL_OK);
	assert_int_equal(find(t, "Gesendet")->attributes, FOLDER_EXISTS | FOLDER_SENT);
	assert_int_equal(find(t, "Sent")->attributes, FOLDER_EXISTS);
	assert_int_equal(special_use_bit(span_lit("\\trash")), FOLDER_TRASH);
	assert_string_equal(special_use_name(FOLDER_JUNK), "\\Junk");
	assert_int_equal(folder_delete(t->store, span_lit("Gesendet")), MAIL_OK);
	assert_int_equal(find(t, "Sent")->attributes, FOLDER_EXISTS | FOLDER_SENT);
}

static void test_status(void **state)
{
	struct test_store *t = *state;
	struct folder_status s;

	put_file(t, "new/1.h,S=2,W=3", "x\n");
	put_file(t, "cur/2.h:2,S", "yy\n");
	put_file(t, "cur/3.h:2,ST", "z\n");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(folder_status(t->store, span_lit("INBOX"), true, &s), MAIL_OK);
		assert_int_equal(s.messages, 3);
		assert_int_equal(s.recent, 1);
		assert_int_equal(s.unseen, 1);
		assert_int_equal(s.deleted, 1);
		assert_int_equal(s.uidnext, 4);
		assert_int_equal(s.size, 3 + 4 + 3);
	}
	assert_true(has_file(t, "new/1.h,S=2,W=3"));
	assert_int_equal(folder_status(t->store, span_lit("nope"), false, &s), MAIL_NONEXISTENT);
}

static void test_status_by_index_agrees(void **state)
{
	struct test_store *t = *state;
	struct folder_status with_index, without;
	struct mailbox *m;

	for (unsigned i = 0; i < 80; i++) {
		char name[64];

		(void)snprintf(name, sizeof(name), "cur/%u.h,S=2,W=3:2,%s", 100 + i, i % 4 == 0 ? "S" : "T");
		put_file(t, name, "x\n");
	}
	usleep(30000);	/* past the age at which a folder's time is not trusted */
	m = open_inbox(t, 0);
	mailbox_close(m);
	assert_true(has_file(t, "postern.index"));
	assert_int_equal(folder_status(t->store, span_lit("INBOX"), true, &with_index), MAIL_OK);
	assert_int_equal(unlinkat(mailstore_root(t->store), "postern.index", 0), 0);
	assert_int_equal(folder_status(t->store, span_lit("INBOX"), true, &without), MAIL_OK);
	assert_int_equal(with_index.messages, 80);
	assert_int_equal(with_index.unseen, without.unseen);
	assert_int_equal(with_index.deleted, without.deleted);
	assert_int_equal(with_index.size, without.size);
	assert_int_equal(with_index.uidnext, without.uidnext);
	assert_string_equal(with_index.guid, without.guid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_create_and_list),
		STORE_TEST(test_names_that_cannot_be),
		STORE_TEST(test_a_delivery_makes_what_a_client_would),
		STORE_TEST(test_a_delivery_can_try_again),
		STORE_TEST(test_a_delivery_does_not_need_the_subscriptions),
		STORE_TEST(test_missing_parent_is_listed),
		STORE_TEST(test_delete),
		STORE_TEST(test_rename_takes_children),
		STORE_TEST(test_rename_inbox_leaves_it_empty),
		STORE_TEST(test_subscriptions),
		STORE_TEST(test_old_subscription_files),
		STORE_TEST(test_special_uses),
		STORE_TEST(test_status),
		STORE_TEST(test_status_by_index_agrees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
