/* SPDX-License-Identifier: ISC */
/* userdb.c - where a user's mail is and whose it is, from the entry and the defaults
 *
 * Names come from the admin's file, never from the client: a login only finds them.  All the same a name that would
 * climb out of a folder is refused (C12 of the security rules). */
#include "auth/auth.h"

#include <string.h>

#include "lib/base/buf.h"

struct span auth_canonical(const struct auth *a, struct arena *arena, struct span user)
{
	const char *realm = a->conf->auth_default_realm;

	if (*realm == '\0' || span_find(user, '@') != SPAN_NOT_FOUND)
		return arena_dup(arena, user);
	return arena_printf_span(arena, SPAN_FMT "@%s", SPAN_ARG(user), realm);
}

static bool is_safe_part(struct span part)
{
	return !span_is_empty(part) && part.ptr[0] != '.' && span_find(part, '/') == SPAN_NOT_FOUND &&
	       memchr(part.ptr, '\0', part.len) == NULL;
}

struct path_names {
	struct span user, name, domain, home;
};

/* One %x; false when it cannot stand in a path. */
static bool add_variable(struct buf *out, char letter, const struct path_names *names)
{
	struct span value;

	switch (letter) {
	case 'u':
		value = names->user;
		break;
	case 'n':
		value = names->name;
		break;
	case 'd':
		value = names->domain;
		break;
	case 'h':
		return buf_add(out, names->home);
	case '%':
		return buf_add_byte(out, '%');
	default:
		return false;
	}
	return is_safe_part(value) && buf_add(out, value);
}

static bool expand(struct arena *arena, struct span pattern, const struct path_names *names, struct span *out)
{
	enum { PATH_LIMIT = 4096 };
	struct buf text;
	bool ok = true;

	buf_init(&text, PATH_LIMIT);
	for (size_t i = 0; ok && i < pattern.len; i++) {
		if (pattern.ptr[i] != '%')
			ok = buf_add_byte(&text, pattern.ptr[i]);
		else if (++i < pattern.len)
			ok = add_variable(&text, pattern.ptr[i], names);
		else
			ok = false;
	}
	if (ok)
		*out = arena_dup(arena, buf_span(&text));
	buf_free(&text);
	return ok;
}

/* Dovecot's mail location: "maildir:PATH:OPTION=...", "~/" for home. */
static struct span mail_path(struct arena *arena, struct span value, struct span home)
{
	struct span rest, path;

	if (span_starts_ci(value, span_lit("maildir:")))
		value = span_skip(value, strlen("maildir:"));
	rest = value;
	span_cut(&rest, ':', &path);
	if (span_starts(path, span_lit("~/")))
		return arena_printf_span(arena, SPAN_FMT "/" SPAN_FMT, SPAN_ARG(home), SPAN_ARG(span_skip(path, 2)));
	return path;
}

static bool refuse(struct auth_verdict *v, const char *reason)
{
	v->status = AUTH_UNAVAILABLE;
	v->reason = span_of(reason);
	return false;
}

static bool find_ids(const struct auth *a, const struct passwd_entry *entry, struct auth_verdict *v)
{
	unsigned long long uid = a->default_uid, gid = a->default_gid;

	if (span_is_empty(entry->uid) && !a->has_default_ids)
		return refuse(v, "no uid in the entry, and neither auth_default_uid nor virtual_uid_maps = static:N");
	if (!span_is_empty(entry->uid) && !span_u64(entry->uid, UINT32_MAX - 1, &uid))
		return refuse(v, "the uid of the entry is not a number");
	if (!span_is_empty(entry->gid) && !span_u64(entry->gid, UINT32_MAX - 1, &gid))
		return refuse(v, "the gid of the entry is not a number");
	if (!span_is_empty(entry->uid) && span_is_empty(entry->gid) && !a->has_default_ids)
		gid = uid;
	v->uid = uid;
	v->gid = gid;
	return true;
}

bool auth_userdb(const struct auth *a, struct arena *arena, const struct passwd_entry *entry, struct auth_verdict *v)
{
	struct path_names names = { .user = v->user, .domain = v->user };
	struct span home = !span_is_empty(entry->home) ? entry->home : span_of(a->conf->auth_default_home);
	struct span mail = !span_is_empty(entry->mail) ? entry->mail : span_of(a->conf->auth_default_mail);

	span_cut(&names.domain, '@', &names.name);
	if (!find_ids(a, entry, v))
		return false;
	if (!expand(arena, home, &names, &v->home))
		return refuse(v, "the home folder cannot be made from this name");
	names.home = v->home;
	if (!expand(arena, mail_path(arena, mail, v->home), &names, &v->mail))
		return refuse(v, "the mail folder cannot be made from this name");
	if (span_is_empty(v->home) && span_is_empty(v->mail))
		return refuse(v, "neither home nor mail folder is known: set auth_default_home or auth_default_mail");
	if (!span_is_empty(v->mail) && v->mail.ptr[0] != '/')
		return refuse(v, "the mail folder is not an absolute path");
	return true;
}
