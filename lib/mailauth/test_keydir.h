/* SPDX-License-Identifier: ISC */
/* test_keydir.h - folders of keys for unit tests, and their states as one line of text */
#ifndef MAILAUTH_TEST_KEYDIR_H
#define MAILAUTH_TEST_KEYDIR_H

#include "lib/base/test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/mailauth/dkim_keydir.h"
#include "lib/mailauth/test_folder.h"

struct test_keydir {
	struct test_folder folder;
	const char        *top;	/* its path */
	struct arena      *arena;
	struct dkim_keydir dir;
};

static inline void test_keydir_open(struct test_keydir *t)
{
	struct why why;

	*t = (struct test_keydir){ .top = t->folder.path, .arena = arena_new(NULL) };
	test_folder_make(&t->folder);
	t->dir = (struct dkim_keydir){
		.path = arena_printf(t->arena, "%s/dkim", t->top),
		.state_path = arena_printf(t->arena, "%s/mailauth/dkim", t->top),
		.limits = DKIM_KEYDIR_STANDARD_LIMITS,
	};
	t->dir.limits.rsa_bits_min = 512;	/* they are made faster */
	assert_int_equal(dkim_keydir_prepare_state(&t->dir, (struct dkim_owner){ .is_set = false }, &why), DONE);
}

static inline void test_keydir_close(struct test_keydir *t)
{
	test_folder_remove(&t->folder);
	arena_free(t->arena);
}

/* test_keydir_add - a key of that age: made so many seconds after 2001. */
static inline void test_keydir_add(struct test_keydir *t, const char *domain, const char *selector,
                                   enum dkim_key_type type, unsigned age_s)
{
	const struct timespec times[2] = { { .tv_sec = 1000000000 }, { .tv_sec = 1000000000 + age_s } };
	char *path = arena_printf(t->arena, "%s/%s/%s.pem", t->dir.path, domain, selector);
	struct dkim_signing_key key;
	struct why why;

	assert_int_equal(dkim_keydir_generate(type, 1024, &key, &why), DONE);
	if (dkim_keydir_store(&t->dir, span_of(domain), span_of(selector), &key, 0, (struct dkim_owner){ 0 }, &why) != DONE)
		fail_msg("%s", why.text);
	dkim_signing_key_free(&key);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static inline void test_keydir_write(struct test_keydir *t, const char *name, const char *text)
{
	assert_int_equal(fs_replace_file(AT_FDCWD, arena_printf(t->arena, "%s/%s", t->top, name), span_of(text), 0600), 0);
}

/* test_keydir_states - "a active, b waiting", the oldest key first. */
static inline struct span test_keydir_states(struct arena *arena, const struct dkim_key_domain *domain)
{
	static const char *const words[] = { "waiting", "active", "retired" };
	struct span text = { "", 0 };

	for (size_t i = 0; i < domain->count; i++)
		text = arena_printf_span(arena, SPAN_FMT "%s" SPAN_FMT " %s", SPAN_ARG(text), i > 0 ? ", " : "",
		                         SPAN_ARG(domain->key[i].selector), words[domain->key[i].state]);
	return text;
}

#endif
