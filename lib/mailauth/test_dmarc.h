/* SPDX-License-Identifier: ISC */
/* test_dmarc.h - a DNS of a few TXT records, for the unit tests of DMARC */
#ifndef MAILAUTH_TEST_DMARC_H
#define MAILAUTH_TEST_DMARC_H

#include "lib/base/attributes.h"
#include "lib/base/buf.h"
#include "lib/base/test.h"
#include "lib/mailauth/lookup.h"
#include "lib/mailauth/test_txt.h"

/* One record; name in lower case.  text NULL: the look-up fails; empty: the name is there without TXT. */
struct test_zone_row {
	const char *name, *text;
};

struct test_zone {
	const struct test_zone_row *rows;
	size_t                      count;
	size_t                      asked, expected;
};

static inline void test_zone_ask(void *user, struct span name, enum rr_type rr_type, struct arena *arena,
                                 struct lookup_answer *answer)
{
	struct test_zone *zone = user;
	struct buf records;

	zone->asked++;
	buf_init(&records, BUF_NO_LIMIT);
	*answer = (struct lookup_answer){ .status = DNS_NO_NAME };
	for (size_t i = 0; i < zone->count && answer->status != DNS_FAILED; i++) {
		if (!span_equal(name, span_of(zone->rows[i].name)))
			continue;
		if (zone->rows[i].text == NULL) {
			answer->status = DNS_FAILED;
		} else if (rr_type != RR_TXT || zone->rows[i].text[0] == '\0') {
			answer->status = DNS_NO_DATA;
		} else {
			answer->status = DNS_FOUND;
			test_add_txt(&records, span_of(zone->rows[i].text));
		}
	}
	answer->records = arena_dup(arena, buf_span(&records));
	buf_free(&records);
}

static inline void test_zone_expect(void *user, struct span name, enum rr_type rr_type)
{
	struct test_zone *zone = user;

	(void)name;
	(void)rr_type;
	zone->expected++;
}

static inline struct lookup test_zone_lookup(struct test_zone *zone)
{
	return (struct lookup){ .ask = test_zone_ask, .expect = test_zone_expect, .user = zone };
}

#endif
