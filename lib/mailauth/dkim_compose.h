/* SPDX-License-Identifier: ISC */
/* dkim_compose.h - signature fields, written: what DKIM signing and ARC sealing share */
#ifndef MAILAUTH_DKIM_COMPOSE_H
#define MAILAUTH_DKIM_COMPOSE_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/mailauth/dkim_canon.h"
#include "lib/mailauth/dkim_signing_key.h"
#include "lib/mailauth/header_index.h"

/* A field to be added to a message.  Exactly name, ':', value and a line end are what was signed: value begins with one
 * space and has no line end at its end. */
struct mail_field {
	struct span name;
	struct span value;
};

/* How the lines inside a value end: a milter is to say LF, and the MTA makes CRLF of it. */
enum dkim_fold {
	DKIM_FOLD_CRLF,
	DKIM_FOLD_LF,
};

/* A field on its way, folded where a line gets long; always with CRLF, as it is hashed. */
struct composer {
	struct buf text;
	size_t     name_len;
	size_t     column;
};

/* composer_start - "NAME:"; composer_free gives the memory back. */
void composer_start(struct composer *c, struct span name);
void composer_free(struct composer *c);
/* composer_word - text behind a space or a fold. */
void composer_word(struct composer *c, struct span text);
/* composer_wordf - the same, formatted. */
void composer_wordf(struct composer *c, const char *format, ...) PRINTF_LIKE(2, 3);
/* composer_line - text on a line of its own. */
void composer_line(struct composer *c, struct span text);
/* composer_more - text that goes on what stands there, or behind a fold. */
void composer_more(struct composer *c, struct span text);
/* composer_stream - text that may be folded anywhere (base64). */
void composer_stream(struct composer *c, struct span text);
/* composer_folded - text with folds of its own (LF or CRLF; each is made one that is followed by white space). */
void composer_folded(struct composer *c, struct span text);
/* composer_field - the field so far, as verifiers will see it; borrows c until it is changed. */
struct mime_field composer_field(const struct composer *c);
/* composer_result - the field into arena. */
struct mail_field composer_result(const struct composer *c, struct arena *arena, enum dkim_fold fold);

/* The names for h=. */
struct name_list {
	struct span *name;
	size_t       count;
};

/* dkim_choose_names - each field of the message whose name is in signed_names or oversigned, and for each name in
 * oversigned one place more, so that none can be added (RFC 6376 5.4.2, 8.15).  Both are lists with commas, colons or
 * spaces; From is signed whatever they say (RFC 6376 5.4). */
struct name_list dkim_choose_names(struct arena *arena, struct header_index *index, struct span signed_names,
                                   struct span oversigned);
/* composer_names - "h=NAME:NAME...;". */
void composer_names(struct composer *c, const struct name_list *names);

/* composer_sign_message - complete the field, which has all tags up to h= and the body's hash: "b=" and the signature
 * over the fields of names and this one.  False when OpenSSL refuses. */
MUST_USE bool composer_sign_message(struct composer *c, const struct dkim_crypto *crypto, struct arena *arena,
                                    const struct dkim_signing_key *key, struct header_index *index,
                                    const struct name_list *names, enum dkim_canon canon);
/* composer_sign_hash - the same for a hash the caller made over the field as it is, which ends in "b=". */
MUST_USE bool composer_sign_hash(struct composer *c, const struct dkim_crypto *crypto, struct arena *arena,
                                 const struct dkim_signing_key *key, const unsigned char hash[DKIM_HASH_BYTES]);

/* dkim_canon_name - as in c=. */
const char *dkim_canon_name(enum dkim_canon canon);

#endif
