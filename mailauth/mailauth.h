/* SPDX-License-Identifier: ISC */
/* mailauth.h - what the files of the mailauth filter share: the filter, a session, a message
 *
 * libmilter runs a thread for each connection of a mail server; what threads share is made before they start and then only
 * read, or has a lock of its own.  The task loop of the main thread asks the dns program, watches keys and sends
 * reports. */
#ifndef MAILAUTH_MAILAUTH_H
#define MAILAUTH_MAILAUTH_H

#include <libmilter/mfapi.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/conf/conf.h"
#include "lib/mailauth/arc_seal.h"
#include "lib/mailauth/auth_results.h"
#include "lib/mailauth/dkim_sign.h"
#include "lib/mailauth/dkim_verify.h"
#include "lib/mailauth/dmarc.h"
#include "lib/mailauth/iprev.h"
#include "lib/mailauth/spf.h"
#include "lib/net/address.h"
#include "mailauth/lookups.h"

struct failures;
struct keyring;
struct ring;
struct reports;
struct tables;

/* What becomes of a message. */
enum action { ACTION_NONE, ACTION_QUARANTINE, ACTION_REJECT };

/* The filter: one a process. */
struct mailauth {
	const struct conf          *conf;
	struct asker               *asker;
	struct dkim_crypto         *crypto;
	struct tables              *tables;
	struct keyring             *keyring;
	struct reports             *reports;	/* NULL: results are not collected */
	struct failures            *failures;	/* NULL: no reports on single messages */
	struct dmarc_psl           *psl;
	struct span                 authserv_id;
	const struct span          *removed_ids;	/* authserv_id first */
	size_t                      removed_count;
	struct lookups_limits       lookups;
	struct spf_settings         spf;
	struct dkim_verify_settings dkim;
	struct arc_verify_settings  arc;
	struct dmarc_settings       dmarc;
	enum dkim_canon             header_canon, body_canon;
	enum action                 spf_fail, dmarc_reject, dmarc_quarantine;
	atomic_size_t               messages;	/* under way */
};

extern struct mailauth mailauth;	/* libmilter's callbacks get no word of ours before a connection is there */

/* ---- settings.c ---- */

/* settings_read - fill the filter from conf; ends the process on what cannot be honoured.  Reads files: before the
 * sandbox. */
void settings_read(struct mailauth *m, const struct conf *conf);

/* ---- tables.c: look-ups in lists and tables, one thread at a time ---- */

enum client_list { CLIENT_SIGNED, CLIENT_TRUSTED_FORWARDER, CLIENT_LISTS };

/* tables_new - open them, in arena; ends the process on a list that cannot be read. */
struct tables *tables_new(const struct conf *conf, struct arena *arena);
/* tables_have_client - is the client in that list?  A table that fails counts as no. */
bool tables_have_client(struct tables *t, enum client_list list, struct span name, const struct net_address *address);
/* tables_signers - what dkim_signing_table says for an author; false: no row. */
bool tables_signers(struct tables *t, struct span local, struct span domain, struct arena *arena, struct span *value);

/* writable - libmilter takes no const, and changes nothing. */
static inline char *writable(const char *s)
{
	union { const char *in; char *out; } u = { s };

	return u.out;
}

/* ---- negotiate.c ---- */

/* negotiate - libmilter's callback for a new connection of a server. */
sfsistat negotiate(SMFICTX *ctx, unsigned long actions, unsigned long steps, unsigned long f2, unsigned long f3,
                   unsigned long *want_actions, unsigned long *want_steps, unsigned long *want_f2,
                   unsigned long *want_f3);
/* negotiated_steps - what was agreed on this connection: SMFIP_... */
unsigned long negotiated_steps(SMFICTX *ctx);

/* ---- session.c: a connection and its messages, as libmilter tells of them ---- */

enum mode {
	MODE_CHECK,	/* of a stranger: what came in is judged */
	MODE_SIGN,	/* ours: it is signed where there is a key */
};

struct session {
	struct arena      *arena;
	struct net_address ip;
	bool               has_ip;
	struct span        name;	/* that leads back to the address, as the server says; empty: not known */
	struct span        helo;
	bool               is_ours;	/* by its address */
	unsigned long      steps;	/* agreed with the server: SMFIP_... */
	struct message    *message;
};

struct message {
	struct session     *session;
	struct arena       *arena;
	enum mode           mode;
	struct span         queue_id;
	struct span         sender;		/* reverse-path without <> */
	struct span         recipient_domain;	/* of the first recipient */
	struct lookups     *lookups;
	struct lookup       lookup;
	/* the header */
	struct mime_field  *fields;
	size_t              field_count, field_room;
	size_t              header_bytes;
	bool                is_too_large;	/* the header: nothing is checked */
	unsigned            results_seen;	/* Authentication-Results so far */
	unsigned           *forged;		/* which of them are forged, counted from 1 */
	size_t              forged_count;
	/* the body */
	struct dkim_body     *body;	/* NULL: not looked at */
	struct header_index  *index;
	struct dkim_verifier *verifier;
	struct arc_verifier  *arc;
	struct arc_sealer    *sealer;
	const struct ring    *ring;		/* keys that sign it; held */
	struct dkim_signer  **signers;
	size_t                signer_count;
};

/* session_describe - libmilter's description of us, for smfi_register. */
struct smfiDesc session_describe(void);

/* ---- verify.c: mail of strangers ---- */

enum override { OVERRIDE_NONE, OVERRIDE_ARC, OVERRIDE_FORWARDER };

struct judgement {
	bool                 has_iprev, has_spf, has_spf_helo;
	struct iprev_verdict iprev;
	struct spf_verdict   spf;		/* of MAIL FROM; of a bounce, of HELO */
	struct spf_verdict   spf_helo;	/* beside it */
	bool                 is_unreadable;	/* the header is too large: DKIM and ARC were not checked */
	struct dkim_results  dkim;
	struct arc_result    arc;
	struct dmarc_verdict dmarc;
	enum action          action;
	enum override        override;		/* why the policy was not followed */
	struct span          override_text;
	struct span          reason;		/* of a refusal or quarantine, for the sender or the admin */
};

/* verify_expect_sender - the sender is known: tell the DNS that his policy will be asked for. */
void verify_expect_sender(struct message *m);
/* verify_start - the header is known: tell the DNS what will be asked, prepare for the body. */
void verify_start(struct message *m);
/* verify_end - the body has gone by: judge.  Blocks for the DNS. */
void verify_end(struct message *m, struct judgement *j);

/* ---- results.c: what is written into the header ---- */

/* results_fields - the fields to put on top, the first to be the lowest: Received-SPF, Authentication-Results, a seal. */
size_t results_fields(struct message *m, const struct judgement *j, const struct mail_field **fields);
/* results_value - Authentication-Results without its name; folded, lines end in LF. */
struct span results_value(struct message *m, const struct judgement *j);

/* ---- sign.c: our own mail ---- */

/* sign_start - the header is known: choose the keys and prepare for the body, if there is one. */
void sign_start(struct message *m);
/* sign_end - the body has gone by: the fields to put on top, the first to be the lowest. */
size_t sign_end(struct message *m, const struct mail_field **fields);

/* ---- policy.c: what becomes of a message ---- */

/* judgement_dkim - the best of all signatures, in a word. */
const char *judgement_dkim(const struct judgement *j);
/* policy_decide - from the verdicts to an action, and why not the one that was asked for. */
void policy_decide(struct message *m, struct judgement *j);

#endif
