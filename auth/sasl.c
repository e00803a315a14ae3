/* SPDX-License-Identifier: ISC */
/* sasl.c - PLAIN and LOGIN
 *
 * The responses are the client's bytes.  NUL beyond PLAIN's two separators is malformed, never cut (C9). */
#include "auth/sasl.h"

#include <string.h>

static bool is_field(struct span s)
{
	return s.len <= SASL_FIELD_MAX && (s.len == 0 || memchr(s.ptr, '\0', s.len) == NULL);
}

/* RFC 4616 2: [authzid] NUL authcid NUL passwd */
static enum sasl_step plain_next(struct sasl_exchange *x, bool has_response, struct span response)
{
	struct span rest = response, other;

	if (!has_response) {
		x->challenge = (struct span){ 0 };
		return x->step++ == 0 ? SASL_CHALLENGE : SASL_MALFORMED;
	}
	if (!span_cut(&rest, '\0', &other) || !span_cut(&rest, '\0', &x->user))
		return SASL_MALFORMED;
	x->password = rest;
	if (!is_field(other) || !is_field(x->user) || !is_field(rest) || span_is_empty(x->user))
		return SASL_MALFORMED;
	x->user = arena_dup(x->arena, x->user);
	x->password = arena_dup(x->arena, x->password);
	return span_is_empty(other) || span_equal(other, x->user) ? SASL_CREDENTIALS : SASL_OTHER_USER;
}

static enum sasl_step login_next(struct sasl_exchange *x, bool has_response, struct span response)
{
	enum { ASK_USER, ASK_PASSWORD, TAKE_PASSWORD };

	if (x->step == ASK_USER && !has_response) {
		x->step = ASK_PASSWORD;
		x->challenge = span_lit("Username:");
		return SASL_CHALLENGE;
	}
	if (!has_response || !is_field(response))
		return SASL_MALFORMED;
	if (x->step != TAKE_PASSWORD) {
		if (span_is_empty(response))
			return SASL_MALFORMED;
		x->user = arena_dup(x->arena, response);
		x->challenge = span_lit("Password:");
		x->step = TAKE_PASSWORD;
		return SASL_CHALLENGE;
	}
	x->password = arena_dup(x->arena, response);
	return SASL_CREDENTIALS;
}

const struct sasl_mechanism sasl_mechanisms[] = {
	{ SPAN("PLAIN"), "plaintext", plain_next },
	{ SPAN("LOGIN"), "plaintext", login_next },
};
const size_t sasl_mechanism_count = COUNT_OF(sasl_mechanisms);

const struct sasl_mechanism *sasl_find(struct span name)
{
	for (size_t i = 0; i < sasl_mechanism_count; i++) {
		if (span_equal_ci(name, sasl_mechanisms[i].name))
			return &sasl_mechanisms[i];
	}
	return NULL;
}

enum sasl_step sasl_next(struct sasl_exchange *x, bool has_response, struct span response)
{
	return x->mechanism->next(x, has_response, response);
}
