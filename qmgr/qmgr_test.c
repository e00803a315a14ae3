/* SPDX-License-Identifier: ISC */
/* qmgr_test.c - the real qmgr in a scripted world: mail goes through, and what goes wrong on its way
 *
 * It runs as whoever starts it. */
#include "qmgr/test_world.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/crc32c.h"

static void a_message_goes_through(void **state)
{
	struct world *w = *state;

	commit(w, "s@example.org", mail);
	run_until(w, &w->checkpoints, 1);
	assert_int_equal(w->commits_done, 1);
	assert_int_equal(w->deliveries, 1);
	assert_int_equal(w->repeats, 0);
	assert_true(span_equal(span_make(w->last_content, w->last_length), mail));
	run_until_empty(w);
}

static void many_messages_go_through(void **state)
{
	struct world *w = *state;
	enum { MANY = 3000, AHEAD = 64 };

	for (size_t i = 0; i < MANY; i++) {
		commit(w, "s@example.org", mail);
		if (i >= AHEAD)
			run_until(w, &w->commits_done, i - AHEAD);
	}
	run_until(w, &w->commits_done, MANY);
	run_until(w, &w->deliveries, MANY);
	run_until(w, &w->checkpoints, 1);
	assert_int_equal(w->deliveries, MANY);
}

static void nothing_acknowledged_is_lost_by_a_kill(void **state)
{
	struct world *w = *state;
	enum { MANY = 200 };

	w->is_silent = true;
	for (int i = 0; i < MANY; i++)
		commit(w, "s@example.org", mail);
	run_until(w, &w->commits_done, MANY);
	world_stop(w);
	w->deliveries = w->repeats = 0;
	w->is_silent = false;
	world_start(w);
	run_until(w, &w->deliveries, MANY);
	assert_int_equal(w->repeats, MANY);
}

static void what_was_durable_does_not_come_again(void **state)
{
	struct world *w = *state;

	w->is_durable = true;
	for (int i = 0; i < 20; i++)
		commit(w, "s@example.org", mail);
	run_until(w, &w->deliveries, 20);
	run_until_empty(w);
	poll(NULL, 0, 100);	/* the DONE records are written behind: a lost one is only a repeat */
	world_stop(w);
	world_start(w);
	assert_int_equal(listed(w), 0);
}

static void a_lost_agent_gives_back(void **state)
{
	struct world *w = *state;

	w->loses_connection = true;
	commit(w, "s@example.org", mail);
	run_until(w, &w->deliveries, 2);
	assert_int_equal(w->repeats, 1);
	run_until(w, &w->checkpoints, 1);
}

static void a_failed_checkpoint_repeats(void **state)
{
	struct world *w = *state;

	w->checkpoint_fails = true;
	commit(w, "s@example.org", mail);
	run_until(w, &w->checkpoints, 2);
	assert_int_equal(w->deliveries, 2);
	assert_int_equal(w->repeats, 1);
}

static void a_large_message_goes_by_lease(void **state)
{
	struct world *w = *state;
	struct lease_request ask = { .size_hint = 300000 };
	struct arena *arena = arena_new(NULL);
	struct envelope_recipient to = { .number = 1, .address = SPAN("u1@example.test"), .transport = SPAN("virtual"),
		                         .nexthop = SPAN("example.test") };
	struct envelope e = { .arrival_us = clock_wall_us(), .sender = SPAN("s@example.org"), .recipients = &to,
		              .recipient_count = 1 };
	char *content = arena_alloc(arena, 300000), id[QUEUE_ID_MAX];
	struct lease_reply lease;
	struct commit_request r;
	struct buf envelope;

	memset(content, 'x', 300000);
	assert_int_equal(ipc_blocking_call(w->receiver, &lease_request_type, &ask, &lease_reply_type, &lease, arena, 5), 0);
	assert_int_equal(lease.status, DONE);
	assert_int_equal(pwrite(lease.file, content, 300000, (off_t)lease.content_offset), 300000);
	close(lease.file);
	queue_id_make(e.arrival_us, id);
	buf_init(&envelope, BUF_NO_LIMIT);
	envelope_encode(&envelope, &e);
	r = (struct commit_request){ .queue_id = span_of(id), .envelope = buf_span(&envelope), .lease = lease.lease,
		                     .content_length = 300000,
		                     .content_crc32c = crc32c(0, span_make(content, 300000)) };
	assert_int_equal(ipc_blocking_send(w->receiver, &commit_request_type, 0, ++w->next_request, &r), 0);
	run_until(w, &w->checkpoints, 1);
	assert_int_equal(w->last_length, 300000);
	assert_memory_equal(w->last_content, content, 300000);
	buf_free(&envelope);
	arena_free(arena);
}

static void a_lease_can_be_given_back(void **state)
{
	struct world *w = *state;
	struct arena *arena = arena_new(NULL);
	uint64_t first = 0;

	/* A connection has only so many: receivers give back what they do not commit. */
	for (unsigned i = 0; i < 600; i++) {
		struct lease_request ask = { .size_hint = 300000 };
		struct lease_end_request end;
		struct commit_reply ended;
		struct lease_reply lease;

		assert_int_equal(ipc_blocking_call(w->receiver, &lease_request_type, &ask, &lease_reply_type, &lease, arena, 5), 0);
		assert_int_equal(lease.status, DONE);
		assert_true(lease.lease != 0 && lease.lease != first);
		first = i == 0 ? lease.lease : first;
		close(lease.file);
		end.lease = lease.lease;
		/* Once more is no fault, and no harm. */
		for (int k = 0; k < 2; k++) {
			assert_int_equal(ipc_blocking_call(w->receiver, &lease_end_request_type, &end, &commit_reply_type, &ended,
			                                   arena, 5), 0);
			assert_int_equal(ended.status, DONE);
		}
		arena_reset(arena);
	}
	/* Numbers do not begin where another connection's do. */
	assert_true(first > 1000);
	arena_free(arena);
}

