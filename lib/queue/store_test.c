/* SPDX-License-Identifier: ISC */
/* store_test.c - finding all messages again: the journal, its notes, messages that moved, left-overs */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/queue/store.h"

enum { SIZE = 65536 };
#define ID "3xYz0000zBCDFGHJK"

static const struct span content = SPAN("Subject: x\r\n\r\nbody\r\n");

struct fixture {
	char                   path[64];
	struct store           store;
	struct store_index     index;
	struct journal_segment segment;
	struct arena          *arena;
	struct buf             envelope;
};

static int set_up(void **state)
{
	struct envelope_recipient to[] = { { .number = 1, .address = SPAN("one@example.test") },
		                           { .number = 2, .address = SPAN("two@example.test") } };
	struct envelope e = { .arrival_us = 99, .recipients = to, .recipient_count = 2 };
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->path, sizeof(f->path), "/tmp/store.XXXXXX");
	assert_non_null(mkdtemp(f->path));
	assert_int_equal(store_open(&f->store, f->path, true, true), 0);
	store_index_init(&f->index, &f->store, sizeof(struct mail));
	f->arena = arena_new(NULL);
	buf_init(&f->envelope, BUF_NO_LIMIT);
	envelope_encode(&f->envelope, &e);
	assert_int_equal(journal_create(f->store.journal_fd, 1, SIZE, 0, &f->segment), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char command[128];

	close(f->segment.fd);
	store_index_free(&f->index, true);
	store_close(&f->store);
	arena_free(f->arena);
	buf_free(&f->envelope);
	snprintf(command, sizeof(command), "rm -r '%s'", f->path);
	if (system(command) != 0)
		return -1;
	free(f);
	return 0;
}

static void write_record(struct fixture *f, enum journal_type type, const struct span *pieces, size_t count)
{
	struct buf batch;

	buf_init(&batch, BUF_NO_LIMIT);
	(void)journal_record_add(&batch, &f->segment, type, span_lit(ID), pieces, count);
	assert_int_equal(journal_write(&f->segment, buf_span(&batch), true), 0);
	buf_free(&batch);
}

static void write_message(struct fixture *f)
{
	char head[8] = { 0 };
	struct span pieces[] = { span_make(head, sizeof(head)), buf_span(&f->envelope), content };

	head[4] = (char)(f->envelope.len & 0xff);
	head[5] = (char)(f->envelope.len >> 8);
	write_record(f, JOURNAL_MESSAGE, pieces, 3);
}

static void write_note(struct fixture *f, enum journal_type type, struct buf *payload)
{
	struct span piece = buf_span(payload);

	write_record(f, type, &piece, 1);
	buf_free(payload);
}

static struct mail *replayed(struct fixture *f, bool *is_damaged)
{
	struct store_segment *segments;
	size_t count;

	assert_int_equal(store_segments(&f->store, &segments, &count), 0);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(store_replay(&f->index, &segments[i]), 0);
		if (is_damaged != NULL)
			*is_damaged = segments[i].is_damaged;
	}
	free(segments);
	return hash_get(f->index.mails, span_lit(ID));
}

static void a_message_comes_back(void **state)
{
	struct fixture *f = *state;
	struct loaded l;
	struct mail *m;

	write_message(f);
	m = replayed(f, NULL);
	assert_non_null(m);
	assert_int_equal(m->arrival_us, 99);
	assert_int_equal(store_load(&f->store, m, f->segment.fd, SIZE, true, f->arena, &l), 0);
	assert_true(span_equal(l.content, content));
	assert_int_equal(queued_open_count(&l.queued), 2);
}

static void its_notes_count(void **state)
{
	struct fixture *f = *state;
	struct buf note;
	struct loaded l;
	struct mail *m;

	write_message(f);
	buf_init(&note, BUF_NO_LIMIT);
	note_result(&note, 1, RECIPIENT_SENT);
	write_note(f, JOURNAL_RESULT, &note);
	buf_init(&note, BUF_NO_LIMIT);
	note_flags(&note, MESSAGE_HELD);
	write_note(f, JOURNAL_FLAGS, &note);
	m = replayed(f, NULL);
	assert_int_equal(m->flags, MESSAGE_HELD);
	assert_int_equal(store_load(&f->store, m, f->segment.fd, SIZE, false, f->arena, &l), 0);
	assert_int_equal(l.queued.states[0].status, RECIPIENT_SENT);
	assert_int_equal(queued_open_count(&l.queued), 1);
}

