/* SPDX-License-Identifier: ISC */
/* test_conf.h - a configuration for unit tests, from the text of a main.cf */
#ifndef CONF_TEST_CONF_H
#define CONF_TEST_CONF_H

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/base/test.h"
#include "lib/conf/conf.h"

/* test_conf - text read as main.cf, in a folder that is gone again when this returns. */
static inline const struct conf *test_conf(struct arena *arena, const char *text)
{
	char folder[] = "/tmp/test_conf.XXXXXX";
	const struct conf *conf;
	const char *path, *error = NULL;

	assert_non_null(mkdtemp(folder));
	path = arena_printf(arena, "%s/main.cf", folder);
	assert_int_equal(fs_replace_file(AT_FDCWD, path, span_of(text), 0644), 0);
	conf = conf_load(arena, folder, NULL, 0, &error);
	unlink(path);
	rmdir(folder);
	if (conf == NULL)
		fail_msg("%s", error);
	return conf;
}

#endif
