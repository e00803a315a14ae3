/* SPDX-License-Identifier: ISC */
/* resolver_test.c - the resolver against a scripted name server on loopback, in the same process
 *
 * The server knows a few names of "example.test", answers what its table says, and counts questions. */
#include "dns/resolver.h"

#include <errno.h>
#include <unistd.h>

#include "lib/base/test.h"
#include "lib/net/rdata.h"
#include "lib/net/test_dns.h"
#include "lib/task/task.h"

static const struct test_dns_row zone[] = {
	{ SPAN("\1a\7example\4test\0"), RR_A, 0, SPAN("\300\0\2\1"), 0 },
	{ SPAN("\1a\7example\4test\0"), RR_AAAA, 0, SPAN(""), 0 },
	{ SPAN("\1m\7example\4test\0"), RR_MX, 0, SPAN("\0\12\1a\7example\4test\0"), 0 },
	{ SPAN("\3bad\7example\4test\0"), RR_A, TEST_DNS_SERVFAIL, SPAN(""), 0 },
	{ SPAN("\4mute\7example\4test\0"), RR_A, TEST_DNS_SILENT, SPAN(""), 0 },
	{ SPAN("\2no\7example\4test\0"), RR_A, TEST_DNS_NXDOMAIN, SPAN(""), 0 },
};

struct bench {
	int              fd;
	unsigned         asked;		/* questions the server saw */
	const struct conf *conf;
	const char      *address;	/* of the server */
	struct resolver *resolver;
	struct task     *server;
	unsigned         waiting;	/* askers */
	void           (*play)(struct bench *b);
};

static void serve(void *arg)
{
	struct bench *b = arg;

	for (;;) {
		if (test_dns_serve(b->fd, zone, COUNT_OF(zone)))
			b->asked++;
		else if (errno != EAGAIN || task_wait_fd(b->fd, TASK_READABLE, CLOCK_NEVER) < 0)
			return;
	}
}

static void ask(struct bench *b, const char *name, unsigned type, struct dns_reply *reply)
{
	struct dns_request request = { .name = span_of(name), .rr_type = type };

	resolver_ask(b->resolver, &request, task_arena(), reply);
}

static void run_bench(void *arg)
{
	struct bench *b = arg;

	b->server = task_spawn(serve, b, "server");
	assert_non_null(b->server);
	resolver_start(b->resolver);
	b->play(b);
	resolver_stop(b->resolver);
	task_cancel(b->server);
}

static void play(void (*part)(struct bench *b), unsigned timeout_s)
{
	static struct conf conf;
	struct bench b = { .play = part, .conf = &conf };
	char server[64];
	struct why why;

	b.fd = test_dns_open(SOCK_NONBLOCK, server);
	conf.dns_servers = b.address = server;
	conf.dns_validate = "auto";
	conf.inet_protocols = "ipv4";
	conf.dns_timeout = timeout_s;
	conf.dns_query_limit = 2;
	conf.dns_cache_size = 1 << 20;
	b.resolver = resolver_new(&conf, &why);
	if (b.resolver == NULL)
		fail_msg("%s", why.text);
	assert_int_equal(b.asked, 0);	/* setting up asks nothing */
	task_main(run_bench, &b);
	resolver_free(b.resolver);
	close(b.fd);
}

static void address_part(struct bench *b)
{
	struct dns_reply reply;
	struct span answers, rdata;
	struct net_address address;
	char text[NET_ADDRESS_TEXT_MAX];

	ask(b, "A.Example.test.", RR_A, &reply);
	assert_int_equal(reply.status, DNS_FOUND);
	assert_false(reply.is_secure);
	assert_true(span_equal_ci(reply.canonical, span_lit("a.example.test")));
	answers = reply.answers;
	assert_true(rdata_next(&answers, &rdata) && rdata_address(rdata, &address));
	assert_string_equal(net_address_text(&address, text), "192.0.2.1");
	assert_false(rdata_next(&answers, &rdata));
}

static void address_is_found(void **state)
{
	(void)state;
	play(address_part, 60);
}

/* Asked past the cache, of the server named. */
static void one_server_part(struct bench *b)
{
	struct dns_request request = { .name = span_lit("a.example.test"), .rr_type = RR_A,
		                       .server = span_of(b->address) };
	struct dns_reply reply;

	ask(b, "a.example.test", RR_A, &reply);
	assert_int_equal(b->asked, 1);
	for (unsigned i = 0; i < 3; i++) {
		one_server_ask(b->conf, &request, task_arena(), &reply);
		assert_int_equal(reply.status, DNS_FOUND);
		assert_int_equal(b->asked, 2 + i);
	}
	request.server = span_lit("not an address");
	one_server_ask(b->conf, &request, task_arena(), &reply);
	assert_int_equal(reply.status, DNS_FAILED);
	assert_int_equal(b->asked, 4);
}

