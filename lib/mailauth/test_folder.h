/* SPDX-License-Identifier: ISC */
/* test_folder.h - a folder in /tmp for a unit test, and it taken away with all in it */
#ifndef MAILAUTH_TEST_FOLDER_H
#define MAILAUTH_TEST_FOLDER_H

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/test.h"

struct test_folder {
	char path[40];
};

static inline void test_folder_make(struct test_folder *f)
{
	*f = (struct test_folder){ "/tmp/postern-mailauth-XXXXXX" };
	assert_non_null(mkdtemp(f->path));
}

static inline void test_folder_remove(const struct test_folder *f)
{
	char command[60];

	snprintf(command, sizeof(command), "rm -r %s", f->path);
	assert_int_equal(system(command), 0);
}

#endif
