/* SPDX-License-Identifier: ISC */
/* message_file_test.c - a message's own file: whole, cut, damaged, changed in place, and with failing calls */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/crc32c.h"
#include "lib/base/fs.h"
#include "lib/queue/message_file.h"

static const struct span content = SPAN("Subject: test\r\n\r\nbody of the message\r\n");

struct fixture {
	struct arena *arena;
	struct buf    envelope;
	struct queued q;
	int           fd;
	off_t         size;
};

static int set_up(void **state)
{
	struct envelope_recipient to[] = {
		{ .number = 1, .address = SPAN("one@example.test") },
		{ .number = 2, .address = SPAN("two@example.test") },
	};
	struct envelope e = { .arrival_us = 99, .sender = SPAN("s@example.org"), .recipients = to, .recipient_count = 2 };
	struct fixture *f = calloc(1, sizeof(*f));
	struct stat st;

	assert_non_null(f);
	f->arena = arena_new(NULL);
	buf_init(&f->envelope, BUF_NO_LIMIT);
	envelope_encode(&f->envelope, &e);
	assert_true(queued_decode(f->arena, buf_span(&f->envelope), &f->q));
	f->fd = memfd_create("message", MFD_CLOEXEC);
	assert_true(f->fd >= 0);
	assert_int_equal(fs_pwrite_all(f->fd, content.ptr, content.len, MESSAGE_FILE_CONTENT), 0);
	assert_int_equal(message_file_finish(f->fd, &f->q, content.len, crc32c(0, content)), 0);
	assert_int_equal(fstat(f->fd, &st), 0);
	f->size = st.st_size;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	close(f->fd);
	buf_free(&f->envelope);
	arena_free(f->arena);
	free(f);
	return 0;
}

static void comes_back_the_same(void **state)
{
	struct fixture *f = *state;
	struct message_preamble p;
	struct queued q;

	assert_int_equal(message_file_read(f->fd, f->arena, &p, &q), 0);
	assert_int_equal(p.arrival_us, 99);
	assert_int_equal(p.content_length, content.len);
	assert_int_equal(q.envelope.recipient_count, 2);
	assert_true(span_equal(q.envelope.sender, span_lit("s@example.org")));
	assert_int_equal(message_file_check(f->fd, &p), 0);
}

static void cut_at_every_byte(void **state)
{
	struct fixture *f = *state;
	struct message_preamble p;
	struct queued q;

	for (off_t n = f->size - 1; n >= 0; n--) {
		assert_int_equal(ftruncate(f->fd, n), 0);
		if (message_file_read(f->fd, f->arena, &p, &q) == 0)
			fail_msg("the first %ld of %ld bytes were taken for a whole file", (long)n, (long)f->size);
		assert_int_equal(errno, EBADMSG);
	}
}

static void damaged_content_is_seen(void **state)
{
	struct fixture *f = *state;
	struct message_preamble p;
	struct queued q;

	assert_int_equal(fs_pwrite_all(f->fd, "X", 1, MESSAGE_FILE_CONTENT + 20), 0);
	assert_int_equal(message_file_read(f->fd, f->arena, &p, &q), 0);
	assert_int_equal(message_file_check(f->fd, &p), -1);
	assert_int_equal(errno, EBADMSG);
}

static void damaged_envelope_is_seen(void **state)
{
	struct fixture *f = *state;
	struct message_preamble p;
	struct queued q;

	assert_int_equal(message_file_preamble(f->fd, &p), 0);
	for (uint32_t i = 0; i < p.envelope_length; i++) {
		char byte;

		assert_int_equal(fs_pread_all(f->fd, &byte, 1, (off_t)(p.envelope_offset + i)), 0);
		byte ^= 1;
		assert_int_equal(fs_pwrite_all(f->fd, &byte, 1, (off_t)(p.envelope_offset + i)), 0);
		if (message_file_read(f->fd, f->arena, &p, &q) == 0)
			fail_msg("byte %u", i);
		byte ^= 1;
		assert_int_equal(fs_pwrite_all(f->fd, &byte, 1, (off_t)(p.envelope_offset + i)), 0);
	}
}

