/* SPDX-License-Identifier: ISC */
/* fuzz_uidlist.c - uidlist text, subscriptions and names: what is accepted prints and parses the same again */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mailbox/maildir.h"
#include "lib/mailbox/mutf7.h"
#include "lib/mailbox/subscriptions.h"
#include "lib/mailbox/uidlist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_record(struct span line)
{
	struct uidlist_record r, again;
	struct buf out;

	if (!uidlist_parse_record(line, 3, &r))
		return;
	buf_init(&out, BUF_NO_LIMIT);
	uidlist_print_record(&out, &r);
	if (!uidlist_parse_record(span_first(buf_span(&out), out.len - 1), 3, &again) ||
	    again.uid != r.uid || !span_equal(again.base, r.base) || !span_equal(again.fields, r.fields))
		abort();
	buf_free(&out);
}

static void check_header(struct span line)
{
	struct uidlist_header h, again;
	unsigned version;
	struct buf out;

	if (!uidlist_parse_header(line, &h, &version))
		return;
	buf_init(&out, BUF_NO_LIMIT);
	uidlist_print_header(&out, &h);
	if (!uidlist_parse_header(span_first(buf_span(&out), out.len - 1), &again, &version) ||
	    again.uidvalidity != h.uidvalidity || again.next_uid != h.next_uid)
		abort();
	buf_free(&out);
}

static void check_name(struct span line)
{
	struct maildir_name name;
	struct buf out;

	buf_init(&out, BUF_NO_LIMIT);
	if (maildir_name_parse(line, &name))
		maildir_suffix_change(&out, name.suffix, name.flags, name.keywords);
	buf_clear(&out);
	if (mutf7_decode(&out, line)) {
		struct buf back;

		buf_init(&back, BUF_NO_LIMIT);
		if (!mutf7_encode(&back, buf_span(&out)) || !span_equal(buf_span(&back), line))
			abort();	/* one name, one spelling */
		buf_free(&back);
	}
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_make(data, size), line;
	struct arena *arena = arena_new(NULL);
	struct name_list list;
	bool more = true;

	subscriptions_parse(rest, arena, &list);
	while (more) {
		more = span_cut(&rest, '\n', &line);
		check_header(line);
		check_record(line);
		check_name(line);
	}
	arena_free(arena);
	return 0;
}
