/* SPDX-License-Identifier: ISC */
/* deliver_test.c - whole deliveries against a scripted server on loopback
 *
 * A script is what the server expects, command by command ("C:" lines, matched by their beginning) and what
 * it answers ("S:" lines).  DNS and tables are played by the test. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/log.h"
#include "lib/net/rdata.h"
#include "smtp/smtp.h"

enum { RESULTS_MAX = 8, SESSIONS_MAX = 4 };

struct script {
	const char *sessions[SESSIONS_MAX];	/* one a connection, in order */
	const char *recipients[4];
	const char *expect;	/* results in order: "1 sent 2.0.0|2 bounced 5.1.1|" */
	const char *reason;	/* part of the last result's reason */
	const char *content;
	const char *sender;
	unsigned    flags;
	bool        is_lmtp;
	const char *passwords;	/* what smtp_sasl_password_maps says, or NULL */
	const char *nexthop;	/* NULL: the scripted server */
	unsigned    messages;	/* 0: one */
};

struct bench {
	const struct script *script;
	int                  listener;
	unsigned             port, connections;
	struct task         *server;
	bool                 is_busy;	/* the server, with a session */
	char                 results[512], reason[600];
	char                 mismatch[300];
};

static struct conf conf;
static struct client client;
static const struct script *now_playing;
static unsigned dns_asked;

/* ---- what other programs would say ---- */

static const struct zone_row {
	const char     *name;
	unsigned        type;
	enum dns_status status;
	struct span     answers;	/* packed as lib/ipc/dns.h says */
} zone[] = {
	{ "null.test", RR_MX, DNS_FOUND, SPAN("\3\0\0\0\0") },
	{ "none.test", RR_MX, DNS_NO_NAME, SPAN("") },
	{ "later.test", RR_MX, DNS_FAILED, SPAN("") },
	{ "loop.test", RR_MX, DNS_FOUND, SPAN("\11\0\0\12\2mx\2me\0") },
	{ "mx.me", RR_A, DNS_FOUND, SPAN("\4\0\300\0\2\1") },
	{ "implicit.test", RR_MX, DNS_NO_DATA, SPAN("") },
	{ "implicit.test", RR_A, DNS_FOUND, SPAN("\4\0\177\0\0\1") },
	{ "two.test", RR_MX, DNS_FOUND, SPAN("\10\0\0\24\1b\2me\0\10\0\0\12\1a\2me\0") },
	{ "a.me", RR_A, DNS_FOUND, SPAN("\4\0\177\0\0\1") },
	{ "b.me", RR_A, DNS_FOUND, SPAN("\4\0\177\0\0\1") },
};

bool ask_dns(struct delivery *d, struct span name, unsigned rr_type, struct dns_reply *reply)
{
	(void)d;
	dns_asked++;
	*reply = (struct dns_reply){ .status = DNS_NO_NAME, .reason = SPAN("Host not found") };
	for (size_t i = 0; i < COUNT_OF(zone); i++) {
		if (zone[i].type == rr_type && span_equal(name, span_of(zone[i].name))) {
			reply->status = zone[i].status;
			reply->answers = zone[i].answers;
		}
	}
	return true;
}

enum lookup_status ask_map(struct delivery *d, const char *maps, struct span key, enum lookup_how how,
                           struct span *value)
{
	(void)d;
	(void)key;
	(void)how;
	if (now_playing->passwords == NULL || strcmp(maps, "smtp_sasl_password_maps") != 0)
		return LOOKUP_NOT_FOUND;
	*value = span_of(now_playing->passwords);
	return LOOKUP_FOUND;
}

/* ---- the server ---- */

