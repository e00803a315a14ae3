/* SPDX-License-Identifier: ISC */
/* sasl.h - the server side of SASL mechanisms, as far as messages go (RFC 4422, 4616; LOGIN is of old custom) */
#ifndef AUTH_SASL_H
#define AUTH_SASL_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/span.h"

enum sasl_step {
	SASL_CHALLENGE,		/* send exchange->challenge, come back with the response */
	SASL_CREDENTIALS,	/* user and password are known */
	SASL_MALFORMED,
	SASL_OTHER_USER,	/* asks to act as somebody else than who logs in */
};

struct sasl_exchange {
	const struct sasl_mechanism *mechanism;
	struct arena                *arena;	/* lives as long as the exchange */
	struct span                  user, password;
	struct span                  challenge;
	unsigned                     step;
};

struct sasl_mechanism {
	struct span name;
	const char *dovecot_flags;	/* of its MECH line */
	enum sasl_step (*next)(struct sasl_exchange *x, bool has_response, struct span response);
};

enum { SASL_FIELD_MAX = 1024 };

extern const struct sasl_mechanism sasl_mechanisms[];
extern const size_t sasl_mechanism_count;

/* sasl_find - by name in any case; NULL: not one of ours.  Whether it is offered is the configuration's to say. */
const struct sasl_mechanism *sasl_find(struct span name);
/* sasl_next - take the client's next response (has_response: there is one, perhaps empty). */
enum sasl_step sasl_next(struct sasl_exchange *x, bool has_response, struct span response);

#endif
