/* SPDX-License-Identifier: ISC */
/* dmarc_store_private.h - the form of a day's file, for the collector and the reader
 *
 *	"D" domain			what is known of it, and its record
 *	"R" domain NUL digest		count, and the row (dmarc_row_encode), by the first bytes of its SHA-256
 *	"T"				totals of the day
 *
 * Numbers are little-endian. */
#ifndef MAILAUTH_DMARC_STORE_PRIVATE_H
#define MAILAUTH_DMARC_STORE_PRIVATE_H

#include "lib/mailauth/dmarc_db.h"
#include "lib/mailauth/dmarc_store.h"

enum { ROW_DIGEST_BYTES = 16, ROW_MAX_BYTES = 16 * 1024, RECORD_MAX_BYTES = 4096, NAME_MAX_BYTES = 255 };

struct day_totals {
	uint64_t domains, bytes, dropped;
};

/* day_path - name of a day's file. */
const char *day_path(struct arena *arena, const char *folder, int64_t day);
/* day_domain_key, day_row_key - keys, in key (cleared before).  row empty: what all rows of domain begin with. */
struct span day_domain_key(struct buf *key, struct span domain);
struct span day_row_key(struct buf *key, struct span domain, struct span row);
/* day_put_domain - write what is known of a domain.  day_get_domain - read it; name is not touched, the record borrows
 * value.  False when the value is none. */
void day_put_domain(struct dmarc_db *db, struct buf *key, const struct dmarc_day_domain *domain);
MUST_USE bool day_get_domain(struct span value, struct dmarc_day_domain *domain);
/* day_put_row, day_get_row - a row's count and its bytes, which borrow value. */
void day_put_row(struct dmarc_db *db, struct span key, uint64_t count, struct span row);
MUST_USE bool day_get_row(struct span value, uint64_t *count, struct span *row);
/* day_put_totals, day_get_totals - zeros when there are none. */
void day_put_totals(struct dmarc_db *db, const struct day_totals *totals);
void day_get_totals(struct dmarc_db *db, struct day_totals *totals);

#endif
