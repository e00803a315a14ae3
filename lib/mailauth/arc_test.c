/* SPDX-License-Identifier: ISC */
/* arc_test.c - chains sealed and validated, and each way to break one */
#include "lib/base/test.h"
#include "lib/mailauth/arc_seal.h"
#include "lib/mailauth/arc_scope.h"
#include "lib/mailauth/test_mail.h"

enum { KEYS_MAX = 100 };

static const struct span plain = SPAN("From: A <a@a.example>\r\nTo: b@b.example\r\nSubject: chain\r\n\r\nHello\r\n");

static struct arena *arena;
static struct dkim_crypto *crypto;
static struct dkim_signing_key key;
static struct test_record script[2];

static int begin(void **state)
{
	(void)state;
	arena = arena_new(NULL);
	crypto = dkim_crypto_new(KEYS_MAX);
	key = test_key(0);
	script[0] = (struct test_record){ SPAN(""), dkim_key_record_text(arena, key.type, key.pkey), DNS_FOUND };
	return 0;
}

static int end(void **state)
{
	(void)state;
	arena_free(arena);
	dkim_crypto_free(crypto);
	dkim_signing_key_free(&key);
	return 0;
}

/* pass_through - validate the message; where *sealed is wanted it is the message with our set above. */
static struct arc_result pass_through(struct span message, struct test_dns *dns, struct span *sealed)
{
	struct arc_verify_settings verify = ARC_VERIFY_STANDARD_SETTINGS;
	struct arc_seal_settings seal = ARC_SEAL_STANDARD_SETTINGS;
	struct test_mail mail = test_mail(arena, crypto, message);
	struct lookup lookup = test_lookup(dns);
	struct arc_verifier *verifier;
	struct arc_sealer *sealer;
	struct arc_fields f;
	struct arc_result result;

	verify.wants_oldest_pass = true;
	verifier = arc_verify_start(arena, crypto, &verify, mail.header, mail.index, mail.body, &lookup);
	seal.key = &key;
	seal.domain = arena_printf_span(arena, "d%zu.example", message.len % 1000);
	seal.selector = span_lit("s");
	seal.now_s = TEST_NOW_S;
	sealer = arc_seal_start(arena, crypto, &seal, mail.index, mail.body);
	test_hash(&mail);
	result = arc_verify_end(verifier);
	if (sealed == NULL || !arc_may_seal(&result))
		return result;
	assert_true(arc_seal_end(sealer, &result, span_lit("mx.example; spf=pass\n  smtp.mailfrom=a.example;\r\n\tdkim=none\r\n"),
	                         &f));
	*sealed = arena_printf_span(arena, "ARC-Seal:" SPAN_FMT "\r\nARC-Message-Signature:" SPAN_FMT
	                            "\r\nARC-Authentication-Results:" SPAN_FMT "\r\n" SPAN_FMT,
	                            SPAN_ARG(f.seal.value), SPAN_ARG(f.message.value), SPAN_ARG(f.results.value),
	                            SPAN_ARG(message));
	return result;
}

static struct arc_result validate(struct span message)
{
	struct test_dns dns = { .script = script };

	return pass_through(message, &dns, NULL);
}

static struct span seal(struct span message)
{
	struct test_dns dns = { .script = script };
	struct span sealed = message;

	(void)pass_through(message, &dns, &sealed);
	return sealed;
}

static struct span chain_of(size_t sets)
{
	struct span message = plain;

	while (sets-- > 0)
		message = seal(message);
	return message;
}

static void must_be(struct span message, enum arc_status status, const char *reason)
{
	struct arc_result result = validate(message);

	assert_string_equal(result.reason, reason);
	assert_int_equal(result.status, status);
}

static void chains_grow_to_fifty(void **state)
{
	struct span message = plain, longer;

	(void)state;
	for (size_t sets = 0; sets <= ARC_INSTANCES_MAX; sets++) {
		struct test_dns dns = { .script = script };
		struct arc_result result;

		longer = message;
		result = pass_through(message, &dns, &longer);
		assert_string_equal(result.reason, "");
		assert_int_equal(result.status, sets == 0 ? ARC_NONE : ARC_PASS);
		assert_int_equal(result.count, sets);
		assert_int_equal(result.oldest_pass, 0);
		assert_true(dns.asked <= sets + 1 && dns.expected == dns.asked);
		assert_int_equal(arc_may_seal(&result), sets < ARC_INSTANCES_MAX);
		message = longer;
	}
}

static void the_result_says_who_sealed(void **state)
{
	struct span message = chain_of(2);
	struct arc_result result = validate(message);

	(void)state;
	assert_int_equal(result.count, 2);
	assert_span(result.sealers[0], arena_printf(arena, "d%zu.example", plain.len % 1000));
	assert_span(result.results, "mx.example; spf=pass\r\n\tsmtp.mailfrom=a.example;\r\n\tdkim=none");
}

