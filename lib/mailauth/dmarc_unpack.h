/* SPDX-License-Identifier: ISC */
/* dmarc_unpack.h - the containers aggregate reports come in: gzip, zip, or none */
#ifndef MAILAUTH_DMARC_UNPACK_H
#define MAILAUTH_DMARC_UNPACK_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/attributes.h"
#include "lib/base/span.h"
#include "lib/base/why.h"

enum dmarc_container {
	DMARC_CONTAINER_NONE,	/* nothing we know */
	DMARC_CONTAINER_XML,
	DMARC_CONTAINER_GZIP,	/* RFC 1952 */
	DMARC_CONTAINER_ZIP,	/* its first entry, stored or deflated */
};

struct dmarc_unpack_limits {
	size_t most_bytes;	/* unpacked */
	size_t most_ratio;	/* unpacked to packed, where unpacked is over 1 MiB */
};

#define DMARC_UNPACK_STANDARD_LIMITS { .most_bytes = 64 << 20, .most_ratio = 500 }

/* dmarc_container_of - told by the first bytes, whatever the file is called. */
enum dmarc_container dmarc_container_of(struct span packed);
/* dmarc_unpack - the content of packed, given to take in pieces; take says whether it wants more, and sets *why when it
 * does not.  Anything but DONE: it ends too early, its checksum is wrong, or a limit is passed; take has had a part
 * then. */
MUST_USE enum outcome dmarc_unpack(struct span packed, const struct dmarc_unpack_limits *limits,
                                   bool (*take)(void *user, struct span piece), void *user, struct why *why);

#endif