static void play_session(struct bench *b, const char *script, int fd)
{
	struct span rest = span_of(script), line, said;
	struct stream stream;
	struct chat chat;

	stream_plain(&stream, fd);
	chat_init(&chat, &stream, 100000);
	while (span_cut(&rest, '\n', &line)) {
		if (span_starts(line, span_lit("S:"))) {
			chat_printf(&chat, SPAN_FMT "\r\n", SPAN_ARG(span_skip(line, 2)));
			continue;
		}
		if (chat_line(&chat, &said, clock_in_s(30)) != CHAT_LINE ||
		    !span_starts(said, span_skip(line, 2))) {
			snprintf(b->mismatch, sizeof(b->mismatch), "expected \"%.*s\", got \"%.*s\"",
			         SPAN_ARG(line), SPAN_ARG(said));
			break;
		}
	}
	(void)chat_flush(&chat, clock_in_s(30));
	chat_free(&chat);
	stream_close(&stream);
}

static void serve(void *arg)
{
	struct bench *b = arg;

	for (;;) {
		int fd = task_accept(b->listener, NULL, NULL, CLOCK_NEVER);

		if (fd < 0)
			return;
		b->is_busy = true;
		if (b->connections < SESSIONS_MAX && b->script->sessions[b->connections] != NULL)
			play_session(b, b->script->sessions[b->connections], fd);
		else
			task_close(fd);
		b->connections++;
		b->is_busy = false;
	}
}

/* ---- the delivery ---- */

static void note_result(struct delivery *d, const struct deliver_result *result, bool more)
{
	static const char *const names[] = { "sent", "deferred", "bounced", "expanded" };
	struct bench *b = d->user;
	size_t at = strlen(b->results);

	snprintf(b->results + at, sizeof(b->results) - at, "%u %s " SPAN_FMT "%s", (unsigned)result->recipient,
	         names[result->status], SPAN_ARG(result->dsn), more ? "|" : ".");
	snprintf(b->reason, sizeof(b->reason), SPAN_FMT, SPAN_ARG(result->reason));
}

static void encode_envelope(const struct script *s, struct buf *out)
{
	struct envelope_recipient list[4] = { { .number = 0 } };
	struct envelope e = { .sender = span_of(s->sender != NULL ? s->sender : "from@example.org"),
		              .recipients = list, .flags = s->flags };

	while (e.recipient_count < 4 && s->recipients[e.recipient_count] != NULL) {
		list[e.recipient_count].address = span_of(s->recipients[e.recipient_count]);
		list[e.recipient_count].number = (uint32_t)e.recipient_count + 1;
		e.recipient_count++;
	}
	envelope_encode(out, &e);
}

static void deliver_one(struct bench *b)
{
	const struct script *s = b->script;
	const char *content = s->content != NULL ? s->content : "Subject: x\r\n\r\n.dot\r\n";
	char nexthop[64];
	struct buf envelope;
	struct deliver_request request = { .queue_id = SPAN("QID"), .file = -1, .content = span_of(content),
		                           .content_length = strlen(content) };
	struct delivery d = { .client = &client, .request = &request, .arena = arena_new(task_arena()),
		              .result = note_result, .user = b };

	snprintf(nexthop, sizeof(nexthop), "%s:%u", s->nexthop != NULL ? s->nexthop : "[127.0.0.1]", b->port);
	buf_init(&envelope, BUF_NO_LIMIT);
	encode_envelope(s, &envelope);
	request.nexthop = span_of(nexthop);
	request.envelope = buf_span(&envelope);
	request.arrival_us = request.active_us = clock_wall_us();
	deliver(&d);
	buf_free(&envelope);
}

static void run_script(void *arg)
{
	struct bench *b = arg;
	unsigned messages = b->script->messages > 0 ? b->script->messages : 1;

	b->server = task_spawn(serve, b, "server");
	assert_non_null(b->server);
	for (unsigned i = 0; i < messages; i++)
		deliver_one(b);
	cache_close_all();
	while (b->is_busy)
		assert_int_equal(task_sleep_us(200), 0);
	task_cancel(b->server);
}

