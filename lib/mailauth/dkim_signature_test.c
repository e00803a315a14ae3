/* SPDX-License-Identifier: ISC */
/* dkim_signature_test.c - signature fields, by tables */
#include "lib/base/test.h"
#include "lib/mailauth/dkim_body.h"
#include "lib/mailauth/dkim_signature.h"

enum { NAMES_MAX = 5 };

#define BH "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
/* What a DKIM-Signature has at least, d= and a= left to the rows. */
#define REST "; s=sel; h=From; bh=" BH "; b=QUJD"
#define GOOD "v=1; a=rsa-sha256; d=a.example" REST

static struct arena *arena;

static int begin(void **state)
{
	(void)state;
	arena = arena_new(NULL);
	return 0;
}

static int end(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static const char *read_as(enum dkim_field_kind kind, struct span value, struct dkim_signature *s)
{
	struct span text = arena_printf_span(arena, "X: " SPAN_FMT "\r\n", SPAN_ARG(value));
	struct mime_field *field = ARENA_NEW(arena, struct mime_field);
	const char *reason = "";
	enum dkim_status status;

	assert_true(mime_field_next(&text, field));
	status = dkim_signature_read(arena, kind, field, NAMES_MAX, s, &reason);
	return arena_printf(arena, "%s %s", dkim_status_word(status), reason);
}

struct row {
	struct span value;
	const char *want;
};

static void check_rows(enum dkim_field_kind kind, const struct row *rows, size_t count)
{
	struct dkim_signature s;

	for (size_t i = 0; i < count; i++) {
		const char *got = read_as(kind, rows[i].value, &s);

		if (strcmp(got, rows[i].want) != 0)
			fail_msg("<" SPAN_FMT ">\n   got %s\n  want %s", SPAN_ARG(rows[i].value), got, rows[i].want);
	}
}

static void dkim_signatures_are_read(void **state)
{
	static const struct row rows[] = {
		{ SPAN(GOOD), "pass " },
		{ SPAN(GOOD "; c=relaxed; q=dns/txt; t=1; x=2; l=0; i=x@b.a.example; z=From:x; u="), "pass " },
		{ SPAN(GOOD "; q=foo:dns/txt"), "pass " },
		{ SPAN("v=1; a=ed25519-sha256; d=B\xc3\xbc""cher.example" REST), "pass " },
		{ SPAN("v=1; a=rsa-sha1; d=a.example" REST), "policy signed with SHA-1" },
		{ SPAN("v=1; a=rsa-sha512; d=a.example" REST), "neutral unknown algorithm" },
		{ SPAN("v=1; a=RSA-SHA256; d=a.example" REST), "neutral unknown algorithm" },
		{ SPAN("v=2; a=rsa-sha256; d=a.example" REST), "neutral not version 1" },
		{ SPAN("a=rsa-sha256; d=a.example" REST), "permerror v= is missing" },
		{ SPAN("v=1; d=a.example" REST), "permerror a= is missing" },
		{ SPAN("v=1; a=rsa-sha256" REST), "permerror d= is missing" },
		{ SPAN("v=1; a=rsa-sha256; d=" REST), "neutral d= is no domain" },
		{ SPAN("v=1; a=rsa-sha256; d=a..b" REST), "neutral d= is no domain" },
		{ SPAN("v=1; a=rsa-sha256; d=a b" REST), "neutral d= is no domain" },
		{ SPAN("v=1; a=rsa-sha256; d=a; h=From; bh=" BH "; b=QUJD"), "permerror s= is missing" },
		{ SPAN("v=1; a=rsa-sha256; d=a; s=*; h=From; bh=" BH "; b=QUJD"), "neutral s= is no selector" },
		{ SPAN("v=1; a=rsa-sha256; d=a; s=s; bh=" BH "; b=QUJD"), "permerror h= is missing" },
		{ SPAN("v=1; a=rsa-sha256; d=a; s=s; h=; bh=" BH "; b=QUJD"), "neutral h= is no list of names" },
		{ SPAN("v=1; a=rsa-sha256; d=a; s=s; h=From:; bh=" BH "; b=QUJD"), "neutral h= is no list of names" },
		{ SPAN("v=1; a=rsa-sha256; d=a; s=s; h=Fr om; bh=" BH "; b=QUJD"), "neutral h= is no list of names" },
		{ SPAN("v=1; a=rsa-sha256; d=a; s=s; h=To; bh=" BH "; b=QUJD"), "permerror From is not signed" },
		{ SPAN("v=1; a=rsa-sha256; d=a; s=s; h=a : b:c:d:FROM; bh=" BH "; b=QUJD"), "pass " },
		{ SPAN("v=1; a=rsa-sha256; d=a; s=s; h=a:b:c:d:e:From; bh=" BH "; b=QUJD"),
		  "policy h= has too many names" },
		{ SPAN("v=1; a=rsa-sha256; d=a; s=s; h=From; b=QUJD"), "permerror bh= is missing" },
		{ SPAN("v=1; a=rsa-sha256; d=a; s=s; h=From; bh=QUJD; b=QUJD"),
		  "neutral bh= is not base64 of a hash" },
		{ SPAN("v=1; a=rsa-sha256; d=a; s=s; h=From; bh=; b=QUJD"), "neutral bh= is not base64 of a hash" },
		{ SPAN("v=1; a=rsa-sha256; d=a; s=s; h=From; bh=" BH), "permerror b= is missing" },
		{ SPAN("v=1; a=rsa-sha256; d=a; s=s; h=From; bh=" BH "; b="), "neutral b= is not base64" },
		{ SPAN("v=1; a=rsa-sha256; d=a; s=s; h=From; bh=" BH "; b=QU"), "neutral b= is not base64" },
		{ SPAN(GOOD "; c=relaxed/loose"), "neutral unknown canonicalization" },
		{ SPAN(GOOD "; c="), "neutral unknown canonicalization" },
		{ SPAN(GOOD "; i=x"), "neutral i= is no identity" },
		{ SPAN(GOOD "; i=@xa.example"), "permerror i= is not in d=" },
		{ SPAN(GOOD "; i=@example"), "permerror i= is not in d=" },
		{ SPAN(GOOD "; l=-1"), "neutral l= is no length" },
		{ SPAN(GOOD "; l="), "neutral l= is no length" },
		{ SPAN(GOOD "; l=99999999999999999999"), "neutral l= is no length" },
		{ SPAN(GOOD "; q=dns"), "permerror q= has no method we know" },
		{ SPAN(GOOD "; t=x"), "neutral t= is no time" },
		{ SPAN(GOOD "; x="), "neutral x= is no time" },
		{ SPAN(GOOD "; x=5; t=5"), "neutral x= is not later than t=" },
		{ SPAN(GOOD "; d=a.example"), "neutral a tag stands twice" },
		{ SPAN("v=1;; a=rsa-sha256"), "neutral no list of tags" },
		{ SPAN(""), "neutral no list of tags" },
	};

	(void)state;
	check_rows(DKIM_SIGNATURE, rows, COUNT_OF(rows));
}

static void arc_signatures_are_read(void **state)
{
	static const struct row messages[] = {
		{ SPAN("i=1; a=rsa-sha256; d=a" REST), "pass " },
		{ SPAN("i=1; a=rsa-sha256; d=a; s=s; h=From:ARC-Seal; bh=" BH "; b=QUJD"), "permerror h= has ARC-Seal" },
		{ SPAN("i=1; a=rsa-sha256; d=a; s=s; h=From; b=QUJD"), "permerror bh= is missing" },
	};
	static const struct row seals[] = {
		{ SPAN("i=1; cv=none; a=rsa-sha256; d=a; s=s; b=QUJD"), "pass " },
		{ SPAN("i=1; cv=none; a=rsa-sha256; d=a; s=s; t=1; c=odd; b=QUJD"), "pass " },
		{ SPAN("i=1; cv=none; a=rsa-sha256; d=a; s=s; h=From; b=QUJD"), "permerror a seal with h=" },
		{ SPAN("i=1; cv=none; a=rsa-sha256; d=a; s=s; t=x; b=QUJD"), "neutral t= is no time" },
		{ SPAN("i=1; cv=none; a=rsa-sha256; d=a; b=QUJD"), "permerror s= is missing" },
	};
	struct dkim_signature s;

	(void)state;
	check_rows(ARC_MESSAGE_SIGNATURE, messages, COUNT_OF(messages));
	check_rows(ARC_SEAL, seals, COUNT_OF(seals));
	read_as(ARC_MESSAGE_SIGNATURE, messages[0].value, &s);
	assert_int_equal(s.header_canon, DKIM_RELAXED);
	assert_int_equal(s.body_canon, DKIM_RELAXED);
	assert_int_equal(s.identity.len, 0);
}

static void what_stands_in_it_is_given(void **state)
{
	struct dkim_signature s;

	(void)state;
	read_as(DKIM_SIGNATURE, span_lit(GOOD "\r\n\tRUY= ; c=relaxed; l=7; t=5; x=9"), &s);
	assert_span(s.domain, "a.example");
	assert_span(s.selector, "sel");
	assert_span(s.identity, "@a.example");
	assert_span(s.b, "QUJDRUY=");
	assert_span(s.signature, "ABCEF");
	assert_span(s.b_extent, "QUJD\r\n\tRUY= ");
	assert_string_equal(s.algorithm, "rsa-sha256");
	assert_int_equal(s.header_canon, DKIM_RELAXED);
	assert_int_equal(s.body_canon, DKIM_SIMPLE);
	assert_int_equal(s.length, 7);
	assert_true(s.has_timestamp && s.has_expiry && s.timestamp_s == 5 && s.expiry_s == 9);
	read_as(DKIM_SIGNATURE, span_lit("v=1; b=QUJD; d=c.example; a=odd"), &s);	/* a fault: the rest is told */
	assert_span(s.b, "QUJD");
	assert_span(s.domain, "c.example");
	read_as(DKIM_SIGNATURE, span_lit(GOOD "; i= x =20\r\n y@a.example"), &s);
	assert_span(s.identity, "x=20y@a.example");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dkim_signatures_are_read),
		cmocka_unit_test(arc_signatures_are_read),
		cmocka_unit_test(what_stands_in_it_is_given),
	};

	return cmocka_run_group_tests_name("dkim_signature", tests, begin, end);
}
