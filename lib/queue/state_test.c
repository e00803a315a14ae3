/* SPDX-License-Identifier: ISC */
/* state_test.c - notes: what is written down gives the same state again, also when applied twice */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "lib/queue/state.h"

struct fixture {
	struct arena *arena;
	struct buf    envelope, note;
	struct queued a, b;	/* a is changed, b is told by notes */
};

static int set_up(void **state)
{
	struct envelope_recipient to[] = {
		{ .number = 1, .address = SPAN("one@example.test") },
		{ .number = 2, .address = SPAN("two@example.test"), .original = SPAN("list@example.test") },
	};
	struct envelope e = { .arrival_us = 5, .recipients = to, .recipient_count = 2 };
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->arena = arena_new(NULL);
	buf_init(&f->envelope, BUF_NO_LIMIT);
	buf_init(&f->note, BUF_NO_LIMIT);
	envelope_encode(&f->envelope, &e);
	assert_true(queued_decode(f->arena, buf_span(&f->envelope), &f->a));
	assert_true(queued_decode(f->arena, buf_span(&f->envelope), &f->b));
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	buf_free(&f->envelope);
	buf_free(&f->note);
	arena_free(f->arena);
	free(f);
	return 0;
}

static void tell(struct fixture *f, enum journal_type type)
{
	for (int i = 0; i < 2; i++)
		assert_true(note_apply(&f->b, type, buf_span(&f->note)));
}

static void a_result_ends_one_recipient(void **state)
{
	struct fixture *f = *state;

	note_result(&f->note, 2, RECIPIENT_SENT);
	tell(f, JOURNAL_RESULT);
	assert_int_equal(f->b.states[1].status, RECIPIENT_SENT);
	assert_int_equal(queued_open_count(&f->b), 1);
}

static void a_deferral_keeps_reasons(void **state)
{
	struct fixture *f = *state;

	f->a.next_attempt_us = 77;
	f->a.attempts = 3;
	f->a.states[0].dsn = span_lit("4.4.1");
	f->a.states[0].reason = span_lit("connection refused");
	note_defer(&f->note, &f->a);
	tell(f, JOURNAL_DEFER);
	assert_int_equal(f->b.next_attempt_us, 77);
	assert_int_equal(f->b.attempts, 3);
	assert_true(span_equal(f->b.states[0].reason, span_lit("connection refused")));
	assert_int_equal(f->b.states[1].reason.len, 0);
}

static void an_expansion_adds_recipients_once(void **state)
{
	struct fixture *f = *state;

	for (uint32_t i = 0; i < 20; i++) {
		struct envelope_recipient r = { .address = SPAN("x@example.test"), .ancestors = SPAN("one@example.test\0") };

		r.number = queued_number(&f->a, 1, r.address);
		(void)queued_add(&f->a, &r);
	}
	note_expand(&f->note, &f->a, 1, 2);
	tell(f, JOURNAL_EXPAND);
	assert_int_equal(f->b.envelope.recipient_count, 22);
	assert_int_equal(f->b.states[0].status, RECIPIENT_EXPANDED);
	assert_true(span_equal(f->b.envelope.recipients[21].ancestors, span_lit("one@example.test\0")));
}

static void numbers_of_an_expansion_repeat(void **state)
{
	struct fixture *f = *state;
	uint32_t number = queued_number(&f->a, 1, span_lit("x@example.test"));

	assert_int_equal(number, queued_number(&f->b, 1, span_lit("x@example.test")));
	assert_int_not_equal(number, queued_number(&f->a, 2, span_lit("x@example.test")));
	assert_true(number > 1000000);
}

static void flags_replace(void **state)
{
	struct fixture *f = *state;

	note_flags(&f->note, MESSAGE_HELD | MESSAGE_WARNED);
	tell(f, JOURNAL_FLAGS);
	assert_int_equal(f->b.flags, MESSAGE_HELD | MESSAGE_WARNED);
}

