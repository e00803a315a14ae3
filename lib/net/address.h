/* SPDX-License-Identifier: ISC */
/* address.h - socket addresses as text and back, and networks (CIDR) */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/span.h"

struct net_address {
	struct sockaddr_storage storage;
	socklen_t               length;
};

enum { NET_ADDRESS_TEXT_MAX = 64 };

/* net_address_parse - a numeric IPv4 or IPv6 address ("192.0.2.1", "2001:db8::1", "IPv6:..." not accepted). */
MUST_USE bool net_address_parse(struct span text, unsigned port, struct net_address *out);
/* net_address_text - without port or brackets ("unix" for AF_UNIX); an IPv4-mapped address as IPv4. */
const char *net_address_text(const struct net_address *a, char out[NET_ADDRESS_TEXT_MAX]);
unsigned net_address_port(const struct net_address *a);
void net_address_set_port(struct net_address *a, unsigned port);
/* net_address_same_host - the same family and address, whatever the port. */
bool net_address_same_host(const struct net_address *a, const struct net_address *b);
bool net_address_is_loopback(const struct net_address *a);
/* net_host_port - split "host:port", "[host]:port", "host", "[v6]"; port empty when not there. */
MUST_USE bool net_host_port(struct span text, struct span *host, struct span *port, bool *is_bracketed);

/* net_reverse_name - where its PTR record is: "1.2.0.192.in-addr.arpa", or the 32 nibbles below ip6.arpa; empty for other
 * families. */
struct span net_reverse_name(struct arena *arena, const struct net_address *a);

struct net_cidr {
	unsigned char bytes[16];
	unsigned      bits;
	int           family;
};

/* net_cidr_parse - "10.0.0.0/8", "192.0.2.1", "[2001:db8::]/32"; host bits set are an error (postfix-compat 1). */
MUST_USE bool net_cidr_parse(struct span text, struct net_cidr *out);
/* net_cidr_of - the network of that many bits that a is in; an IPv4-mapped address stays IPv6, and no address is in its
 * network.  False for other families and too many bits. */
MUST_USE bool net_cidr_of(const struct net_address *a, unsigned bits, struct net_cidr *out);
/* net_cidr_has - whether a (an IPv4-mapped address: as IPv4) is in the network. */
bool net_cidr_has(const struct net_cidr *cidr, const struct net_address *a);

/* net_resolve - the first address of a host, numeric or by getaddrinfo (blocks), with a port by number or name. */
MUST_USE bool net_resolve(const char *host, const char *port, struct net_address *out);

/* net_listen - listening sockets for "port", "host:port", "[v6]:port" (names through getaddrinfo: blocks), on the given
 * interfaces when no host is named.  Appends descriptors to fds; -1 with errno. */
int net_listen(const char *service, const char *interfaces, const char *protocols, int *fds, size_t most,
               size_t *count);

#endif
