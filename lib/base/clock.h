/* SPDX-License-Identifier: ISC */
/* clock.h - the two clocks, in microseconds */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_SECOND_US ((uint64_t)1000000)
#define CLOCK_NEVER UINT64_MAX	/* a deadline that does not come */

/* clock_now_us - monotonic: for deadlines and durations. */
uint64_t clock_now_us(void);
/* clock_wall_us - since 1970: for Received, queue ids and logs. */
uint64_t clock_wall_us(void);
/* clock_in_s - the deadline that many seconds from now. */
uint64_t clock_in_s(uint64_t seconds);
uint64_t clock_in_ms(uint64_t milliseconds);

enum { CLOCK_RFC5322_SIZE = 40 };
/* clock_rfc5322 - "Mon, 23 Nov 2026 23:20:44 +0000 (UTC)" in local time (RFC 5322 3.3). */
const char *clock_rfc5322(uint64_t wall_us, char out[CLOCK_RFC5322_SIZE]);

enum { CLOCK_DATE_SIZE = 24 };
/* clock_date - "2026-11-28 01:02" in local time, for people. */
const char *clock_date(uint64_t wall_us, char out[CLOCK_DATE_SIZE]);

enum { CLOCK_DELAY_SIZE = 24 };
/* clock_delay - the time between two moments in seconds, as Postfix logs it: two significant digits, but none
 * beyond hundredths (delay_logging_resolution_limit); "0" when to_us is not later. */
const char *clock_delay(uint64_t from_us, uint64_t to_us, char out[CLOCK_DELAY_SIZE]);

#endif
