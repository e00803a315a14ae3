/* SPDX-License-Identifier: ISC */
/* fuzz_imap_command.c - the arguments of commands: no byte read past their end, nothing accepted with bytes left
 * over, and resolved sets ascend */
#include <stdint.h>
#include <stdlib.h>

#include "imapd/fetch.h"
#include "imapd/search.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_fetch(struct arena *a, struct span text)
{
	struct imap_parse p = { .rest = text, .arena = a };
	struct fetch_request r;

	if (!fetch_parse(&p, &r)) {
		require(p.error != NULL);
		return;
	}
	require(p.rest.len == 0 && r.count != 0);
	for (size_t i = 0; i < r.count; i++)
		require(r.items[i].kind != FETCH_SECTION || r.items[i].label.len != 0);
}

static void check_search(struct arena *a, struct span text)
{
	struct imap_parse p = { .rest = text, .arena = a };
	struct search_request r;

	if (!search_parse(&p, &r))
		require(p.error != NULL);
	else
		require(r.bad_charset || (p.rest.len == 0 && r.root->first != NULL));
}

static void check_words(struct arena *a, struct span text)
{
	struct imap_parse p = { .rest = text, .arena = a };
	struct flag_list flags;
	struct span out;
	int64_t when;

	(void)(imap_take_mailbox(&p, &out) && imap_take_space(&p) && imap_take_flags(&p, true, &flags) &&
	       imap_take_space(&p) && imap_take_date_time(&p, &when));
	p = (struct imap_parse){ .rest = text, .arena = a };
	(void)(imap_take_pattern(&p, &out) && imap_take_space(&p) && imap_take_nstring(&p, &out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(NULL);
	struct span text = span_make(data, size);

	check_fetch(a, text);
	check_search(a, text);
	check_words(a, text);
	arena_free(a);
	return 0;
}
