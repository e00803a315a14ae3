/* SPDX-License-Identifier: ISC */
/* dkim_sign_test.c - what we sign is verified, holds against what it should, and is written as mail wants it */
#include "lib/base/test.h"
#include "lib/mailauth/dkim_sign.h"
#include "lib/mailauth/dkim_verify.h"
#include "lib/mailauth/tags.h"
#include "lib/mailauth/test_mail.h"

enum { KEYS_MAX = 10, LINE_MAX_BYTES = 78, KEYS = 3 };

#define HEADER "Received: by x\r\nFrom: A <a@a.example>\r\nTo: b@b.example,\r\n  c@c.example\r\n" \
	"Subject: =?UTF-8?Q?caf=C3=A9?=  now \r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\nMessage-ID: <1@a.example>\r\n" \
	"Comments: 1\r\nComments: 2\r\n"
static const struct span plain = SPAN(HEADER "\r\nHello,\r\n  all  of\tyou \r\n\r\n\r\n");

static struct arena *arena;
static struct dkim_crypto *crypto;
static struct dkim_signing_key keys[KEYS];

static int begin(void **state)
{
	static const unsigned bits[KEYS] = { 1024, 2048, 0 };

	(void)state;
	arena = arena_new(NULL);
	crypto = dkim_crypto_new(KEYS_MAX);
	for (size_t i = 0; i < KEYS; i++)
		keys[i] = test_key(bits[i]);
	return 0;
}

static int end(void **state)
{
	(void)state;
	arena_free(arena);
	dkim_crypto_free(crypto);
	for (size_t i = 0; i < KEYS; i++)
		dkim_signing_key_free(&keys[i]);
	return 0;
}

static struct dkim_sign_settings standard(size_t key)
{
	struct dkim_sign_settings settings = DKIM_SIGN_STANDARD_SETTINGS;

	settings.key = &keys[key];
	settings.domain = span_lit("a.example");
	settings.selector = arena_printf_span(arena, "s%zu", key);
	settings.now_s = TEST_NOW_S;
	settings.lifetime_s = 3600;
	return settings;
}

static struct mail_field sign(struct span message, const struct dkim_sign_settings *settings)
{
	struct test_mail mail = test_mail(arena, crypto, message);
	struct dkim_signer *signer = dkim_sign_start(arena, crypto, settings, mail.index, mail.body);
	struct mail_field field;

	assert_non_null(signer);
	test_hash(&mail);
	assert_true(dkim_sign_end(signer, &field));
	return field;
}

static struct span with_field(const struct mail_field *field, struct span message)
{
	return arena_printf_span(arena, SPAN_FMT ":" SPAN_FMT "\r\n" SPAN_FMT, SPAN_ARG(field->name),
	                         SPAN_ARG(field->value), SPAN_ARG(message));
}

static struct dkim_results verify(struct span message)
{
	struct dkim_verify_settings settings = DKIM_VERIFY_STANDARD_SETTINGS;
	struct test_record script[KEYS + 1] = { { .name = { NULL, 0 } } };
	struct test_dns dns = { .script = script };
	struct test_mail mail = test_mail(arena, crypto, message);
	struct lookup lookup = test_lookup(&dns);
	struct dkim_verifier *verifier;

	for (size_t i = 0; i < KEYS; i++)
		script[i] = (struct test_record){ arena_printf_span(arena, "s%zu._domainkey.a.example", i),
		                                  dkim_key_record_text(arena, keys[i].type, keys[i].pkey), DNS_FOUND };
	script[KEYS] = (struct test_record){ .name = { NULL, 0 } };
	settings.now_s = TEST_NOW_S;
	verifier = dkim_verify_start(arena, crypto, &settings, mail.header, mail.index, mail.body, &lookup);
	test_hash(&mail);
	return dkim_verify_end(verifier);
}

static void must_pass(struct span message, size_t count)
{
	struct dkim_results r = verify(message);

	assert_int_equal(r.count, count);
	for (size_t i = 0; i < count; i++) {
		assert_string_equal(r.item[i].reason, "");
		assert_int_equal(r.item[i].status, DKIM_PASS);
	}
}