/* replaced - the first from in message made to, which is as long. */
static struct span replaced(struct span message, const char *from, const char *to)
{
	char *text = arena_cstr(arena, message);
	size_t at = span_search(message, span_of(from));

	assert_true(at != SPAN_NOT_FOUND && strlen(from) == strlen(to));
	for (size_t i = 0; to[i] != '\0'; i++)
		text[at + i] = to[i];
	return span_make(text, message.len);
}

static void what_is_changed_is_found(void **state)
{
	struct span two = chain_of(2), changed;

	(void)state;
	must_be(two, ARC_PASS, "");
	must_be(replaced(two, "Hello", "Hallo"), ARC_FAIL, "the body was changed");
	must_be(replaced(two, "Subject: c", "Subject: C"), ARC_FAIL, "the signature does not match the header");
	must_be(replaced(two, "i=2; mx", "i=2; my"), ARC_FAIL, "the signature does not match the header");
	must_be(replaced(two, "i=1; mx", "i=1; my"), ARC_FAIL, "the signature does not match the header");
	must_be(replaced(two, "cv=pass", "cv=none"), ARC_FAIL, "a seal has the wrong cv=");
	must_be(replaced(two, "cv=none", "cv=pass"), ARC_FAIL, "a seal has the wrong cv=");
	must_be(replaced(two, "cv=none", "cv=fail"), ARC_FAIL, "a seal says that the chain fails");
	must_be(replaced(two, "cv=pass", "cv=fail"), ARC_FAIL, "the newest seal says that the chain fails");
	must_be(replaced(two, "cv=pass", "cv=what"), ARC_FAIL, "a seal has the wrong cv=");
	must_be(replaced(two, "i=2; mx", "i=3; mx"), ARC_FAIL, "a set is not complete");
	must_be(replaced(two, "i=2; mx", "i=0; mx"), ARC_FAIL, "ARC-Authentication-Results has no instance");
	must_be(replaced(two, "i=2; mx", "i=1; mx"), ARC_FAIL, "an instance has two ARC-Authentication-Results");
	must_be(replaced(two, "ARC-Seal:", "XXX-Seal:"), ARC_FAIL, "a set is not complete");
	must_be(replaced(two, "ARC-Seal: i=2", "ARC-Seal: i=x"), ARC_FAIL, "ARC-Seal has no instance");
	must_be(replaced(two, "ARC-Seal: i=2", "ARC-Seal: i=1"), ARC_FAIL, "an instance has two ARC-Seals");
	changed = replaced(two, "ARC-Message-Signature: i=2", "ARC-Message-Signature: i=1");
	must_be(changed, ARC_FAIL, "an instance has two ARC-Message-Signatures");
	changed = replaced(two, "a=ed25519-sha256", "a=rsa-sha1     x");
	must_be(changed, ARC_FAIL, "unknown algorithm");
}

static void a_list_may_change_what_it_seals(void **state)
{
	struct span changed = replaced(chain_of(3), "Hello", "Hallo"), sealed;
	struct arc_result result;

	(void)state;
	/* The newest message signature was made before the change: the chain is broken, and sealed as such. */
	result = validate(changed);
	assert_int_equal(result.status, ARC_FAIL);
	assert_true(arc_may_seal(&result));
	sealed = seal(changed);
	assert_true(span_search(sealed, span_lit("ARC-Seal: i=4; a=ed25519-sha256; cv=fail;")) != SPAN_NOT_FOUND);
	result = validate(sealed);
	assert_int_equal(result.status, ARC_FAIL);
	assert_int_equal(result.count, 4);
	assert_false(arc_may_seal(&result));	/* RFC 8617 5.1: such a chain is at its end */
}

/* change_and_seal - as a list does: validates, changes, then signs what it sends on. */
static struct span change_and_seal(struct span message)
{
	struct arc_verify_settings verify = ARC_VERIFY_STANDARD_SETTINGS;
	struct arc_seal_settings settings = ARC_SEAL_STANDARD_SETTINGS;
	struct span changed = replaced(message, "Hello", "Hullo");
	struct test_mail came = test_mail(arena, crypto, message), goes = test_mail(arena, crypto, changed);
	struct test_dns dns = { .script = script };
	struct lookup lookup = test_lookup(&dns);
	struct arc_verifier *verifier = arc_verify_start(arena, crypto, &verify, came.header, came.index, came.body,
	                                                 &lookup);
	struct arc_sealer *sealer;
	struct arc_result result;
	struct arc_fields f;

