/* SPDX-License-Identifier: ISC */
/* content.h - the Content-* fields of a MIME part */
#ifndef MIME_CONTENT_H
#define MIME_CONTENT_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/span.h"

enum { MIME_PARAMS_MAX = 100 };	/* in one field; further ones are not looked at */

struct mime_param {
	struct span        name;	/* as written; pieces of RFC 2231 3 are joined under "name" or "name*" */
	struct span        value;	/* unquoted, not decoded */
	struct mime_param *next;
};

/* A value with parameters: Content-Type ("text", "plain") or Content-Disposition ("inline", ""). */
struct mime_value {
	struct span        type, subtype;
	struct mime_param *params;
};

/* mime_content_type - parse the value of a Content-Type field; false when it has no usable type/subtype
 * (then RFC 2045 5.2 makes it text/plain). */
bool mime_content_type(struct arena *a, struct span value, struct mime_value *out);
/* mime_disposition - the same for Content-Disposition (RFC 2183). */
bool mime_disposition(struct arena *a, struct span value, struct mime_value *out);
/* mime_param_find - the parameter's value; false when missing. */
bool mime_param_find(const struct mime_value *value, struct span name, struct span *out);
/* mime_first_token - the one token that is a field's value: Content-Transfer-Encoding.  May be empty. */
struct span mime_first_token(struct span value);
/* mime_next_language - next tag of a Content-Language value (RFC 3282). */
bool mime_next_language(struct span *rest, struct span *tag);

#endif