static void every_kind_is_verified(void **state)
{
	static const struct span messages[] = {
		SPAN(HEADER "\r\nHello,\r\n  all  of\tyou \r\n\r\n\r\n"),
		SPAN("From: a@a.example\r\n\r\n"),
		SPAN("From: a@a.example\r\n"),
		SPAN("Subject: nobody\r\n\r\nx"),
		SPAN("From: a\r\nFrom: b\r\n\r\n\r\n \r\n"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(messages); i++) {
		for (unsigned kind = 0; kind < 4 * KEYS; kind++) {
			struct dkim_sign_settings settings = standard(kind / 4);
			struct mail_field field;

			settings.header_canon = (kind & 1) != 0 ? DKIM_RELAXED : DKIM_SIMPLE;
			settings.body_canon = (kind & 2) != 0 ? DKIM_RELAXED : DKIM_SIMPLE;
			field = sign(messages[i], &settings);
			must_pass(with_field(&field, messages[i]), 1);
		}
	}
}

static void one_pass_makes_several(void **state)
{
	struct test_mail mail = test_mail(arena, crypto, plain);
	struct dkim_sign_settings rsa = standard(1), ed = standard(2);
	struct dkim_signer *signers[2];
	struct mail_field fields[2];

	(void)state;
	signers[0] = dkim_sign_start(arena, crypto, &rsa, mail.index, mail.body);
	signers[1] = dkim_sign_start(arena, crypto, &ed, mail.index, mail.body);
	test_hash(&mail);
	assert_true(dkim_sign_end(signers[0], &fields[0]));
	assert_true(dkim_sign_end(signers[1], &fields[1]));
	must_pass(with_field(&fields[1], with_field(&fields[0], plain)), 2);
}

static void fields_are_folded(void **state)
{
	struct dkim_sign_settings settings = standard(1);
	struct mail_field crlf = sign(plain, &settings), lf;
	struct span rest = crlf.value, line;
	bool more = true;

	(void)state;
	assert_span(crlf.name, "DKIM-Signature");
	assert_true(span_starts(crlf.value, span_lit(" v=1; a=rsa-sha256; c=relaxed/relaxed; d=a.example; s=s1;\r\n"
	                                             "\tt=1700000000; x=1700003600; h=From:From:")));
	while (more) {
		more = span_cut(&rest, '\n', &line);
		assert_true(line.len <= LINE_MAX_BYTES);
		assert_true(!more || span_ends(line, span_lit("\r")));
		assert_true(!more || span_starts(rest, span_lit("\t")));
	}
	settings.fold = DKIM_FOLD_LF;
	lf = sign(plain, &settings);
	assert_int_equal(span_find(lf.value, '\r'), SPAN_NOT_FOUND);
	assert_true(lf.value.len < crlf.value.len);
	assert_true(span_search(lf.value, span_lit("\n\t")) != SPAN_NOT_FOUND);
	settings.domain = span_lit("a-domain-whose-name-is-so-long-that-it-does-not-fit-into.one-line-of-the-field."
	                           "at-all.a.example");
	assert_true(span_starts(sign(plain, &settings).value, span_lit(" v=1;")));
}

static void tags_say_what_was_asked(void **state)
{
	struct dkim_sign_settings settings = standard(2);
	struct span value;

	(void)state;
	settings.identity = span_lit("\"a;b =\"@x.a.example");
	settings.now_s = settings.lifetime_s = 0;
	settings.signed_names = span_lit("Subject,comments:TO from");
	settings.oversigned_names = span_lit("Subject Cc");
	settings.header_canon = DKIM_SIMPLE;
	value = tags_unspaced(arena, sign(plain, &settings).value);
	assert_true(span_search(value, span_lit("i=\"a=3Bb=20=3D\"@x.a.example;")) != SPAN_NOT_FOUND);
	assert_true(span_search(value, span_lit("h=From:Subject:Subject:comments:comments:TO:Cc;")) != SPAN_NOT_FOUND);
	assert_true(span_search(value, span_lit("c=simple/relaxed;")) != SPAN_NOT_FOUND);
	assert_int_equal(span_search(value, span_lit("t=")), SPAN_NOT_FOUND);
	assert_int_equal(span_search(value, span_lit("x=")), SPAN_NOT_FOUND);
}

static void what_is_oversigned_cannot_be_added(void **state)
{
	static const struct { const char *added; enum dkim_status want; } rows[] = {
		{ "", DKIM_PASS },
		{ "From: e@e.example\r\n",    DKIM_FAIL },
		{ "Subject: other\r\n",       DKIM_FAIL },
		{ "Cc: d@d.example\r\n",      DKIM_FAIL },
		{ "Reply-To: d@d.example\r\n", DKIM_FAIL },
		{ "Received: by y\r\n",       DKIM_PASS },
		{ "List-Id: <l.example>\r\n", DKIM_PASS },
	};
	struct dkim_sign_settings settings = standard(2);
	struct mail_field field = sign(plain, &settings);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span below = arena_printf_span(arena, "%s" SPAN_FMT, rows[i].added, SPAN_ARG(plain));

		assert_int_equal(verify(with_field(&field, below)).item[0].status, rows[i].want);
	}
}

static void a_signature_may_cover_others_not_itself(void **state)
{
	struct dkim_sign_settings inner = standard(1), outer = standard(2);
	struct mail_field first, second;
	struct span once, twice;

	(void)state;
	inner.oversigned_names = outer.signed_names = span_lit("From DKIM-Signature");
	first = sign(plain, &inner);
	once = with_field(&first, plain);
	must_pass(once, 1);
	second = sign(once, &outer);
	twice = with_field(&second, once);
	assert_int_equal(verify(twice).item[0].status, DKIM_PASS);
	assert_int_equal(verify(twice).item[1].status, DKIM_FAIL);	/* that shut out any other */
}

static void a_full_body_set_is_told(void **state)
{
	struct dkim_sign_settings settings = standard(2);
	struct test_mail mail = test_mail(arena, crypto, plain);

	(void)state;
	mail.body = dkim_body_new(arena, crypto, 0);
	assert_null(dkim_sign_start(arena, crypto, &settings, mail.index, mail.body));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_is_verified),
		cmocka_unit_test(one_pass_makes_several),
		cmocka_unit_test(fields_are_folded),
		cmocka_unit_test(tags_say_what_was_asked),
		cmocka_unit_test(what_is_oversigned_cannot_be_added),
		cmocka_unit_test(a_signature_may_cover_others_not_itself),
		cmocka_unit_test(a_full_body_set_is_told),
	};

	return cmocka_run_group_tests_name("dkim_sign", tests, begin, end);
}
