/* SPDX-License-Identifier: ISC */
/* date.h - dates of mail: RFC 5322 (with its obsolete zones) and IMAP */
#ifndef MIME_DATE_H
#define MIME_DATE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/attributes.h"
#include "lib/base/span.h"

struct mime_date {
	int     year, month, day;	/* as written: month from 1; in its own zone */
	int     hour, minute, second;
	int     zone_minutes;		/* east of UTC */
};

/* mime_date_parse - the value of a Date: field (RFC 5322 3.3, 4.3): day name and seconds may be missing, years of
 * two and three digits and zone names are read as 4.3 says.  False when day, month or year cannot be told. */
MUST_USE bool mime_date_parse(struct span value, struct mime_date *date);
/* mime_date_time - seconds since 1970 (may be negative). */
int64_t mime_date_time(const struct mime_date *date);
/* mime_date_day - days since 1970 of the date alone, zone and time disregarded (RFC 3501 6.4.4). */
int64_t mime_date_day(const struct mime_date *date);
/* mime_date_of - the date of a moment in the given zone. */
void mime_date_of(int64_t time, int zone_minutes, struct mime_date *date);
/* mime_month - 1 to 12 for "Jan" ... "Dec" in any case, else 0. */
int mime_month(struct span name);
/* mime_month_name - "Jan" for 1. */
const char *mime_month_name(int month);

#endif
