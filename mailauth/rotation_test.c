/* SPDX-License-Identifier: ISC */
/* rotation_test.c - rings for threads, and keys that begin to sign when all name servers show them */
#include "mailauth/rotation.h"

#include <pthread.h>
#include <stdatomic.h>

#include "lib/base/clock.h"
#include "lib/mailauth/test_keydir.h"
#include "lib/mailauth/test_servers.h"
#include "lib/task/task.h"

#define DOMAIN "example.test"

enum { THREADS = 4, ROUNDS = 2000, ROWS_MAX = 8 };

/* Two name servers of one domain, and what each shows. */
struct bench {
	struct test_keydir     keys;
	struct conf            conf;
	struct keyring        *keyring;
	struct dkim_crypto    *crypto;
	struct test_servers    servers;
	struct test_lookup_row shown[ROWS_MAX];
	struct rotation       *rotation;
};

static const struct test_lookup_row zone[] = {
	{ DOMAIN, RR_NS, SPAN("a.test") }, { DOMAIN, RR_NS, SPAN("b.test") },
	{ "a.test", RR_A, SPAN("192.0.2.1") }, { "b.test", RR_A, SPAN("192.0.2.2") },
};

static struct bench b;

static void open_keyring(void)
{
	struct dkim_published_way way = test_servers_way(&b.servers, b.crypto);
	struct why why;

	b.keyring = keyring_new(&b.conf, (struct dkim_owner){ .is_set = false }, &why);
	if (b.keyring == NULL)
		fail_msg("%s", why.text);
	b.rotation = rotation_new(b.keyring, &way, 86400);
}

static void close_keyring(void)
{
	rotation_free(b.rotation);
	keyring_free(b.keyring);
}

static int begin(void **state)
{
	(void)state;
	b = (struct bench){ .servers.usual = { .rows = zone, .count = COUNT_OF(zone) } };
	test_keydir_open(&b.keys);
	b.conf.dkim_key_directory = b.keys.dir.path;
	b.conf.data_directory = b.keys.top;
	b.conf.dkim_key_bits_min = 1024;
	b.crypto = dkim_crypto_new(8);
	b.servers.each.rows = b.shown;
	b.shown[0] = (struct test_lookup_row){ "192.0.2.1:53 x", RR_A, SPAN("192.0.2.1") };
	b.shown[1] = (struct test_lookup_row){ "192.0.2.2:53 x", RR_A, SPAN("192.0.2.1") };
	b.servers.each.count = 2;
	open_keyring();
	return 0;
}

static int end(void **state)
{
	(void)state;
	close_keyring();
	dkim_crypto_free(b.crypto);
	test_keydir_close(&b.keys);
	return 0;
}

static void add(const char *selector, enum dkim_key_type type, unsigned age_s)
{
	test_keydir_add(&b.keys, DOMAIN, selector, type, age_s);
}

/* show - a server shows the record of a key. */
static void show(const char *server, const char *selector)
{
	const struct ring *ring = keyring_hold(b.keyring);
	const struct ring_key *key = ring_key(ring, span_lit(DOMAIN), span_of(selector));

	assert_non_null(key);
	assert_true(b.servers.each.count < ROWS_MAX);
	b.shown[b.servers.each.count++] = (struct test_lookup_row){
		arena_printf(b.keys.arena, "%s:53 %s._domainkey." DOMAIN, server, selector), RR_TXT,
		dkim_key_record_text(b.keys.arena, key->key.type, key->key.pkey),
	};
	keyring_release(b.keyring, ring);
}

static struct span states(void)
{
	const struct ring *ring = keyring_hold(b.keyring);
	const struct dkim_key_domain *domain = dkim_keyset_domain(ring_keys(ring), span_lit(DOMAIN));
	struct span text = domain != NULL ? test_keydir_states(b.keys.arena, domain) : span_lit("none");

	keyring_release(b.keyring, ring);
	return text;
}

/* ---- rings ---- */

static void a_ring_tells_who_signs(void **state)
{
	const struct ring *ring;
	const struct ring_key *key;
	size_t count;

	(void)state;
	ring = keyring_hold(b.keyring);
	assert_true(ring_is_empty(ring));
	keyring_release(b.keyring, ring);
	add("r1", DKIM_RSA, 1);
	add("r2", DKIM_RSA, 2);
	add("e1", DKIM_ED25519, 3);
	close_keyring();
	open_keyring();
	ring = keyring_hold(b.keyring);
	assert_false(ring_is_empty(ring));
	key = ring_active(ring, span_lit(DOMAIN), &count);
	assert_int_equal(count, 2);
	assert_span(key[0].selector, "r1");
	assert_span(key[0].domain, DOMAIN);
	assert_int_equal(key[0].key.type, DKIM_RSA);
	assert_span(key[1].selector, "e1");
	assert_non_null(key[1].key.pkey);
	assert_span(ring_key(ring, span_lit(DOMAIN), span_lit("R2"))->selector, "r2");
	assert_null(ring_key(ring, span_lit(DOMAIN), span_lit("r3")));
	assert_null(ring_key(ring, span_lit("other.test"), span_lit("r1")));
	assert_null(ring_active(ring, span_lit("other.test"), &count));
	assert_int_equal(count, 0);
	keyring_release(b.keyring, ring);
}

