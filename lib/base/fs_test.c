/* SPDX-License-Identifier: ISC */
/* fs_test.c - file I/O, and that every failure is reported */
#include "lib/base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/test.h"

static char folder[] = "/tmp/postern-fs-XXXXXX";
static int dir_fd = -1;

static int make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	dir_fd = open(folder, O_RDONLY | O_DIRECTORY);
	return dir_fd < 0 ? -1 : 0;
}

static int remove_folder(void **state)
{
	(void)state;
	close(dir_fd);
	return rmdir(folder);
}

static void files_are_replaced_whole(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	assert_int_equal(fs_replace_file(dir_fd, "f", span_lit("one"), 0600), 0);
	assert_int_equal(fs_replace_file(dir_fd, "f", span_lit("two"), 0600), 0);
	assert_int_equal(fs_read_file(dir_fd, "f", &b), 0);
	assert_span(buf_span(&b), "two");
	assert_int_equal(fs_unlink_at(dir_fd, "f"), 0);
	buf_free(&b);
}

static void reading_stops_at_the_limit(void **state)
{
	struct buf b;

	(void)state;
	assert_int_equal(fs_replace_file(dir_fd, "f", span_lit("12345"), 0600), 0);
	buf_init(&b, 5);
	assert_int_equal(fs_read_file(dir_fd, "f", &b), 0);
	buf_free(&b);
	buf_init(&b, 4);
	assert_int_equal(fs_read_file(dir_fd, "f", &b), -1);
	assert_int_equal(errno, EFBIG);
	buf_free(&b);
	assert_int_equal(fs_unlink_at(dir_fd, "f"), 0);
}

static void replacing_fails_whole_at_every_step(void **state)
{
	unsigned n = 1;

	(void)state;
	assert_int_equal(fs_replace_file(dir_fd, "f", span_lit("old"), 0600), 0);
	for (;; n++) {
		struct buf b;
		int result;

		fs_fail_at(n, ENOSPC);
		result = fs_replace_file(dir_fd, "f", span_lit("new"), 0600);
		fs_fail_at(0, 0);
		if (result == 0)
			break;
		assert_int_equal(errno, ENOSPC);
		buf_init(&b, 10);
		assert_int_equal(fs_read_file(dir_fd, "f", &b), 0);
		/* Old, or (when only the last sync failed) new: never something between. */
		assert_true(span_equal(buf_span(&b), span_lit("old")) ||
		            span_equal(buf_span(&b), span_lit("new")));
		buf_free(&b);
	}
	assert_true(n > 4);
	assert_int_equal(fs_unlink_at(dir_fd, "f"), 0);
}

static void renaming_to_a_new_name_never_replaces(void **state)
{
	(void)state;
	assert_int_equal(fs_replace_file(dir_fd, "a", span_lit("a"), 0600), 0);
	assert_int_equal(fs_replace_file(dir_fd, "b", span_lit("b"), 0600), 0);
	assert_int_equal(fs_rename_new(dir_fd, "a", dir_fd, "b"), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(fs_rename_new(dir_fd, "a", dir_fd, "c"), 0);
	assert_int_equal(fs_unlink_at(dir_fd, "b"), 0);
	assert_int_equal(fs_unlink_at(dir_fd, "c"), 0);
}

static void unnamed_files_get_a_name(void **state)
{
	int fd = open(folder, O_TMPFILE | O_RDWR, 0600);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fs_write_all(fd, "x", 1), 0);
	assert_int_equal(fs_link_fd(fd, dir_fd, "named"), 0);
	assert_int_equal(fs_link_fd(fd, dir_fd, "named"), -1);
	close(fd);
	assert_int_equal(fs_unlink_at(dir_fd, "named"), 0);
}

static void reading_past_the_end_is_told(void **state)
{
	char data[8];
	int fd = open(folder, O_TMPFILE | O_RDWR, 0600);
	struct iovec iov[2] = { { (char[]){ "abc" }, 3 }, { (char[]){ "def" }, 3 } };

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fs_writev_all(fd, iov, 2), 0);
	assert_int_equal(fs_pread_all(fd, data, 6, 0), 0);
	assert_memory_equal(data, "abcdef", 6);
	assert_int_equal(fs_pread_all(fd, data, 7, 0), -1);
	assert_int_equal(errno, ENODATA);
	assert_int_equal(fs_pwrite_all(fd, "X", 1, 2), 0);
	assert_int_equal(fs_pread_all(fd, data, 1, 2), 0);
	assert_int_equal(data[0], 'X');
	close(fd);
}

static void folders_are_made_with_parents(void **state)
{
	char path[128];
	struct stat st;

	(void)state;
	snprintf(path, sizeof(path), "%s/p/q/r", folder);
	assert_int_equal(fs_make_dirs(path, 0700), 0);
	assert_int_equal(fs_make_dirs(path, 0700), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(rmdir(path), 0);
		*strrchr(path, '/') = '\0';
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_replaced_whole),
		cmocka_unit_test(reading_stops_at_the_limit),
		cmocka_unit_test(replacing_fails_whole_at_every_step),
		cmocka_unit_test(renaming_to_a_new_name_never_replaces),
		cmocka_unit_test(unnamed_files_get_a_name),
		cmocka_unit_test(reading_past_the_end_is_told),
		cmocka_unit_test(folders_are_made_with_parents),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
