/* SPDX-License-Identifier: ISC */
/* lookups_test.c - look-ups of many threads against a scripted name server on loopback, a thread of the same process */
#include "mailauth/ask_unbound.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/test.h"
#include "lib/net/test_dns.h"

static const struct test_dns_row zone[] = {
	{ SPAN("\1a\7example\4test\0"), RR_A, 0, SPAN("\300\0\2\1"), 0 },
	{ SPAN("\1a\7example\4test\0"), RR_AAAA, 0, SPAN(""), 0 },
	{ SPAN("\1t\7example\4test\0"), RR_TXT, 0, SPAN("\5hello"), 0 },
	{ SPAN("\1e\7example\4test\0"), RR_TXT, 0, SPAN("\5hello"), 1 },
	{ SPAN("\3bad\7example\4test\0"), RR_A, TEST_DNS_SERVFAIL, SPAN(""), 0 },
	{ SPAN("\4mute\7example\4test\0"), RR_A, TEST_DNS_SILENT, SPAN(""), 0 },
	{ SPAN("\5mute2\7example\4test\0"), RR_A, TEST_DNS_SILENT, SPAN(""), 0 },
	{ SPAN("\3a b\7example\4test\0"), RR_A, 0, SPAN("\300\0\2\2"), 0 },
};

struct bench {
	int             fd;
	pthread_t       server;
	atomic_uint     asked;
	struct unbound *unbound;
	struct answers *answers;
};

static void *serve(void *arg)
{
	struct bench *b = arg;

	while (test_dns_serve(b->fd, zone, COUNT_OF(zone)))
		b->asked++;
	return NULL;
}

static void bench_open(struct bench *b, long long most_queries)
{
	static struct conf conf;
	static char server[64];
	struct why why;

	*b = (struct bench){ 0 };
	b->fd = test_dns_open(0, server);
	assert_int_equal(pthread_create(&b->server, NULL, serve, b), 0);
	conf.dns_servers = server;
	conf.dns_validate = "no";
	conf.inet_protocols = "ipv4";
	conf.dns_query_limit = most_queries;
	conf.dns_cache_size = 1 << 20;
	b->answers = answers_new(1 << 20);
	b->unbound = unbound_new(&conf, b->answers, &why);
	if (b->unbound == NULL || unbound_start(b->unbound, &why) != DONE)
		fail_msg("%s", why.text);
}

/* bench_close - nothing may be under way any more, but callbacks may still run. */
static void bench_close(struct bench *b)
{
	uint64_t until_us = clock_in_s(10);

	while (asker_under_way(unbound_asker(b->unbound)) > 0 && clock_now_us() < until_us)
		usleep(1000);
	assert_int_equal(asker_under_way(unbound_asker(b->unbound)), 0);
	unbound_free(b->unbound);
	answers_free(b->answers);
	shutdown(b->fd, SHUT_RDWR);
	pthread_join(b->server, NULL);
	close(b->fd);
}

static struct lookups *message(struct bench *b, unsigned wait_ms, size_t most)
{
	struct lookups_limits limits = { .wait_us = (uint64_t)wait_ms * 1000, .most_questions = most };

	return lookups_new(unbound_asker(b->unbound), &limits);
}

static void ask(struct lookups *m, const char *name, enum rr_type type, struct arena *arena,
                struct lookup_answer *answer)
{
	struct lookup lookup = lookups_lookup(m);

	lookup.ask(lookup.user, span_of(name), type, arena, answer);
}

static void expect(struct lookups *m, const char *name, enum rr_type type)
{
	struct lookup lookup = lookups_lookup(m);

	lookup.expect(lookup.user, span_of(name), type);
}

static void answers_are_told_apart(void **state)
{
	static const struct {
		const char     *name;
		enum rr_type    type;
		enum dns_status status;
	} rows[] = {
		{ "a.example.test", RR_A, DNS_FOUND },
		{ "A.Example.TEST.", RR_A, DNS_FOUND },
		{ "a\\032b.example.test", RR_A, DNS_FOUND },
		{ "e.example.test", RR_TXT, DNS_FOUND },	/* beside an empty record */
		{ "a.example.test", RR_AAAA, DNS_NO_DATA },
		{ "no.example.test", RR_A, DNS_NO_NAME },
		{ "bad.example.test", RR_A, DNS_FAILED },
		{ "", RR_A, DNS_NO_NAME },
		{ "a..b", RR_A, DNS_NO_NAME },
		{ "a b", RR_A, DNS_NO_NAME },
		{ "x123456789012345678901234567890123456789012345678901234567890123456789.test", RR_A, DNS_NO_NAME },
	};
	struct bench b;
	struct arena *arena = arena_new(NULL);
	struct lookups *m;

	(void)state;
	bench_open(&b, 100);
	m = message(&b, 10000, 100);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct lookup_answer answer;

		ask(m, rows[i].name, rows[i].type, arena, &answer);
		if (answer.status != rows[i].status)
			fail_msg("%s: %d", rows[i].name, (int)answer.status);
		assert_int_equal(answer.records.len > 0, answer.status == DNS_FOUND);
		assert_false(answer.is_secure);
	}
	lookups_free(m);
	bench_close(&b);
	arena_free(arena);
}