static void renew_task(void *unused)
{
	const struct ring *held = keyring_hold(b.keyring), *now;
	uint64_t serial = keyring_serial(b.keyring);

	(void)unused;
	add("e1", DKIM_ED25519, 1);
	keyring_renew(b.keyring);
	assert_true(keyring_serial(b.keyring) != serial);
	keyring_wait(b.keyring, serial, CLOCK_NEVER);
	now = keyring_hold(b.keyring);
	assert_true(ring_is_empty(held));
	assert_false(ring_is_empty(now));
	keyring_release(b.keyring, held);
	keyring_release(b.keyring, now);
	serial = keyring_serial(b.keyring);
	keyring_wait(b.keyring, serial, clock_in_ms(10));
	assert_true(keyring_serial(b.keyring) == serial);
}

static void a_new_key_gives_a_new_ring(void **state)
{
	(void)state;
	task_main(renew_task, NULL);
}

static atomic_bool is_over;

/* sign - hold a ring and use its keys, as a thread of libmilter does. */
static void *sign(void *arg)
{
	size_t count, seen = 0;

	(void)arg;
	while (!is_over) {
		const struct ring *ring = keyring_hold(b.keyring);
		const struct ring_key *key = ring_active(ring, span_lit(DOMAIN), &count);

		seen += count != 0 && EVP_PKEY_get_bits(key[0].key.pkey) > 0;
		keyring_release(b.keyring, ring);
	}
	return (void *)seen;
}

static void renew_often(void *unused)
{
	(void)unused;
	for (int i = 0; i < ROUNDS; i++)
		keyring_renew(b.keyring);
	is_over = true;
}

static void threads_sign_while_rings_change(void **state)
{
	pthread_t threads[THREADS];
	void *seen;

	(void)state;
	add("e1", DKIM_ED25519, 1);
	is_over = false;
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, sign, NULL), 0);
	task_main(renew_often, NULL);
	for (size_t i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], &seen), 0);
		assert_true(seen != NULL);
	}
}

/* ---- rotation ---- */

static void rotate_task(void *unused)
{
	(void)unused;
	add("e1", DKIM_ED25519, 1);
	add("e2", DKIM_ED25519, 2);
	add("r1", DKIM_RSA, 2);
	keyring_renew(b.keyring);
	rotation_round(b.rotation, true);
	assert_span(states(), "e1 active, e2 waiting, r1 active");
	show("192.0.2.1", "e2");
	rotation_round(b.rotation, false);
	assert_span(states(), "e1 active, e2 waiting, r1 active");
	show("192.0.2.2", "e2");
	rotation_round(b.rotation, true);	/* it is not new any more */
	assert_span(states(), "e1 active, e2 waiting, r1 active");
	rotation_round(b.rotation, false);
	assert_span(states(), "e1 retired, e2 active, r1 active");
	rotation_round(b.rotation, false);
	assert_span(states(), "e1 retired, e2 active, r1 active");
}

static void a_key_waits_for_the_last_name_server(void **state)
{
	(void)state;
	task_main(rotate_task, NULL);
	close_keyring();	/* a restart */
	open_keyring();
	assert_span(states(), "e1 retired, e2 active, r1 active");
}

static void youngest_task(void *unused)
{
	(void)unused;
	add("e1", DKIM_ED25519, 1);
	add("e2", DKIM_ED25519, 2);
	add("e3", DKIM_ED25519, 3);
	add("e4", DKIM_ED25519, 4);
	keyring_renew(b.keyring);
	for (unsigned i = 2; i < 4; i++) {
		show("192.0.2.1", arena_printf(b.keys.arena, "e%u", i));
		show("192.0.2.2", arena_printf(b.keys.arena, "e%u", i));
	}
	rotation_round(b.rotation, true);
	assert_span(states(), "e1 retired, e2 retired, e3 active, e4 waiting");
}

static void the_youngest_that_is_shown_signs(void **state)
{
	(void)state;
	task_main(youngest_task, NULL);
}

static void failing_task(void *unused)
{
	(void)unused;
	add("e1", DKIM_ED25519, 1);
	add("e2", DKIM_ED25519, 2);
	keyring_renew(b.keyring);
	show("192.0.2.1", "e2");
	show("192.0.2.2", "e2");
	b.shown[b.servers.each.count - 1].data = span_lit("FAIL");
	rotation_round(b.rotation, true);
	assert_span(states(), "e1 active, e2 waiting");
	b.servers.usual.count = 0;	/* nothing is known of anybody */
	rotation_round(b.rotation, false);
	assert_span(states(), "e1 active, e2 waiting");
}

static void a_dns_failure_never_switches(void **state)
{
	(void)state;
	task_main(failing_task, NULL);
}

int main(void)
{
#define FRESH(test) cmocka_unit_test_setup_teardown(test, begin, end)
	const struct CMUnitTest tests[] = {
		FRESH(a_ring_tells_who_signs),
		FRESH(a_new_key_gives_a_new_ring),
		FRESH(threads_sign_while_rings_change),
		FRESH(a_key_waits_for_the_last_name_server),
		FRESH(the_youngest_that_is_shown_signs),
		FRESH(a_dns_failure_never_switches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
