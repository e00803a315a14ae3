/* SPDX-License-Identifier: ISC */
/* allowed.c - which users may list and flush: authorized_mailq_users, authorized_flush_users
 *
 * User names become numbers before the sandbox, where no account can be looked up.  As in Postfix's lists the first
 * member that matches decides, and one that begins with ! says no. */
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "qmgr/qmgr.h"

struct rule {
	bool  is_anyone, allows;
	uid_t uid;
};

struct rules {
	struct rule *list;
	size_t       count;
};

static struct rules rules[ALLOWED_COUNT];

/* name_uid - a user's number; false when there is none. */
static bool name_uid(struct span name, uid_t *uid)
{
	unsigned long long number;
	struct arena *arena;
	const struct passwd *found;

	if (span_u64(name, UINT32_MAX - 1, &number)) {
		*uid = (uid_t)number;
		return true;
	}
	arena = arena_new(NULL);
	found = getpwnam(arena_cstr(arena, name));
	if (found != NULL)
		*uid = found->pw_uid;
	arena_free(arena);
	return found != NULL;
}

static void add(struct rules *r, const char *parameter, struct span member)
{
	struct rule rule = { .allows = !span_starts(member, span_lit("!")) };

	if (!rule.allows)
		member = span_skip(member, 1);
	rule.is_anyone = span_equal(member, span_lit("static:anyone")) || span_equal(member, span_lit("static:all"));
	if (!rule.is_anyone && !name_uid(member, &rule.uid)) {
		log_warning("%s: no such user: " SPAN_FMT, parameter, SPAN_ARG(member));
		return;
	}
	r->list = realloc(r->list, (r->count + 1) * sizeof(*r->list));
	if (r->list == NULL)
		log_fatal("out of memory");
	r->list[r->count++] = rule;
}

static void prepare(struct rules *r, const char *parameter, const char *value)
{
	struct span rest = span_of(value), member;

	while (conf_list_next(&rest, &member))
		add(r, parameter, member);
}

void allowed_prepare(const struct conf *conf)
{
	prepare(&rules[ALLOWED_MAILQ], "authorized_mailq_users", conf->authorized_mailq_users);
	prepare(&rules[ALLOWED_FLUSH], "authorized_flush_users", conf->authorized_flush_users);
}

bool allowed(enum allowed_list list, uint64_t uid)
{
	for (size_t i = 0; i < rules[list].count; i++)
		if (rules[list].list[i].is_anyone || rules[list].list[i].uid == uid)
			return rules[list].list[i].allows;
	return false;
}
