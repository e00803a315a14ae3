/* SPDX-License-Identifier: ISC */
/* tags.h - tag=value lists (RFC 6376 3.2): DKIM and ARC signatures, key records, DMARC records
 *
 * A list is hostile text.  All spans given borrow it; names and values keep their case, which counts. */
#ifndef MAILAUTH_TAGS_H
#define MAILAUTH_TAGS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/span.h"

struct tag {
	struct span name;
	struct span value;	/* without white space at its ends; may hold folds */
	struct span extent;	/* all between '=' and ';': the value with the white space around it */
};

enum tag_step {
	TAG_FOUND,
	TAG_BAD,	/* up to the next ';' there is no tag (an empty place counts): passed over */
	TAG_END,
};

/* tags_next - the next tag of *rest, which is left behind its ';'.  One ';' may end the list.  For readers that go on
 * where a list is bad, as DMARC does; the others take tags_parse. */
enum tag_step tags_next(struct span *rest, struct tag *tag);

struct tags {
	struct tag *item;
	size_t      count;
};

/* tags_parse - a whole list into arena.  False, with *reason (static) set, when it is empty, has a bad tag, a name
 * twice (RFC 6376 3.2) or more than most tags. */
MUST_USE bool tags_parse(struct arena *arena, struct span text, size_t most, struct tags *tags, const char **reason);
/* tags_get - the tag of that name, or NULL. */
const struct tag *tags_get(const struct tags *tags, struct span name);
/* tags_value - its value; false when it is not there.  A value that is there may be empty. */
bool tags_value(const struct tags *tags, struct span name, struct span *value);

/* tags_item - the next piece of *rest up to a separator (as in h=a:b), without white space at its ends; false at the
 * end.  An empty piece is given as such. */
bool tags_item(struct span *rest, char separator, struct span *item);
/* tags_has_item - some piece of list is exactly item. */
bool tags_has_item(struct span list, char separator, struct span item);
/* tags_unspaced - text without any white space: base64 may be folded anywhere. */
struct span tags_unspaced(struct arena *arena, struct span text);

#endif
