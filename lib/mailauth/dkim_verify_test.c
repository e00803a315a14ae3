/* SPDX-License-Identifier: ISC */
/* dkim_verify_test.c - signatures checked: the examples of the RFCs, and each way to fail */
#include "lib/base/test.h"
#include "lib/mailauth/dkim_compose.h"
#include "lib/mailauth/dkim_verify.h"
#include "lib/mailauth/test_mail.h"

enum { KEYS_MAX = 10 };

/* RFC 6376 C, RFC 8463 A.2. */
#define RFC6376_KEY "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYt" \
	"IxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhi" \
	"tdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"
#define RFC8463_ED_KEY "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
#define RFC8463_RSA_KEY "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bd" \
	"OKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9Pz" \
	"oxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"

#define BODY "\r\nHi.\r\n\r\nWe lost the game. Are you hungry yet?\r\n\r\nJoe.\r\n"

/* RFC 6376 A.2 and A.3 */
#define RFC6376_FIELD \
	"DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;\r\n" \
	"      c=simple/simple; q=dns/txt; i=joe@football.example.com;\r\n" \
	"      h=Received : From : To : Subject : Date : Message-ID;\r\n" \
	"      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n" \
	"      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB\r\n" \
	"      4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut\r\n" \
	"      KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV\r\n" \
	"      4bmp/YzhwvcubU4=;\r\n"
#define RFC6376_HEADER \
	"Received: from client1.football.example.com  [192.0.2.1]\r\n" \
	"      by submitserver.example.com with SUBMISSION;\r\n" \
	"      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)\r\n" \
	"From: Joe SixPack <joe@football.example.com>\r\n" \
	"To: Suzie Q <suzie@shopping.example.net>\r\n" \
	"Subject: Is dinner ready?\r\n" \
	"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n" \
	"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"

/* RFC 8463 A.3 */
static const struct span rfc8463_message = SPAN(
	"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
	" d=football.example.com; i=@football.example.com;\r\n"
	" q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
	" subject : date : message-id : from : subject : date;\r\n"
	" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
	" b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n"
	" Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n"
	"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"
	" d=football.example.com; i=@football.example.com;\r\n"
	" q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n"
	" date : message-id : from : subject : date;\r\n"
	" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
	" b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n"
	" DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n"
	" dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n"
	"From: Joe SixPack <joe@football.example.com>\r\n"
	"To: Suzie Q <suzie@shopping.example.net>\r\n"
	"Subject: Is dinner ready?\r\n"
	"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
	"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n" BODY);

static const struct span rfc6376_message = SPAN(RFC6376_FIELD RFC6376_HEADER BODY);

static const struct test_record zone[] = {
	{ SPAN("brisbane._domainkey.example.com"), SPAN(RFC6376_KEY), DNS_FOUND },
	{ SPAN("brisbane._domainkey.football.example.com"), SPAN(RFC8463_ED_KEY), DNS_FOUND },
	{ SPAN("test._domainkey.football.example.com"), SPAN(RFC8463_RSA_KEY), DNS_FOUND },
	{ { NULL, 0 }, { NULL, 0 }, DNS_NO_NAME },
};

static struct arena *arena;
static struct dkim_crypto *crypto;

static int begin(void **state)
{
	(void)state;
	arena = arena_new(NULL);
	crypto = dkim_crypto_new(KEYS_MAX);
	return 0;
}

static int end(void **state)
{
	(void)state;
	arena_free(arena);
	dkim_crypto_free(crypto);
	return 0;
}

static struct dkim_verify_settings standard(void)
{
	struct dkim_verify_settings settings = DKIM_VERIFY_STANDARD_SETTINGS;

	settings.now_s = TEST_NOW_S;
	return settings;
}

static struct dkim_results verify(struct span message, struct test_dns *dns,
                                  const struct dkim_verify_settings *settings)
{
	struct test_mail mail = test_mail(arena, crypto, message);
	struct lookup lookup = test_lookup(dns);
	struct dkim_verifier *verifier = dkim_verify_start(arena, crypto, settings, mail.header, mail.index, mail.body,
	                                                   &lookup);

	test_hash(&mail);
	return dkim_verify_end(verifier);
}

