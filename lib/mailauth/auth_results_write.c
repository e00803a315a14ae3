/* SPDX-License-Identifier: ISC */
/* auth_results_write.c - a field of results, one a line (RFC 8601 2.2)
 *
 * Values come from the client: whatever they hold, the field stays one field and its parts stay where they are. */
#include "lib/mailauth/auth_results.h"
#include "lib/mailauth/text.h"
#include "lib/mime/field.h"
#include "lib/smtp/address.h"

enum { VALUE_MAX_BYTES = 512, REMARK_MAX_BYTES = 300 };

static bool is_token_byte(char c)
{
	return (unsigned char)c < 0x80 && mime_is_token_byte(c);
}

static bool is_local_byte(char c)
{
	return ascii_is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-/?^_`{|}~.", c) != NULL);
}

/* is_plain_path - local-part "@" domain that may stand without quotes: a dot-atom before the domain, or nothing. */
static bool is_plain_path(struct span value)
{
	struct span local, domain;

	smtp_address_split(value, &local, &domain);
	return smtp_domain_is_valid(domain, false) && span_all(local, is_local_byte) &&
	       !span_starts(local, span_lit(".")) && !span_ends(local, span_lit(".")) &&
	       span_search(local, span_lit("..")) == SPAN_NOT_FOUND;
}

static struct span written(struct auth_results_writer *w, struct span value)
{
	value = text_header(w->arena, value, w->may_utf8);
	return is_plain_path(value) ? value : mime_word(w->arena, value, is_token_byte);
}

void auth_results_begin(struct auth_results_writer *w, struct arena *arena, struct buf *out,
                        const struct auth_results_form *form, struct span authserv_id)
{
	bool is_arc = form->instance > 0;

	*w = (struct auth_results_writer){ .arena = arena, .may_utf8 = form->may_utf8 };
	mime_fold_begin(&w->fold, out, is_arc ? span_lit("ARC-Authentication-Results")
	                                      : span_lit("Authentication-Results"), form->line_end);
	if (is_arc)
		mime_fold_word(&w->fold, arena_printf_span(arena, "i=%u;", form->instance));
	mime_fold_word(&w->fold, written(w, authserv_id));
}

void auth_results_result(struct auth_results_writer *w, const char *method, struct span result)
{
	w->has_result = true;
	mime_fold_append(&w->fold, span_lit(";"));
	mime_fold_line(&w->fold);
	mime_fold_word(&w->fold, arena_printf_span(w->arena, "%s=" SPAN_FMT, method, SPAN_ARG(result)));
}

void auth_results_reason(struct auth_results_writer *w, struct span text)
{
	text = span_trim(text_remark(w->arena, text, REMARK_MAX_BYTES));
	if (text.len > 0)
		mime_fold_text(&w->fold, arena_printf_span(w->arena, "reason=\"" SPAN_FMT "\"", SPAN_ARG(text)));
}

void auth_results_remark(struct auth_results_writer *w, struct span text)
{
	text = span_trim(text_remark(w->arena, text, REMARK_MAX_BYTES));
	if (text.len > 0)
		mime_fold_text(&w->fold, arena_printf_span(w->arena, "(" SPAN_FMT ")", SPAN_ARG(text)));
}

void auth_results_property(struct auth_results_writer *w, const char *name, struct span value)
{
	if (value.len > 0 && value.len <= VALUE_MAX_BYTES)
		mime_fold_word(&w->fold, arena_printf_span(w->arena, "%s=" SPAN_FMT, name,
		                                           SPAN_ARG(written(w, value))));
}

void auth_results_end(struct auth_results_writer *w)
{
	if (!w->has_result) {
		mime_fold_append(&w->fold, span_lit(";"));
		mime_fold_word(&w->fold, span_lit("none"));
	}
	mime_fold_end(&w->fold);
}
