/* SPDX-License-Identifier: ISC */
/* dkim_published.h - do the authoritative name servers show a key's record?
 *
 * A key may sign once every one of them shows it: until then some receivers would find no key.  What caches say is no
 * proof, so each server is asked itself.  Suspends or blocks as the given ways to ask do. */
#ifndef MAILAUTH_DKIM_PUBLISHED_H
#define MAILAUTH_DKIM_PUBLISHED_H

#include <stdbool.h>

#include "lib/base/attributes.h"
#include "lib/mailauth/dkim_key.h"
#include "lib/mailauth/dkim_signing_key.h"
#include "lib/mailauth/lookup.h"

struct dkim_published_limits {
	size_t servers_max;	/* of a zone */
	size_t addresses_max;	/* of all of them */
	size_t aliases_max;	/* CNAME records from the key's name on */
};

#define DKIM_PUBLISHED_STANDARD_LIMITS { .servers_max = 10, .addresses_max = 20, .aliases_max = 8 }

/* Whom to ask, and how. */
struct dkim_published_way {
	struct lookup                lookup;	/* as usual: where the servers are */
	/* ask_server - one server alone, past every cache; server as dns_servers has it: "192.0.2.1:53",
	 * "[2001:db8::1]:53".  Else as lookup.ask; user is that of lookup. */
	void (*ask_server)(void *user, struct span server, struct span name, enum rr_type rr_type, struct arena *arena,
	                   struct lookup_answer *answer);
	struct dkim_crypto          *crypto;
	unsigned                     port;	/* of name servers: 53 */
	struct dkim_published_limits limits;
};

enum dkim_shown {
	DKIM_SHOWN,
	DKIM_NOT_SHOWN,		/* it has no record there, or another one */
	DKIM_NO_ANSWER,
};

struct dkim_name_server {
	struct span     name;		/* as the NS record has it */
	struct span     address;	/* empty: it has none, or none is known */
	enum dkim_shown shown;
};

struct dkim_published {
	bool                     is_everywhere;	/* every server shows the key; each that has an address answers at one at least */
	struct span              zone;		/* whose servers these are */
	struct dkim_name_server *server;	/* a row an address; by name, where all could be asked */
	size_t                   count;
	const char              *problem;	/* static: why it is not known who is to be asked; NULL: it is */
};

/* dkim_published_look - ask all servers of the zone that SELECTOR._domainkey.DOMAIN is in.  All of result lives in
 * arena. */
void dkim_published_look(const struct dkim_published_way *way, struct arena *arena, struct span selector,
                         struct span domain, const struct dkim_signing_key *key, struct dkim_published *result);

#endif
