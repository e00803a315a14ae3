/* SPDX-License-Identifier: ISC */
/* test_txt.h - TXT records as the DNS has them, for the scripts of the tests here */
#ifndef MAILAUTH_TEST_TXT_H
#define MAILAUTH_TEST_TXT_H

#include "lib/base/buf.h"

/* test_add_strings - text as the rdata of TXT: strings of up to 255 bytes (RFC 1035 3.3.14). */
static inline void test_add_strings(struct buf *out, struct span text)
{
	do {
		struct span piece = span_first(text, 255);

		buf_add_byte(out, (char)(unsigned char)piece.len);
		buf_add(out, piece);
		text = span_skip(text, piece.len);
	} while (text.len > 0);
}

/* test_add_txt - the record as lookup_answer.records has it. */
static inline void test_add_txt(struct buf *out, struct span text)
{
	struct buf rdata;

	buf_init(&rdata, BUF_NO_LIMIT);
	test_add_strings(&rdata, text);
	buf_add_u16(out, (uint16_t)rdata.len);
	buf_add(out, buf_span(&rdata));
	buf_free(&rdata);
}

#endif