	settings.key = &key;
	settings.domain = span_lit("list.example");
	settings.selector = span_lit("s");
	sealer = arc_seal_start(arena, crypto, &settings, goes.index, goes.body);
	test_hash(&came);
	test_hash(&goes);
	result = arc_verify_end(verifier);
	assert_int_equal(result.status, ARC_PASS);
	assert_true(arc_seal_end(sealer, &result, span_lit("list.example; none"), &f));
	return arena_printf_span(arena, "ARC-Seal:" SPAN_FMT "\r\nARC-Message-Signature:" SPAN_FMT
	                         "\r\nARC-Authentication-Results:" SPAN_FMT "\r\n" SPAN_FMT,
	                         SPAN_ARG(f.seal.value), SPAN_ARG(f.message.value), SPAN_ARG(f.results.value),
	                         SPAN_ARG(changed));
}

static void the_oldest_that_holds_is_told(void **state)
{
	struct arc_result result;

	(void)state;
	result = validate(change_and_seal(chain_of(2)));
	assert_string_equal(result.reason, "");
	assert_int_equal(result.status, ARC_PASS);
	assert_int_equal(result.oldest_pass, 3);
	result = validate(seal(seal(change_and_seal(chain_of(2)))));
	assert_int_equal(result.status, ARC_PASS);
	assert_int_equal(result.count, 5);
	assert_int_equal(result.oldest_pass, 3);
}

static void a_failed_seal_covers_itself_only(void **state)
{
	struct arc_set own = { .results_field = NULL };
	struct span sealed = seal(replaced(chain_of(1), "Hello", "Hallo")), rest = sealed;
	struct mail_header header = mail_header_parse(arena, &rest);
	struct arc_chain chain = arc_chain_read(arena, header, ARC_INSTANCES_MAX, 100);
	struct test_dns dns = { .script = script };
	struct lookup lookup = test_lookup(&dns);
	struct dkim_key_limits limits = DKIM_KEY_STANDARD_LIMITS;
	struct dkim_keys *keys = dkim_keys_new(arena, crypto, &lookup, limits);
	unsigned char hash[DKIM_HASH_BYTES];
	const char *reason;

	(void)state;
	assert_int_equal(chain.count, 2);
	assert_true(chain.is_closed);
	own = *chain.set[1];
	arc_scope_add(arc_scope_new(arena, crypto), &own, hash);
	assert_int_equal(dkim_signature_check(keys, &own.seal.signature, hash, &reason, NULL), DKIM_PASS);
}

static void the_dns_may_be_down(void **state)
{
	static const struct test_record down[] = { { SPAN(""), { NULL, 0 }, DNS_FAILED }, { { NULL, 0 }, { NULL, 0 }, DNS_FAILED } };
	struct test_dns dns = { .script = down };
	struct arc_result result = pass_through(chain_of(1), &dns, NULL);

	(void)state;
	assert_int_equal(result.status, ARC_TEMPERROR);
	assert_false(arc_may_seal(&result));
	assert_int_equal(dns.asked, 1);
}

static void instances_are_read_strictly(void **state)
{
	static const struct { const char *text; const char *reason; } rows[] = {
		{ "i=1; a",              "a set is not complete" },
		{ " (c) i (c) = (c) 01 (c) ; a", "a set is not complete" },
		{ "I=1; a",              "a set is not complete" },
		{ "i=1 a",               "ARC-Authentication-Results has no instance" },
		{ "i=1",                 "ARC-Authentication-Results has no instance" },
		{ "i=51; a",             "ARC-Authentication-Results has no instance" },
		{ "i=001; a",            "ARC-Authentication-Results has no instance" },
		{ "i=; a",               "ARC-Authentication-Results has no instance" },
		{ "a; i=1;",             "ARC-Authentication-Results has no instance" },
		{ "",                    "ARC-Authentication-Results has no instance" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		must_be(arena_printf_span(arena, "ARC-Authentication-Results:%s\r\n\r\n", rows[i].text), ARC_FAIL,
		        rows[i].reason);
}

static void work_is_bounded(void **state)
{
	struct buf text;
	struct arc_result result;

	(void)state;
	buf_init(&text, BUF_NO_LIMIT);
	for (int i = 0; i < 1000; i++)
		buf_add_cstr(&text, "ARC-Seal: i=1; cv=none; a=rsa-sha256; d=a; s=s; b=QUJD\r\n");
	result = validate(buf_span(&text));
	assert_int_equal(result.status, ARC_FAIL);
	assert_int_equal(result.count, 1);
	buf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chains_grow_to_fifty),
		cmocka_unit_test(the_result_says_who_sealed),
		cmocka_unit_test(what_is_changed_is_found),
		cmocka_unit_test(a_list_may_change_what_it_seals),
		cmocka_unit_test(the_oldest_that_holds_is_told),
		cmocka_unit_test(a_failed_seal_covers_itself_only),
		cmocka_unit_test(the_dns_may_be_down),
		cmocka_unit_test(instances_are_read_strictly),
		cmocka_unit_test(work_is_bounded),
	};

	return cmocka_run_group_tests_name("arc", tests, begin, end);
}