static void play(const struct script *s)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	struct bench b = { .script = s };

	now_playing = s;
	dns_asked = 0;
	client.is_lmtp = s->is_lmtp;
	client.role = s->is_lmtp ? "lmtp" : "smtp";
	b.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(b.listener, (struct sockaddr *)&address, length), 0);
	assert_int_equal(getsockname(b.listener, (struct sockaddr *)&address, &length), 0);
	assert_int_equal(listen(b.listener, 5), 0);
	b.port = ntohs(address.sin_port);
	task_main(run_script, &b);
	close(b.listener);
	if (b.mismatch[0] != '\0')
		fail_msg("%s", b.mismatch);
	if (strcmp(b.results, s->expect) != 0)
		fail_msg("results %s instead of %s (%s)", b.results, s->expect, b.reason);
	if (s->reason != NULL && strstr(b.reason, s->reason) == NULL)
		fail_msg("reason \"%s\" without \"%s\"", b.reason, s->reason);
}

#define HELLO "S:220 hi\nC:EHLO me.test\n"
#define PLAIN_HELLO HELLO "S:250 hi\n"
#define FULL_HELLO HELLO "S:250-hi\nS:250-PIPELINING\nS:250-SIZE 1000\nS:250-8BITMIME\nS:250-DSN\nS:250 SMTPUTF8\n"
#define BODY "C:Subject: x\nC:\nC:..dot\nC:.\n"

static void accepted_without_extensions(void **state)
{
	(void)state;
	play(&(struct script){
		.sessions = { PLAIN_HELLO "C:MAIL FROM:<from@example.org>\nS:250 ok\nC:RCPT TO:<a@b.test>\nS:250 ok\n"
		              "C:DATA\nS:354 go\n" BODY "S:250 2.0.0 Ok: queued as X\nC:QUIT\n" },
		.recipients = { "a@b.test" },
		.expect = "1 sent 2.0.0.",
		.reason = "250 2.0.0 Ok: queued as X",
	});
	assert_int_equal(dns_asked, 0);	/* a numeric host: nobody is asked */
}

static void pipelined_with_extensions(void **state)
{
	(void)state;
	/* The server answers nothing before DATA is there. */
	play(&(struct script){
		.sessions = { FULL_HELLO "C:MAIL FROM:<from@example.org> SIZE=20\nC:RCPT TO:<a@b.test> ORCPT=rfc822;a@b.test\n"
		              "C:RCPT TO:<c@b.test>\nC:DATA\nS:250 ok\nS:250 ok\nS:550 5.1.1 no\nS:354 go\n" BODY
		              "S:250 ok\nC:QUIT\n" },
		.recipients = { "a@b.test", "c@b.test" },
		.expect = "2 bounced 5.1.1|1 sent 2.0.0.",
	});
}

static void helo_where_ehlo_is_unknown(void **state)
{
	(void)state;
	play(&(struct script){
		.sessions = { HELLO "S:502 what\nC:HELO me.test\nS:250 hi\nC:MAIL\nS:250 ok\nC:RCPT\nS:250 ok\nC:DATA\n"
		              "S:354 go\n" BODY "S:250 ok\nC:QUIT\n" },
		.recipients = { "a@b.test" },
		.expect = "1 sent 2.0.0.",
	});
}

