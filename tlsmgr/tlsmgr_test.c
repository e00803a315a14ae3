/* SPDX-License-Identifier: ISC */
/* tlsmgr_test.c - rotation of ticket keys, reading of key files */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "lib/base/clock.h"
#include "tlsmgr/tlsmgr.h"

#define HOUR_US (3600 * CLOCK_SECOND_US)

static void test_keys_rotate_and_old_ones_stay(void **state)
{
	struct ticket_keys t;
	unsigned char first[TICKET_KEY_BYTES];
	uint64_t valid_s;
	struct span keys;

	(void)state;
	ticket_keys_init(&t, HOUR_US, 1000);
	keys = ticket_keys_at(&t, 1000, &valid_s);
	assert_int_equal(keys.len, TICKET_KEY_BYTES);
	assert_int_equal(valid_s, 3600);
	memcpy(first, keys.ptr, sizeof(first));
	keys = ticket_keys_at(&t, 1000 + HOUR_US - 1, &valid_s);
	assert_int_equal(keys.len, TICKET_KEY_BYTES);
	assert_int_equal(valid_s, 1);
	keys = ticket_keys_at(&t, 1000 + HOUR_US, &valid_s);
	assert_int_equal(keys.len, 2 * TICKET_KEY_BYTES);
	assert_memory_not_equal(keys.ptr, first, sizeof(first));
	assert_memory_equal(keys.ptr + TICKET_KEY_BYTES, first, sizeof(first));
	ticket_keys_free(&t);
}

static void test_no_more_than_three_keys(void **state)
{
	struct ticket_keys t;
	uint64_t valid_s;
	struct span keys = { 0 };

	(void)state;
	ticket_keys_init(&t, HOUR_US, 0);
	for (unsigned i = 1; i < 10; i++)
		keys = ticket_keys_at(&t, i * HOUR_US, &valid_s);
	assert_int_equal(keys.len, TICKET_KEYS_KEPT * TICKET_KEY_BYTES);
	ticket_keys_free(&t);
}

static void test_stale_keys_are_forgotten(void **state)
{
	struct ticket_keys t;
	uint64_t valid_s;

	(void)state;
	ticket_keys_init(&t, HOUR_US, 0);
	assert_int_equal(ticket_keys_at(&t, 10 * HOUR_US, &valid_s).len, TICKET_KEY_BYTES);
	ticket_keys_free(&t);
}

static void write_key(FILE *file, const char *curve)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", curve);

	assert_non_null(key);
	PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
	EVP_PKEY_free(key);
}

static void test_all_keys_of_a_file(void **state)
{
	char path[] = "/tmp/tlsmgr_test.XXXXXX";
	FILE *file = fdopen(mkstemp(path), "w");
	struct key_store store = { 0 };

	(void)state;
	assert_non_null(file);
	write_key(file, "P-256");
	write_key(file, "P-384");
	fclose(file);
	assert_int_equal(key_store_add_file(&store, path), 2);
	assert_int_equal(store.count, 2);
	assert_int_equal(key_store_add_file(&store, path), 2);
	assert_int_equal(store.count, 2);	/* the same keys again */
	assert_ptr_equal(key_store_find(&store, tls_key_id(store.keys[1])), store.keys[1]);
	assert_null(key_store_find(&store, span_lit("none of them")));
	key_store_free(&store);
	unlink(path);
}

static void test_bad_files(void **state)
{
	static const struct {
		const char *text;
		int         count;
	} rows[] = {
		{ "", 0 },
		{ "no PEM at all\n", 0 },
		{ "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", -1 },
		{ "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", -1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char path[] = "/tmp/tlsmgr_test.XXXXXX";
		struct key_store store = { 0 };
		int fd = mkstemp(path), count;

		assert_int_equal(write(fd, rows[i].text, strlen(rows[i].text)), (ssize_t)strlen(rows[i].text));
		close(fd);
		count = key_store_add_file(&store, path);
		unlink(path);
		if (count != rows[i].count || store.count != 0)
			fail_msg("row %zu: %d keys", i, count);
	}
	struct key_store store = { 0 };
	assert_int_equal(key_store_add_file(&store, "/nonexistent/key.pem"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys_rotate_and_old_ones_stay),
		cmocka_unit_test(test_no_more_than_three_keys),
		cmocka_unit_test(test_stale_keys_are_forgotten),
		cmocka_unit_test(test_all_keys_of_a_file),
		cmocka_unit_test(test_bad_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
