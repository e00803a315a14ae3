/* SPDX-License-Identifier: ISC */
/* commands.c - the table of commands, and the short ones
 *
 * A row decides in which states a command is possible, whether it may stand behind UID and
 * when changes by others may be told; so no handler checks that again. */
#include "imapd/imapd.h"

/* Only what works whole stands here. */
const char imap_capabilities[] =
	"IMAP4rev1 LITERAL+ ID ENABLE IDLE NAMESPACE CHILDREN UIDPLUS MOVE UNSELECT MULTIAPPEND "
	"LIST-EXTENDED SPECIAL-USE CREATE-SPECIAL-USE LIST-STATUS STATUS=SIZE ESEARCH WITHIN";

const struct imap_command imap_commands[] = {
	{ SPAN("FETCH"), imap_fetch, SELECTED, NO_EXPUNGE | WITH_UID, "RFC 3501 6.4.5", "fetch" },
	{ SPAN("STORE"), imap_store, SELECTED, NO_EXPUNGE | WITH_UID, "RFC 3501 6.4.6", "store" },
	{ SPAN("SEARCH"), imap_search, SELECTED, NO_EXPUNGE | WITH_UID, "RFC 3501 6.4.4, RFC 4731", "search" },
	{ SPAN("COPY"), imap_copy, SELECTED, WITH_UID, "RFC 3501 6.4.7, RFC 4315", "copy-move" },
	{ SPAN("MOVE"), imap_move, SELECTED, WITH_UID, "RFC 6851 3", "copy-move" },
	{ SPAN("EXPUNGE"), imap_expunge, SELECTED, WITH_UID, "RFC 3501 6.4.3, RFC 4315 2.1", "copy-move" },
	{ SPAN("NOOP"), imap_noop, ANY_STATE, 0, "RFC 3501 6.1.2", "session" },
	{ SPAN("CHECK"), imap_check, SELECTED, 0, "RFC 3501 6.4.1", "session" },
	{ SPAN("IDLE"), imap_idle, ANY_STATE, 0, "RFC 2177", "idle" },
	{ SPAN("CLOSE"), imap_close, SELECTED, NO_UPDATE, "RFC 3501 6.4.2", "select" },
	{ SPAN("UNSELECT"), imap_unselect, SELECTED, NO_UPDATE, "RFC 3691 2", "select" },
	{ SPAN("SELECT"), imap_select, ANY_STATE, NO_UPDATE, "RFC 3501 6.3.1", "select" },
	{ SPAN("EXAMINE"), imap_examine, ANY_STATE, NO_UPDATE, "RFC 3501 6.3.2", "select" },
	{ SPAN("STATUS"), imap_status, ANY_STATE, 0, "RFC 3501 6.3.10, RFC 8438", "folders" },
	{ SPAN("LIST"), imap_list, ANY_STATE, 0, "RFC 3501 6.3.8, RFC 5258, RFC 6154", "list" },
	{ SPAN("LSUB"), imap_lsub, ANY_STATE, 0, "RFC 3501 6.3.9", "list" },
	{ SPAN("APPEND"), imap_append, ANY_STATE, 0, "RFC 3501 6.3.11, RFC 3502", "append" },
	{ SPAN("CREATE"), imap_create, ANY_STATE, 0, "RFC 3501 6.3.3, RFC 6154 3", "folders" },
	{ SPAN("DELETE"), imap_delete, ANY_STATE, NO_UPDATE, "RFC 3501 6.3.4", "folders" },
	{ SPAN("RENAME"), imap_rename, ANY_STATE, 0, "RFC 3501 6.3.5", "folders" },
	{ SPAN("SUBSCRIBE"), imap_subscribe, ANY_STATE, 0, "RFC 3501 6.3.6", "list" },
	{ SPAN("UNSUBSCRIBE"), imap_unsubscribe, ANY_STATE, 0, "RFC 3501 6.3.7", "list" },
	{ SPAN("NAMESPACE"), imap_namespace, ANY_STATE, 0, "RFC 2342 5", "session" },
	{ SPAN("CAPABILITY"), imap_capability, ANY_STATE, 0, "RFC 3501 6.1.1", "session" },
	{ SPAN("ENABLE"), imap_enable, ANY_STATE, 0, "RFC 5161 3.1", "session" },
	{ SPAN("ID"), imap_id, ANY_STATE, 0, "RFC 2971 3.1", "session" },
	{ SPAN("LOGOUT"), imap_logout, ANY_STATE, NO_UPDATE, "RFC 3501 6.1.3", "session" },
};
const size_t imap_command_count = COUNT_OF(imap_commands);

void imap_capability(struct imap *s, struct imap_parse *p)
{
	if (!imap_take_end(p))
		return;
	imap_writef(s, "* CAPABILITY %s\r\n", imap_capabilities);
	imap_done(s, MAIL_OK, "Capabilities told");
}

void imap_noop(struct imap *s, struct imap_parse *p)
{
	if (imap_take_end(p))
		imap_done(s, MAIL_OK, "Done");
}

void imap_check(struct imap *s, struct imap_parse *p)
{
	if (!imap_take_end(p))
		return;
	mailbox_idle(s->box);
	imap_done(s, MAIL_OK, "Done");
}

void imap_logout(struct imap *s, struct imap_parse *p)
{
	if (!imap_take_end(p))
		return;
	imap_write(s, "* BYE Logging out\r\n");
	imap_ok(s, "Done");
	s->ended = true;
}

void imap_namespace(struct imap *s, struct imap_parse *p)
{
	if (!imap_take_end(p))
		return;
	imap_write(s, "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
	imap_done(s, MAIL_OK, "Done");
}

/* imap_enable - nothing here needs enabling, so nothing is; unknown names are no error (RFC 5161 3.1). */
void imap_enable(struct imap *s, struct imap_parse *p)
{
	struct span name;

	do {
		if (!imap_take_space(p) || !imap_take_atom(p, &name))
			return;
	} while (!imap_at_end(p));
	imap_write(s, "* ENABLED\r\n");
	imap_done(s, MAIL_OK, "Done");
}

void imap_id(struct imap *s, struct imap_parse *p)
{
	struct span text;

	if (!imap_take_space(p))
		return;
	if (imap_take_word(p, span_lit("NIL"))) {
		if (!imap_take_end(p))
			return;
	} else {
		if (!imap_take_byte(p, '('))
			return;
		while (!imap_at(p, ')'))
			if ((imap_at(p, ' ') && !imap_take_space(p)) || !imap_take_nstring(p, &text))
				return;
		if (!imap_take_byte(p, ')') || !imap_take_end(p))
			return;
	}
	imap_write(s, "* ID (\"name\" \"Postern\" \"version\" \"" PACKAGE_VERSION "\")\r\n");
	imap_done(s, MAIL_OK, "Done");
}
