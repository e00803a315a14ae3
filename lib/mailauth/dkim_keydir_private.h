/* SPDX-License-Identifier: ISC */
/* dkim_keydir_private.h - files of keys, for dkim_keydir.c, dkim_keyset.c and dkim_keygen.c */
#ifndef MAILAUTH_DKIM_KEYDIR_PRIVATE_H
#define MAILAUTH_DKIM_KEYDIR_PRIVATE_H

#include "lib/mailauth/dkim_keydir.h"

struct stat;

/* dkim_stamp_of, dkim_stamp_equal - of a file or folder: whether it is still as it was. */
struct dkim_stamp dkim_stamp_of(const struct stat *st);
bool dkim_stamp_equal(struct dkim_stamp a, struct dkim_stamp b);
/* dkim_modified_ns - when it was written last, since 1970. */
uint64_t dkim_modified_ns(const struct stat *st);
/* dkim_open_folder - a descriptor, or -1 with errno; flags: O_NOFOLLOW, or 0. */
MUST_USE int dkim_open_folder(int at, const char *name, int flags);

#endif
