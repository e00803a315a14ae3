/* SPDX-License-Identifier: ISC */
/* dkim_keyset.h - the private keys of all domains, as they were on disk at some moment */
#ifndef MAILAUTH_DKIM_KEYSET_H
#define MAILAUTH_DKIM_KEYSET_H

#include "lib/mailauth/dkim_keydir.h"

struct dkim_keyset;

/* dkim_keyset_read - all of dir.  What cannot be read now is logged, and stays as it was in before (which may be NULL, and
 * is borrowed).  The caller's to free. */
struct dkim_keyset *dkim_keyset_read(const struct dkim_keydir *dir, const struct dkim_keyset *before);
/* dkim_keyset_free - NULL is allowed. */
void dkim_keyset_free(struct dkim_keyset *set);

/* dkim_keyset_is_stale - on disk there may be something else now. */
bool dkim_keyset_is_stale(const struct dkim_keyset *set, const struct dkim_keydir *dir);
/* dkim_keyset_has_fault - something could not be read, or is no key: reading it again later may help. */
bool dkim_keyset_has_fault(const struct dkim_keyset *set);

/* dkim_keyset_domain - the keys of a domain (A-labels in lower case), or NULL. */
const struct dkim_key_domain *dkim_keyset_domain(const struct dkim_keyset *set, struct span name);
size_t dkim_keyset_count(const struct dkim_keyset *set);
/* dkim_keyset_next - walk over the domains, in no order: *cursor starts at 0; NULL at the end. */
const struct dkim_key_domain *dkim_keyset_next(const struct dkim_keyset *set, size_t *cursor);

#endif
