/* SPDX-License-Identifier: ISC */
/* journal_test.c - a journal cut and damaged at every byte: no whole record is lost, no torn one is given out */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/queue/journal.h"
#include "lib/queue/journal_private.h"

enum { SEQ = 7, RECORDS = 6 };

struct sample {
	struct buf bytes;
	size_t     start[RECORDS], end[RECORDS];
	size_t     batch_end[RECORDS];	/* of the batch a record is in */
	size_t     next;		/* which record replay gave last, plus one */
	unsigned   seen;		/* a bit a record */
};

static const char *const payloads[RECORDS] = { "first", "", "a longer payload, over eight bytes", "x", "yy", "last" };

/* build - three batches of two records each. */
static void build(struct sample *s)
{
	struct journal_segment segment = { .seq = SEQ, .nonce = 0x1122334455667788 };

	memset(s, 0, sizeof(*s));
	buf_init(&s->bytes, BUF_NO_LIMIT);
	journal_header_add(&s->bytes, SEQ, segment.nonce);
	for (size_t i = 0; i < RECORDS; i++) {
		struct buf batch;
		struct span piece = span_of(payloads[i]);
		char id[2] = { (char)('A' + (char)i), 0 };

		if (i % 2 == 0)
			segment.used = (uint32_t)s->bytes.len;
		buf_init(&batch, BUF_NO_LIMIT);
		journal_record_add(&batch, &segment, JOURNAL_RESULT, span_of(id), &piece, 1);
		s->start[i] = s->bytes.len;
		buf_add(&s->bytes, buf_span(&batch));
		s->end[i] = s->bytes.len;
		buf_free(&batch);
	}
	for (size_t i = 0; i < RECORDS; i++)
		s->batch_end[i] = s->end[i | 1];
}

static void see(void *user, const struct journal_record *r)
{
	struct sample *s = user;
	size_t i;

	assert_int_equal(r->id.len, 1);
	i = (size_t)(r->id.ptr[0] - 'A');
	assert_true(i >= s->next && i < RECORDS);
	assert_true(span_equal(r->payload, span_of(payloads[i])));
	assert_true(r->payload.ptr == s->bytes.ptr + r->offset || r->payload.len == 0);
	s->next = i + 1;
	s->seen |= 1U << i;
}

static void replay(struct sample *s, size_t length, struct journal_replay *out)
{
	s->next = 0;
	s->seen = 0;
	journal_replay(span_make(s->bytes.ptr, length), SEQ, see, s, out);
}

static void whole_segment_comes_back(void **state)
{
	struct sample s;
	struct journal_replay out;

	(void)state;
	build(&s);
	replay(&s, s.bytes.len, &out);
	assert_int_equal(s.seen, (1U << RECORDS) - 1);
	assert_int_equal(out.records, RECORDS);
	assert_int_equal(out.end, s.bytes.len);
	assert_false(out.is_damaged);
	buf_free(&s.bytes);
}

static void cut_at_every_byte(void **state)
{
	struct sample s;
	struct journal_replay out;

	(void)state;
	build(&s);
	for (size_t n = JOURNAL_HEADER_SIZE; n < s.bytes.len; n++) {
		unsigned expected = 0;

		replay(&s, n, &out);
		/* The padding behind a record carries nothing: the record is whole without it. */
		for (size_t i = 0; i < RECORDS; i++)
			if (s.start[i] + JOURNAL_RECORD_SIZE + 1 + strlen(payloads[i]) <= n)
				expected |= 1U << i;
		if (s.seen != expected || out.is_damaged)
			fail_msg("cut at %zu: records %x, not %x; damaged %d", n, s.seen, expected, out.is_damaged);
	}
	buf_free(&s.bytes);
}

static void zeros_behind_the_tail_are_no_damage(void **state)
{
	static const char zeros[4096];
	struct sample s;
	struct journal_replay out;

	(void)state;
	build(&s);
	buf_add(&s.bytes, span_make(zeros, sizeof(zeros)));
	replay(&s, s.bytes.len, &out);
	assert_int_equal(out.records, RECORDS);
	assert_false(out.is_damaged);
	buf_free(&s.bytes);
}

static bool is_padding(const struct sample *s, size_t at)
{
	for (size_t i = 0; i < RECORDS; i++)
		if (at >= s->start[i] + JOURNAL_RECORD_SIZE + 1 + strlen(payloads[i]) && at < s->end[i])
			return true;
	return false;
}

static void damage_at_every_byte(void **state)
{
	struct sample s;
	struct journal_replay out;

	(void)state;
	build(&s);
	for (size_t at = JOURNAL_HEADER_SIZE; at < s.bytes.len; at++) {
		unsigned expected = (1U << RECORDS) - 1;
		size_t hit = 0;

		while (s.end[hit] <= at)
			hit++;
		if (!is_padding(&s, at))
			expected &= ~(1U << hit);
		s.bytes.ptr[at] ^= 0x10;
		replay(&s, s.bytes.len, &out);
		s.bytes.ptr[at] ^= 0x10;
		if (s.seen != expected)
			fail_msg("damage at %zu: records %x, not %x", at, s.seen, expected);
		/* In the last batch it may be a torn write; before it, the batch was acknowledged. */
		if (out.is_damaged != (expected != (1U << RECORDS) - 1 && s.batch_end[hit] != s.bytes.len))
			fail_msg("damage at %zu: is_damaged %d", at, out.is_damaged);
	}
	buf_free(&s.bytes);
}

