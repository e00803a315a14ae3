/* SPDX-License-Identifier: ISC */
/* mynetworks.c - the default of mynetworks: this host's networks, by mynetworks_style
 *
 * Asked only when main.cf does not set mynetworks (most do).  Netlink through getifaddrs. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/conf/source.h"

enum { ADDRESS_BYTES_MAX = 16, NETWORKS_BYTES_MAX = 65536 };

struct network {
	int           family;
	unsigned char bytes[ADDRESS_BYTES_MAX];
	unsigned      bits, width;
};

static bool list_has(const char *list, struct span wanted)
{
	struct span rest = span_of(list), member;

	while (conf_list_next(&rest, &member))
		if (span_equal_ci(member, wanted))
			return true;
	return false;
}

static unsigned mask_bits(const unsigned char *mask, size_t n)
{
	unsigned bits = 0;

	for (size_t i = 0; i < n; i++)
		for (unsigned char byte = mask[i]; byte & 0x80; byte = (unsigned char)(byte << 1))
			bits++;
	return bits;
}

/* class_bits - the network of an IPv4 address before CIDR. */
static unsigned class_bits(unsigned char first)
{
	return first < 128 ? 8 : first < 192 ? 16 : first < 224 ? 24 : first < 240 ? 4 : 5;
}

/* address_of - bytes of a socket address; false for families other than the internet's. */
static bool address_of(const struct sockaddr *sa, struct network *n)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (sa == NULL)
		return false;
	n->family = sa->sa_family;
	if (sa->sa_family == AF_INET) {
		memcpy(&v4, sa, sizeof(v4));
		memcpy(n->bytes, &v4.sin_addr, sizeof(v4.sin_addr));
		n->width = 32;
	} else if (sa->sa_family == AF_INET6) {
		memcpy(&v6, sa, sizeof(v6));
		memcpy(n->bytes, &v6.sin6_addr, sizeof(v6.sin6_addr));
		n->width = 128;
	} else {
		return false;
	}
	return true;
}

static void clear_host_bits(struct network *n)
{
	for (unsigned bit = n->bits; bit < n->width; bit++)
		n->bytes[bit / 8] = (unsigned char)(n->bytes[bit / 8] & ~(0x80U >> (bit % 8)));
}

static bool network_of(const struct ifaddrs *interface, const char *style, struct network *n)
{
	struct network mask;

	memset(n, 0, sizeof(*n));
	memset(&mask, 0, sizeof(mask));
	if (!address_of(interface->ifa_addr, n))
		return false;
	n->bits = n->width;
	if (strcmp(style, "class") == 0 && n->family == AF_INET)
		n->bits = class_bits(n->bytes[0]);
	else if (strcmp(style, "host") != 0 && address_of(interface->ifa_netmask, &mask))
		n->bits = mask_bits(mask.bytes, n->width / 8);
	return true;
}

/* is_wanted - inet_interfaces and inet_protocols leave this address in. */
static bool is_wanted(const struct ifaddrs *interface, const struct network *n, const char *interfaces,
                      const char *protocols)
{
	char text[INET6_ADDRSTRLEN];

	if (!list_has(protocols, span_lit("all")) &&
	    !list_has(protocols, n->family == AF_INET ? span_lit("ipv4") : span_lit("ipv6")))
		return false;
	if (interface->ifa_flags & IFF_LOOPBACK)
		return true;
	if (list_has(interfaces, span_lit("all")))
		return true;
	return inet_ntop(n->family, n->bytes, text, sizeof(text)) != NULL && list_has(interfaces, span_of(text));
}

static void add_network(struct buf *out, struct network *n, bool is_loopback)
{
	char text[INET6_ADDRSTRLEN];
	struct buf one;

	if (is_loopback && n->family == AF_INET)
		n->bits = 8;
	clear_host_bits(n);
	if (inet_ntop(n->family, n->bytes, text, sizeof(text)) == NULL)
		return;
	buf_init(&one, BUF_NO_LIMIT);
	buf_addf(&one, n->family == AF_INET6 ? "[%s]/%u" : "%s/%u", text, n->bits);
	if (!list_has(buf_cstr(out), buf_span(&one)))
		buf_addf(out, out->len > 0 ? " %.*s" : "%.*s", SPAN_ARG(buf_span(&one)));
	buf_free(&one);
}

const char *compute_mynetworks(struct arena *arena, const char *style, const char *interfaces,
                               const char *protocols)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct ifaddrs *all;
	struct buf out;
	const char *networks;

	if (getifaddrs(&all) < 0) {
		log_warning("mynetworks: cannot list the addresses of this host: %s", strerror(errno));
		return "127.0.0.0/8 [::1]/128";
	}
	buf_init(&out, NETWORKS_BYTES_MAX);
	for (size_t f = 0; f < COUNT_OF(families); f++)
		for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
			struct network n;

			if (network_of(i, style, &n) && n.family == families[f] &&
			    is_wanted(i, &n, interfaces, protocols))
				add_network(&out, &n, (i->ifa_flags & IFF_LOOPBACK) != 0);
		}
	freeifaddrs(all);
	networks = arena_cstr(arena, buf_span(&out));
	buf_free(&out);
	return networks;
}
