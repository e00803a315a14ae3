/* SPDX-License-Identifier: ISC */
/* date.c - dates of mail: RFC 5322 (with its obsolete zones) and IMAP
 *
 * Pure functions; the calendar is the proleptic Gregorian one, so no locale, no zone
 * files and no time_t of the C library. */
#include "lib/mime/date.h"

#include "lib/mime/field.h"

static const char months[12][4] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
};

static const struct zone {
	const char *name;
	int         hours;
} zones[] = {
	{ "UT", 0 },   { "GMT", 0 },  { "UTC", 0 },  { "EST", -5 }, { "EDT", -4 }, { "CST", -6 },
	{ "CDT", -5 }, { "MST", -7 }, { "MDT", -6 }, { "PST", -8 }, { "PDT", -7 },
};

int mime_month(struct span name)
{
	for (int i = 0; i < 12; i++)
		if (span_equal_ci(name, (struct span){ months[i], 3 }))
			return i + 1;
	return 0;
}

const char *mime_month_name(int month)
{
	return months[(month + 11) % 12];
}

static bool take_number(struct span *rest, int most, int *value, size_t *digits)
{
	unsigned long long number;

	mime_skip_space(rest, NULL);
	struct span text = mime_take(rest, ascii_is_digit);

	if (digits != NULL)
		*digits = text.len;
	if (!span_u64(text, (unsigned long long)most, &number))
		return false;
	*value = (int)number;
	return true;
}

static bool take_byte(struct span *rest, char c)
{
	mime_skip_space(rest, NULL);
	if (rest->len == 0 || rest->ptr[0] != c)
		return false;
	*rest = span_skip(*rest, 1);
	return true;
}

static bool take_day(struct span *rest, struct mime_date *date)
{
	size_t digits;

	mime_skip_space(rest, NULL);
	if (mime_take(rest, ascii_is_alpha).len != 0)
		take_byte(rest, ',');
	if (!take_number(rest, 31, &date->day, NULL) || date->day == 0)
		return false;
	take_byte(rest, '-');
	mime_skip_space(rest, NULL);
	date->month = mime_month(span_first(mime_take(rest, ascii_is_alpha), 3));
	take_byte(rest, '-');
	if (date->month == 0 || !take_number(rest, 9999, &date->year, &digits))
		return false;
	if (digits == 2)
		date->year += date->year < 50 ? 2000 : 1900;
	else if (digits == 3)
		date->year += 1900;
	return true;
}

static void take_zone(struct span *rest, struct mime_date *date)
{
	int sign, hhmm;

	mime_skip_space(rest, NULL);
	if (rest->len == 0)
		return;
	if (rest->ptr[0] == '+' || rest->ptr[0] == '-') {
		sign = rest->ptr[0] == '-' ? -1 : 1;
		*rest = span_skip(*rest, 1);
		if (take_number(rest, 9959, &hhmm, NULL) && hhmm % 100 < 60 && hhmm < 2400)
			date->zone_minutes = sign * (hhmm / 100 * 60 + hhmm % 100);
		return;
	}
	struct span name = mime_take(rest, ascii_is_alpha);

	for (size_t i = 0; i < COUNT_OF(zones); i++)
		if (span_equal_ci(name, span_of(zones[i].name)))
			date->zone_minutes = zones[i].hours * 60;
}

bool mime_date_parse(struct span value, struct mime_date *date)
{
	*date = (struct mime_date){ .year = 0 };
	if (!take_day(&value, date))
		return false;
	if (take_number(&value, 24, &date->hour, NULL) && take_byte(&value, ':') &&
	    take_number(&value, 59, &date->minute, NULL) && take_byte(&value, ':') &&
	    !take_number(&value, 60, &date->second, NULL))
		date->second = 0;
	take_zone(&value, date);
	return true;
}

int64_t mime_date_day(const struct mime_date *date)
{
	/* Years that begin in March put the leap day last; 400 of them have 146097 days. */
	int64_t year = date->month <= 2 ? date->year - 1 : date->year;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t year_of_era = year - era * 400;
	int64_t day_of_year = (153 * (date->month + (date->month > 2 ? -3 : 9)) + 2) / 5 + date->day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
	       719468;
}

int64_t mime_date_time(const struct mime_date *date)
{
	return mime_date_day(date) * 86400 + date->hour * 3600 +
	       (date->minute - date->zone_minutes) * 60 + date->second;
}

void mime_date_of(int64_t time, int zone_minutes, struct mime_date *date)
{
	int64_t local = time + zone_minutes * 60;
	int64_t day = local / 86400 - (local % 86400 < 0 ? 1 : 0);
	int64_t second = local - day * 86400;
	int64_t shifted = day + 719468;
	int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
	int64_t in_era = shifted - era * 146097;
	int64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	int64_t in_year = in_era - (365 * year + year / 4 - year / 100);
	int64_t month = (5 * in_year + 2) / 153;

	date->day = (int)(in_year - (153 * month + 2) / 5 + 1);
	date->month = (int)(month < 10 ? month + 3 : month - 9);
	date->year = (int)(year + era * 400 + (date->month <= 2 ? 1 : 0));
	date->hour = (int)(second / 3600);
	date->minute = (int)(second / 60 % 60);
	date->second = (int)(second % 60);
	date->zone_minutes = zone_minutes;
}
