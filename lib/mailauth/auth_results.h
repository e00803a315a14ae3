/* SPDX-License-Identifier: ISC */
/* auth_results.h - the Authentication-Results header field (RFC 8601), written, read, and told from a forgery
 *
 * ARC-Authentication-Results (RFC 8617 4.1.1) is the same behind an instance number. */
#ifndef MAILAUTH_AUTH_RESULTS_H
#define MAILAUTH_AUTH_RESULTS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/mime/fold.h"

/* ---- writing: auth_results_write.c ---- */

/* What a field is written with; line_end is CRLF or LF. */
struct auth_results_form {
	struct span line_end;
	unsigned    instance;	/* not 0: ARC-Authentication-Results with i= */
	bool        may_utf8;	/* the message is internationalized: values may hold UTF-8 (RFC 8616 5) */
};

struct auth_results_writer {
	struct mime_fold fold;
	struct arena    *arena;
	bool             may_utf8;
	bool             has_result;
};

/* auth_results_begin - the field's name and authserv_id.  Keeps arena and out until auth_results_end. */
void auth_results_begin(struct auth_results_writer *w, struct arena *arena, struct buf *out,
                        const struct auth_results_form *form, struct span authserv_id);
/* auth_results_result - "; method=result", of our own words.  Reason, remarks and properties of it follow, in this order. */
void auth_results_result(struct auth_results_writer *w, const char *method, struct span result);
/* auth_results_reason - reason="...": text for people, of any bytes; what could end the quotes is replaced. */
void auth_results_reason(struct auth_results_writer *w, struct span text);
/* auth_results_remark - "(text)": the same as a comment. */
void auth_results_remark(struct auth_results_writer *w, struct span text);
/* auth_results_property - ptype.property=value, name being "smtp.mailfrom".  value is quoted where it must be; control
 * bytes in it are replaced.  An empty one, or one longer than a domain or path can be, is left out. */
void auth_results_property(struct auth_results_writer *w, const char *name, struct span value);
/* auth_results_end - "; none" where there was no result; then the last line end. */
void auth_results_end(struct auth_results_writer *w);

/* ---- reading: auth_results_read.c ---- */

struct auth_property {
	struct span ptype, name, value;
};

struct auth_result {
	struct span           method, result;	/* as written */
	unsigned              version;		/* of the method; 1 where none is written */
	struct span           reason;
	struct auth_property *properties;
	size_t                count;
};

struct auth_results {
	struct span         authserv_id;
	unsigned            instance;	/* of ARC: "i=N;" in front; else 0 */
	unsigned            version;	/* 1 where none is written */
	struct auth_result *results;
	size_t              count;
	bool                is_whole;	/* everything in it was understood */
};

struct auth_results_limits {
	size_t most_results, most_properties;	/* of a field, and of one result: what is more is not read */
	size_t most_bytes;			/* a longer field is not read at all */
};

#define AUTH_RESULTS_STANDARD_LIMITS { .most_results = 100, .most_properties = 50, .most_bytes = 65536 }

/* auth_results_parse - take a (folded) field value apart; values are unquoted, spans live in arena or value.  A result
 * that is malformed is left out.  False when not even the authserv-id can be read. */
MUST_USE bool auth_results_parse(struct arena *arena, struct span value, const struct auth_results_limits *limits,
                                 struct auth_results *out);
/* auth_results_parse_arc - the same for ARC-Authentication-Results; false without a good instance (1 to 50). */
MUST_USE bool auth_results_parse_arc(struct arena *arena, struct span value,
                                     const struct auth_results_limits *limits, struct auth_results *out);
/* auth_result_find - the first result of that method from 'from' on, any case; NULL when there is none. */
const struct auth_result *auth_result_find(const struct auth_results *results, struct span method, size_t from);
/* auth_property_find - the value of "smtp.mailfrom" and kin, any case; empty when it is not there. */
struct span auth_property_find(const struct auth_result *result, struct span name);

/* ---- forgeries: auth_results_ours.c ---- */

/* auth_results_is_ours - the field value claims to be by one of our authserv_ids, however it is written: to be removed
 * from what comes in (RFC 8601 5).  A field that is not well-formed is judged by whether one of them is in it at all:
 * better one too many removed than one that some reader takes for ours. */
bool auth_results_is_ours(struct span value, const struct span *authserv_ids, size_t count);

#endif