static void the_examples_pass(void **state)
{
	struct dkim_verify_settings settings = standard();
	struct test_dns dns = { .script = zone };
	struct dkim_results r = verify(rfc6376_message, &dns, &settings);

	(void)state;
	assert_int_equal(r.count, 1);
	assert_string_equal(r.item[0].reason, "");
	assert_int_equal(r.item[0].status, DKIM_PASS);
	assert_span(r.item[0].domain, "example.com");
	assert_span(r.item[0].selector, "brisbane");
	assert_span(r.item[0].identity, "joe@football.example.com");
	assert_span(r.item[0].b, "AuUoFEfD");
	assert_string_equal(r.item[0].algorithm, "rsa-sha256");
	assert_int_equal(r.item[0].key_bits, 1024);
	assert_int_equal(r.from_count, 1);
	assert_int_equal(r.item[0].from_signed, 1);
	assert_int_equal(dns.expected, 1);
	r = verify(rfc8463_message, &dns, &settings);
	assert_int_equal(r.count, 2);
	assert_int_equal(r.item[0].status, DKIM_PASS);
	assert_string_equal(r.item[0].algorithm, "ed25519-sha256");
	assert_int_equal(r.item[1].status, DKIM_PASS);
	assert_int_equal(r.item[1].from_signed, 2);
}

static void each_signed_byte_counts(void **state)
{
	struct dkim_verify_settings settings = standard();
	struct test_dns dns = { .script = zone };
	size_t signed_at = sizeof(RFC6376_FIELD) - 1;

	(void)state;
	/* The last CRLF is not among them: it is added where it is missing. */
	for (size_t i = signed_at; i < rfc6376_message.len - 2; i++) {
		struct span changed = arena_dup(arena, rfc6376_message);
		char *at = arena_cstr(arena, changed);
		struct dkim_results r;

		at[i] = (char)(at[i] ^ 1);
		r = verify(span_make(at, changed.len), &dns, &settings);
		assert_int_equal(r.count, 1);
		assert_int_equal(r.item[0].status, DKIM_FAIL);
		arena_reset(arena);
	}
}

/* one - verify what another signer signed with that field, by a script of one record for all names. */
static struct dkim_result one(struct span message, struct span text, enum dns_status status,
                              const struct dkim_verify_settings *settings)
{
	struct test_record script[] = { { SPAN(""), text, status }, { { NULL, 0 }, { NULL, 0 }, DNS_NO_NAME } };
	struct test_dns dns = { .script = script };
	struct dkim_results r = verify(message, &dns, settings);

	assert_int_equal(r.count, 1);
	return r.item[0];
}

static void keys_decide(void **state)
{
	static const struct { struct span text; enum dns_status dns; enum dkim_status want; const char *reason; } rows[] = {
		{ SPAN(RFC6376_KEY),            DNS_FOUND,   DKIM_PASS,      "" },
		{ SPAN("t=y; " RFC6376_KEY),    DNS_FOUND,   DKIM_PERMERROR, "the key record has another version" },
		{ SPAN(RFC6376_KEY "; t=y"),    DNS_FOUND,   DKIM_PASS,      "" },
		{ SPAN(RFC6376_KEY "; t=s"),    DNS_FOUND,   DKIM_PERMERROR, "the key is not for subdomains" },
		{ SPAN(RFC8463_RSA_KEY),        DNS_FOUND,   DKIM_FAIL,      "the signature does not match the header" },
		{ SPAN(RFC8463_ED_KEY),         DNS_FOUND,   DKIM_PERMERROR, "the key is of another type" },
		{ SPAN("v=DKIM1; p="),          DNS_FOUND,   DKIM_PERMERROR, "the key is revoked" },
		{ SPAN("v=DKIM1; p=AAAA"),      DNS_FOUND,   DKIM_PERMERROR, "the key record holds no key" },
		{ SPAN("v=spf1 -all"),          DNS_FOUND,   DKIM_PERMERROR,
		  "the record under the selector is no key record" },
		{ SPAN(""),                     DNS_NO_NAME, DKIM_PERMERROR, "there is no key" },
		{ SPAN(""),                     DNS_NO_DATA, DKIM_PERMERROR, "there is no key" },
		{ SPAN(""),                     DNS_FAILED,  DKIM_TEMPERROR, "the key could not be asked for" },
	};
	struct dkim_verify_settings settings = standard();

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct dkim_result r = one(rfc6376_message, rows[i].text, rows[i].dns, &settings);

		assert_string_equal(r.reason, rows[i].reason);
		assert_int_equal(r.status, rows[i].want);
		assert_int_equal(r.is_testing, span_ends(rows[i].text, span_lit("t=y")));
	}
	settings.keys.rsa_bits_min = 1025;
	assert_int_equal(one(rfc6376_message, span_lit(RFC6376_KEY), DNS_FOUND, &settings).status, DKIM_POLICY);
	settings.keys.rsa_bits_min = 512;
	settings.keys.rsa_bits_max = 1023;
	assert_int_equal(one(rfc6376_message, span_lit(RFC6376_KEY), DNS_FOUND, &settings).status, DKIM_POLICY);
}

