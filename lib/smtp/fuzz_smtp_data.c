/* SPDX-License-Identifier: ISC */
/* fuzz_smtp_data.c - the line rule: cut anywhere the result is the same, only CRLF ends a line in it, and sending it
 * on gives it back unchanged */
#include <stdint.h>
#include <stdlib.h>

#include "lib/smtp/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t read_all(struct span in, size_t piece, bool is_dotted, struct smtp_data_reader *r, struct buf *out)
{
	size_t used = 0;

	smtp_data_begin(r, is_dotted, false);
	while (used < in.len && r->state != SMTP_DATA_END)
		used += smtp_data_feed(r, span_slice(in, used, piece), out);
	return used;
}

static void check_line_ends(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		bool after_cr = i > 0 && s.ptr[i - 1] == '\r';

		if ((s.ptr[i] == '\n') != after_cr && (s.ptr[i] == '\n' || after_cr))
			abort();
	}
}

static void check_sending(struct span content)
{
	struct smtp_data_reader r;
	struct buf stuffed, back;
	bool at_line_start = true;

	buf_init(&stuffed, BUF_NO_LIMIT);
	buf_init(&back, BUF_NO_LIMIT);
	smtp_data_stuff(content, &at_line_start, &stuffed);
	buf_add_cstr(&stuffed, ".\r\n");
	if (read_all(buf_span(&stuffed), SIZE_MAX, true, &r, &back) != stuffed.len || r.state != SMTP_DATA_END ||
	    !span_equal(buf_span(&back), content))
		abort();
	buf_free(&stuffed);
	buf_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_make(data, size);

	for (unsigned dotted = 0; dotted < 2; dotted++) {
		struct smtp_data_reader whole, cut;
		struct buf a, b;

		buf_init(&a, BUF_NO_LIMIT);
		buf_init(&b, BUF_NO_LIMIT);
		if (read_all(in, SIZE_MAX, dotted, &whole, &a) != read_all(in, 1 + size % 7, dotted, &cut, &b) ||
		    !span_equal(buf_span(&a), buf_span(&b)) || whole.state != cut.state)
			abort();
		if (whole.state != SMTP_DATA_END)
			smtp_data_finish(&whole, &a);
		check_line_ends(buf_span(&a));
		if (a.len == 0 || span_ends(buf_span(&a), span_lit("\n")))
			check_sending(buf_span(&a));
		buf_free(&a);
		buf_free(&b);
	}
	return 0;
}
