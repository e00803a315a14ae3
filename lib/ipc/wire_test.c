/* SPDX-License-Identifier: ISC */
/* wire_test.c - what is encoded decodes to the same, and nothing else decodes */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <stdio.h>

#include "lib/base/buf.h"
#include "lib/ipc/commit.h"
#include "lib/ipc/deliver.h"
#include "lib/ipc/wire.h"

#define SAMPLE(F, M) F(M, U64, number) F(M, BOOL, flag) F(M, SPAN, text) F(M, FD, file) F(M, SPAN, other)
IPC_DECLARE(sample, SAMPLE);
IPC_DEFINE(sample, 2, SAMPLE);

static const struct sample whole = {
	.number = UINT64_MAX - 1, .flag = true, .text = SPAN("a\0b"), .file = 9, .other = SPAN(""),
};

static struct buf encoded(const struct sample *s)
{
	struct buf out;

	buf_init(&out, BUF_NO_LIMIT);
	ipc_encode(&out, &sample_type, IPC_MORE, 77, s);
	assert_false(out.overflowed);
	return out;
}

/* Decode from a heap copy of exact size, so that a read past the end is seen by AddressSanitizer. */
static bool decodes(struct span packet, int *fds, size_t count, struct sample *out)
{
	char *copy = malloc(packet.len + (packet.len == 0));
	bool  good;

	memcpy(copy, packet.ptr, packet.len);
	good = ipc_decode(span_make(copy, packet.len), &sample_type, fds, count, out);
	free(copy);
	return good;
}

static void comes_back_the_same(void **state)
{
	struct buf    out = encoded(&whole);
	struct sample back;
	int           fds[] = { 42 };

	(void)state;
	assert_true(ipc_decode(buf_span(&out), &sample_type, fds, 1, &back));
	assert_true(back.number == whole.number);
	assert_true(back.flag);
	assert_true(span_equal(back.text, whole.text));
	assert_int_equal(back.file, 42);
	assert_int_equal(fds[0], -1);
	assert_int_equal(back.other.len, 0);
	buf_free(&out);
}

static void header_comes_back(void **state)
{
	struct buf        out = encoded(&whole);
	struct ipc_header header;

	(void)state;
	assert_true(ipc_decode_header(buf_span(&out), &header));
	assert_int_equal(header.type, 2);
	assert_int_equal(header.flags, IPC_MORE);
	assert_int_equal(header.request, 77);
	assert_false(ipc_decode_header(span_first(buf_span(&out), WIRE_HEADER_SIZE - 1), &header));
	buf_free(&out);
}

static void long_span_is_not_copied(void **state)
{
	static char        bytes[WIRE_INLINE_MAX + 1];
	struct wire_gather g;
	struct sample      s = { .text = span_make(bytes, sizeof(bytes)), .file = -1 };
	bool               found = false;

	(void)state;
	assert_true(wire_gather(&g, &sample_type, 0, 1, &s));
	for (size_t i = 0; i < g.iov_count; i++)
		found = found || g.iov[i].iov_base == bytes;
	assert_true(found);
	assert_int_equal(g.fd_count, 0);
}

static void every_prefix_fails(void **state)
{
	struct buf out = encoded(&whole);

	(void)state;
	for (size_t n = 0; n < out.len; n++) {
		int           fds[] = { 42 };
		struct sample back;

		if (decodes(span_first(buf_span(&out), n), fds, 1, &back))
			fail_msg("prefix of %zu bytes decoded", n);
		assert_int_equal(fds[0], 42);	/* still the caller's */
		assert_int_equal(back.file, -1);
	}
	buf_free(&out);
}

