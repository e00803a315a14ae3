/* SPDX-License-Identifier: ISC */
/* received.c - the Received header field
 *
 * Log and trace tools read this layout, so it is Postfix's to the letter.  The HELO name is the client's own
 * claim: bytes that could end the field or a comment are replaced. */
#include "lib/smtp/received.h"

#include "lib/base/clock.h"

static void add_safe(struct buf *out, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		bool fits = (unsigned char)c >= 0x80 || (ascii_is_print(c) && strchr("()<>\\;\"", c) == NULL);

		buf_add_byte(out, fits ? c : '?');
	}
}

static void add_origin(struct buf *out, const struct received *r)
{
	bool is_v6 = span_find(r->client_address, ':') != SPAN_NOT_FOUND;

	buf_add_cstr(out, "from ");
	add_safe(out, r->helo.len > 0 ? r->helo : r->client_name);
	buf_add_cstr(out, " (");
	add_safe(out, r->client_name);
	buf_add_cstr(out, is_v6 ? " [IPv6:" : " [");
	buf_add(out, r->client_address);
	buf_add_cstr(out, "])\r\n");
}

void received_add(struct buf *out, const struct received *r)
{
	char date[CLOCK_RFC5322_SIZE];

	buf_add_cstr(out, "Received: ");
	if (r->has_uid) {
		buf_addf(out, "by " SPAN_FMT " (" SPAN_FMT ", from userid %llu)\r\n\tid " SPAN_FMT "; ",
		         SPAN_ARG(r->myhostname), SPAN_ARG(r->mail_name),
		         (unsigned long long)r->uid, SPAN_ARG(r->queue_id));
		buf_add_cstr(out, clock_rfc5322(r->wall_us, date));
		buf_add_cstr(out, "\r\n");
		return;
	}
	add_origin(out, r);
	if (r->tls_comment.len > 0) {
		buf_add_byte(out, '\t');
		buf_add(out, r->tls_comment);
		buf_add(out, span_lit("\r\n"));
	}
	if (r->sasl_username.len > 0) {
		buf_add_cstr(out, "\t(Authenticated sender: ");
		add_safe(out, r->sasl_username);
		buf_add_cstr(out, ")\r\n");
	}
	buf_addf(out, "\tby " SPAN_FMT " (" SPAN_FMT ") with " SPAN_FMT " id " SPAN_FMT,
	         SPAN_ARG(r->myhostname), SPAN_ARG(r->mail_name), SPAN_ARG(r->protocol),
	         SPAN_ARG(r->queue_id));
	if (r->recipient.len > 0)
		buf_addf(out, "\r\n\tfor <" SPAN_FMT ">", SPAN_ARG(r->recipient));
	buf_add_cstr(out, "; ");
	buf_add_cstr(out, clock_rfc5322(r->wall_us, date));
	buf_add_cstr(out, "\r\n");
}
