/* SPDX-License-Identifier: ISC */
/* policy_test.c - the real qmgr in a scripted world: notices, limits, damage, agents that misbehave, and who may ask */
#include "qmgr/test_world.h"

#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* restart - with these lines in main.cf, too. */
static void restart(struct world *w, const char *backoff, const char *lines)
{
	w->more_main_cf = lines;
	world_main_cf(w, backoff);
	world_stop(w);
	world_start(w);
}

static void assert_content_has(const struct world *w, const char *text)
{
	if (strstr(w->last_content, text) == NULL)
		fail_msg("not there: %s\nin:\n%s", text, w->last_content);
}

/* ---- notices ---- */

static void old_mail_is_returned(void **state)
{
	struct world *w = *state;

	restart(w, "1s", "maximal_queue_lifetime = 1s\n");
	w->status = DELIVER_DEFERRED;
	commit(w, "s@example.org", mail);
	while (strcmp(w->last_recipient, "s@example.org") != 0)
		assert_true(world_play(w, PATIENCE_MS));
	assert_content_has(w, "Action: failed\r\n");
	wait_for_log(w, "status=expired, returned to sender");
	w->status = DELIVER_SENT;
	run_until_empty(w);
}

static void late_mail_is_announced_once(void **state)
{
	struct world *w = *state;
	size_t before;

	restart(w, "1s", "delay_warning_time = 1s\n");
	w->status = DELIVER_DEFERRED;
	commit(w, "s@example.org", mail);
	while (strcmp(w->last_recipient, "s@example.org") != 0)
		assert_true(world_play(w, PATIENCE_MS));
	assert_content_has(w, "Subject: Delayed Mail (still being retried)\r\n");
	assert_content_has(w, "Action: delayed\r\n");
	assert_content_has(w, "\r\nWill-Retry-Until: ");
	wait_for_log(w, "sender delay notification: ");
	w->status = DELIVER_SENT;
	before = w->deliveries;
	run_until_empty(w);
	assert_in_range(w->deliveries, before + 1, before + 2);	/* the message, and the notice again: no second notice */
}

struct success {
	const char *transport;
	bool        reports_itself;
	const char *action;	/* NULL: no notice from us */
};

static void success_is_told(void **state)
{
	static const struct success rows[] = {
		{ "virtual", false, "Action: delivered\r\n" },
		{ "smtp", false, "Action: relayed\r\n" },
		{ "smtp", true, NULL },
	};
	struct world *w = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		w->transport = rows[i].transport;
		w->reports_itself = rows[i].reports_itself;
		w->is_durable = true;
		w->notify = NOTIFY_SUCCESS;
		w->deliveries = 0;
		commit_to(w, "s@example.org", "u1@example.test", false, mail);
		run_until(w, &w->deliveries, rows[i].action != NULL ? 2 : 1);
		if (rows[i].action != NULL)
			assert_content_has(w, rows[i].action);
		run_until_empty(w);
		assert_int_equal(w->deliveries, rows[i].action != NULL ? 2 : 1);
	}
}

static void a_failed_notice_goes_to_the_postmaster(void **state)
{
	struct world *w = *state;

	restart(w, "1s", "notify_classes = 2bounce\nmyorigin = example.test\n");
	w->status = DELIVER_BOUNCED;
	commit(w, "", mail);
	run_until(w, &w->deliveries, 2);
	assert_string_equal(w->last_recipient, "postmaster@example.test");
	assert_string_equal(w->last_sender, "double-bounce@example.test");
	/* That failed, too: it ends here. */
	run_until_empty(w);
	assert_int_equal(w->deliveries, 2);
	wait_for_log(w, "undeliverable postmaster notification discarded");
}

static void a_list_with_an_owner_is_a_message_of_its_own(void **state)
{
	struct world *w = *state;

	w->owns_lists = true;
	w->is_durable = true;
	commit_to(w, "s@example.org", "list@example.test", false, mail);
	run_until(w, &w->deliveries, 3);	/* the list, a and b */
	run_until_empty(w);
	assert_string_equal(w->last_sender, "owner-list@example.test");
	assert_int_equal(w->deliveries, 3);
}

/* ---- agents ---- */

static void a_silent_agent_is_given_up(void **state)
{
	struct world *w = *state;

	restart(w, "1s", "virtual_delivery_watchdog_time = 1s\n");
	w->is_silent = true;
	commit(w, "s@example.org", mail);
	wait_for_log(w, "agent does not answer");
	w->is_silent = false;
	run_until(w, &w->checkpoints, 1);
	run_until_empty(w);
	assert_true(w->repeats > 0);
}

