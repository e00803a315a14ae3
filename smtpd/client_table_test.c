/* SPDX-License-Identifier: ISC */
/* client_table_test.c - counts of clients, alone and shared between processes */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "smtpd/client_table.h"

static char folder[] = "/tmp/client_table_test.XXXXXX";
static char path[64];

static int make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/counts", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static void connections_of_two_processes_add_up(void **state)
{
	struct client_table *a = client_table_open(path, 100), *b;
	struct client_counts *first = client_enter(a, span_lit("one")), *second;

	(void)state;
	b = client_table_open(path, 100);	/* does not take what a holds for forgotten */
	second = client_enter(b, span_lit("one"));
	assert_non_null(first);
	assert_non_null(second);
	assert_int_equal(client_connections(first), 2);
	assert_int_equal(client_connections(client_enter(a, span_lit("two"))), 1);
	client_leave(b, second);
	assert_int_equal(client_connections(first), 1);
	client_table_close(b);
	client_table_close(a);
}

static void rates_are_shared_and_end_with_their_time(void **state)
{
	struct client_table *a = client_table_open(path, 100), *b = client_table_open(path, 100);
	struct client_counts *first = client_enter(a, span_lit("one")), *second = client_enter(b, span_lit("one"));

	(void)state;
	assert_int_equal(client_count(first, 1, 5000, 1000), 1);
	assert_int_equal(client_count(second, 1, 5500, 1000), 2);
	assert_int_equal(client_count(second, 2, 5500, 1000), 1);
	assert_int_equal(client_count(first, 1, 6001, 1000), 1);
	assert_int_equal(client_count(second, 2, 6001, 1000), 1);
	assert_int_equal(client_count(second, 2, 100, 1000), 1);	/* the machine was booted */
	client_table_close(b);
	client_table_close(a);
}

static void what_a_killed_process_held_is_forgotten(void **state)
{
	struct client_table *a = client_table_open(path, 100), *b;
	struct client_counts *mine = client_enter(a, span_lit("one"));
	int ready[2];
	char byte;
	pid_t child;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		struct client_table *t = client_table_open(path, 100);

		for (int i = 0; i < 5; i++)
			if (client_enter(t, span_lit("one")) == NULL)
				_exit(1);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_true(child > 0);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(client_connections(mine), 6);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	b = client_table_open(path, 100);
	assert_int_equal(client_connections(mine), 1);
	client_table_close(b);
	client_table_close(a);
	close(ready[0]);
	close(ready[1]);
}

static void a_full_table_forgets_who_is_gone(void **state)
{
	struct client_table *t = client_table_open(NULL, 8);
	struct client_counts *held[8];

	(void)state;
	for (int i = 0; i < 8; i++)
		held[i] = client_enter(t, span_make(&i, sizeof(i)));
	assert_null(client_enter(t, span_lit("one too many")));
	for (int i = 0; i < 8; i++)
		assert_int_equal(client_connections(held[i]), 1);
	client_leave(t, held[3]);
	assert_ptr_equal(client_enter(t, span_lit("next")), held[3]);
	client_table_close(t);
}

static void a_file_of_another_size_is_replaced(void **state)
{
	struct client_table *a = client_table_open(path, 100), *b = client_table_open(path, 200);
	struct client_counts *one = client_enter(a, span_lit("one")), *other = client_enter(b, span_lit("one"));

	(void)state;
	assert_int_equal(client_connections(one), 1);
	assert_int_equal(client_connections(other), 1);
	client_table_close(b);
	client_table_close(a);
}

static void without_a_file_counts_are_private(void **state)
{
	struct client_table *t = client_table_open("/nonexistent/folder/counts", 100);
	struct client_counts *c = client_enter(t, span_lit("one"));

	(void)state;
	assert_int_equal(client_connections(c), 1);
	assert_int_equal(client_count(c, 0, 10, 10), 1);
	client_table_close(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_of_two_processes_add_up),
		cmocka_unit_test(rates_are_shared_and_end_with_their_time),
		cmocka_unit_test(what_a_killed_process_held_is_forgotten),
		cmocka_unit_test(a_full_table_forgets_who_is_gone),
		cmocka_unit_test(a_file_of_another_size_is_replaced),
		cmocka_unit_test(without_a_file_counts_are_private),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
