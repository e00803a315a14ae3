/* SPDX-License-Identifier: ISC */
/* imapd.h - one IMAP session, and what the files of imapd share; nobody outside includes it */
#ifndef IMAPD_IMAPD_H
#define IMAPD_IMAPD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "imapd/input.h"
#include "imapd/parse.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/mailbox/folders.h"
#include "lib/mailbox/mailbox.h"
#include "lib/mime/part.h"

/* What the configuration says to a session. */
struct imap_settings {
	size_t             command_limit, header_limit;
	unsigned long long append_limit;	/* 0: none */
	unsigned           timeout_s, idle_notify_s, bad_command_limit;
	struct mime_limits mime;
	bool             (*is_stopping)(void);	/* at the end of the input: is that our own doing?  NULL: never */
};

/* What a session amounted to, for the log. */
struct imap_report {
	const char        *end;	/* why */
	unsigned long long in_bytes, out_bytes, commands;
};

/* States, as bits so that a command row may name several. */
enum imap_state { AUTHENTICATED = 1, SELECTED = 2, ANY_STATE = 3 };

struct imap {
	const struct imap_settings *settings;
	struct imap_input  input;
	struct buf         out;
	int                fd;		/* the client; borrowed */
	struct mailstore  *store;
	struct mailbox    *box;		/* selected, or NULL */
	struct span        box_name;	/* in box_arena */
	struct arena      *arena;	/* of the command */
	struct arena      *box_arena;	/* as long as the folder stays selected */
	struct arena      *scratch;	/* of one message */
	struct span        tag;
	unsigned           bad_commands;	/* in a row */
	uint32_t           exists_told;	/* how many messages the client knows of */
	unsigned           keywords_told;	/* number of keywords in the last FLAGS reply */
	bool               has_told_keywords;
	bool               ended;	/* hang up after this command */
	bool               ended_by_client;	/* writing failed: say nothing more */
	bool               by_uid;	/* the command under way has UID before it */
	const struct imap_command *command;	/* under way */
	struct imap_report  report;
};

/* imap_session - serve one authenticated client on fd until it is gone.  tag: of the command that logged in; its
 * OK is sent here.  ahead: bytes read from the client already.  Blocking. */
void imap_session(const struct imap_settings *settings, int fd, struct mailstore *store,
                  struct span tag, struct span ahead, struct imap_report *report);

/* ---- output (output.c) ---- */

/* imap_flush - write what is buffered; false when the client is gone (the session then ends). */
bool imap_flush(struct imap *s);
/* imap_room - flush when much is buffered: call after each piece of a long reply. */
void imap_room(struct imap *s);
void imap_write(struct imap *s, const char *text);
void imap_writef(struct imap *s, const char *format, ...) PRINTF_LIKE(2, 3);
void imap_write_number(struct imap *s, uint64_t number);
/* imap_write_mailbox - a folder's name (UTF-8) as modified UTF-7. */
void imap_write_mailbox(struct imap *s, struct span name);
/* imap_write_flags - "(\Seen ...)". */
void imap_write_flags(struct imap *s, const struct message *message);
/* imap_write_flag_lists - untagged FLAGS, and PERMANENTFLAGS. */
void imap_write_flag_lists(struct imap *s);
/* imap_write_date - INTERNALDATE in the server's zone, quoted. */
void imap_write_date(struct imap *s, int64_t time);
/* imap_write_set - sorted numbers as a sequence set. */
void imap_write_set(struct imap *s, const uint32_t *numbers, size_t count);

/* imap_ok, imap_no, imap_bad - the tagged reply; text may begin with a [CODE].  imap_bad counts. */
void imap_ok(struct imap *s, const char *format, ...) PRINTF_LIKE(2, 3);
void imap_no(struct imap *s, const char *format, ...) PRINTF_LIKE(2, 3);
void imap_bad(struct imap *s, const char *format, ...) PRINTF_LIKE(2, 3);
/* imap_result - OK or the NO that belongs to a result of the store. */
void imap_result(struct imap *s, enum mail_result result, const char *done);
/* imap_result_target - the same for a command with a target folder: TRYCREATE where it is missing. */
void imap_result_target(struct imap *s, enum mail_result result);

