/* SPDX-License-Identifier: ISC */
/* envelope_test.c - the envelope's bytes: there and back, and nothing malformed accepted */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "lib/queue/envelope.h"

static struct envelope_recipient sample_recipients[] = {
	{ .number = 1, .address = SPAN("u1@example.test"), .original = SPAN("alias@example.test"),
	  .orcpt = SPAN("rfc822;alias@example.test"), .notify = NOTIFY_FAILURE | NOTIFY_DELAY,
	  .transport = SPAN("virtual"), .nexthop = SPAN("example.test"), .ancestors = SPAN("alias@example.test\0") },
	{ .number = 7, .address = SPAN("b\0c@example.test") },
};

static const struct envelope sample = {
	.arrival_us = 1700000000123456, .size = 4096, .flags = ENVELOPE_8BITMIME, .sender = SPAN("s@example.org"),
	.envid = SPAN("QQ314159"), .dsn_return = DSN_RETURN_HEADERS, .client_name = SPAN("localhost"),
	.client_address = SPAN("127.0.0.1"), .client_port = SPAN("2525"), .client_helo = SPAN("me"),
	.client_protocol = SPAN("ESMTPSA"), .sasl_method = SPAN("PLAIN"), .sasl_username = SPAN("u1"),
	.message_id = SPAN("<1@x>"), .recipients = sample_recipients, .recipient_count = COUNT_OF(sample_recipients),
};

struct fixture {
	struct buf    bytes;
	struct arena *arena;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	buf_init(&f->bytes, BUF_NO_LIMIT);
	f->arena = arena_new(NULL);
	envelope_encode(&f->bytes, &sample);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	buf_free(&f->bytes);
	arena_free(f->arena);
	free(f);
	return 0;
}

static void comes_back_the_same(void **state)
{
	struct fixture *f = *state;
	struct envelope e;
	struct buf again;

	assert_true(envelope_decode(f->arena, buf_span(&f->bytes), &e));
	assert_int_equal(e.recipient_count, 2);
	assert_true(span_equal(e.recipients[1].address, span_lit("b\0c@example.test")));
	assert_true(span_equal(e.sasl_username, sample.sasl_username));
	assert_int_equal(e.dsn_return, DSN_RETURN_HEADERS);
	buf_init(&again, BUF_NO_LIMIT);
	envelope_encode(&again, &e);
	assert_true(span_equal(buf_span(&again), buf_span(&f->bytes)));
	buf_free(&again);
}

static void no_prefix_is_accepted(void **state)
{
	struct fixture *f = *state;
	struct envelope e;

	for (size_t n = 0; n < f->bytes.len; n++)
		if (envelope_decode(f->arena, span_make(f->bytes.ptr, n), &e))
			fail_msg("accepted the first %zu of %zu bytes", n, f->bytes.len);
}

static void trailing_bytes_are_refused(void **state)
{
	struct fixture *f = *state;
	struct envelope e;

	buf_add_byte(&f->bytes, 0);
	assert_false(envelope_decode(f->arena, buf_span(&f->bytes), &e));
}

static void unknown_version_is_refused(void **state)
{
	struct fixture *f = *state;
	struct envelope e;

	f->bytes.ptr[0]++;
	assert_false(envelope_decode(f->arena, buf_span(&f->bytes), &e));
}

static void unknown_flags_are_refused(void **state)
{
	struct fixture *f = *state;
	struct envelope e;

	f->bytes.ptr[20] = 1;	/* top byte of flags */
	assert_false(envelope_decode(f->arena, buf_span(&f->bytes), &e));
}

/* The bytes stand in journals: no bit may change its meaning, and what is new may not come in as an old one. */
static void each_flag_has_its_bit_for_ever(void **state)
{
	static const uint32_t known[] = { ENVELOPE_SMTPUTF8, ENVELOPE_8BITMIME, ENVELOPE_IS_BOUNCE, ENVELOPE_REQUIRETLS,
	                                  ENVELOPE_JUNK };
	struct fixture *f = *state;
	struct envelope e;

	for (unsigned bit = 0; bit < 8; bit++) {
		f->bytes.ptr[17] = (char)(1U << bit);	/* low byte of flags */
		assert_int_equal(envelope_decode(f->arena, buf_span(&f->bytes), &e), bit < COUNT_OF(known));
		if (bit < COUNT_OF(known)) {
			assert_int_equal(e.flags, 1U << bit);
			assert_int_equal(e.flags, known[bit]);
		}
	}
}

static void huge_recipient_count_is_refused(void **state)
{
	struct envelope none = { .size = 1 }, e;
	struct fixture *f = *state;

	buf_clear(&f->bytes);
	envelope_encode(&f->bytes, &none);
	assert_true(envelope_decode(f->arena, buf_span(&f->bytes), &e));
	memset(f->bytes.ptr + f->bytes.len - 4, 0xff, 4);
	assert_false(envelope_decode(f->arena, buf_span(&f->bytes), &e));
}

static void one_recipient_alone(void **state)
{
	struct fixture *f = *state;
	struct envelope_recipient r;

	buf_clear(&f->bytes);
	envelope_recipient_encode(&f->bytes, &sample_recipients[0]);
	assert_true(envelope_recipient_decode(buf_span(&f->bytes), &r));
	assert_true(span_equal(r.ancestors, sample_recipients[0].ancestors));
	assert_false(envelope_recipient_decode(span_make(f->bytes.ptr, f->bytes.len - 1), &r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(comes_back_the_same, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_prefix_is_accepted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(trailing_bytes_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(unknown_version_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(unknown_flags_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(each_flag_has_its_bit_for_ever, set_up, tear_down),
		cmocka_unit_test_setup_teardown(huge_recipient_count_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_recipient_alone, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
