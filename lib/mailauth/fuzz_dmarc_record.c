/* SPDX-License-Identifier: ISC */
/* fuzz_dmarc_record.c - a record's values are in range; what is printed of it parses to the same; its lists of
 * addresses give only addresses that may stand in a header and on a command line */
#include <stdint.h>
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/mailauth/dmarc_record.h"
#include "lib/mailauth/dmarc_uri.h"
#include "lib/smtp/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_list(struct arena *a, struct span list)
{
	struct span address, domain, rest = list;
	bool any = false;
	struct dmarc_uri uri;
	struct smtp_path path;

	while (dmarc_uri_next(&rest, &uri)) {
		any |= uri.scheme.len != 0;
		if (uri.scheme.len == 0 || !dmarc_uri_mailbox(a, &uri, &address, &domain))
			continue;
		require(smtp_path_parse(a, address, SMTP_PATH_LAX, &path, &(struct span){ NULL, 0 }) == SMTP_PATH_OK);
		require(span_equal(path.domain, domain) && span_equal(path.address, address));
	}
	require(any == dmarc_uris_are_valid(list));
}

/* check_again - the values, written as a record, are read as they were. */
static void check_again(enum dmarc_text which, const struct dmarc_record *r)
{
	static const char psd[] = "uny";
	struct dmarc_record again;
	struct buf text;

	buf_init(&text, BUF_NO_LIMIT);
	buf_addf(&text, "v=DMARC1;p=%s;sp=%s;adkim=%c;aspf=%c;fo=" SPAN_FMT, dmarc_policy_name(r->p),
	         dmarc_policy_name(r->sp), r->adkim_strict ? 's' : 'r', r->aspf_strict ? 's' : 'r',
	         SPAN_ARG(r->fo_text));
	if (which == DMARC_BIS)
		buf_addf(&text, ";np=%s;t=%c;psd=%c", dmarc_policy_name(r->np), r->is_test ? 'y' : 'n', psd[r->psd]);
	else
		buf_addf(&text, ";pct=%u;ri=%u", r->pct, r->interval_s);
	require(dmarc_record_parse(which, buf_span(&text), &again) && again.is_usable);
	require(again.p == r->p && again.sp == r->sp && again.np == r->np && again.fo == r->fo);
	require(again.pct == r->pct && again.psd == r->psd && again.is_test == r->is_test);
	require(again.adkim_strict == r->adkim_strict && again.aspf_strict == r->aspf_strict);
	require(again.interval_s == r->interval_s);
	buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(NULL);
	struct span text = span_make(data, size);
	struct dmarc_record record;

	for (int which = DMARC_RFC7489; which <= DMARC_BIS; which++) {
		bool ours = dmarc_record_parse((enum dmarc_text)which, text, &record);

		require(ours == dmarc_record_is_version(text));
		if (!ours)
			continue;
		require(record.pct <= 100 && record.fo != 0);
		require(record.rua.len == 0 || dmarc_uris_are_valid(record.rua));
		check_list(a, record.rua);
		check_again((enum dmarc_text)which, &record);
	}
	check_list(a, text);
	arena_free(a);
	return 0;
}
