/* SPDX-License-Identifier: ISC */
/* uidlist_test.c - dovecot-uidlist: its text, damage, appends, failures; keywords; the UIDVALIDITY counter */
#include "lib/mailbox/test_store.h"

static uint32_t seven(void *user)
{
	(void)user;
	return 7;
}

static void test_header(void **state)
{
	struct uidlist_header h;
	unsigned version;

	(void)state;
	assert_true(uidlist_parse_header(
		span_lit("3 V1795470838 N61 G0d9a0001f6b5046bb12d000083ecc375 P%u Xnew"), &h, &version));
	assert_int_equal(version, 3);
	assert_int_equal(h.uidvalidity, 1795470838);
	assert_int_equal(h.next_uid, 61);
	assert_string_equal(h.guid, "0d9a0001f6b5046bb12d000083ecc375");
	assert_span(h.uidl_format, "%u");
	assert_span(h.unknown, "Xnew");
	assert_true(uidlist_parse_header(span_lit("1 1000 5"), &h, &version));
	assert_int_equal(version, 1);
	assert_int_equal(h.uidvalidity, 1000);
}

static void test_bad_headers(void **state)
{
	static const char *const bad[] = { "", "3", "2 V1 N1", "3 V0 N1", "3 N1", "3 V99999999999", "3 V1 Gxyz", "x" };
	struct uidlist_header h;
	unsigned version;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_false(uidlist_parse_header(span_of(bad[i]), &h, &version));
}

static void test_record(void **state)
{
	struct uidlist_record r;
	struct buf out;

	(void)state;
	assert_true(uidlist_parse_record(span_lit("17 W2481 Pabc G0123 O4 :1276533073.M242911P3632.host"), 3, &r));
	assert_int_equal(r.uid, 17);
	assert_int_equal(r.virtual_size, 2481);
	assert_int_equal(r.pop3_order, 4);
	assert_span(r.uidl, "abc");
	assert_span(r.base, "1276533073.M242911P3632.host");
	buf_init(&out, 200);
	uidlist_print_record(&out, &r);
	assert_span(buf_span(&out), "17 W2481 Pabc G0123 O4 :1276533073.M242911P3632.host\n");
	buf_free(&out);
}

static void test_bad_records(void **state)
{
	static const char *const bad[] = {
		"", "1", "1 ", "1 :", "0 :a", "4294967295 :a", "x :a", "1 :a/b", "1 :a:2,S", "1 lower :a", "1 W :a", "1 a", "-1 :a",
	};
	struct uidlist_record r;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		print_message("\"%.*s\"\n", SPAN_ARG(span_of(bad[i])));
		assert_false(uidlist_parse_record(span_of(bad[i]), 3, &r));
	}
}

static void test_damaged_lines_are_skipped(void **state)
{
	struct test_store *t = *state;
	struct uidlist l;

	put_file(t, "dovecot-uidlist", "3 V5 N1\n1 :a\nrubbish\n3 :b\n2 :backwards\n9 :torn");
	uidlist_init(&l);
	assert_int_equal(uidlist_read(&l, mailstore_root(t->store)), 0);
	assert_true(l.exists);
	assert_int_equal(l.count, 2);
	assert_int_equal(l.damaged, 2);
	assert_int_equal(l.header.next_uid, 4);	/* N is only a lower bound; a torn line was told to nobody */
	assert_non_null(uidlist_find(&l, 3));
	assert_null(uidlist_find(&l, 2));
	uidlist_free(&l);
}

static uint32_t append_one(struct test_store *t, const char *base, int *result)
{
	struct uidlist_header h;
	struct uidlist_stamp stamp;
	struct span name = span_of(base);
	uint32_t uid = 0;
	int lock = uidlist_lock(mailstore_root(t->store), seven, NULL);

	*result = lock < 0 ? -1 : uidlist_append(lock, &name, 1, &uid, &h, &stamp);
	if (lock >= 0)
		close(lock);
	return uid;
}

static void test_append(void **state)
{
	struct test_store *t = *state;
	struct uidlist l;
	int result;

	assert_int_equal(append_one(t, "a", &result), 1);
	assert_int_equal(append_one(t, "b", &result), 2);
	uidlist_init(&l);
	assert_int_equal(uidlist_read(&l, mailstore_root(t->store)), 0);
	assert_int_equal(l.header.uidvalidity, 7);
	assert_int_equal(strlen(l.header.guid), 32);
	assert_int_equal(l.count, 2);
	uidlist_free(&l);
}

static void test_append_cuts_a_torn_tail(void **state)
{
	struct test_store *t = *state;
	struct uidlist l;
	int result;

	put_file(t, "dovecot-uidlist", "3 V5 N3\n1 :a\n2 :to");
	assert_int_equal(append_one(t, "b", &result), 3);
	uidlist_init(&l);
	assert_int_equal(uidlist_read(&l, mailstore_root(t->store)), 0);
	assert_int_equal(l.damaged, 0);
	assert_int_equal(l.count, 2);
	uidlist_free(&l);
}

