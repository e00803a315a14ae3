/* SPDX-License-Identifier: ISC */
/* users.c - "name", "number" or either with ":group", as the *_owner parameters hold them
 *
 * A number needs no entry in the user database, so that a fresh host or a container can run with plain uids. */
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>

#include "lib/base/arena.h"
#include "lib/base/span.h"
#include "lib/sandbox/sandbox.h"

enum { ID_MAX = INT_MAX };

static bool find_user(struct span text, uid_t *uid, gid_t *gid)
{
	unsigned long long   number;
	const struct passwd *user;
	struct arena        *a;

	if (span_u64(text, ID_MAX, &number)) {
		user = getpwuid((uid_t)number);
		*uid = (uid_t)number;
		*gid = user != NULL ? user->pw_gid : (gid_t)number;
		return true;
	}
	a = arena_new(NULL);
	user = getpwnam(arena_cstr(a, text));
	arena_free(a);
	if (user == NULL)
		return false;
	*uid = user->pw_uid;
	*gid = user->pw_gid;
	return true;
}

static bool find_group(struct span text, gid_t *gid)
{
	unsigned long long  number;
	const struct group *group;
	struct arena       *a;

	if (span_u64(text, ID_MAX, &number)) {
		*gid = (gid_t)number;
		return true;
	}
	a = arena_new(NULL);
	group = getgrnam(arena_cstr(a, text));
	arena_free(a);
	if (group == NULL)
		return false;
	*gid = group->gr_gid;
	return true;
}

bool sandbox_user(const char *text, uid_t *uid, gid_t *gid)
{
	struct span group = span_of(text), user;
	bool        has_group = span_cut(&group, ':', &user);

	return find_user(user, uid, gid) && (!has_group || find_group(group, gid));
}

static struct span static_value(const char *maps)
{
	static const struct span prefix = SPAN("static:");
	struct span text = span_trim(span_of(maps));

	return span_starts(text, prefix) ? span_trim(span_skip(text, prefix.len)) : span_of(NULL);
}

bool sandbox_static_owner(const char *uid_maps, const char *gid_maps, uid_t *uid, gid_t *gid)
{
	struct span user = static_value(uid_maps), group = static_value(gid_maps);
	char both[256];

	if (span_is_empty(user) || span_is_empty(group) || user.len + group.len + 2 > sizeof(both))
		return false;
	(void)snprintf(both, sizeof(both), SPAN_FMT ":" SPAN_FMT, SPAN_ARG(user), SPAN_ARG(group));
	return sandbox_user(both, uid, gid) && *uid != 0 && *gid != 0;
}
