/* SPDX-License-Identifier: ISC */
/* address.c - socket addresses and networks; the bytes may come from anywhere */
#include "lib/net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "lib/base/buf.h"

/* to_cstr - a numeric address as C string; false when it cannot be one. */
static bool to_cstr(struct span text, char out[NET_ADDRESS_TEXT_MAX])
{
	if (text.len == 0 || text.len >= INET6_ADDRSTRLEN || span_find(text, '\0') != SPAN_NOT_FOUND)
		return false;
	memcpy(out, text.ptr, text.len);
	out[text.len] = '\0';
	return true;
}

static struct sockaddr_in *as_ipv4(struct net_address *a)
{
	return (struct sockaddr_in *)(void *)&a->storage;
}

static struct sockaddr_in6 *as_ipv6(struct net_address *a)
{
	return (struct sockaddr_in6 *)(void *)&a->storage;
}

static const struct sockaddr_in *const_ipv4(const struct net_address *a)
{
	return (const struct sockaddr_in *)(const void *)&a->storage;
}

static const struct sockaddr_in6 *const_ipv6(const struct net_address *a)
{
	return (const struct sockaddr_in6 *)(const void *)&a->storage;
}

bool net_address_parse(struct span text, unsigned port, struct net_address *out)
{
	char number[NET_ADDRESS_TEXT_MAX];

	memset(out, 0, sizeof(*out));
	if (!to_cstr(text, number) || port > 65535)
		return false;
	if (inet_pton(AF_INET, number, &as_ipv4(out)->sin_addr) == 1) {
		as_ipv4(out)->sin_family = AF_INET;
		as_ipv4(out)->sin_port = htons((uint16_t)port);
		out->length = sizeof(struct sockaddr_in);
		return true;
	}
	if (inet_pton(AF_INET6, number, &as_ipv6(out)->sin6_addr) == 1) {
		as_ipv6(out)->sin6_family = AF_INET6;
		as_ipv6(out)->sin6_port = htons((uint16_t)port);
		out->length = sizeof(struct sockaddr_in6);
		return true;
	}
	return false;
}

/* address_bytes - family (an IPv4-mapped address is IPv4) and bytes; 0 for other families. */
static int address_bytes(const struct net_address *a, const unsigned char **bytes)
{
	if (a->storage.ss_family == AF_INET) {
		*bytes = (const unsigned char *)&const_ipv4(a)->sin_addr;
		return AF_INET;
	}
	if (a->storage.ss_family != AF_INET6)
		return 0;
	*bytes = const_ipv6(a)->sin6_addr.s6_addr;
	if (IN6_IS_ADDR_V4MAPPED(&const_ipv6(a)->sin6_addr)) {
		*bytes += 12;
		return AF_INET;
	}
	return AF_INET6;
}

const char *net_address_text(const struct net_address *a, char out[NET_ADDRESS_TEXT_MAX])
{
	const unsigned char *bytes;
	int family = address_bytes(a, &bytes);

	if (family == 0)
		return strcpy(out, a->storage.ss_family == AF_UNIX ? "unix" : "unknown");
	if (inet_ntop(family, bytes, out, NET_ADDRESS_TEXT_MAX) == NULL)
		return strcpy(out, "unknown");
	return out;
}

unsigned net_address_port(const struct net_address *a)
{
	if (a->storage.ss_family == AF_INET)
		return ntohs(const_ipv4(a)->sin_port);
	if (a->storage.ss_family == AF_INET6)
		return ntohs(const_ipv6(a)->sin6_port);
	return 0;
}

void net_address_set_port(struct net_address *a, unsigned port)
{
	if (a->storage.ss_family == AF_INET)
		as_ipv4(a)->sin_port = htons((uint16_t)port);
	else if (a->storage.ss_family == AF_INET6)
		as_ipv6(a)->sin6_port = htons((uint16_t)port);
}

bool net_address_same_host(const struct net_address *a, const struct net_address *b)
{
	const unsigned char *bytes_a, *bytes_b;
	int family = address_bytes(a, &bytes_a);

	return family != 0 && family == address_bytes(b, &bytes_b) &&
	       memcmp(bytes_a, bytes_b, family == AF_INET ? 4 : 16) == 0;
}

bool net_address_is_loopback(const struct net_address *a)
{
	const unsigned char *bytes;
	int family = address_bytes(a, &bytes);

	if (family == AF_INET)
		return bytes[0] == 127;
	return family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&const_ipv6(a)->sin6_addr);
}

struct span net_reverse_name(struct arena *arena, const struct net_address *a)
{
	const unsigned char *bytes;
	int family = address_bytes(a, &bytes);
	struct buf name;
	struct span out;

