/* SPDX-License-Identifier: ISC */
/* test_lookup.h - a struct lookup for unit tests: its zone is a table of rows with records as text */
#ifndef MAILAUTH_TEST_LOOKUP_H
#define MAILAUTH_TEST_LOOKUP_H

#include "lib/base/attributes.h"
#include "lib/base/buf.h"
#include "lib/base/test.h"
#include "lib/mailauth/lookup.h"
#include "lib/mailauth/test_txt.h"

/* A record; rows of the same name and type are one answer.  data: an address, "10 host" of an MX, a name, or text (which may
 * hold NUL).  A row that fails: data "FAIL".  A name that has rows of other types only has no data. */
struct test_lookup_row {
	const char  *name;	/* presentation form, lower case */
	enum rr_type type;
	struct span  data;
};

struct test_lookup {
	const struct test_lookup_row *rows;
	size_t                        count;
	unsigned                      asked, expected;	/* how often */
	char                          last[300];	/* name asked last */
};

static inline void test_lookup_add_name(struct buf *out, struct span name)
{
	struct span label;

	while (name.len > 0) {
		span_cut(&name, '.', &label);
		buf_add_byte(out, (char)label.len);
		buf_add(out, label);
	}
	buf_add_byte(out, '\0');
}

static inline void test_lookup_add_address(struct buf *out, struct span text, size_t size)
{
	struct net_address address;
	struct net_cidr all;

	assert_true(net_address_parse(text, 0, &address) && net_cidr_of(&address, (unsigned)size * 8, &all));
	buf_add(out, span_make(all.bytes, size));
}

static inline void test_lookup_add_rdata(struct buf *out, enum rr_type type, struct span data)
{
	unsigned long long preference = 0;
	struct span number;

	if (type == RR_A || type == RR_AAAA) {
		test_lookup_add_address(out, data, type == RR_A ? 4 : 16);
	} else if (type == RR_TXT) {
		test_add_strings(out, data);
	} else if (type == RR_MX) {
		assert_true(span_cut(&data, ' ', &number) && span_u64(number, 65535, &preference));
		buf_add_byte(out, (char)(preference >> 8));
		buf_add_byte(out, (char)preference);
		test_lookup_add_name(out, data);
	} else {
		test_lookup_add_name(out, data);
	}
}

static inline void test_lookup_ask(void *user, struct span name, enum rr_type type, struct arena *arena,
                                   struct lookup_answer *answer)
{
	struct test_lookup *t = user;
	struct buf records, rdata;

	t->asked++;
	snprintf(t->last, sizeof(t->last), SPAN_FMT, SPAN_ARG(name));
	*answer = (struct lookup_answer){ .status = DNS_NO_NAME };
	buf_init(&records, 65536);
	buf_init(&rdata, 65536);
	for (size_t i = 0; i < t->count; i++) {
		if (!span_equal_ci(span_of(t->rows[i].name), name))
			continue;
		if (answer->status == DNS_NO_NAME)
			answer->status = DNS_NO_DATA;
		if (t->rows[i].type != type)
			continue;
		answer->status = span_equal(t->rows[i].data, span_lit("FAIL")) ? DNS_FAILED : DNS_FOUND;
		if (answer->status == DNS_FAILED)
			break;
		buf_clear(&rdata);
		test_lookup_add_rdata(&rdata, type, t->rows[i].data);
		buf_add_u16(&records, (uint16_t)rdata.len);
		buf_add(&records, buf_span(&rdata));
	}
	answer->records = arena_dup(arena, buf_span(&records));
	buf_free(&records);
	buf_free(&rdata);
}

static inline void test_lookup_expect(void *user, struct span name, enum rr_type type)
{
	struct test_lookup *t = user;

	(void)name;
	(void)type;
	t->expected++;
}

static inline struct lookup test_lookup(struct test_lookup *t)
{
	return (struct lookup){ .ask = test_lookup_ask, .expect = test_lookup_expect, .user = t };
}

#endif