static void damaged_header_loses_no_record(void **state)
{
	struct sample s;
	struct journal_replay out;

	(void)state;
	build(&s);
	for (size_t at = 0; at < 28; at++) {
		s.bytes.ptr[at] ^= 0x01;
		replay(&s, s.bytes.len, &out);
		s.bytes.ptr[at] ^= 0x01;
		if (out.records != RECORDS || !out.is_damaged)
			fail_msg("header byte %zu: %zu records", at, out.records);
	}
	buf_free(&s.bytes);
}

static void record_inside_a_mail_is_not_taken(void **state)
{
	struct journal_segment mine = { .seq = SEQ, .nonce = 99, .used = JOURNAL_HEADER_SIZE };
	struct journal_segment forged = { .seq = SEQ, .nonce = 100, .used = JOURNAL_HEADER_SIZE };
	struct buf inner, bytes;
	struct sample s = { .next = 0 };
	struct journal_replay out;
	struct span piece = span_lit("forged"), mail;

	(void)state;
	buf_init(&inner, BUF_NO_LIMIT);
	buf_init(&bytes, BUF_NO_LIMIT);
	journal_record_add(&inner, &forged, JOURNAL_MESSAGE, span_lit("B"), &piece, 1);
	mail = buf_span(&inner);
	journal_header_add(&bytes, SEQ, mine.nonce);
	journal_record_add(&bytes, &mine, JOURNAL_MESSAGE, span_lit("ABCDEFGH"), &mail, 1);
	bytes.ptr[JOURNAL_HEADER_SIZE + JOURNAL_RECORD_SIZE] ^= 1;	/* the outer record is damaged */
	journal_replay(buf_span(&bytes), SEQ, see, &s, &out);
	assert_int_equal(out.records, 0);
	buf_free(&inner);
	buf_free(&bytes);
}

static void name_of_another_life_is_unused(void **state)
{
	struct sample s;
	struct journal_replay out;

	(void)state;
	build(&s);
	journal_replay(buf_span(&s.bytes), SEQ + 1, see, &s, &out);
	assert_true(out.is_unused);
	assert_int_equal(out.records, 0);
	buf_free(&s.bytes);
}

/* ---- files ---- */

static int open_dir(void **state)
{
	static char path[32];
	int *fd = malloc(sizeof(int));

	snprintf(path, sizeof(path), "/tmp/journal.XXXXXX");
	assert_non_null(fd);
	assert_non_null(mkdtemp(path));
	*fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(*fd >= 0);
	*state = fd;
	return 0;
}

static int close_dir(void **state)
{
	int *fd = *state;
	char name[JOURNAL_NAME_MAX], link[64], path[256];
	ssize_t n;

	for (uint64_t seq = 1; seq < 20; seq++)
		(void)unlinkat(*fd, journal_name(seq, name), 0);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", *fd);
	n = readlink(link, path, sizeof(path) - 1);
	close(*fd);
	free(fd);
	if (n < 0)
		return -1;
	path[n] = '\0';
	return rmdir(path);
}

static void write_batch(struct journal_segment *s, const char *id)
{
	struct span piece = span_lit("payload");
	struct buf batch;

	buf_init(&batch, BUF_NO_LIMIT);
	journal_record_add(&batch, s, JOURNAL_RESULT, span_of(id), &piece, 1);
	assert_int_equal(journal_write(s, buf_span(&batch), true), 0);
	buf_free(&batch);
}

static void count(void *user, const struct journal_record *r)
{
	(void)r;
	(*(size_t *)user)++;
}

static size_t records_of(int dir_fd, uint64_t seq)
{
	char name[JOURNAL_NAME_MAX];
	struct journal_replay out;
	struct buf bytes;
	size_t n = 0;

	buf_init(&bytes, BUF_NO_LIMIT);
	assert_int_equal(fs_read_file(dir_fd, journal_name(seq, name), &bytes), 0);
	journal_replay(buf_span(&bytes), seq, count, &n, &out);
	assert_false(out.is_damaged);
	buf_free(&bytes);
	return n;
}

static void segment_is_used_again(void **state)
{
	int dir = *(int *)*state;
	struct journal_segment s;

	assert_int_equal(journal_create(dir, 1, 65536, 0, &s), 0);
	for (int i = 0; i < 5; i++)
		write_batch(&s, "A");
	close(s.fd);
	assert_int_equal(records_of(dir, 1), 5);
	assert_int_equal(journal_retire(dir, 1, true), 1);
	assert_int_equal(journal_create(dir, 2, 65536, 1, &s), 0);
	assert_int_equal(records_of(dir, 2), 0);
	write_batch(&s, "B");
	close(s.fd);
	assert_int_equal(records_of(dir, 2), 1);
	assert_int_equal(faccessat(dir, "0000000000000001", F_OK, 0), -1);
}