/* Content is not in memory any more, so it is read when its turn comes; agents go away meanwhile. */
static void agents_are_lost_while_content_is_read(void **state)
{
	enum { FILL = 30, ROUNDS = 30, EACH = 10 };
	struct world *w = *state;
	char *big = calloc(1, 60000);

	assert_non_null(big);
	restart(w, "1s", "qmgr_memory_limit = 1048576\nqmgr_agent_delivery_limit = 1000\n"
	        "initial_destination_concurrency = 1000\ndefault_destination_concurrency_limit = 1000\n");
	w->is_silent = true;
	for (size_t i = 0; i < FILL; i++)
		commit(w, "s@example.org", span_make(big, 60000));
	run_until(w, &w->commits_done, FILL);
	run_until(w, &w->deliveries, FILL);
	for (size_t round = 1; round <= ROUNDS; round++) {
		for (size_t i = 0; i < EACH; i++)
			commit(w, "s@example.org", span_make(big, 50000));
		run_until(w, &w->commits_done, FILL + EACH * round);
		for (size_t i = 0; i < w->agent_count; i++) {
			if (w->agents[i].fd >= 0 && strcmp(w->agents[i].transport, "virtual") == 0)
				close(w->agents[i].fd);
			if (strcmp(w->agents[i].transport, "virtual") == 0)
				w->agents[i--] = w->agents[--w->agent_count];
		}
	}
	free(big);
	w->is_silent = false;
	w->is_durable = true;
	flush(w);
	run_until_empty(w);
}

/* ---- requeued ---- */

/* requeue_a_list - list@ was a, b and itself, of which one has the message; now it is c alone. */
static void requeue_a_list(struct world *w)
{
	char id[QUEUE_ID_MAX];

	memcpy(id, w->last_id, sizeof(id));
	w->list = span_lit("c@example.test\0");
	w->status = DELIVER_SENT;
	w->is_durable = true;
	w->deliveries = 0;
	assert_int_equal(act(w, QUEUE_REQUEUE, id), 1);
	run_until(w, &w->deliveries, 1);
	assert_string_equal(w->last_recipient, "c@example.test");
	run_until_empty(w);
	assert_int_equal(w->deliveries, 1);
}

static void a_requeued_message_is_resolved_again(void **state)
{
	struct world *w = *state;

	restart(w, "1000s", "");
	w->status = DELIVER_DEFERRED;
	commit_to(w, "s@example.org", "list@example.test", false, mail);
	run_until(w, &w->deliveries, 3);
	while (act(w, QUEUE_HOLD, "") == 0)
		(void)world_play(w, 20);
	requeue_a_list(w);
}

static void so_is_one_in_a_file_after_a_kill(void **state)
{
	struct world *w = *state;
	char id[QUEUE_ID_MAX];

	restart(w, "1000s", "");
	w->status = DELIVER_DEFERRED;
	commit_to(w, "s@example.org", "list@example.test", false, mail);
	run_until(w, &w->deliveries, 3);
	memcpy(id, w->last_id, sizeof(id));
	w->status = DELIVER_SENT;
	w->is_durable = true;
	fill_segment(w, w->commits_done);
	wait_for_files(w, 1);
	/* None of those that filled it is to be counted below, or comes again after the kill. */
	while (listed(w) > 1)
		(void)world_play(w, 20);
	/* Resolved again and deferred again, then a kill: the new table is what counts. */
	w->status = DELIVER_DEFERRED;
	w->list = span_lit("b@example.test\0c@example.test\0");
	w->deliveries = 0;
	assert_int_equal(act(w, QUEUE_REQUEUE, id), 1);
	run_until(w, &w->deliveries, 2);
	poll(NULL, 0, 300);
	world_stop(w);
	world_start(w);
	memcpy(w->last_id, id, sizeof(id));
	requeue_a_list(w);
	wait_for_files(w, 0);
}

/* ---- marks and damage ---- */

static void marks_come_before_the_next_try(void **state)
{
	struct world *w = *state;

	restart(w, "1000s", "");
	w->status = DELIVER_DEFERRED;
	w->is_durable = true;
	commit_to(w, "s@example.org", "list@example.test", false, mail);
	run_until(w, &w->deliveries, 3);
	w->status = DELIVER_SENT;
	fill_segment(w, w->commits_done);
	wait_for_files(w, 1);
	while (listed(w) > 1)
		(void)world_play(w, 20);
	/* From its file: defer again and again, flushing at once; then each member gets it once. */
	w->status = DELIVER_DEFERRED;
	for (int i = 0; i < 10; i++) {
		w->deliveries = 0;
		flush(w);
		run_until(w, &w->deliveries, 3);
	}
	w->status = DELIVER_SENT;
	w->deliveries = 0;
	while (listed(w) > 0) {
		flush(w);
		(void)world_play(w, 20);
	}
	assert_int_equal(w->deliveries, 3);
	wait_for_files(w, 0);
}