/* ---- the selected folder (updates.c) ---- */

/* imap_update - bring the view up to date and tell the client: EXPUNGE where allowed, EXISTS, FLAGS, FETCH. */
void imap_update(struct imap *s, bool may_expunge);
/* imap_tell_keywords - FLAGS and PERMANENTFLAGS, when the folder has other keywords than the client was told. */
void imap_tell_keywords(struct imap *s);
/* imap_done - the end of a command that touched the folder: updates its row allows, then the tagged reply. */
void imap_done(struct imap *s, enum mail_result result, const char *text);
/* imap_resolve - sequence numbers that a set names, ascending, each once (arena).  By UID, what is not there is left
 * out; else false when a number is out of range. */
MUST_USE bool imap_resolve(struct imap *s, const struct sequence_set *set, bool by_uid,
                           uint32_t **seqs, size_t *count);
/* imap_close_box - leave the selected state. */
void imap_close_box(struct imap *s);

/* ---- commands ---- */

enum command_flag {
	NO_EXPUNGE = 1,	/* numbers may not change while it runs (RFC 3501 7.4.1), unless by UID */
	NO_UPDATE  = 2,	/* it changes the selection itself, or has its own order */
	WITH_UID   = 4,	/* may stand behind UID */
};

struct imap_command {
	struct span   name;
	void        (*run)(struct imap *s, struct imap_parse *p);
	unsigned      states, flags;
	const char   *source;
	const char   *dialogue;	/* the conversation in tests/imapd that proves it */
};

extern const struct imap_command imap_commands[];
extern const size_t imap_command_count;
extern const char imap_capabilities[];

/* imap_obey - run one whole command. */
void imap_obey(struct imap *s, struct span text);

/* The commands of the table: each takes its arguments from p, obeys, and says its tagged reply; on bad arguments it
 * returns, and the caller says BAD (p->error). */
void imap_append(struct imap *s, struct imap_parse *p);
void imap_capability(struct imap *s, struct imap_parse *p);
void imap_check(struct imap *s, struct imap_parse *p);
void imap_close(struct imap *s, struct imap_parse *p);
void imap_copy(struct imap *s, struct imap_parse *p);
void imap_create(struct imap *s, struct imap_parse *p);
void imap_delete(struct imap *s, struct imap_parse *p);
void imap_enable(struct imap *s, struct imap_parse *p);
void imap_examine(struct imap *s, struct imap_parse *p);
void imap_expunge(struct imap *s, struct imap_parse *p);
void imap_fetch(struct imap *s, struct imap_parse *p);
void imap_id(struct imap *s, struct imap_parse *p);
void imap_idle(struct imap *s, struct imap_parse *p);
void imap_list(struct imap *s, struct imap_parse *p);
void imap_logout(struct imap *s, struct imap_parse *p);
void imap_lsub(struct imap *s, struct imap_parse *p);
void imap_move(struct imap *s, struct imap_parse *p);
void imap_namespace(struct imap *s, struct imap_parse *p);
void imap_noop(struct imap *s, struct imap_parse *p);
void imap_rename(struct imap *s, struct imap_parse *p);
void imap_search(struct imap *s, struct imap_parse *p);
void imap_select(struct imap *s, struct imap_parse *p);
void imap_status(struct imap *s, struct imap_parse *p);
void imap_store(struct imap *s, struct imap_parse *p);
void imap_subscribe(struct imap *s, struct imap_parse *p);
void imap_unselect(struct imap *s, struct imap_parse *p);
void imap_unsubscribe(struct imap *s, struct imap_parse *p);

enum { STATUS_ITEMS = 8 };
/* imap_parse_status_items - "(MESSAGES ...)", each item once; false with p->error.  imap_write_status - the untagged
 * STATUS of a folder.  Items are indices of status_items (cmd_status.c). */
bool imap_parse_status_items(struct imap_parse *p, unsigned items[STATUS_ITEMS], size_t *count);
enum mail_result imap_write_status(struct imap *s, struct span name, const unsigned *items, size_t count);

#endif