static void marks_stay(void **state)
{
	struct fixture *f = *state;
	struct message_preamble p;
	struct queued q;

	assert_int_equal(message_file_preamble(f->fd, &p), 0);
	f->q.states[1].status = RECIPIENT_SENT;
	f->q.states[0].dsn = span_lit("4.4.1");
	f->q.states[0].reason = span_lit("connection refused");
	f->q.next_attempt_us = 1234;
	f->q.flags = MESSAGE_HELD;
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(message_file_mark(f->fd, &p, i, &f->q.states[i]), 0);
	assert_int_equal(message_file_retry(f->fd, &f->q), 0);
	assert_int_equal(message_file_read(f->fd, f->arena, &p, &q), 0);
	assert_int_equal(q.states[0].status, RECIPIENT_OPEN);
	assert_true(span_equal(q.states[0].reason, span_lit("connection refused")));
	assert_int_equal(q.states[1].status, RECIPIENT_SENT);
	assert_int_equal(q.next_attempt_us, 1234);
	assert_int_equal(q.flags, MESSAGE_HELD);
}

static void a_torn_mark_is_no_end(void **state)
{
	struct fixture *f = *state;
	struct message_preamble p;
	struct queued q;

	assert_int_equal(message_file_preamble(f->fd, &p), 0);
	assert_int_equal(fs_pwrite_all(f->fd, "\xff", 1, (off_t)(p.envelope_offset + p.envelope_length)), 0);
	assert_int_equal(message_file_read(f->fd, f->arena, &p, &q), 0);
	assert_int_equal(q.states[0].status, RECIPIENT_OPEN);
}

static void torn_retry_data_means_now(void **state)
{
	struct fixture *f = *state;
	struct message_preamble p;

	f->q.next_attempt_us = UINT64_MAX;
	assert_int_equal(message_file_retry(f->fd, &f->q), 0);
	assert_int_equal(fs_pwrite_all(f->fd, "\1", 1, 98), 0);
	assert_int_equal(message_file_preamble(f->fd, &p), 0);
	assert_int_equal(p.next_attempt_us, 0);
}

static void recipients_may_join(void **state)
{
	struct fixture *f = *state;
	struct envelope_recipient r = { .number = 9, .address = SPAN("three@example.test") };
	struct message_preamble p;
	struct queued q;

	assert_int_equal(message_file_preamble(f->fd, &p), 0);
	f->q.states[0].status = RECIPIENT_EXPANDED;
	(void)queued_add(&f->q, &r);
	assert_int_equal(message_file_rewrite(f->fd, &f->q, &p), 0);
	assert_int_equal(message_file_read(f->fd, f->arena, &p, &q), 0);
	assert_int_equal(q.envelope.recipient_count, 3);
	assert_int_equal(q.states[0].status, RECIPIENT_EXPANDED);
	assert_int_equal(message_file_check(f->fd, &p), 0);
}

static void a_failed_rewrite_leaves_the_old(void **state)
{
	struct fixture *f = *state;
	struct envelope_recipient r = { .number = 9, .address = SPAN("three@example.test") };
	struct message_preamble p, same;
	struct queued q;

	assert_int_equal(message_file_preamble(f->fd, &p), 0);
	(void)queued_add(&f->q, &r);
	for (unsigned n = 1; n <= 3; n++) {
		fs_fail_at(n, ENOSPC);
		assert_int_equal(message_file_rewrite(f->fd, &f->q, &p), -1);
		fs_fail_at(0, 0);
		assert_int_equal(message_file_read(f->fd, f->arena, &same, &q), 0);
		assert_int_equal(q.envelope.recipient_count, 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(comes_back_the_same, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cut_at_every_byte, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damaged_content_is_seen, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damaged_envelope_is_seen, set_up, tear_down),
		cmocka_unit_test_setup_teardown(marks_stay, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_torn_mark_is_no_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(torn_retry_data_means_now, set_up, tear_down),
		cmocka_unit_test_setup_teardown(recipients_may_join, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_failed_rewrite_leaves_the_old, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