static void a_message_asks_once(void **state)
{
	struct bench b;
	struct arena *arena = arena_new(NULL);
	struct lookups *m;
	struct lookup_answer answer;
	struct span text, rdata;

	(void)state;
	bench_open(&b, 100);
	m = message(&b, 10000, 1);
	expect(m, "t.example.test", RR_TXT);
	for (int i = 0; i < 3; i++) {
		ask(m, "T.example.test", RR_TXT, arena, &answer);
		assert_int_equal(answer.status, DNS_FOUND);
		assert_true(rdata_next(&answer.records, &rdata) && rdata_txt(arena, rdata, &text));
		assert_span(text, "hello");
	}
	ask(m, "a.example.test", RR_A, arena, &answer);	/* one too many */
	assert_int_equal(answer.status, DNS_FAILED);
	lookups_free(m);
	assert_int_equal(b.asked, 1);
	bench_close(&b);
	arena_free(arena);
}

static void silence_uses_up_the_budget(void **state)
{
	struct bench b;
	struct arena *arena = arena_new(NULL);
	struct lookups *m;
	struct lookup_answer answer;
	uint64_t started_us;

	(void)state;
	bench_open(&b, 100);
	m = message(&b, 300, 100);
	ask(m, "a.example.test", RR_A, arena, &answer);
	assert_int_equal(answer.status, DNS_FOUND);
	expect(m, "mute2.example.test", RR_A);
	usleep(400 * 1000);	/* time between checks is not counted */
	ask(m, "t.example.test", RR_TXT, arena, &answer);
	assert_int_equal(answer.status, DNS_FOUND);
	started_us = clock_now_us();
	ask(m, "mute.example.test", RR_A, arena, &answer);
	assert_int_equal(answer.status, DNS_FAILED);
	assert_in_range(clock_now_us() - started_us, 100 * 1000, 5 * CLOCK_SECOND_US);
	started_us = clock_now_us();
	for (int i = 0; i < 100; i++) {
		ask(m, "mute.example.test", RR_A, arena, &answer);
		assert_int_equal(answer.status, DNS_FAILED);
		ask(m, "bad.example.test", RR_A, arena, &answer);
		assert_int_equal(answer.status, DNS_FAILED);
	}
	ask(m, "a.example.test", RR_A, arena, &answer);	/* known already */
	assert_int_equal(answer.status, DNS_FOUND);
	assert_true(clock_now_us() - started_us < CLOCK_SECOND_US);
	lookups_free(m);
	bench_close(&b);
	arena_free(arena);
}

static void too_many_under_way_fail(void **state)
{
	struct bench b;
	struct arena *arena = arena_new(NULL);
	struct lookups *m, *other;
	struct lookup_answer answer;

	(void)state;
	bench_open(&b, 1);
	m = message(&b, 10000, 100);
	other = message(&b, 10000, 100);
	expect(m, "mute.example.test", RR_A);
	assert_int_equal(asker_under_way(unbound_asker(b.unbound)), 1);
	ask(other, "a.example.test", RR_A, arena, &answer);
	assert_int_equal(answer.status, DNS_FAILED);
	lookups_free(m);
	assert_int_equal(asker_under_way(unbound_asker(b.unbound)), 0);
	lookups_free(other);
	bench_close(&b);
	arena_free(arena);
}

enum { THREADS = 40, ROUNDS = 50 };

/* one_thread - messages one behind the other; some give up at once, while their answers arrive. */
static void *one_thread(void *arg)
{
	struct bench *b = arg;
	struct arena *arena = arena_new(NULL);
	size_t failed = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct lookups *m = message(b, 20000, 10);
		struct lookup_answer answer;

		expect(m, "bad.example.test", RR_A);
		expect(m, "no.example.test", RR_A);
		ask(m, "a.example.test", RR_A, arena, &answer);
		failed += answer.status != DNS_FOUND || answer.records.len != 6;
		expect(m, "t.example.test", RR_TXT);
		lookups_free(m);
		arena_reset(arena);
	}
	arena_free(arena);
	return (void *)failed;
}

static void threads_ask_at_once(void **state)
{
	pthread_t threads[THREADS];
	struct bench b;

	(void)state;
	bench_open(&b, 10000);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, one_thread, &b), 0);
	for (size_t i = 0; i < THREADS; i++) {
		void *failed;

		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	bench_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_told_apart),
		cmocka_unit_test(a_message_asks_once),
		cmocka_unit_test(silence_uses_up_the_budget),
		cmocka_unit_test(too_many_under_way_fail),
		cmocka_unit_test(threads_ask_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
