/* SPDX-License-Identifier: ISC */
/* schedule_test.c - the scheduler with a scripted clock and no agents at all */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "lib/base/clock.h"
#include "qmgr/schedule.h"

static struct schedule_limits limits;

static void give_limits(void *user, const char *transport, struct schedule_limits *out)
{
	(void)user;
	(void)transport;
	*out = limits;
}

struct fixture {
	struct schedule   s;
	struct transport *t;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	limits = (struct schedule_limits){ .concurrency = 20, .initial_concurrency = 5, .recipients = 50,
	                                   .failed_cohorts = 1, .dead_us = 300 };
	schedule_init(&f->s, give_limits, NULL);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	schedule_free(&f->s);
	free(f);
	return 0;
}

static void start(struct fixture *f, unsigned room)
{
	f->t = schedule_transport(&f->s, span_lit("smtp"));
	f->t->room = room;
}

/* add - a job of one recipient; its message is the address of name. */
static void add(struct fixture *f, const char *nexthop, const char *sender, const char *name, uint64_t now_us)
{
	static char messages[256];

	schedule_add(&f->s, f->t, span_of(nexthop), span_of(sender), job_new(&messages[(unsigned char)*name], 1), now_us);
}

/* next_for - the next job, which must belong to that destination. */
static struct job *next_for(struct fixture *f, const char *nexthop, uint64_t now_us)
{
	struct job *job = schedule_next(&f->s, now_us);

	assert_non_null(job);
	if (!span_equal(destination_nexthop(job->destination), span_of(nexthop)))
		fail_msg("%.*s, not %s", SPAN_ARG(destination_nexthop(job->destination)), nexthop);
	return job;
}

static void end(struct fixture *f, struct job *job, enum job_end how, uint64_t now_us)
{
	schedule_end(&f->s, job, how, "connection refused", now_us);
	job_free(job);
}

static void destinations_take_turns(void **state)
{
	struct fixture *f = *state;

	start(f, 10);
	for (int i = 0; i < 3; i++)
		add(f, "a.test", "s", "1", 0);
	add(f, "b.test", "s", "2", 0);
	end(f, next_for(f, "a.test", 0), JOB_HOST_WORKS, 0);
	end(f, next_for(f, "b.test", 0), JOB_HOST_WORKS, 0);
	end(f, next_for(f, "a.test", 0), JOB_HOST_WORKS, 0);
}

static void senders_take_turns(void **state)
{
	struct fixture *f = *state;
	void *bulk, *small;
	struct job *job;

	start(f, 10);
	for (int i = 0; i < 3; i++)
		add(f, "a.test", "bulk", "B", 0);
	add(f, "a.test", "small", "S", 0);
	job = schedule_next(&f->s, 0);
	bulk = job->message;
	end(f, job, JOB_HOST_WORKS, 0);
	job = schedule_next(&f->s, 0);
	small = job->message;
	end(f, job, JOB_HOST_WORKS, 0);
	assert_ptr_not_equal(bulk, small);
	for (int i = 0; i < 2; i++) {
		job = schedule_next(&f->s, 0);
		assert_ptr_equal(job->message, bulk);
		end(f, job, JOB_HOST_WORKS, 0);
	}
	assert_null(schedule_next(&f->s, 0));
}

static size_t drain(struct fixture *f, struct job **jobs, size_t most)
{
	size_t n = 0;

	while (n < most && (jobs[n] = schedule_next(&f->s, 0)) != NULL)
		n++;
	return n;
}

