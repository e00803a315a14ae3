/* SPDX-License-Identifier: ISC */
/* mailbox_change.c - store flags, expunge
 *
 * Flags live in file names, so a STORE is a rename in cur; it needs no sync of its own (reliability 2.6). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/mailbox/mailbox_private.h"

static void combine(const struct message *r, enum flag_change how, uint16_t *flags, uint64_t *keywords)
{
	uint16_t old = r->flags & (uint16_t)~MAIL_RECENT;

	*flags &= (uint16_t)~MAIL_RECENT;
	if (how == FLAGS_ADD) {
		*flags |= old;
		*keywords |= r->keywords;
	} else if (how == FLAGS_REMOVE) {
		*flags = old & (uint16_t)~*flags;
		*keywords = r->keywords & ~*keywords;
	} else {
		*flags |= old & MAIL_PASSED;	/* IMAP does not know it, so it cannot mean to take it away */
	}
}

/* The name in cur with other flags; what we do not know in the old suffix stays. */
static bool new_name(const struct mailbox *m, const struct message *r, uint16_t flags, uint64_t keywords,
                     struct buf *out)
{
	char old[FILE_NAME_SIZE];

	(void)file_name(m, r, old);
	buf_clear(out);
	buf_add(out, span_make(old, r->base_length));
	maildir_suffix_change(out, span_skip(span_of(old), r->base_length), flags, keywords);
	return buf_cstr(out) != NULL;
}

/* One message.  changed says whether anything was to be done. */
static enum mail_result store_one(struct mailbox *m, uint32_t seq, enum flag_change how, uint16_t flags,
                                  uint64_t keywords, struct buf *name, bool *changed)
{
	for (int tries = 0; tries < 2; tries++) {
		struct message *r = record_of(m, seq);
		uint16_t f = flags;
		uint64_t k = keywords;
		char old[FILE_NAME_SIZE];
		struct maildir_name parts;
		int dir;

		*changed = false;
		combine(r, how, &f, &k);
		if ((r->state & STATE_GONE) != 0 ||
		    (f == (r->flags & (uint16_t)~MAIL_RECENT) && k == r->keywords))
			return MAIL_OK;
		if (!new_name(m, r, f, k, name))
			return MAIL_LIMIT;
		dir = file_name(m, r, old);
		if (fs_rename_over(dir, old, m->md.cur, buf_cstr(name)) == 0) {
			*changed = maildir_name_parse(buf_span(name), &parts);
			set_name(m, r, &parts, buf_span(name), false);
			set_flags(m, r, (uint16_t)(f | (r->flags & MAIL_RECENT)), k);
			return MAIL_OK;
		}
		if (errno != ENOENT)
			return result_of_errno(errno);
		if (!find_renamed(m, seq))
			return MAIL_OK;
	}
	return MAIL_UNAVAILABLE;
}

enum mail_result mailbox_store(struct mailbox *m, const uint32_t *seqs, size_t count,
                               enum flag_change how, uint16_t flags, uint64_t keywords, bool *did_change)
{
	enum mail_result result = MAIL_OK;
	uint64_t modseq = 0;
	struct buf name;

	if (did_change != NULL)
		memset(did_change, 0, count * sizeof(*did_change));
	if (m->read_only)
		return MAIL_READ_ONLY;
	buf_init(&name, FILE_NAME_SIZE);
	own_change_begin(m);
	for (size_t i = 0; i < count && result == MAIL_OK; i++) {
		bool changed;

		result = store_one(m, seqs[i], how, flags, keywords, &name, &changed);
		if (!changed)
			continue;
		modseq = modseq == 0 ? next_modseq(m) : modseq;
		record_of(m, seqs[i])->modseq = modseq;
		if (did_change != NULL)
			did_change[i] = true;
	}
	own_change_end(m);
	buf_free(&name);
	return result;
}

static enum mail_result expunge_one(struct mailbox *m, uint32_t seq)
{
	char name[FILE_NAME_SIZE];

	for (int tries = 0; tries < 2; tries++) {
		struct message *r = record_of(m, seq);
		int dir;

		if ((r->state & STATE_GONE) != 0)
			return MAIL_OK;
		dir = file_name(m, r, name);
		if (fs_unlink_at(dir, name) == 0) {
			mark_gone(m, r);
			return MAIL_OK;
		}
		if (errno != ENOENT)
			return result_of_errno(errno);
		if (!find_renamed(m, seq))
			return MAIL_OK;
	}
	return MAIL_UNAVAILABLE;
}

enum mail_result mailbox_expunge(struct mailbox *m, const uint32_t *seqs, size_t count)
{
	enum mail_result result = MAIL_OK;

	if (m->read_only)
		return MAIL_READ_ONLY;
	own_change_begin(m);
	for (size_t i = 0; i < count && result == MAIL_OK; i++)
		result = expunge_one(m, seqs[i]);
	own_change_end(m);
	return result;
}