static void refusals_at_each_step(void **state)
{
	static const struct {
		const char *session, *expect, *reason;
	} rows[] = {
		{ "S:554 5.7.1 go away\n", "1 deferred 4.7.1.", "refused to talk to me: 554 5.7.1 go away" },
		{ "S:421 4.3.2 later\n", "1 deferred 4.3.2.", "refused to talk to me: 421" },
		{ HELLO "S:502 no\nC:HELO\nS:550 5.7.1 no\nC:QUIT\n", "1 bounced 5.7.1.", "refused to talk" },
		{ PLAIN_HELLO "C:MAIL\nS:550-5.1.8 bad\nS:550 5.1.8 sender\nC:RSET\nS:250 ok\nC:QUIT\n",
		  "1 bounced 5.1.8.",
		  "said: 550-5.1.8 bad 550 5.1.8 sender (in reply to MAIL FROM command)" },
		{ PLAIN_HELLO "C:MAIL\nS:250 ok\nC:RCPT\nS:450 4.2.0 grey\nC:RSET\nS:250 ok\nC:QUIT\n",
		  "1 deferred 4.2.0.", "(in reply to RCPT TO command)" },
		{ PLAIN_HELLO "C:MAIL\nS:250 ok\nC:RCPT\nS:552 many\nC:RSET\nS:250 ok\nC:QUIT\n",
		  "1 deferred 4.0.0.", "552 many" },
		{ PLAIN_HELLO "C:MAIL\nS:250 ok\nC:RCPT\nS:250 ok\nC:DATA\nS:451 4.3.0 no\nC:RSET\nS:250 ok\nC:QUIT\n",
		  "1 deferred 4.3.0.", "(in reply to DATA command)" },
		{ PLAIN_HELLO "C:MAIL\nS:250 ok\nC:RCPT\nS:250 ok\nC:DATA\nS:354 go\n" BODY "S:554 5.6.0 spam\nC:QUIT\n",
		  "1 bounced 5.6.0.", "(in reply to end of DATA command)" },
		{ PLAIN_HELLO "C:MAIL\nS:250 ok\nC:RCPT\n", "1 deferred 4.4.2.", "lost connection with" },
		{ "S:220 hi\nC:EHLO\nS:nonsense\n", "1 deferred 4.5.0.", "no SMTP reply" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		play(&(struct script){ .sessions = { rows[i].session }, .recipients = { "a@b.test" },
		                       .expect = rows[i].expect, .reason = rows[i].reason });
	}
}

static void data_without_recipients_is_ended(void **state)
{
	(void)state;
	play(&(struct script){
		.sessions = { FULL_HELLO "C:MAIL\nC:RCPT\nC:DATA\nS:250 ok\nS:550 5.1.1 no\nS:354 go\nC:.\nS:554 none\n"
		              "C:RSET\nS:250 ok\nC:QUIT\n" },
		.recipients = { "a@b.test" },
		.expect = "1 bounced 5.1.1.",
	});
}

static void too_large_for_the_server(void **state)
{
	static char large[2000];

	(void)state;
	memset(large, 'x', sizeof(large) - 1);
	play(&(struct script){ .sessions = { FULL_HELLO "C:QUIT\n" }, .recipients = { "a@b.test" },
	                       .content = large, .expect = "1 bounced 5.3.4.",
	                       .reason = "message size 1999 exceeds size limit 1000 of server" });
}

static void utf8_must_be_offered(void **state)
{
	(void)state;
	play(&(struct script){ .sessions = { PLAIN_HELLO "C:QUIT\n" }, .recipients = { "\xc3\xa4@b.test" },
	                       .flags = ENVELOPE_SMTPUTF8, .expect = "1 bounced 5.6.7.",
	                       .reason = "SMTPUTF8 is required, but was not offered by host" });
	/* Flagged, but nothing in it needs it. */
	play(&(struct script){
		.sessions = { PLAIN_HELLO "C:MAIL\nS:250 ok\nC:RCPT\nS:250 ok\nC:DATA\nS:354 go\n" BODY "S:250 ok\nC:QUIT\n" },
		.recipients = { "a@b.test" }, .flags = ENVELOPE_SMTPUTF8, .expect = "1 sent 2.0.0." });
}

static void lmtp_answers_each_recipient(void **state)
{
	(void)state;
	play(&(struct script){
		.sessions = { "S:220 hi\nC:LHLO me.test\nS:250-hi\nS:250 PIPELINING\nC:MAIL\nC:RCPT\nC:RCPT\nC:RCPT\nC:DATA\n"
		              "S:250 ok\nS:250 ok\nS:550 5.1.1 no\nS:250 ok\nS:354 go\n" BODY
		              "S:250 2.1.5 one\nS:452 4.2.2 full\nC:QUIT\n" },
		.recipients = { "a@b.test", "b@b.test", "c@b.test" },
		.is_lmtp = true,
		.expect = "2 bounced 5.1.1|1 sent 2.1.5|3 deferred 4.2.2.",
	});
}

static void filter_is_told_of_the_client(void **state)
{
	(void)state;
	conf.smtp_send_xforward_command = true;
	play(&(struct script){
		.sessions = { HELLO "S:250-hi\nS:250 XFORWARD NAME ADDR PROTO SOURCE\n"
		              "C:XFORWARD NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE]\nS:250 ok\n"
		              "C:XFORWARD PROTO=[UNAVAILABLE] SOURCE=LOCAL\nS:501 what\nC:MAIL\nS:250 ok\nC:RCPT\n"
		              "S:250 ok\nC:DATA\nS:354 go\n" BODY "S:250 ok\nC:QUIT\n" },
		.recipients = { "a@b.test" }, .expect = "1 sent 2.0.0." });
	conf.smtp_send_xforward_command = false;
}

static void password_is_sent(void **state)
{
	(void)state;
	conf.smtp_sasl_auth_enable = true;
	play(&(struct script){
		.sessions = { HELLO "S:250-hi\nS:250 AUTH LOGIN PLAIN\nC:AUTH PLAIN AHUAcDpx\nS:235 2.7.0 ok\nC:MAIL\n"
		              "S:250 ok\nC:RCPT\nS:250 ok\nC:DATA\nS:354 go\n" BODY "S:250 ok\nC:QUIT\n" },
		.recipients = { "a@b.test" }, .passwords = "u:p:q", .expect = "1 sent 2.0.0." });
	play(&(struct script){
		.sessions = { HELLO "S:250-hi\nS:250 AUTH LOGIN\nC:AUTH LOGIN\nS:334 VXNlcm5hbWU6\nC:dQ==\nS:334 x\nC:cA==\n"
		              "S:535 5.7.8 wrong\nC:QUIT\n" },
		.recipients = { "a@b.test" }, .passwords = "u:p", .expect = "1 deferred 4.7.8.",
		.reason = "SASL authentication failed; server 127.0.0.1[127.0.0.1] said: 535 5.7.8 wrong" });
	conf.smtp_sasl_security_options = "noplaintext, noanonymous";
	play(&(struct script){ .sessions = { HELLO "S:250-hi\nS:250 AUTH PLAIN\nC:QUIT\n" },
	                       .recipients = { "a@b.test" }, .passwords = "u:p",
	                       .expect = "1 deferred 4.7.0." });
	conf.smtp_sasl_security_options = "";
	conf.smtp_sasl_auth_enable = false;
}

static void routes(void **state)
{
	static const struct {
		const char *nexthop, *expect, *reason;
	} rows[] = {
		{ "null.test", "1 bounced 5.1.10.", "Domain null.test does not accept mail (nullMX)" },
		{ "none.test", "1 bounced 5.4.4.",
		  "Host or domain name not found. Name service error for name=none.test type=MX: Host not found" },
		{ "later.test", "1 deferred 4.4.3.", "Name service error for name=later.test type=MX" },
		{ "[none.test]", "1 bounced 5.4.4.", "type=A: Host not found" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		play(&(struct script){ .recipients = { "a@b.test" }, .nexthop = rows[i].nexthop,
		                       .expect = rows[i].expect, .reason = rows[i].reason });
	}
}

static void loop_is_seen(void **state)
{
	struct arena *arena = arena_new(NULL);
	struct delivery d = { .client = &client, .arena = arena };
	struct nexthop nexthop;
	struct hosts hosts;
	struct why why;

	(void)state;
	client.is_lmtp = false;
	assert_true(net_address_parse(span_lit("192.0.2.1"), 0, &client.own[0]));
	client.own_count = 1;
	assert_int_equal(nexthop_parse(&client, arena, span_lit("loop.test"), &nexthop, &why), DONE);
	assert_int_equal(route_find(&d, &nexthop, &hosts, &why), REFUSE);
	assert_string_equal(why.dsn, "5.4.6");
	assert_string_equal(why.text, "mail for loop.test loops back to myself");
	client.own_count = 0;
	assert_int_equal(route_find(&d, &nexthop, &hosts, &why), DONE);
	assert_int_equal(hosts.count, 1);
	arena_free(arena);
}

static void exchangers_are_tried_in_order(void **state)
{
	(void)state;
	play(&(struct script){
		.sessions = { "S:421 busy\nC:QUIT\n", PLAIN_HELLO "C:MAIL\nS:250 ok\nC:RCPT\nS:250 ok\nC:DATA\nS:354 go\n" BODY
		              "S:250 ok\nC:QUIT\n" },
		.recipients = { "a@b.test" }, .nexthop = "two.test", .expect = "1 sent 2.0.0." });
	play(&(struct script){
		.sessions = { PLAIN_HELLO "C:MAIL\nS:250 ok\nC:RCPT\nS:250 ok\nC:DATA\nS:354 go\n" BODY "S:250 ok\nC:QUIT\n" },
		.recipients = { "a@b.test" }, .nexthop = "implicit.test", .expect = "1 sent 2.0.0." });
}

static void soft_refusals_go_to_the_next_host(void **state)
{
	(void)state;
	play(&(struct script){
		.sessions = { PLAIN_HELLO "C:MAIL\nS:250 ok\nC:RCPT TO:<a@\nS:450 no\nC:RCPT TO:<c@\nS:550 5.1.1 no\nC:RSET\n"
		              "S:250 ok\nC:QUIT\n",
		              PLAIN_HELLO "C:MAIL\nS:250 ok\nC:RCPT TO:<a@\nS:250 ok\nC:DATA\nS:354 go\n" BODY
		              "S:250 ok\nC:QUIT\n" },
		.recipients = { "a@b.test", "c@b.test" }, .nexthop = "two.test",
		.expect = "2 bounced 5.1.1|1 sent 2.0.0." });
}

static void nexthops_are_read(void **state)
{
	static const struct {
		const char *text, *domain;	/* domain NULL: bad */
		unsigned    port;
		bool        use_mx;
	} rows[] = {
		{ "example.org", "example.org", 25, true },
		{ "example.org:587", "example.org", 587, true },
		{ "[example.org]", "example.org", 25, false },
		{ "[example.org]:submission", "example.org", 587, false },
		{ "[2001:db8::1]", "2001:db8::1", 25, false },
		{ "[IPv6:2001:db8::1]:26", "2001:db8::1", 26, false },
		{ "inet:[192.0.2.1]:24", "192.0.2.1", 24, false },
		{ "unix:/run/lmtp", "/run/lmtp", 0, false },
		{ "unix:private/lmtp", "/spool/private/lmtp", 0, false },
		{ "b\xc3\xbc" "cher.example", "xn--bcher-kva.example", 25, true },
		{ "[example.org", NULL, 0, false },
		{ "example.org:0", NULL, 0, false },
		{ "", NULL, 0, false },
	};
	struct arena *arena = arena_new(NULL);
	struct nexthop out;
	struct why why;

	(void)state;
	client.is_lmtp = false;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		enum outcome outcome = nexthop_parse(&client, arena, span_of(rows[i].text), &out, &why);

		if ((outcome == DONE) != (rows[i].domain != NULL))
			fail_msg("%s", rows[i].text);
		if (outcome == DONE && (!span_equal(out.domain, span_of(rows[i].domain)) ||
		                        out.port != rows[i].port || out.use_mx != rows[i].use_mx))
			fail_msg("%s: %.*s %u", rows[i].text, SPAN_ARG(out.domain), out.port);
	}
	arena_free(arena);
}

static void sessions_are_reused(void **state)
{
	(void)state;
	conf.smtp_connection_cache_on_demand = true;
	play(&(struct script){
		.sessions = { PLAIN_HELLO "C:MAIL\nS:250 ok\nC:RCPT\nS:250 ok\nC:DATA\nS:354 go\n" BODY "S:250 one\n"
		              "C:MAIL\nS:250 ok\nC:RCPT\nS:250 ok\nC:DATA\nS:354 go\n" BODY "S:250 two\n" },
		.recipients = { "a@b.test" }, .messages = 2, .expect = "1 sent 2.0.0.1 sent 2.0.0.",
		.reason = "250 two" });
	conf.smtp_connection_cache_on_demand = false;
}

static void dead_idle_session_costs_nothing(void **state)
{
	(void)state;
	conf.smtp_connection_cache_on_demand = true;
	play(&(struct script){
		.sessions = { PLAIN_HELLO "C:MAIL\nS:250 ok\nC:RCPT\nS:250 ok\nC:DATA\nS:354 go\n" BODY "S:250 one\n",
		              PLAIN_HELLO "C:MAIL\nS:250 ok\nC:RCPT\nS:250 ok\nC:DATA\nS:354 go\n" BODY "S:250 two\n" },
		.recipients = { "a@b.test" }, .messages = 2, .expect = "1 sent 2.0.0.1 sent 2.0.0.",
		.reason = "250 two" });
	conf.smtp_connection_cache_on_demand = false;
}

static void hosts_file_is_read(void **state)
{
	static const char text[] = "# comment\n127.0.0.1 localhost\tmail.test alias.test # more\n::1 six.test\n"
	                           "bad line\n192.0.2.300 no.test\n";
	struct arena *arena = arena_new(NULL);
	char path[] = "/tmp/hosts_testXXXXXX";
	int fd = mkstemp(path);
	struct hosts hosts;

	(void)state;
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	hosts_load(arena, path, &hosts);
	assert_int_equal(hosts.count, 4);
	assert_string_equal(hosts.list[2].name, "alias.test");
	assert_string_equal(hosts.list[3].name, "six.test");
	assert_int_equal(hosts.list[3].address.storage.ss_family, AF_INET6);
	close(fd);
	unlink(path);
	hosts_load(arena, path, &hosts);
	assert_int_equal(hosts.count, 0);
	arena_free(arena);
}

static int set_up(void **state)
{
	(void)state;
	conf.smtp_tcp_port = "smtp";
	conf.lmtp_tcp_port = "24";
	conf.queue_directory = "/spool";
	conf.myhostname = "me.test";
	conf.smtp_helo_name = "me.test";
	conf.inet_protocols = "ipv4";
	conf.smtp_dns_support_level = conf.smtp_address_preference = "";
	conf.smtp_discard_ehlo_keywords = conf.smtp_fallback_relay = "";
	conf.smtp_bind_address = conf.smtp_bind_address6 = "";
	conf.smtp_tls_security_level = "none";
	conf.smtp_tls_policy_maps = "";
	conf.smtp_sasl_security_options = conf.smtp_sasl_tls_security_options = "";
	conf.smtp_sasl_mechanism_filter = "";
	conf.smtp_skip_5xx_greeting = true;
	conf.smtp_connect_timeout = conf.smtp_helo_timeout = conf.smtp_mail_timeout = 30;
	conf.smtp_rcpt_timeout = conf.smtp_data_init_timeout = conf.smtp_data_xfer_timeout = 30;
	conf.smtp_data_done_timeout = conf.smtp_quit_timeout = conf.smtp_rset_timeout = 30;
	conf.smtp_connection_reuse_time_limit = 300;
	conf.smtp_connection_cache_time_limit = 30;
	conf.smtp_connection_cache_limit = 10;
	conf.smtp_reply_line_limit = 4096;
	conf.smtp_reply_lines_limit = 100;
	conf.smtp_line_length_limit = 998;
	client.conf = &conf;
	log_open("test", LOG_TO_STDERR, -1);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sessions_are_reused),
		cmocka_unit_test(dead_idle_session_costs_nothing),
		cmocka_unit_test(hosts_file_is_read),
		cmocka_unit_test(accepted_without_extensions),
		cmocka_unit_test(pipelined_with_extensions),
		cmocka_unit_test(helo_where_ehlo_is_unknown),
		cmocka_unit_test(refusals_at_each_step),
		cmocka_unit_test(data_without_recipients_is_ended),
		cmocka_unit_test(too_large_for_the_server),
		cmocka_unit_test(utf8_must_be_offered),
		cmocka_unit_test(lmtp_answers_each_recipient),
		cmocka_unit_test(filter_is_told_of_the_client),
		cmocka_unit_test(password_is_sent),
		cmocka_unit_test(routes),
		cmocka_unit_test(loop_is_seen),
		cmocka_unit_test(exchangers_are_tried_in_order),
		cmocka_unit_test(soft_refusals_go_to_the_next_host),
		cmocka_unit_test(nexthops_are_read),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
