/* SPDX-License-Identifier: ISC */
/* clock.c - clock_gettime in microseconds, and the date of RFC 5322 3.3 */
#include "lib/base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t read_clock(clockid_t id)
{
	struct timespec t;

	(void)clock_gettime(id, &t);	/* cannot fail with these clocks */
	return (uint64_t)t.tv_sec * CLOCK_SECOND_US + (uint64_t)t.tv_nsec / 1000;
}

uint64_t clock_now_us(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_wall_us(void)
{
	return read_clock(CLOCK_REALTIME);
}

uint64_t clock_in_s(uint64_t seconds)
{
	if (seconds >= CLOCK_NEVER / CLOCK_SECOND_US / 2)
		return CLOCK_NEVER;
	return clock_now_us() + seconds * CLOCK_SECOND_US;
}

uint64_t clock_in_ms(uint64_t milliseconds)
{
	if (milliseconds >= CLOCK_NEVER / 2000)
		return CLOCK_NEVER;
	return clock_now_us() + milliseconds * 1000;
}

const char *clock_rfc5322(uint64_t wall_us, char out[CLOCK_RFC5322_SIZE])
{
	/* Names are fixed by the RFC, so no strftime, which follows the locale. */
	static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
		                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t seconds = (time_t)(wall_us / CLOCK_SECOND_US);
	struct tm t = { 0 };
	unsigned zone;

	(void)localtime_r(&seconds, &t);
	zone = (unsigned)labs(t.tm_gmtoff) / 60;
	(void)snprintf(out, CLOCK_RFC5322_SIZE, "%s, %d %s %d %02d:%02d:%02d %c%02u%02u (%.5s)",
	               days[t.tm_wday], t.tm_mday, months[t.tm_mon], t.tm_year + 1900, t.tm_hour,
	               t.tm_min, t.tm_sec, t.tm_gmtoff < 0 ? '-' : '+', zone / 60 % 100, zone % 60,
	               t.tm_zone != NULL ? t.tm_zone : "UTC");
	return out;
}

const char *clock_date(uint64_t wall_us, char out[CLOCK_DATE_SIZE])
{
	time_t seconds = (time_t)(wall_us / CLOCK_SECOND_US);
	struct tm t = { 0 };

	(void)localtime_r(&seconds, &t);
	(void)strftime(out, CLOCK_DATE_SIZE, "%Y-%m-%d %H:%M", &t);	/* digits only: no locale in it */
	return out;
}

const char *clock_delay(uint64_t from_us, uint64_t to_us, char out[CLOCK_DELAY_SIZE])
{
	uint64_t us = to_us > from_us ? to_us - from_us : 0;
	uint64_t unit = 10000;	/* the last digit shown */
	int length;

	while (unit < CLOCK_SECOND_US && us / unit >= 100)
		unit *= 10;
	us = (us + unit / 2) / unit * unit;
	length = snprintf(out, CLOCK_DELAY_SIZE, "%llu.%02llu", (unsigned long long)(us / CLOCK_SECOND_US),
	                  (unsigned long long)(us % CLOCK_SECOND_US / 10000));
	while (out[length - 1] == '0')
		out[--length] = '\0';
	if (out[length - 1] == '.')
		out[--length] = '\0';
	return out;
}
