/* SPDX-License-Identifier: ISC */
/* virtual.c - virtual mailboxes: the Maildir below virtual_mailbox_base that virtual_mailbox_maps names */
#include <string.h>

#include "local/local.h"

/* Values are the admin's, yet a table may be filled by others: no way out of the base. */
static bool is_safe_path(struct span path)
{
	struct span rest = path, part;
	bool more = true;

	if (path.len == 0 || memchr(path.ptr, '\0', path.len) != NULL)
		return false;
	while (more) {
		more = span_cut(&rest, '/', &part);
		if (span_equal(part, span_lit("..")))
			return false;
	}
	return true;
}

static enum outcome mailbox_path(struct delivery *d, const char **path)
{
	const char *base = d->local->conf->virtual_mailbox_base;
	struct span value;
	enum outcome outcome = local_lookup(d, "virtual_mailbox_maps", d->recipient->address, LOOKUP_ADDRESS,
	                                    &value);

	if (outcome == REFUSE)
		return why_set(&d->why, REFUSE, "5.1.1", "unknown user: \"" SPAN_FMT "\"",
		               SPAN_ARG(d->recipient->address));
	if (outcome != DONE)
		return outcome;
	value = span_trim(value);
	if (base[0] != '/' || !is_safe_path(value))
		return why_set(&d->why, DEFER, "4.3.5", "mail system configuration error: virtual_mailbox_base");
	if (!span_ends(value, span_lit("/")))
		return why_set(&d->why, DEFER, "4.3.5", "mailbox " SPAN_FMT " is no Maildir (no / at its end)",
		               SPAN_ARG(value));
	while (span_ends(value, span_lit("/")))
		value = span_first(value, value.len - 1);
	*path = arena_printf(d->arena, "%s/" SPAN_FMT, base, SPAN_ARG(value));
	return DONE;
}

static enum outcome store(struct delivery *d)
{
	const char *path = "";
	enum outcome outcome = mailbox_path(d, &path);
	uid_t uid;
	gid_t gid;

	if (outcome != DONE)
		return outcome;
	if (d->local->has_one_owner)
		return store_as_us(d, path);
	outcome = local_owner(d, &uid, &gid);
	return outcome == DONE ? store_as(d, path, d->local->conf->virtual_mailbox_base, uid, gid) : outcome;
}

void deliver_virtual(struct delivery *d)
{
	switch (store(d)) {
	case DONE:
		set_stored(d);
		break;
	case DEFER:
		set_result(d, DELIVER_DEFERRED);
		break;
	case REFUSE:
		set_result(d, DELIVER_BOUNCED);
		break;
	}
}