static void concurrency_begins_small_and_grows(void **state)
{
	struct fixture *f = *state;
	struct job *jobs[100];

	start(f, 1000);
	for (int i = 0; i < 100; i++)
		add(f, "a.test", "s", "1", 0);
	assert_int_equal(drain(f, jobs, 100), 5);
	for (int i = 0; i < 5; i++)
		end(f, jobs[i], JOB_HOST_WORKS, 0);
	assert_int_equal(drain(f, jobs, 100), 10);
	for (int i = 0; i < 10; i++)
		end(f, jobs[i], JOB_HOST_WORKS, 0);
	assert_int_equal(drain(f, jobs, 100), 20);	/* the limit */
	for (int i = 0; i < 20; i++)
		end(f, jobs[i], JOB_HOST_WORKS, 0);
	assert_int_equal(drain(f, jobs, 100), 20);
	for (int i = 0; i < 20; i++)
		end(f, jobs[i], JOB_HOST_WORKS, 0);
}

static void a_window_of_failures_is_death(void **state)
{
	struct fixture *f = *state;
	struct job *jobs[10];
	const char *reason;
	size_t taken = 0;

	start(f, 1000);
	for (int i = 0; i < 10; i++)
		add(f, "a.test", "s", "1", 0);
	add(f, "b.test", "s", "2", 0);
	assert_int_equal(drain(f, jobs, 10), 6);	/* five of a.test, one of b.test */
	for (int i = 0; i < 6; i++)
		if (span_equal(destination_nexthop(jobs[i]->destination), span_lit("a.test")))
			end(f, jobs[i], JOB_HOST_FAILED, 100);
		else
			end(f, jobs[i], JOB_HOST_WORKS, 100);
	assert_string_equal(schedule_dead_reason(&f->s, f->t, span_lit("a.test"), 100), "connection refused");
	assert_null(schedule_next(&f->s, 100));
	for (struct job *job; (job = schedule_take_dead(&f->s, &reason)) != NULL; taken++) {
		assert_string_equal(reason, "connection refused");
		job_free(job);
	}
	assert_int_equal(taken, 5);
	assert_non_null(schedule_dead_reason(&f->s, f->t, span_lit("a.test"), 399));
	assert_null(schedule_dead_reason(&f->s, f->t, span_lit("a.test"), 400));
}

static void one_success_forgives(void **state)
{
	struct fixture *f = *state;
	struct job *job;

	start(f, 1000);
	for (int round = 0; round < 20; round++) {
		add(f, "a.test", "s", "1", 0);
		add(f, "a.test", "s", "1", 0);
		job = next_for(f, "a.test", 0);
		end(f, next_for(f, "a.test", 0), JOB_HOST_FAILED, 0);
		end(f, job, JOB_HOST_WORKS, 0);
		assert_null(schedule_dead_reason(&f->s, f->t, span_lit("a.test"), 0));
	}
}

static void a_lost_agent_says_nothing_of_the_host(void **state)
{
	struct fixture *f = *state;

	start(f, 1000);
	for (int i = 0; i < 50; i++) {
		add(f, "a.test", "s", "1", 0);
		end(f, next_for(f, "a.test", 0), JOB_LOST, 0);
	}
	assert_null(schedule_dead_reason(&f->s, f->t, span_lit("a.test"), 0));
}

static void flush_revives(void **state)
{
	struct fixture *f = *state;
	struct job *jobs[10];

	start(f, 1000);
	for (int i = 0; i < 5; i++)
		add(f, "a.test", "s", "1", 0);
	assert_int_equal(drain(f, jobs, 10), 5);
	for (int i = 0; i < 5; i++)
		end(f, jobs[i], JOB_HOST_FAILED, 0);
	assert_non_null(schedule_dead_reason(&f->s, f->t, span_lit("a.test"), 0));
	schedule_flush(&f->s);
	assert_null(schedule_dead_reason(&f->s, f->t, span_lit("a.test"), 0));
	add(f, "a.test", "s", "1", 0);
	end(f, next_for(f, "a.test", 0), JOB_HOST_WORKS, 0);
}