static void no_prefix_of_a_note_is_taken(void **state)
{
	struct fixture *f = *state;

	note_result(&f->note, 1, RECIPIENT_SENT);
	for (size_t n = 0; n < f->note.len; n++)
		assert_false(note_apply(&f->b, JOURNAL_RESULT, span_make(f->note.ptr, n)));
	assert_int_equal(queued_open_count(&f->b), 2);
}

static void notes_are_strung_together(void **state)
{
	struct fixture *f = *state;
	struct buf notes;

	buf_init(&notes, BUF_NO_LIMIT);
	note_result(&f->note, 1, RECIPIENT_SENT);
	notes_add(&notes, JOURNAL_RESULT, buf_span(&f->note));
	buf_clear(&f->note);
	note_flags(&f->note, MESSAGE_EXPIRE);
	notes_add(&notes, JOURNAL_FLAGS, buf_span(&f->note));
	assert_true(notes_apply(&f->b, buf_span(&notes)));
	assert_int_equal(f->b.flags, MESSAGE_EXPIRE);
	assert_int_equal(f->b.states[0].status, RECIPIENT_SENT);
	buf_truncate(&notes, notes.len - 1);
	assert_false(notes_apply(&f->b, buf_span(&notes)));
	buf_free(&notes);
}

static void a_result_is_never_open(void **state)
{
	struct fixture *f = *state;

	note_result(&f->note, 1, RECIPIENT_OPEN);
	assert_false(note_apply(&f->b, JOURNAL_RESULT, buf_span(&f->note)));
	assert_false(note_apply(&f->b, JOURNAL_MESSAGE, buf_span(&f->note)));
}

static size_t add_member(struct queued *q, const char *address)
{
	struct envelope_recipient r = { .address = span_of(address), .ancestors = SPAN("one@example.test\0") };

	r.number = queued_number(q, 1, r.address);
	return queued_add(q, &r);
}

static void starting_over_forgets_open_members(void **state)
{
	struct fixture *f = *state;
	struct queued *q = &f->a;
	size_t has = add_member(q, "has@example.test"), waits = add_member(q, "waits@example.test"), again;

	q->states[0].status = RECIPIENT_EXPANDED;
	q->states[has].status = RECIPIENT_SENT;
	queued_start_over(q, SIZE_MAX);
	assert_int_equal(q->states[0].status, RECIPIENT_OPEN);
	assert_int_equal(q->states[1].status, RECIPIENT_OPEN);
	assert_int_equal(q->states[has].status, RECIPIENT_SENT);
	assert_int_equal(q->states[waits].status, RECIPIENT_EXPANDED);
	/* Told again after the next expansion, it does not touch that. */
	again = add_member(q, "waits@example.test");
	q->states[0].status = RECIPIENT_EXPANDED;
	queued_start_over(q, again);
	assert_int_equal(q->states[again].status, RECIPIENT_OPEN);
	assert_int_equal(q->states[0].status, RECIPIENT_EXPANDED);
}

static void starting_over_is_noted(void **state)
{
	struct fixture *f = *state;

	(void)add_member(&f->a, "waits@example.test");
	note_expand(&f->note, &f->a, 1, 2);
	tell(f, JOURNAL_EXPAND);
	buf_clear(&f->note);
	note_start_over(&f->note, &f->a);
	tell(f, JOURNAL_START_OVER);
	assert_int_equal(f->b.states[0].status, RECIPIENT_OPEN);
	assert_int_equal(f->b.states[2].status, RECIPIENT_EXPANDED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_result_ends_one_recipient, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_deferral_keeps_reasons, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_expansion_adds_recipients_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(numbers_of_an_expansion_repeat, set_up, tear_down),
		cmocka_unit_test_setup_teardown(flags_replace, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_prefix_of_a_note_is_taken, set_up, tear_down),
		cmocka_unit_test_setup_teardown(notes_are_strung_together, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_result_is_never_open, set_up, tear_down),
		cmocka_unit_test_setup_teardown(starting_over_forgets_open_members, set_up, tear_down),
		cmocka_unit_test_setup_teardown(starting_over_is_noted, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