static void one_server_is_asked_itself(void **state)
{
	(void)state;
	play(one_server_part, 60);
}

static void exchange_part(struct bench *b)
{
	struct dns_reply reply;
	struct span answers, rdata, name;
	unsigned preference;

	ask(b, "m.example.test", RR_MX, &reply);
	assert_int_equal(reply.status, DNS_FOUND);
	answers = reply.answers;
	assert_true(rdata_next(&answers, &rdata));
	assert_true(rdata_mx(task_arena(), rdata, &preference, &name));
	assert_int_equal(preference, 10);
	assert_true(span_equal(name, span_lit("a.example.test")));
}

static void exchange_is_found(void **state)
{
	(void)state;
	play(exchange_part, 60);
}

static void negatives_part(struct bench *b)
{
	static const struct {
		const char     *name;
		unsigned        type;
		enum dns_status status;
	} rows[] = {
		{ "a.example.test", RR_AAAA, DNS_NO_DATA },
		{ "no.example.test", RR_A, DNS_NO_NAME },
		{ "bad.example.test", RR_A, DNS_FAILED },
	};
	struct dns_reply reply;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		ask(b, rows[i].name, rows[i].type, &reply);
		if (reply.status != rows[i].status)
			fail_msg("%s: %d", rows[i].name, (int)reply.status);
		assert_true(reply.reason.len > 0);
	}
}

static void negatives_are_told_apart(void **state)
{
	(void)state;
	play(negatives_part, 60);
}

static void nonsense_part(struct bench *b)
{
	static const char *const rows[] = { "", ".", "a..b", "a b", "\x80.test", ".a" };
	struct dns_reply reply;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		ask(b, rows[i], RR_A, &reply);
		if (reply.status != DNS_NO_NAME)
			fail_msg("\"%s\": %d", rows[i], (int)reply.status);
	}
	assert_int_equal(b->asked, 0);
}

static void nonsense_is_not_asked(void **state)
{
	(void)state;
	play(nonsense_part, 60);
}

static void one_asker(void *arg)
{
	struct bench *b = arg;
	struct dns_reply reply;

	ask(b, "m.example.test", RR_MX, &reply);
	assert_int_equal(reply.status, DNS_FOUND);
	b->waiting--;
}

static void coalesce_part(struct bench *b)
{
	struct dns_reply reply;
	unsigned asked;

	b->waiting = 20;
	for (int i = 0; i < 20; i++)
		assert_non_null(task_spawn(one_asker, b, "asker"));
	while (b->waiting > 0)
		assert_int_equal(task_sleep_us(1000), 0);
	asked = b->asked;
	ask(b, "m.example.test", RR_MX, &reply);	/* and from the cache */
	assert_int_equal(reply.status, DNS_FOUND);
	assert_int_equal(b->asked, asked);
	assert_true(asked < 20);
}

static void equal_questions_are_asked_once(void **state)
{
	(void)state;
	play(coalesce_part, 60);
}

static void mute_asker(void *arg)
{
	struct bench *b = arg;
	struct dns_reply reply;

	ask(b, "mute.example.test", RR_A, &reply);
	assert_int_equal(reply.status, DNS_FAILED);
	b->waiting--;
}

static void silence_part(struct bench *b)
{
	struct dns_reply reply;

	b->waiting = 2;
	for (int i = 0; i < 2; i++)
		assert_non_null(task_spawn(mute_asker, b, "asker"));
	task_yield();
	/* Others are not held up by it. */
	ask(b, "a.example.test", RR_A, &reply);
	assert_int_equal(reply.status, DNS_FOUND);
	while (b->waiting > 0)
		assert_int_equal(task_sleep_us(1000), 0);
}

static void silence_times_out(void **state)
{
	(void)state;
	play(silence_part, 3);
}

static void limit_part(struct bench *b)
{
	struct dns_reply reply;

	b->waiting = 1;
	assert_non_null(task_spawn(mute_asker, b, "asker"));
	task_yield();
	assert_int_equal(resolver_under_way(b->resolver), 1);
	ask(b, "a.example.test", RR_A, &reply);
	assert_int_equal(reply.status, DNS_FOUND);
	resolver_stop(b->resolver);	/* those under way fail now, not at their time-out */
	while (b->waiting > 0)
		task_yield();
}

static void stop_ends_what_is_under_way(void **state)
{
	(void)state;
	play(limit_part, 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address_is_found),
		cmocka_unit_test(one_server_is_asked_itself),
		cmocka_unit_test(exchange_is_found),
		cmocka_unit_test(negatives_are_told_apart),
		cmocka_unit_test(nonsense_is_not_asked),
		cmocka_unit_test(equal_questions_are_asked_once),
		cmocka_unit_test(silence_times_out),
		cmocka_unit_test(stop_ends_what_is_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