/* A power cut between the new name and the new header: nothing of the old life comes back under it. */
static void a_spare_with_its_old_header_is_unused(void **state)
{
	int dir = *(int *)*state;
	char name[JOURNAL_NAME_MAX];
	struct journal_segment s;

	assert_int_equal(journal_create(dir, 1, 65536, 0, &s), 0);
	write_batch(&s, "A");
	close(s.fd);
	assert_int_equal(journal_retire(dir, 1, true), 1);
	assert_int_equal(renameat(dir, "spare.0000000000000001", dir, journal_name(7, name)), 0);
	assert_int_equal(records_of(dir, 7), 0);
}

static void a_copy_in_corrupt_is_never_written(void **state)
{
	int dir = *(int *)*state;
	struct journal_segment s;
	uint64_t spares[4];

	assert_int_equal(journal_create(dir, 1, 65536, 0, &s), 0);
	close(s.fd);
	assert_int_equal(linkat(dir, "0000000000000001", dir, "kept", 0), 0);
	assert_int_equal(journal_retire(dir, 1, true), 0);
	assert_int_equal(faccessat(dir, "0000000000000001", F_OK, 0), -1);
	assert_int_equal(journal_spares(dir, spares, 4), 0);
	assert_int_equal(unlinkat(dir, "kept", 0), 0);
}

static void spares_are_found_and_few(void **state)
{
	int dir = *(int *)*state;
	struct journal_segment s;
	uint64_t spares[4];

	for (uint64_t n = 1; n <= 4; n++) {
		assert_int_equal(journal_create(dir, n, 65536, 0, &s), 0);
		close(s.fd);
		assert_int_equal(journal_retire(dir, n, true), 1);
	}
	assert_int_equal(journal_spares(dir, spares, 2), 2);
	assert_int_equal(journal_spares(dir, spares, 4), 2);
	assert_int_equal(journal_create(dir, 9, 131072, spares[0], &s), 0);	/* of another size */
	write_batch(&s, "A");
	close(s.fd);
	assert_int_equal(records_of(dir, 9), 1);
	assert_int_equal(journal_create(dir, 10, 32768, spares[1], &s), 0);
	close(s.fd);
	assert_int_equal(journal_spares(dir, spares, 4), 0);
}

static void failure_leaves_nothing(void **state)
{
	int dir = *(int *)*state;
	struct journal_segment s;
	char name[JOURNAL_NAME_MAX];

	for (unsigned n = 1; n <= 4; n++) {
		fs_fail_at(n, ENOSPC);
		if (journal_create(dir, n, 65536, 0, &s) == 0) {
			fs_fail_at(0, 0);
			fail_msg("call %u failed, journal_create did not", n);
		}
		assert_int_equal(errno, ENOSPC);
		assert_int_equal(faccessat(dir, journal_name(n, name), F_OK, 0), -1);
	}
	fs_fail_at(0, 0);
}

static void failed_sync_is_told(void **state)
{
	int dir = *(int *)*state;
	struct journal_segment s;
	uint32_t used;

	assert_int_equal(journal_create(dir, 1, 65536, 0, &s), 0);
	used = s.used;
	for (unsigned n = 1; n <= 2; n++) {
		fs_fail_at(n, EIO);
		assert_int_equal(journal_write(&s, span_lit("12345678"), true), -1);
		assert_int_equal(errno, EIO);
		assert_int_equal(s.used, used);
	}
	fs_fail_at(0, 0);
	close(s.fd);
}

static void names_are_numbers(void **state)
{
	uint64_t seq;
	char name[JOURNAL_NAME_MAX];

	(void)state;
	assert_true(journal_name_seq(journal_name(255, name), &seq));
	assert_int_equal(seq, 255);
	assert_false(journal_name_seq("lock", &seq));
	assert_false(journal_name_seq("0000000000000000", &seq));
	assert_false(journal_name_seq("000000000000000g", &seq));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_segment_comes_back),
		cmocka_unit_test(cut_at_every_byte),
		cmocka_unit_test(zeros_behind_the_tail_are_no_damage),
		cmocka_unit_test(damage_at_every_byte),
		cmocka_unit_test(damaged_header_loses_no_record),
		cmocka_unit_test(record_inside_a_mail_is_not_taken),
		cmocka_unit_test(name_of_another_life_is_unused),
		cmocka_unit_test_setup_teardown(segment_is_used_again, open_dir, close_dir),
		cmocka_unit_test_setup_teardown(a_spare_with_its_old_header_is_unused, open_dir, close_dir),
		cmocka_unit_test_setup_teardown(a_copy_in_corrupt_is_never_written, open_dir, close_dir),
		cmocka_unit_test_setup_teardown(spares_are_found_and_few, open_dir, close_dir),
		cmocka_unit_test_setup_teardown(failure_leaves_nothing, open_dir, close_dir),
		cmocka_unit_test_setup_teardown(failed_sync_is_told, open_dir, close_dir),
		cmocka_unit_test(names_are_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