static void changed_byte_fails(void **state)
{
	static const struct { size_t offset; char value; const char *what; } rows[] = {
		{ 0, 2, "version" },
		{ 2, 4, "type" },
		{ WIRE_HEADER_SIZE, 1, "tag of the first field" },
		{ WIRE_HEADER_SIZE + 9, 6, "tag of the second field" },
		{ WIRE_HEADER_SIZE + 10, 2, "a bool of 2" },
		{ WIRE_HEADER_SIZE + 12, 4, "a span longer than it is" },
		{ WIRE_HEADER_SIZE + 12, 2, "a span shorter than it is" },
		{ WIRE_HEADER_SIZE + 15, 0x7f, "a span of 2 GB" },
		{ WIRE_HEADER_SIZE + 20, 3, "a descriptor flag of 3" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf    out = encoded(&whole);
		int           fds[] = { 42 };
		struct sample back;

		out.ptr[rows[i].offset] = rows[i].value;
		if (decodes(buf_span(&out), fds, 1, &back))
			fail_msg("decoded: %s", rows[i].what);
		buf_free(&out);
	}
}

static void trailing_byte_fails(void **state)
{
	struct buf    out = encoded(&whole);
	int           fds[] = { 42 };
	struct sample back;

	(void)state;
	buf_add_byte(&out, '\0');
	assert_false(decodes(buf_span(&out), fds, 1, &back));
	buf_free(&out);
}

static void missing_descriptor_fails(void **state)
{
	struct buf    out = encoded(&whole);
	struct sample back;

	(void)state;
	assert_false(decodes(buf_span(&out), NULL, 0, &back));
	buf_free(&out);
}

static void extra_descriptor_stays_with_caller(void **state)
{
	struct sample without = whole, back;
	struct buf    out;
	int           fds[] = { 42 };

	(void)state;
	without.file = -1;
	out = encoded(&without);
	assert_true(ipc_decode(buf_span(&out), &sample_type, fds, 1, &back));
	assert_int_equal(back.file, -1);
	assert_int_equal(fds[0], 42);
	buf_free(&out);
}

static void too_long_is_refused(void **state)
{
	char         *bytes = calloc(1, IPC_MESSAGE_MAX);
	struct sample s = { .text = span_make(bytes, IPC_MESSAGE_MAX), .file = -1 };
	struct buf    out;

	(void)state;
	buf_init(&out, BUF_NO_LIMIT);
	ipc_encode(&out, &sample_type, 0, 1, &s);
	assert_true(out.overflowed);
	assert_int_equal(out.len, 0);
	buf_free(&out);
	free(bytes);
}

static void largest_inline_mail_fits(void **state)
{
	char                 *content = calloc(1, 65536), *envelope = calloc(1, 65536);
	struct commit_request r = {
		.queue_id = SPAN("4ZgXyz0000z1234"),
		.envelope = span_make(envelope, 65536), .content = span_make(content, 65536),
	};
	struct buf            out;

	(void)state;
	buf_init(&out, BUF_NO_LIMIT);
	ipc_encode(&out, &commit_request_type, 0, 1, &r);
	assert_false(out.overflowed);
	buf_free(&out);
	free(content);
	free(envelope);
}

static void dump_is_readable(void **state)
{
	struct arena *a = arena_new(NULL);
	struct sample s = { .number = 5, .text = SPAN("x"), .file = -1, .other = SPAN(
		"0123456789012345678901234567890123456789012345678901234567890123456789") };

	(void)state;
	assert_string_equal(ipc_dump(a, &sample_type, &s),
	                    "sample{number=5 flag=no text=x file=-1 other="
	                    "0123456789012345678901234567890123456789012345678901234567890123...}");
	arena_free(a);
}

static void types_fit_the_encoder(void **state)
{
	static const struct ipc_type *const types[] = {
		&commit_request_type, &lease_reply_type, &deliver_request_type, &deliver_result_type,
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(types); i++)
		assert_true(types[i]->count <= WIRE_FIELDS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back_the_same),
		cmocka_unit_test(header_comes_back),
		cmocka_unit_test(long_span_is_not_copied),
		cmocka_unit_test(every_prefix_fails),
		cmocka_unit_test(changed_byte_fails),
		cmocka_unit_test(trailing_byte_fails),
		cmocka_unit_test(missing_descriptor_fails),
		cmocka_unit_test(extra_descriptor_stays_with_caller),
		cmocka_unit_test(too_long_is_refused),
		cmocka_unit_test(largest_inline_mail_fits),
		cmocka_unit_test(dump_is_readable),
		cmocka_unit_test(types_fit_the_encoder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