static void a_failed_notice_ends(void **state)
{
	struct world *w = *state;

	w->status = DELIVER_BOUNCED;
	commit(w, "", mail);
	run_until(w, &w->deliveries, 1);
	run_until_empty(w);
	assert_int_equal(w->deliveries, 1);
}

static void a_failure_comes_back_as_a_report(void **state)
{
	struct world *w = *state;

	w->status = DELIVER_BOUNCED;
	commit(w, "s@example.org", mail);
	run_until(w, &w->deliveries, 1);
	w->status = DELIVER_SENT;
	run_until(w, &w->deliveries, 2);
	assert_non_null(strstr(w->last_content, "Subject: Undelivered Mail Returned to Sender\r\n"));
	assert_non_null(strstr(w->last_content, "Content-Type: multipart/report; report-type=delivery-status;"));
	assert_non_null(strstr(w->last_content, "\r\nFinal-Recipient: rfc822; u1@example.test\r\nAction: failed\r\n"
	                                        "Status: 5.1.1\r\n"));
	assert_non_null(strstr(w->last_content, "Subject: test\r\n\r\nbody\r\n"));
	run_until(w, &w->checkpoints, 1);
	run_until_empty(w);
}

static void a_deferred_message_is_tried_again(void **state)
{
	struct world *w = *state;

	w->status = DELIVER_DEFERRED;
	commit(w, "s@example.org", mail);
	run_until(w, &w->deliveries, 1);
	assert_int_equal(w->routes, 0);
	run_until(w, &w->deliveries, 2);
	assert_int_equal(w->routes, 1);		/* a changed configuration takes effect */
	w->status = DELIVER_SENT;
	run_until(w, &w->checkpoints, 1);
	run_until_empty(w);
}

static void a_list_reaches_each_member_once(void **state)
{
	struct world *w = *state;

	commit_to(w, "s@example.org", "list@example.test", false, mail);
	run_until(w, &w->checkpoints, 1);
	run_until_empty(w);
	assert_int_equal(w->deliveries, 3);	/* a, b, and the copy that list keeps */
}

static void old_segments_go(void **state)
{
	struct world *w = *state;
	char command[160], *big = malloc(60000);
	size_t n = 0;

	assert_non_null(big);
	memset(big, 'y', 60000);
	w->is_durable = true;
	for (size_t i = 0; i < 100; i++) {	/* six segments of 1 MiB */
		commit(w, "s@example.org", span_make(big, 60000));
		run_until(w, &w->commits_done, i + 1);
	}
	free(big);
	run_until(w, &w->deliveries, 100);
	run_until_empty(w);
	snprintf(command, sizeof(command), "test $(ls %s/spool/journal | grep -c '^0') -le 3", w->path);
	while (system(command) != 0) {
		assert_true(n++ < 200);
		poll(NULL, 0, 50);
	}
}

static void a_deferred_message_moves_out(void **state)
{
	struct world *w = *state;

	world_main_cf(w, "1000s");
	world_stop(w);
	world_start(w);
	w->status = DELIVER_DEFERRED;
	w->is_durable = true;
	for (int i = 0; i < 10; i++)
		commit(w, "s@example.org", mail);
	run_until(w, &w->deliveries, 10);
	w->status = DELIVER_SENT;
	fill_segment(w, w->commits_done);
	for (int i = 0; files_of(w) < 10; i++) {
		assert_true(i < 200);
		poll(NULL, 0, 50);
	}
	/* In their files they outlive a kill, and wait for their time. */
	world_stop(w);
	w->deliveries = 0;
	world_start(w);
	assert_true(listed(w) <= 50);
	for (int i = 0; listed(w) < 10; i++) {
		assert_true(i < 200);
		poll(NULL, 0, 50);
	}
	flush(w);
	run_until(w, &w->deliveries, 10);
	run_until_empty(w);
	wait_for_files(w, 0);
}

static void the_admin_may_hold_release_and_delete(void **state)
{
	struct world *w = *state;

	world_main_cf(w, "1000s");
	world_stop(w);
	world_start(w);
	w->status = DELIVER_DEFERRED;
	for (int i = 0; i < 3; i++)
		commit(w, "s@example.org", mail);
	run_until(w, &w->deliveries, 3);
	assert_int_equal(act(w, QUEUE_HOLD, ""), 3);
	assert_int_equal(act(w, QUEUE_HOLD, ""), 0);
	flush(w);
	world_stop(w);	/* a hold outlives a kill */
	world_start(w);
	assert_int_equal(listed(w), 3);
	assert_int_equal(act(w, QUEUE_DELETE, w->last_id), 1);
	w->status = DELIVER_SENT;
	w->deliveries = 0;
	assert_int_equal(act(w, QUEUE_RELEASE, ""), 2);
	run_until(w, &w->deliveries, 2);
	run_until(w, &w->checkpoints, 1);
	run_until_empty(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_message_goes_through, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(many_messages_go_through, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(nothing_acknowledged_is_lost_by_a_kill, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(what_was_durable_does_not_come_again, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(a_lost_agent_gives_back, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(a_failed_checkpoint_repeats, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(a_large_message_goes_by_lease, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(a_lease_can_be_given_back, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(a_failed_notice_ends, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(a_failure_comes_back_as_a_report, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(a_deferred_message_is_tried_again, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(a_list_reaches_each_member_once, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(old_segments_go, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(a_deferred_message_moves_out, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(the_admin_may_hold_release_and_delete, world_set_up, world_tear_down),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