static void test_last_uid_is_found_in_a_long_file(void **state)
{
	struct test_store *t = *state;
	struct buf text;
	int result;

	buf_init(&text, BUF_NO_LIMIT);
	buf_add_cstr(&text, "3 V5 N1\n");
	for (int i = 1; i <= 1000; i++)
		buf_addf(&text, "%d :17%08d.M1P1.host\n", i, i);
	put_file(t, "dovecot-uidlist", buf_cstr(&text));
	assert_int_equal(append_one(t, "x", &result), 1001);
	/* Rubbish that fills the end must not hide the last UID. */
	buf_addf(&text, "1001 :x\n%06000d\n", 0);
	put_file(t, "dovecot-uidlist", buf_cstr(&text));
	assert_int_equal(append_one(t, "y", &result), 1002);
	buf_free(&text);
}

static void test_a_uid_never_comes_twice(void **state)
{
	struct test_store *t = *state;
	uint32_t last = 0;
	int result;

	for (unsigned n = 1; n < 30; n++) {
		uint32_t uid;

		fs_fail_at(n, EIO);
		uid = append_one(t, "some", &result);
		fs_fail_at(0, 0);
		if (result < 0)
			uid = append_one(t, "other", &result);
		assert_int_equal(result, 0);
		assert_true(uid > last);
		last = uid;
	}
}

static void test_bad_header_means_new_uidvalidity(void **state)
{
	struct test_store *t = *state;
	struct uidlist l;
	int result;

	put_file(t, "dovecot-uidlist", "nonsense\n1 :a\n");
	assert_int_equal(append_one(t, "b", &result), 1);
	uidlist_init(&l);
	assert_int_equal(uidlist_read(&l, mailstore_root(t->store)), 0);
	assert_int_equal(l.header.uidvalidity, 7);
	uidlist_free(&l);
	assert_true(has_file(t, "dovecot-uidlist.bad"));
}

static void test_courier_list_is_taken_over(void **state)
{
	struct test_store *t = *state;
	struct uidlist l;
	int result;

	put_file(t, "courierimapuiddb", "1 4711 12\n3 aaa\n11 bbb\n");
	assert_int_equal(append_one(t, "ccc", &result), 12);
	uidlist_init(&l);
	assert_int_equal(uidlist_read(&l, mailstore_root(t->store)), 0);
	assert_int_equal(l.header.uidvalidity, 4711);
	assert_span(uidlist_find(&l, 11)->base, "bbb");
	uidlist_free(&l);
}

static void test_uids_run_out(void **state)
{
	struct test_store *t = *state;
	int result;

	put_file(t, "dovecot-uidlist", "3 V5 N1\n4294967293 :a\n");
	append_one(t, "b", &result);
	assert_int_equal(result, -1);
}

static void test_keywords(void **state)
{
	struct test_store *t = *state;
	struct keywords k;
	int root = mailstore_root(t->store);

	put_file(t, "dovecot-keywords", "0 $Junk\nbad\n77 x\n3 $Label1\n");
	keywords_init(&k);
	assert_int_equal(keywords_read(&k, root), 0);
	assert_int_equal(keywords_find(&k, span_lit("$junk")), 0);
	assert_int_equal(keywords_find(&k, span_lit("$Label1")), 3);
	assert_int_equal(keywords_add(&k, root, span_lit("new")), 1);
	assert_false(keywords_changed(&k, root));
	for (int i = 0; i < 23; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "k%d", i);
		assert_true(keywords_add(&k, root, span_of(name)) >= 0);
	}
	assert_int_equal(keywords_add(&k, root, span_lit("one-too-many")), -1);
	assert_int_equal(errno, ENOSPC);
	keywords_free(&k);
}

static void test_uidvalidity_counter(void **state)
{
	struct test_store *t = *state;
	int root = mailstore_root(t->store);

	assert_int_equal(uidvalidity_next(root, 1000), 1000);
	assert_int_equal(uidvalidity_next(root, 1000), 1001);
	assert_int_equal(uidvalidity_next(root, 900), 1002);
	assert_true(has_file(t, "dovecot-uidvalidity.000003ea"));
	assert_false(has_file(t, "dovecot-uidvalidity.000003e9"));
	/* The file is lost: the name of the other one still knows. */
	assert_int_equal(unlinkat(root, "dovecot-uidvalidity", 0), 0);
	assert_int_equal(uidvalidity_next(root, 900), 1003);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_bad_headers),
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_bad_records),
		STORE_TEST(test_damaged_lines_are_skipped),
		STORE_TEST(test_append),
		STORE_TEST(test_append_cuts_a_torn_tail),
		STORE_TEST(test_last_uid_is_found_in_a_long_file),
		STORE_TEST(test_a_uid_never_comes_twice),
		STORE_TEST(test_bad_header_means_new_uidvalidity),
		STORE_TEST(test_courier_list_is_taken_over),
		STORE_TEST(test_uids_run_out),
		STORE_TEST(test_keywords),
		STORE_TEST(test_uidvalidity_counter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