static void another_record_beside_the_key_does_no_harm(void **state)
{
	static const struct test_record script[] = {
		{ SPAN(""), SPAN("v=spf1 -all"), DNS_FOUND },
		{ SPAN(""), SPAN(RFC6376_KEY), DNS_FOUND },
		{ { NULL, 0 }, { NULL, 0 }, DNS_NO_NAME },
	};
	struct dkim_verify_settings settings = standard();
	struct test_dns dns = { .script = script };

	(void)state;
	assert_int_equal(verify(rfc6376_message, &dns, &settings).item[0].status, DKIM_PASS);
}

static void work_is_bounded(void **state)
{
	struct dkim_verify_settings settings = standard();
	struct test_dns dns = { .script = zone };
	struct dkim_results r;
	struct buf text;

	(void)state;
	buf_init(&text, BUF_NO_LIMIT);
	for (size_t i = 0; i < 30; i++)
		buf_addf(&text, "DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s%zu; h=From;\r\n"
		         " bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=; b=QUJD\r\n", i);
	buf_add_cstr(&text, "From: a\r\n\r\n");
	r = verify(buf_span(&text), &dns, &settings);
	assert_int_equal(r.count, 10);
	assert_int_equal(r.skipped, 20);
	assert_int_equal(dns.asked, 10);
	assert_int_equal(dns.expected, 10);
	settings.signatures_max = 30;
	settings.keys.lookups_max = 3;
	dns.asked = dns.expected = 0;
	r = verify(buf_span(&text), &dns, &settings);
	assert_int_equal(r.count, 30);
	assert_int_equal(dns.asked, 3);
	assert_int_equal(dns.expected, 3);
	assert_int_equal(r.item[2].status, DKIM_PERMERROR);
	assert_int_equal(r.item[3].status, DKIM_POLICY);
	assert_string_equal(r.item[3].reason, "too many keys");
	buf_free(&text);
}

static void long_fields_cost_linear_time(void **state)
{
	enum { LONG = 300000 };
	struct dkim_verify_settings settings = standard();
	struct test_dns dns = { .script = zone };
	struct buf text;

	(void)state;
	buf_init(&text, BUF_NO_LIMIT);
	for (int i = 0; i < 3; i++) {
		buf_add_cstr(&text, "DKIM-Signature: d=a; b=");
		for (size_t n = 0; n < LONG; n++)
			buf_add_byte(&text, 'A');
		buf_add_cstr(&text, "; h=");
		for (size_t n = 0; n < LONG; n++)
			buf_add_cstr(&text, "a:");
		for (size_t n = 0; n < LONG; n++)
			buf_add_cstr(&text, " ");
		buf_add_cstr(&text, "\r\n");
	}
	assert_int_equal(verify(buf_span(&text), &dns, &settings).item[0].b.len, LONG);
	buf_free(&text);
}

/* ---- with signatures of our own ---- */

static struct span sign(struct span message, const struct dkim_signing_key *key, const char *more)
{
	struct test_mail mail = test_mail(arena, crypto, message);
	struct name_list names;
	struct composer c;
	struct span text;
	size_t hash;

	assert_true(dkim_body_want(mail.body, DKIM_SIMPLE, DKIM_WHOLE_BODY, &hash));
	test_hash(&mail);
	names = dkim_choose_names(arena, mail.index, span_lit("From"), span_lit(""));
	composer_start(&c, span_lit("DKIM-Signature"));
	composer_wordf(&c, "v=1; a=ed25519-sha256; d=a.example; s=s; %s", more);
	composer_names(&c, &names);
	assert_true(composer_sign_message(&c, crypto, arena, key, mail.index, &names, DKIM_SIMPLE));
	text = arena_printf_span(arena, SPAN_FMT "\r\n" SPAN_FMT, SPAN_ARG(composer_field(&c).raw), SPAN_ARG(message));
	composer_free(&c);
	return text;
}

