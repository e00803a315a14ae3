/* SPDX-License-Identifier: ISC */
/* postlogd_test.c - what is sent is in the file, a line each; what could not be written is counted */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "log/postlogd.h"

struct place {
	char       folder[32], path[48], rotated[48];
	int        pair[2];
	struct buf lines;
};

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	strcpy(p->folder, "/tmp/postern-log-XXXXXX");
	assert_non_null(mkdtemp(p->folder));
	(void)snprintf(p->path, sizeof(p->path), "%s/log", p->folder);
	(void)snprintf(p->rotated, sizeof(p->rotated), "%s/log.1", p->folder);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, p->pair), 0);
	buf_init(&p->lines, BUF_NO_LIMIT);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;

	(void)unlink(p->path);
	(void)unlink(p->rotated);
	assert_int_equal(rmdir(p->folder), 0);
	(void)close(p->pair[0]);
	(void)close(p->pair[1]);
	buf_free(&p->lines);
	free(p);
	return 0;
}

static void say(const struct place *p, struct span line)
{
	assert_int_equal(send(p->pair[1], line.ptr, line.len, 0), line.len);
}

static void expect_file(const char *path, const char *content)
{
	struct buf got;

	buf_init(&got, BUF_NO_LIMIT);
	assert_int_equal(fs_read_file(AT_FDCWD, path, &got), 0);
	assert_string_equal(buf_cstr(&got), content);
	buf_free(&got);
}

static void lines_arrive_in_order(void **state)
{
	struct place        *p = *state;
	struct postlogd_file f;

	postlogd_open(&f, p->path, NULL);
	say(p, span_lit("one"));
	say(p, span_lit("two\n"));
	assert_int_equal(postlogd_receive(p->pair[0], &p->lines), 2);
	postlogd_write(&f, &p->lines);
	assert_int_equal(postlogd_receive(p->pair[0], &p->lines), -1);
	assert_int_equal(errno, EAGAIN);
	expect_file(p->path, "one\ntwo\n");
	close(f.fd);
}

static void a_datagram_is_one_line(void **state)
{
	struct place *p = *state;

	say(p, span_lit("a\nfaked: line\033[0m\0b\177"));
	assert_int_equal(postlogd_receive(p->pair[0], &p->lines), 1);
	assert_string_equal(buf_cstr(&p->lines), "a\nfaked: line?[0m?b?\n");
}

static void rotation_takes_a_new_file(void **state)
{
	struct place        *p = *state;
	struct postlogd_file f;

	postlogd_open(&f, p->path, NULL);
	say(p, span_lit("before"));
	assert_int_equal(postlogd_receive(p->pair[0], &p->lines), 1);
	postlogd_write(&f, &p->lines);
	assert_int_equal(rename(p->path, p->rotated), 0);
	postlogd_reopen(&f);
	say(p, span_lit("after"));
	assert_int_equal(postlogd_receive(p->pair[0], &p->lines), 1);
	postlogd_write(&f, &p->lines);
	expect_file(p->rotated, "before\n");
	expect_file(p->path, "after\n");
	close(f.fd);
}

static void full_disk_is_counted(void **state)
{
	struct place        *p = *state;
	struct postlogd_file f;

	postlogd_open(&f, p->path, NULL);
	for (int i = 0; i < 3; i++)
		say(p, span_lit("lost"));
	assert_int_equal(postlogd_receive(p->pair[0], &p->lines), 3);
	fs_fail_at(1, ENOSPC);
	postlogd_write(&f, &p->lines);
	fs_fail_at(0, 0);
	assert_true(f.lost == 3);
	assert_int_equal(p->lines.len, 0);
	say(p, span_lit("kept"));
	assert_int_equal(postlogd_receive(p->pair[0], &p->lines), 1);
	postlogd_write(&f, &p->lines);
	assert_true(f.lost == 0);
	expect_file(p->path, "kept\n");
	close(f.fd);
}

static void lost_file_keeps_the_old(void **state)
{
	struct place        *p = *state;
	struct postlogd_file f;

	postlogd_open(&f, p->path, NULL);
	f.path = "/no/such/folder/log";
	postlogd_reopen(&f);
	assert_true(f.fd >= 0);
	close(f.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lines_arrive_in_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_datagram_is_one_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rotation_takes_a_new_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(full_disk_is_counted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lost_file_keeps_the_old, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