static void done_is_gone(void **state)
{
	struct fixture *f = *state;
	struct span nothing = span_lit("");

	write_message(f);
	write_record(f, JOURNAL_DONE, &nothing, 1);
	assert_null(replayed(f, NULL));
}

static void move(struct fixture *f, const struct mail *m)
{
	struct loaded l;

	assert_int_equal(store_load(&f->store, m, f->segment.fd, SIZE, false, f->arena, &l), 0);
	l.queued.states[1].status = RECIPIENT_SENT;
	assert_int_equal(message_file_create(f->store.message_fd, span_lit(ID), &l.queued, l.content), 0);
}

static void a_moved_message_is_its_file(void **state)
{
	struct fixture *f = *state;
	struct loaded l;
	struct mail *m, *same;

	write_message(f);
	m = replayed(f, NULL);
	move(f, m);
	/* Also before the scan has come to it. */
	assert_int_equal(store_load(&f->store, m, f->segment.fd, SIZE, true, f->arena, &l), 0);
	assert_true(l.is_file);
	assert_int_equal(queued_open_count(&l.queued), 1);
	close(l.fd);
	assert_int_equal(store_add_file(&f->index, ID, &same), STORE_FILE_GOOD);
	assert_ptr_equal(m, same);
	assert_int_equal(m->seq, 0);
}

static void a_torn_move_leaves_the_journal(void **state)
{
	struct fixture *f = *state;
	struct loaded l;
	struct mail *m, *none;
	int fd;

	write_message(f);
	m = replayed(f, NULL);
	move(f, m);
	fd = message_file_open(f->store.message_fd, span_lit(ID));
	assert_true(fd >= 0);
	assert_int_equal(fs_pwrite_all(fd, "\0\0\0\0", 4, 0), 0);
	close(fd);
	assert_int_equal(store_load(&f->store, m, f->segment.fd, SIZE, true, f->arena, &l), 0);
	assert_false(l.is_file);
	assert_int_equal(store_add_file(&f->index, ID, &none), STORE_FILE_LEFT_OVER);
	assert_int_equal(message_file_open(f->store.message_fd, span_lit(ID)), -1);
	assert_ptr_equal(hash_get(f->index.mails, span_lit(ID)), m);
}

static void a_file_of_a_done_message_goes(void **state)
{
	struct fixture *f = *state;
	struct span nothing = span_lit("");
	struct mail *m;

	write_message(f);
	m = replayed(f, NULL);
	move(f, m);
	write_record(f, JOURNAL_DONE, &nothing, 1);
	assert_null(replayed(f, NULL));
	assert_int_equal(store_add_file(&f->index, ID, &m), STORE_FILE_LEFT_OVER);
	assert_null(m);
}

static void a_torn_file_alone_is_set_aside(void **state)
{
	struct fixture *f = *state;
	struct mail *m;
	int fd = message_file_lease(f->store.message_fd);

	assert_true(fd >= 0);
	assert_int_equal(fs_pwrite_all(fd, content.ptr, content.len, MESSAGE_FILE_CONTENT), 0);
	assert_int_equal(message_file_publish(fd, f->store.message_fd, span_lit(ID), true), 0);
	close(fd);
	assert_int_equal(store_add_file(&f->index, ID, &m), STORE_FILE_CORRUPT);
	assert_int_equal(faccessat(f->store.corrupt_fd, ID, F_OK, 0), 0);
}

static void a_damaged_segment_is_kept(void **state)
{
	struct fixture *f = *state;
	bool is_damaged = false;

	write_message(f);
	write_message(f);
	assert_int_equal(fs_pwrite_all(f->segment.fd, "XX", 2, JOURNAL_HEADER_SIZE + 60), 0);
	assert_non_null(replayed(f, &is_damaged));
	assert_true(is_damaged);
	assert_int_equal(faccessat(f->store.corrupt_fd, "journal.0000000000000001", F_OK, 0), 0);
}

static void only_one_owner(void **state)
{
	struct fixture *f = *state;
	struct store second;

	assert_int_equal(store_open(&second, f->path, false, true), -1);
	assert_int_equal(errno, EWOULDBLOCK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_message_comes_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(its_notes_count, set_up, tear_down),
		cmocka_unit_test_setup_teardown(done_is_gone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_moved_message_is_its_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_torn_move_leaves_the_journal, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_file_of_a_done_message_goes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_torn_file_alone_is_set_aside, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_damaged_segment_is_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(only_one_owner, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
