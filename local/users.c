/* SPDX-License-Identifier: ISC */
/* users.c - the local class: aliases first, then system users, then luser_relay */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/accounts.h"
#include "lib/base/buf.h"
#include "local/local.h"

enum { EXPANSION_MAX = 128 * 1024, PASSWD_BUFFER = 16 * 1024 };

static struct span local_part(struct span address)
{
	size_t at = span_rfind(address, '@');

	return at == SPAN_NOT_FOUND ? address : span_first(address, at);
}

/* user of user+extension; the whole when there is no delimiter in it. */
static struct span base_user(const struct delivery *d, struct span name)
{
	const char *delimiters = d->local->conf->recipient_delimiter;

	for (size_t i = 1; i < name.len; i++)
		if (strchr(delimiters, name.ptr[i]) != NULL && name.ptr[i] != '\0')
			return span_first(name, i);
	return name;
}

/* It came out of its own alias: "root: root, admin" means the user, too. */
static bool is_own_ancestor(const struct delivery *d)
{
	struct span rest = d->recipient->ancestors, one;

	while (span_cut(&rest, '\0', &one))
		if (span_equal_ci(one, d->recipient->address))
			return true;
	return false;
}

static enum outcome find_alias(struct delivery *d, struct span name, struct span *alias, struct span *value)
{
	struct span base = base_user(d, name);
	enum outcome outcome = local_lookup(d, "alias_maps", name, LOOKUP_EXACT, value);

	*alias = name;
	if (outcome == REFUSE && base.len < name.len) {
		*alias = base;
		outcome = local_lookup(d, "alias_maps", base, LOOKUP_EXACT, value);
	}
	return outcome;
}

/* The owner-NAME alias, when there is one, becomes the sender. */
static enum outcome find_owner(struct delivery *d, struct span alias)
{
	struct span owner = arena_printf_span(d->arena, "owner-" SPAN_FMT, SPAN_ARG(alias)), value;
	enum outcome outcome = local_lookup(d, "alias_maps", owner, LOOKUP_EXACT, &value);

	if (outcome == DONE)
		d->result.owner = arena_printf_span(d->arena, SPAN_FMT "@%s", SPAN_ARG(owner),
		                                    d->local->conf->myorigin);
	return outcome == DEFER ? DEFER : DONE;
}

static enum outcome expand_to(struct delivery *d, struct span text)
{
	struct buf out;
	struct alias_expansion x = { .out = &out, .origin = d->local->conf->myorigin,
	                             .nesting_left = (unsigned)d->local->conf->local_alias_nesting_limit,
	                             .file_max = (size_t)d->local->conf->local_include_limit };
	enum outcome outcome;

	buf_init(&out, EXPANSION_MAX);
	outcome = alias_parse(&x, text, &d->why);
	if (outcome == DONE && out.overflowed)
		outcome = why_set(&d->why, DEFER, "4.3.5", "the alias has too many addresses");
	if (outcome == DONE && x.count == 0)
		outcome = why_set(&d->why, DEFER, "4.3.5", "the alias has no address");
	if (outcome == DONE)
		d->result.expansion = arena_dup(d->arena, buf_span(&out));
	buf_free(&out);
	return outcome;
}

static void finish_expansion(struct delivery *d, enum outcome outcome)
{
	if (outcome != DONE) {
		set_result(d, DELIVER_DEFERRED);
		return;
	}
	d->how = "expanded";
	why_set(&d->why, DONE, "2.0.0", "alias expanded");
	set_result(d, DELIVER_EXPANDED);
}

/* ---- system users ---- */

struct user_job {
	const char *name;
	char        buffer[PASSWD_BUFFER];
	struct passwd entry;
	int         error;
};

static void find_user(void *arg)
{
	struct user_job *job = arg;

	job->error = accounts_user(job->name, &job->entry, job->buffer, sizeof(job->buffer));
}

static enum outcome store_for(struct delivery *d, const struct passwd *user)
{
	const char *mailbox = d->local->conf->home_mailbox;
	const char *path;

	if (mailbox[0] == '\0')
		mailbox = "Maildir/";
	if (mailbox[strlen(mailbox) - 1] != '/' || strstr(mailbox, "..") != NULL || user->pw_dir[0] != '/')
		return why_set(&d->why, DEFER, "4.3.5", "home_mailbox = %s is no Maildir (no / at its end)", mailbox);
	path = arena_printf(d->arena, "%s/%.*s", user->pw_dir, (int)strlen(mailbox) - 1, mailbox);
	if (d->local->has_one_owner && user->pw_uid == geteuid())
		return store_as_us(d, path);
	if (!d->local->run->is_privileged)
		return why_set(&d->why, DEFER, "4.3.5", "not started as root: cannot deliver to %s", user->pw_name);
	return store_as(d, path, user->pw_dir, user->pw_uid, user->pw_gid);
}

static void deliver_unknown(struct delivery *d, struct span name)
{
	const char *relay = d->local->conf->luser_relay;

	if (relay[0] != '\0') {
		finish_expansion(d, expand_to(d, span_of(relay)));
		return;
	}
	why_set(&d->why, REFUSE, "5.1.1", "unknown user: \"" SPAN_FMT "\"", SPAN_ARG(name));
	set_result(d, DELIVER_BOUNCED);
}

static void deliver_user(struct delivery *d, struct span name)
{
	struct user_job *job = ARENA_NEW(d->arena, struct user_job);
	struct span user = base_user(d, name);

	job->name = arena_cstr(d->arena, user);
	task_offload(find_user, job);
	if (job->error != 0 && job->error != ENOENT) {
		errno = job->error;
		why_errno(&d->why, DEFER, "4.3.0", "cannot look up user %s", job->name);
		set_result(d, DELIVER_DEFERRED);
	} else if (job->error == ENOENT) {
		deliver_unknown(d, user);
	} else if (store_for(d, &job->entry) == DONE) {
		set_stored(d);
	} else {
		set_result(d, DELIVER_DEFERRED);
	}
}

void deliver_local(struct delivery *d)
{
	struct span name = arena_lower(d->arena, local_part(d->recipient->address)), alias, value;
	enum outcome outcome = is_own_ancestor(d) ? REFUSE : find_alias(d, name, &alias, &value);

	if (outcome == DONE) {
		outcome = find_owner(d, alias);
		finish_expansion(d, outcome == DONE ? expand_to(d, value) : outcome);
	} else if (outcome == DEFER) {
		set_result(d, DELIVER_DEFERRED);
	} else {
		deliver_user(d, name);
	}
}