/* damage - change a byte of every MESSAGE record's content in the journal. */
static void damage(const struct world *w)
{
	static char bytes[1 << 20];
	char pattern[128];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/spool/journal/0*", w->path);
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		int fd = open(found.gl_pathv[i], O_RDWR);
		ssize_t n = pread(fd, bytes, sizeof(bytes), 0);

		for (ssize_t at = 0; at + 5 < n; at++)
			if (memcmp(bytes + at, "body\r", 5) == 0)
				assert_int_equal(pwrite(fd, "B", 1, at), 1);
		close(fd);
	}
	globfree(&found);
}

static void a_damaged_record_is_set_aside(void **state)
{
	struct world *w = *state;
	char command[160];

	restart(w, "1000s", "");
	w->status = DELIVER_DEFERRED;
	commit(w, "s@example.org", mail);
	run_until(w, &w->deliveries, 1);
	assert_int_equal(listed(w), 1);
	damage(w);
	w->status = DELIVER_SENT;
	flush(w);
	wait_for_log(w, "damaged: not delivered, kept in queue/corrupt");
	run_until_empty(w);
	assert_int_equal(w->deliveries, 1);
	/* Its segment holds nothing up. */
	w->is_durable = true;
	fill_segment(w, w->commits_done);
	fill_segment(w, w->commits_done);
	run_until_empty(w);
	snprintf(command, sizeof(command), "ls %s/spool/corrupt/journal.0* > /dev/null", w->path);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command), "test $(ls %s/spool/journal | grep -c '^0') -le 3", w->path);
	for (int i = 0; system(command) != 0; i++) {
		assert_true(i < 200);
		(void)world_play(w, 50);
	}
}

/* ---- intake ---- */

static void receivers_are_slowed_down(void **state)
{
	struct world *w = *state;

	restart(w, "1s", "qmgr_message_active_limit = 5\n");
	w->is_silent = true;
	for (int i = 0; i < 4; i++)
		commit(w, "s@example.org", mail);
	run_until(w, &w->commits_done, 4);
	assert_int_equal(w->last_pause_ms, 0);
	for (int i = 0; i < 4; i++)
		commit(w, "s@example.org", mail);
	run_until(w, &w->commits_done, 8);
	assert_true(w->last_pause_ms > 0);
}

static void ask_room(struct world *w, uint64_t size, struct commit_reply *reply, struct arena *arena)
{
	struct room_request request = { .size = size };

	assert_int_equal(ipc_blocking_call(w->receiver, &room_request_type, &request, &commit_reply_type, reply, arena, 5),
	                 0);
}

static void room_is_refused_in_time(void **state)
{
	struct world *w = *state;
	struct arena *arena = arena_new(NULL);
	struct commit_reply reply;

	ask_room(w, 1000, &reply, arena);
	assert_int_equal(reply.status, DONE);
	restart(w, "1s", "message_size_limit = 2000000\nqueue_minfree = 1000000000000000\n");
	ask_room(w, 3000000, &reply, arena);
	assert_int_equal(reply.status, REFUSE);
	assert_true(span_equal(reply.dsn, span_lit("5.3.4")));
	ask_room(w, 1000, &reply, arena);
	assert_int_equal(reply.status, DEFER);
	assert_true(span_equal(reply.dsn, span_lit("4.3.1")));
	arena_free(arena);
}

/* ---- who may ---- */

static void the_public_socket_takes_no_mail(void **state)
{
	struct world *w = *state;
	struct arena *arena = arena_new(NULL);
	struct lease_request lease = { .size_hint = 100000 };
	struct lease_reply leased;
	struct commit_reply reply;
	int private = w->receiver;

	w->receiver = public_socket(w);
	commit(w, "s@example.org", mail);
	assert_int_equal(ipc_blocking_next(w->receiver, &commit_reply_type, &reply, arena, 5), 0);
	assert_int_equal(reply.status, DEFER);
	assert_int_equal(ipc_blocking_call(w->receiver, &lease_request_type, &lease, &lease_reply_type, &leased, arena, 5), 0);
	assert_int_equal(leased.status, DEFER);
	assert_int_equal(listed(w), 0);		/* but it lists */
	close(w->receiver);
	w->receiver = private;
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(old_mail_is_returned, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(late_mail_is_announced_once, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(success_is_told, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(a_failed_notice_goes_to_the_postmaster, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(a_list_with_an_owner_is_a_message_of_its_own, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(a_silent_agent_is_given_up, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(agents_are_lost_while_content_is_read, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(a_requeued_message_is_resolved_again, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(so_is_one_in_a_file_after_a_kill, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(marks_come_before_the_next_try, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(a_damaged_record_is_set_aside, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(receivers_are_slowed_down, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(room_is_refused_in_time, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(the_public_socket_takes_no_mail, world_set_up, world_tear_down),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