#define EMPTY_HASH "bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;"	/* of no byte at all: l=0 */
#define CRLF_HASH "bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=;"

static void lengths_and_times_decide(void **state)
{
	static const struct { const char *tags, *body; enum dkim_length_rule rule; enum dkim_status want; } rows[] = {
		{ CRLF_HASH,                        "",     DKIM_LENGTH_WHOLE, DKIM_PASS },
		{ CRLF_HASH " l=2;",                "",     DKIM_LENGTH_WHOLE, DKIM_PASS },
		{ CRLF_HASH " l=3;",                "",     DKIM_LENGTH_ANY,   DKIM_PERMERROR },
		{ CRLF_HASH,                        "more", DKIM_LENGTH_ANY,   DKIM_FAIL },
		{ EMPTY_HASH " l=0;",               "more", DKIM_LENGTH_WHOLE, DKIM_POLICY },
		{ EMPTY_HASH " l=0;",               "more", DKIM_LENGTH_ANY,   DKIM_PASS },
		{ CRLF_HASH " t=1699999999;",       "",     DKIM_LENGTH_WHOLE, DKIM_PASS },
		{ CRLF_HASH " t=1700000300;",       "",     DKIM_LENGTH_WHOLE, DKIM_PASS },
		{ CRLF_HASH " t=1700000301;",       "",     DKIM_LENGTH_WHOLE, DKIM_POLICY },
		{ CRLF_HASH " x=1699999700;",       "",     DKIM_LENGTH_WHOLE, DKIM_PASS },
		{ CRLF_HASH " x=1699999699;",       "",     DKIM_LENGTH_WHOLE, DKIM_FAIL },
		{ CRLF_HASH " x=99999999999999999;", "",    DKIM_LENGTH_WHOLE, DKIM_PASS },
	};
	struct dkim_signing_key key = test_key(0);
	struct span text = arena_dup(arena, dkim_key_record_text(arena, key.type, key.pkey));

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct dkim_verify_settings settings = standard();
		struct span message = arena_printf_span(arena, "From: a@a.example\r\n\r\n%s", rows[i].body);

		settings.length_rule = rows[i].rule;
		assert_int_equal(one(sign(message, &key, rows[i].tags), text, DNS_FOUND, &settings).status,
		                 rows[i].want);
	}
	dkim_signing_key_free(&key);
}

static void signatures_are_told_apart(void **state)
{
	static const struct span message = SPAN("DKIM-Signature: b=AAAAAAAAAAAAAAAA; d=a\r\n"
	                                        "DKIM-Signature: b=AAAAAAAAAAAABBBB; d=b\r\n"
	                                        "DKIM-Signature: b=AAAA\r\n\tBBBBBBBBCCCC\r\n"
	                                        "DKIM-Signature: nonsense\r\n"
	                                        "From: a\r\nFrom: b\r\n\r\n");
	static const char *want[] = { "AAAAAAAAAAAAA", "AAAAAAAAAAAAB", "AAAABBBB", "" };
	struct dkim_verify_settings settings = standard();
	struct test_dns dns = { .script = zone };
	struct dkim_results r = verify(message, &dns, &settings);

	(void)state;
	assert_int_equal(r.count, COUNT_OF(want));
	for (size_t i = 0; i < COUNT_OF(want); i++)
		assert_span(r.item[i].b, want[i]);
	assert_int_equal(r.from_count, 2);
	assert_int_equal(dns.asked, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_examples_pass),
		cmocka_unit_test(each_signed_byte_counts),
		cmocka_unit_test(keys_decide),
		cmocka_unit_test(another_record_beside_the_key_does_no_harm),
		cmocka_unit_test(work_is_bounded),
		cmocka_unit_test(long_fields_cost_linear_time),
		cmocka_unit_test(lengths_and_times_decide),
		cmocka_unit_test(signatures_are_told_apart),
	};

	return cmocka_run_group_tests_name("dkim_verify", tests, begin, end);
}