static void no_room_no_job(void **state)
{
	struct fixture *f = *state;
	struct job *job;

	start(f, 1);
	add(f, "a.test", "s", "1", 0);
	add(f, "b.test", "s", "1", 0);
	job = schedule_next(&f->s, 0);
	assert_non_null(job);
	assert_null(schedule_next(&f->s, 0));
	end(f, job, JOB_HOST_WORKS, 0);
	assert_null(schedule_next(&f->s, 0));
	f->t->room = 1;
	end(f, schedule_next(&f->s, 0), JOB_HOST_WORKS, 0);
}

static void the_rate_delay_holds_back(void **state)
{
	struct fixture *f = *state;

	limits.rate_delay_us = 1000;
	start(f, 10);
	add(f, "a.test", "s", "1", 0);
	add(f, "a.test", "s", "1", 0);
	end(f, next_for(f, "a.test", 0), JOB_HOST_WORKS, 10);
	assert_null(schedule_next(&f->s, 999));
	assert_int_equal(schedule_wake_us(&f->s), 1000);
	end(f, next_for(f, "a.test", 1000), JOB_HOST_WORKS, 1000);
	assert_int_equal(schedule_wake_us(&f->s), CLOCK_NEVER);
}

static void waiting_jobs_of_a_message_can_be_removed(void **state)
{
	struct fixture *f = *state;
	struct job *job;
	void *message;

	start(f, 10);
	add(f, "a.test", "s", "1", 0);
	add(f, "a.test", "s", "2", 0);
	add(f, "b.test", "s", "1", 0);
	add(f, "b.test", "t", "1", 0);
	job = next_for(f, "a.test", 0);
	message = job->message;
	assert_int_equal(schedule_remove(&f->s, message), 2);
	assert_ptr_equal(job->message, message);
	end(f, job, JOB_HOST_WORKS, 0);
	end(f, next_for(f, "a.test", 0), JOB_HOST_WORKS, 0);
	assert_null(schedule_next(&f->s, 0));
	assert_int_equal(f->s.jobs, 0);
}

static void a_transport_that_cannot_be_had_gives_back(void **state)
{
	struct fixture *f = *state;
	const char *reason;
	struct job *job;

	start(f, 0);
	add(f, "a.test", "s", "1", 0);
	schedule_give_up(&f->s, f->t, "mail transport unavailable");
	job = schedule_take_dead(&f->s, &reason);
	assert_non_null(job);
	assert_string_equal(reason, "mail transport unavailable");
	job_free(job);
	assert_null(schedule_take_dead(&f->s, &reason));
	/* The next message is tried again. */
	f->t->room = 1;
	add(f, "a.test", "s", "1", 1);
	end(f, next_for(f, "a.test", 1), JOB_HOST_WORKS, 1);
}

static void idle_destinations_are_forgotten(void **state)
{
	struct fixture *f = *state;
	struct job *jobs[10];

	start(f, 10);
	add(f, "a.test", "s", "1", 0);
	end(f, next_for(f, "a.test", 0), JOB_HOST_WORKS, 0);
	assert_int_equal(hash_count(f->t->destinations), 0);
	for (int i = 0; i < 5; i++)
		add(f, "a.test", "s", "1", 0);
	assert_int_equal(drain(f, jobs, 10), 5);
	for (int i = 0; i < 5; i++)
		end(f, jobs[i], JOB_HOST_FAILED, 0);
	assert_int_equal(hash_count(f->t->destinations), 1);
	schedule_sweep(&f->s, 301);
	assert_int_equal(hash_count(f->t->destinations), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(destinations_take_turns, set_up, tear_down),
		cmocka_unit_test_setup_teardown(senders_take_turns, set_up, tear_down),
		cmocka_unit_test_setup_teardown(concurrency_begins_small_and_grows, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_window_of_failures_is_death, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_success_forgives, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_lost_agent_says_nothing_of_the_host, set_up, tear_down),
		cmocka_unit_test_setup_teardown(flush_revives, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_room_no_job, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_rate_delay_holds_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(waiting_jobs_of_a_message_can_be_removed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_transport_that_cannot_be_had_gives_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(idle_destinations_are_forgotten, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
