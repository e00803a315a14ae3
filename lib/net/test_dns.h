/* SPDX-License-Identifier: ISC */
/* test_dns.h - the name server of unit tests: its zone is a table of rows, it speaks UDP on loopback */
#ifndef NET_TEST_DNS_H
#define NET_TEST_DNS_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "lib/base/attributes.h"
#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/base/test.h"

enum { TEST_DNS_SILENT = -1, TEST_DNS_SERVFAIL = 2, TEST_DNS_NXDOMAIN = 3, TEST_DNS_PACKET_MAX = 1500 };

struct test_dns_row {
	struct span name;	/* wire form, with the root label */
	unsigned    type;
	int         rcode;
	struct span rdata;	/* empty: no data */
	unsigned    empty_records;	/* in front of the one with data: RDATA of no bytes */
};

static inline void test_dns_add_u16(struct buf *out, unsigned value)
{
	buf_add_byte(out, (char)(value >> 8));
	buf_add_byte(out, (char)value);
}

/* test_dns_find - the row for a question (name, type, class); NULL: NXDOMAIN. */
static inline const struct test_dns_row *test_dns_find(const struct test_dns_row *rows, size_t count,
                                                       struct span question)
{
	for (size_t i = 0; i < count; i++) {
		struct span type;

		if (question.len != rows[i].name.len + 4 ||
		    !span_equal_ci(span_first(question, rows[i].name.len), rows[i].name))
			continue;
		type = span_skip(question, rows[i].name.len);
		if ((unsigned)((unsigned char)type.ptr[0] << 8 | (unsigned char)type.ptr[1]) == rows[i].type)
			return &rows[i];
	}
	return NULL;
}

/* test_dns_question - the first question of a packet: up to and with its class. */
static inline struct span test_dns_question(struct span packet)
{
	size_t at = 12;

	while (at < packet.len && packet.ptr[at] != 0)
		at += 1 + (size_t)packet.ptr[at];
	return span_slice(packet, 12, at + 5 - 12);
}

static inline void test_dns_write_record(struct buf *out, unsigned type, struct span rdata)
{
	buf_add(out, span_lit("\300\14"));
	test_dns_add_u16(out, type);
	buf_add(out, span_lit("\0\1\0\0\1\54"));
	test_dns_add_u16(out, (unsigned)rdata.len);
	buf_add(out, rdata);
}

static inline void test_dns_write(struct buf *out, struct span packet, const struct test_dns_row *row)
{
	bool has_data = row != NULL && row->rdata.len > 0;

	buf_add(out, span_first(packet, 2));
	test_dns_add_u16(out, 0x8580u | (unsigned)(row != NULL ? row->rcode : TEST_DNS_NXDOMAIN));
	test_dns_add_u16(out, 1);
	test_dns_add_u16(out, has_data ? 1 + row->empty_records : 0);
	test_dns_add_u16(out, 0);
	test_dns_add_u16(out, 0);
	buf_add(out, test_dns_question(packet));
	if (!has_data)
		return;
	for (unsigned i = 0; i < row->empty_records; i++)
		test_dns_write_record(out, row->type, span_lit(""));
	test_dns_write_record(out, row->type, row->rdata);
}

/* test_dns_open - a socket on loopback; address is what dns_servers takes. */
static inline int test_dns_open(int flags, char address[64])
{
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(own);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | flags, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&own, length), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &length), 0);
	snprintf(address, 64, "127.0.0.1:%u", ntohs(own.sin_port));
	return fd;
}

/* test_dns_serve - take one question from fd and answer it; false when there is none now (or fd is shut). */
static inline bool test_dns_serve(int fd, const struct test_dns_row *rows, size_t count)
{
	struct sockaddr_in from;
	socklen_t length = sizeof(from);
	char packet[TEST_DNS_PACKET_MAX];
	ssize_t got = recvfrom(fd, packet, sizeof(packet), 0, (struct sockaddr *)&from, &length);
	const struct test_dns_row *row;
	struct buf out;

	if (got <= 16)
		return got > 0;
	row = test_dns_find(rows, count, test_dns_question(span_make(packet, (size_t)got)));
	if (row != NULL && row->rcode == TEST_DNS_SILENT)
		return true;
	buf_init(&out, TEST_DNS_PACKET_MAX);
	test_dns_write(&out, span_make(packet, (size_t)got), row);
	sendto(fd, out.ptr, out.len, 0, (const struct sockaddr *)&from, sizeof(from));
	buf_free(&out);
	return true;
}

#endif
