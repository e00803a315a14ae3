/* SPDX-License-Identifier: ISC */
/* dkim_bench.c - what a DKIM signature costs: microseconds of CPU to verify and to sign
 *
 *	dkim_bench [BODY_BYTES]
 *
 * One message of that size (default 4096), whole work a message: header taken apart, body hashed, key found (the DNS is
 * a script), signature checked or made. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/mailauth/dkim_sign.h"
#include "lib/mailauth/dkim_verify.h"
#include "lib/mailauth/test_mail.h"

enum { DEFAULT_BODY_BYTES = 4096, MESSAGES = 2000, KEYS_MAX = 100 };

static const struct span header = SPAN(
	"Received: from client.example (client.example [192.0.2.1])\r\n\tby mx.example with ESMTPS id 4Xab1\r\n"
	"\tfor <you@rcpt.example>; Tue, 14 Nov 2023 22:13:01 +0000\r\n"
	"From: Ann Author <ann@a.example>\r\nTo: You <you@rcpt.example>,\r\n\tOther <other@rcpt.example>\r\n"
	"Subject: Quarterly figures of the whole year\r\nDate: Tue, 14 Nov 2023 22:13:00 +0000\r\n"
	"Message-ID: <1700000000.12345@a.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
	"Content-Transfer-Encoding: 8bit\r\nUser-Agent: bench\r\n\r\n");
static const struct span line = SPAN("The quick brown fox jumps over the lazy dog and does so again, and again.\r\n");

struct bench {
	struct dkim_crypto             *crypto;
	const struct dkim_signing_key  *key;
	struct span                     message;
	struct test_dns                 dns;
	struct lookup                   lookup;
	enum dkim_canon                 canon;
};

static double cpu_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void sign(struct bench *b, struct arena *arena)
{
	struct dkim_sign_settings settings = DKIM_SIGN_STANDARD_SETTINGS;
	struct test_mail mail = test_mail(arena, b->crypto, b->message);
	struct dkim_signer *signer;
	struct mail_field field;

	settings.key = b->key;
	settings.domain = span_lit("a.example");
	settings.selector = span_lit("s");
	settings.now_s = TEST_NOW_S;
	settings.header_canon = settings.body_canon = b->canon;
	signer = dkim_sign_start(arena, b->crypto, &settings, mail.index, mail.body);
	test_hash(&mail);
	if (!dkim_sign_end(signer, &field))
		abort();
	b->message = arena_printf_span(arena, SPAN_FMT ":" SPAN_FMT "\r\n" SPAN_FMT, SPAN_ARG(field.name),
	                               SPAN_ARG(field.value), SPAN_ARG(b->message));
}

static void sign_only(struct bench *b, struct arena *arena)
{
	struct span plain = b->message;

	sign(b, arena);
	b->message = plain;
}

static void verify(struct bench *b, struct arena *arena)
{
	struct dkim_verify_settings settings = DKIM_VERIFY_STANDARD_SETTINGS;
	struct test_mail mail = test_mail(arena, b->crypto, b->message);
	struct dkim_verifier *verifier;
	struct dkim_results results;

	settings.now_s = TEST_NOW_S;
	verifier = dkim_verify_start(arena, b->crypto, &settings, mail.header, mail.index, mail.body, &b->lookup);
	test_hash(&mail);
	results = dkim_verify_end(verifier);
	if (results.count != 1 || results.item[0].status != DKIM_PASS)
		abort();
}

static void take_apart(struct bench *b, struct arena *arena)
{
	(void)test_mail(arena, b->crypto, b->message);
}

static void run(const char *what, struct bench *b, void (*work)(struct bench *b, struct arena *arena))
{
	struct arena *arena = arena_new(NULL);
	double began = cpu_us();

	for (int i = 0; i < MESSAGES; i++) {
		work(b, arena);
		arena_reset(arena);
	}
	printf("%-44s %8.1f us\n", what, (cpu_us() - began) / MESSAGES);
	arena_free(arena);
}

static void run_key(const char *name, unsigned bits, enum dkim_canon canon, struct span message)
{
	struct arena *arena = arena_new(NULL);
	struct dkim_signing_key key = test_key(bits);
	struct test_record script[] = { { SPAN(""), dkim_key_record_text(arena, key.type, key.pkey), DNS_FOUND },
	                                { { NULL, 0 }, { NULL, 0 }, DNS_NO_NAME } };
	struct bench b = { .crypto = dkim_crypto_new(KEYS_MAX), .key = &key, .message = message,
	                   .dns = { .script = script }, .canon = canon };
	struct dkim_crypto *cached = b.crypto;
	char what[80];

	b.lookup = test_lookup(&b.dns);
	snprintf(what, sizeof(what), "%s %s/%s: sign", name, dkim_canon_name(canon), dkim_canon_name(canon));
	run(what, &b, sign_only);
	sign(&b, arena);
	snprintf(what, sizeof(what), "%s %s/%s: verify", name, dkim_canon_name(canon), dkim_canon_name(canon));
	run(what, &b, verify);
	b.crypto = dkim_crypto_new(0);
	snprintf(what, sizeof(what), "%s %s/%s: verify, key not in the cache", name, dkim_canon_name(canon),
	         dkim_canon_name(canon));
	run(what, &b, verify);
	dkim_crypto_free(b.crypto);
	b.crypto = cached;
	run("  of that: take the header apart", &b, take_apart);
	arena_free(arena);
	dkim_crypto_free(b.crypto);
	dkim_signing_key_free(&key);
}

static void run_body(enum dkim_canon canon)
{
	enum { MEGABYTES = 50 };
	struct arena *arena = arena_new(NULL);
	struct dkim_crypto *crypto = dkim_crypto_new(0);
	struct dkim_body *body = dkim_body_new(arena, crypto, 1);
	double began = cpu_us();
	size_t hash, bytes = 0;

	if (!dkim_body_want(body, canon, DKIM_WHOLE_BODY, &hash))
		abort();
	for (; bytes < MEGABYTES * (size_t)1000000; bytes += line.len)
		dkim_body_add(body, line);
	dkim_body_end(body);
	printf("%-44s %8.0f MB/s, %zu bytes held\n", canon == DKIM_RELAXED ? "relaxed body" : "simple body",
	       (double)bytes / (cpu_us() - began), arena_bytes(arena));
	arena_free(arena);
	dkim_crypto_free(crypto);
}

int main(int argc, char **argv)
{
	unsigned long size = argc > 1 ? strtoul(argv[1], NULL, 10) : DEFAULT_BODY_BYTES;
	struct buf message;

	buf_init(&message, BUF_NO_LIMIT);
	buf_add(&message, header);
	while (message.len < header.len + size)
		buf_add(&message, line);
	run_key("rsa-2048", 2048, DKIM_RELAXED, buf_span(&message));
	run_key("rsa-2048", 2048, DKIM_SIMPLE, buf_span(&message));
	run_key("ed25519", 0, DKIM_RELAXED, buf_span(&message));
	run_body(DKIM_RELAXED);
	run_body(DKIM_SIMPLE);
	buf_free(&message);
	return EXIT_SUCCESS;
}
