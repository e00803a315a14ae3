/* SPDX-License-Identifier: ISC */
/* queue_id.c - names of messages
 *
 * The form is Postfix's long one, so that log tools and admins know it: seconds and microseconds in base 52 (digits and
 * consonants, which sort as numbers do), 'z', and then, where Postfix has an inode number, 64 random bits in base 51
 * (no 'z').  Ids of one process grow strictly: two messages of one microsecond are put apart. */
#include "lib/queue/queue_id.h"

#include "lib/base/clock.h"
#include "lib/base/codec.h"

static const char alphabet[] = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";

enum { TIME_BASE = 52, RANDOM_BASE = 51, SECONDS_DIGITS = 6, MICROSECONDS_DIGITS = 4, RANDOM_DIGITS = 12 };

/* digits - value in the given base, exactly count digits, most significant first. */
static char *digits(char *out, uint64_t value, unsigned base, unsigned count)
{
	for (unsigned i = count; i > 0; i--) {
		out[i - 1] = alphabet[value % base];
		value /= base;
	}
	return out + count;
}

static unsigned digit_count(uint64_t value)
{
	unsigned count = SECONDS_DIGITS;
	uint64_t most = 19770609664U;	/* 52^6 */

	while (value >= most && count < 10) {
		most *= TIME_BASE;
		count++;
	}
	return count;
}

void queue_id_make(uint64_t wall_us, char out[QUEUE_ID_MAX])
{
	static uint64_t last;
	uint64_t random;
	char *p = out;

	if (wall_us <= last)
		wall_us = last + 1;
	last = wall_us;
	random_bytes(&random, sizeof(random));
	p = digits(p, wall_us / CLOCK_SECOND_US, TIME_BASE, digit_count(wall_us / CLOCK_SECOND_US));
	p = digits(p, wall_us % CLOCK_SECOND_US, TIME_BASE, MICROSECONDS_DIGITS);
	*p++ = 'z';
	p = digits(p, random, RANDOM_BASE, RANDOM_DIGITS);
	*p = '\0';
}

bool queue_id_is_valid(struct span text)
{
	return text.len >= 6 && text.len < QUEUE_ID_MAX && span_all(text, ascii_is_alnum);
}

static bool digit_value(char c, unsigned *value)
{
	size_t at = span_find(span_lit("0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"), c);

	*value = (unsigned)at;
	return at != SPAN_NOT_FOUND;
}

static bool number_of(struct span text, uint64_t *value)
{
	unsigned digit;

	*value = 0;
	for (size_t i = 0; i < text.len; i++) {
		if (!digit_value(text.ptr[i], &digit))
			return false;
		*value = *value * TIME_BASE + digit;
	}
	return true;
}

uint64_t queue_id_time_us(struct span id)
{
	/* The time's own digits may be 'z': the separator is the last one, since base 51 has none. */
	size_t end = span_rfind(id, 'z');
	uint64_t seconds, microseconds;

	if (end == SPAN_NOT_FOUND || end < SECONDS_DIGITS + MICROSECONDS_DIGITS || end > 10)
		return 0;
	if (!number_of(span_first(id, end - MICROSECONDS_DIGITS), &seconds) ||
	    !number_of(span_slice(id, end - MICROSECONDS_DIGITS, MICROSECONDS_DIGITS), &microseconds) ||
	    microseconds >= CLOCK_SECOND_US)
		return 0;
	return seconds * CLOCK_SECOND_US + microseconds;
}