	if (family == AF_INET)
		return arena_printf_span(arena, "%u.%u.%u.%u.in-addr.arpa", bytes[3], bytes[2], bytes[1], bytes[0]);
	if (family != AF_INET6)
		return span_lit("");
	buf_init(&name, 128);
	for (int i = 15; i >= 0; i--)
		buf_addf(&name, "%x.%x.", bytes[i] & 15u, bytes[i] >> 4);
	buf_add_cstr(&name, "ip6.arpa");
	out = arena_dup(arena, buf_span(&name));
	buf_free(&name);
	return out;
}

bool net_host_port(struct span text, struct span *host, struct span *port, bool *is_bracketed)
{
	size_t end, colon;

	*port = (struct span){ NULL, 0 };
	*is_bracketed = span_starts(text, span_lit("["));
	if (*is_bracketed) {
		end = span_find(text, ']');
		if (end == SPAN_NOT_FOUND)
			return false;
		*host = span_slice(text, 1, end - 1);
		text = span_skip(text, end + 1);
		if (text.len > 0 && text.ptr[0] != ':')
			return false;
		*port = span_skip(text, 1);
		return host->len > 0 && (text.len == 0 || port->len > 0);
	}
	colon = span_find(text, ':');
	if (colon == SPAN_NOT_FOUND || span_find(span_skip(text, colon + 1), ':') != SPAN_NOT_FOUND) {
		*host = text;	/* no colon, or a bare IPv6 address */
		return host->len > 0;
	}
	*host = span_first(text, colon);
	*port = span_skip(text, colon + 1);
	return host->len > 0 && port->len > 0;
}

/* clear_host_bits - zero the bits from 'bits' on, of 'size' bytes; whether some were set. */
static bool clear_host_bits(unsigned char *bytes, size_t size, unsigned bits)
{
	bool had_some = false;

	for (size_t i = bits / 8; i < size; i++) {
		unsigned mask = i > bits / 8 ? 0xffu : 0xffu >> (bits % 8);

		had_some = had_some || (bytes[i] & mask) != 0;
		bytes[i] = (unsigned char)(bytes[i] & ~mask & 0xffu);
	}
	return had_some;
}

/* network_of - all bits of a, which is taken as the family it has; gives their number, 0 for other families. */
static unsigned network_of(const struct net_address *a, struct net_cidr *out)
{
	memset(out, 0, sizeof(*out));
	out->family = a->storage.ss_family;
	out->bits = out->family == AF_INET ? 32 : out->family == AF_INET6 ? 128 : 0;
	if (out->family == AF_INET)
		memcpy(out->bytes, &const_ipv4(a)->sin_addr, 4);
	else if (out->family == AF_INET6)
		memcpy(out->bytes, &const_ipv6(a)->sin6_addr, 16);
	return out->bits;
}

bool net_cidr_of(const struct net_address *a, unsigned bits, struct net_cidr *out)
{
	unsigned most = network_of(a, out);

	out->bits = bits;
	if (most == 0 || bits > most)
		return false;
	(void)clear_host_bits(out->bytes, most / 8, bits);
	return true;
}

bool net_cidr_parse(struct span text, struct net_cidr *out)
{
	struct span address = text, length = { NULL, 0 };
	struct net_address parsed;
	unsigned long long bits;
	size_t slash = span_rfind(text, '/');
	unsigned most;

	memset(out, 0, sizeof(*out));
	if (slash != SPAN_NOT_FOUND) {
		address = span_first(text, slash);
		length = span_skip(text, slash + 1);
	}
	if (span_starts(address, span_lit("[")) && span_ends(address, span_lit("]")))
		address = span_slice(address, 1, address.len - 2);
	if (!net_address_parse(address, 0, &parsed))
		return false;
	bits = most = network_of(&parsed, out);
	if (slash != SPAN_NOT_FOUND && !span_u64(length, most, &bits))
		return false;
	out->bits = (unsigned)bits;
	return !clear_host_bits(out->bytes, most / 8, out->bits);
}

bool net_cidr_has(const struct net_cidr *cidr, const struct net_address *a)
{
	const unsigned char *bytes = NULL;
	unsigned whole = cidr->bits / 8, rest = cidr->bits % 8;
	unsigned mask = (0xffu << (8 - rest)) & 0xffu;

	if (address_bytes(a, &bytes) != cidr->family || bytes == NULL)
		return false;
	if (memcmp(bytes, cidr->bytes, whole) != 0)
		return false;
	return rest == 0 || ((bytes[whole] ^ cidr->bytes[whole]) & mask) == 0;
}
