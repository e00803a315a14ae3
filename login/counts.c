/* SPDX-License-Identifier: ISC */
/* counts.c - how many connections a client, a user, a user from one client has here */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "login/login.h"

/* The count is the pointer itself: a table of small numbers needs no memory for each. */
static uintptr_t count_of(struct hash *counts, struct span key)
{
	return (uintptr_t)hash_get(counts, key);
}

bool counts_enter(struct hash *counts, struct span key, long long limit)
{
	uintptr_t count = count_of(counts, key);

	if (limit != 0 && count >= (uintptr_t)limit)
		return false;
	hash_put(counts, key, (void *)(count + 1));
	return true;
}

void counts_leave(struct hash *counts, struct span key)
{
	uintptr_t count = count_of(counts, key);

	if (count > 1)
		hash_put(counts, key, (void *)(count - 1));
	else
		hash_remove(counts, key);
}

struct span counts_network(struct arena *arena, const struct net_address *address)
{
	if (address->storage.ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)&address->storage;

		if (!IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
			return arena_dup(arena, span_make(&in6->sin6_addr, 8));
	}
	char text[NET_ADDRESS_TEXT_MAX];

	return arena_dup(arena, span_of(net_address_text(address, text)));
}
