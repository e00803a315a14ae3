/* SPDX-License-Identifier: ISC */
/* dmarc_day.c - a day's file of collected rows: its form, and reading it when the day is over
 *
 * The file may be damaged in ways that verifying does not find: entries that make no sense are passed over. */
#include <dirent.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/mailauth/dmarc_store_private.h"
#include "lib/mime/date.h"

enum { DAY_S = 86400, DAYS_MAX = 1000 };

int64_t dmarc_day_of(uint64_t wall_us)
{
	return (int64_t)(wall_us / CLOCK_SECOND_US / DAY_S);
}

uint64_t dmarc_day_begin_s(int64_t day)
{
	return (uint64_t)day * DAY_S;
}

/* ---- the form ---- */

const char *day_path(struct arena *arena, const char *folder, int64_t day)
{
	struct mime_date date;

	mime_date_of(day * DAY_S, 0, &date);
	return arena_printf(arena, "%s/%04d-%02d-%02d.db", folder, date.year, date.month, date.day);
}

struct span day_domain_key(struct buf *key, struct span domain)
{
	buf_clear(key);
	buf_add_byte(key, 'D');
	buf_add(key, domain);
	return buf_span(key);
}

struct span day_row_key(struct buf *key, struct span domain, struct span row)
{
	unsigned char digest[EVP_MAX_MD_SIZE];

	buf_clear(key);
	buf_add_byte(key, 'R');
	buf_add(key, domain);
	buf_add_byte(key, '\0');
	if (row.len == 0)
		return buf_span(key);
	if (EVP_Digest(row.ptr, row.len, digest, NULL, EVP_sha256(), NULL) != 1)
		bug("no SHA-256");
	buf_add(key, span_make(digest, ROW_DIGEST_BYTES));
	return buf_span(key);
}

/* take_u64 - the next number of *rest; false when it is too short. */
static bool take_u64(struct span *rest, uint64_t *value)
{
	if (rest->len < 8)
		return false;
	*value = 0;
	for (unsigned i = 0; i < 8; i++)
		*value |= (uint64_t)(unsigned char)rest->ptr[i] << 8 * i;
	*rest = span_skip(*rest, 8);
	return true;
}

void day_put_domain(struct dmarc_db *db, struct buf *key, const struct dmarc_day_domain *domain)
{
	struct buf value;

	buf_init(&value, BUF_NO_LIMIT);
	buf_add_u64(&value, domain->which);
	buf_add_u64(&value, domain->rows);
	buf_add_u64(&value, domain->messages);
	buf_add_u64(&value, domain->dropped);
	buf_add(&value, domain->record);
	dmarc_db_put(db, day_domain_key(key, domain->name), buf_span(&value));
	buf_free(&value);
}

bool day_get_domain(struct span value, struct dmarc_day_domain *domain)
{
	uint64_t which;

	if (!take_u64(&value, &which) || which > DMARC_BIS || !take_u64(&value, &domain->rows) ||
	    !take_u64(&value, &domain->messages) || !take_u64(&value, &domain->dropped))
		return false;
	domain->which = (enum dmarc_text)which;
	domain->record = value;
	return true;
}

void day_put_row(struct dmarc_db *db, struct span key, uint64_t count, struct span row)
{
	struct buf value;

	buf_init(&value, BUF_NO_LIMIT);
	buf_add_u64(&value, count);
	buf_add(&value, row);
	dmarc_db_put(db, key, buf_span(&value));
	buf_free(&value);
}

bool day_get_row(struct span value, uint64_t *count, struct span *row)
{
	*row = value;
	return take_u64(row, count);
}

void day_put_totals(struct dmarc_db *db, const struct day_totals *totals)
{
	struct buf value;

	buf_init(&value, BUF_NO_LIMIT);
	buf_add_u64(&value, totals->domains);
	buf_add_u64(&value, totals->bytes);
	buf_add_u64(&value, totals->dropped);
	dmarc_db_put(db, span_lit("T"), buf_span(&value));
	buf_free(&value);
}

void day_get_totals(struct dmarc_db *db, struct day_totals *totals)
{
	struct span value;

	if (!dmarc_db_get(db, span_lit("T"), &value) || !take_u64(&value, &totals->domains) ||
	    !take_u64(&value, &totals->bytes) || !take_u64(&value, &totals->dropped))
		*totals = (struct day_totals){ 0 };
}

/* ---- which days there are ---- */

enum { DAY_NAME_BYTES = 13 };	/* "2026-11-28.db" */

/* day_of_name - the day of a file, or of what stands beside it (".damaged" ...); -1: another file. */
static int64_t day_of_name(struct span name)
{
	unsigned long long year, month, day;
	struct mime_date date = { 0 };

	if (name.len < DAY_NAME_BYTES || name.ptr[4] != '-' || name.ptr[7] != '-' ||
	    !span_equal(span_slice(name, 10, 3), span_lit(".db")) || !span_u64(span_first(name, 4), 9999, &year) ||
	    !span_u64(span_slice(name, 5, 2), 12, &month) || !span_u64(span_slice(name, 8, 2), 31, &day) ||
	    year < 1970 || month == 0 || day == 0)
		return -1;
	date.year = (int)year;
	date.month = (int)month;
	date.day = (int)day;
	return mime_date_day(&date);
}

static int compare_days(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

void dmarc_day_list(struct arena *arena, const char *folder, int64_t **days, size_t *count)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;

	*count = 0;
	*days = ARENA_NEW_ARRAY(arena, int64_t, DAYS_MAX);
	if (dir == NULL)
		return;
	while (*count < DAYS_MAX && (entry = readdir(dir)) != NULL) {
		struct span name = span_of(entry->d_name);
		int64_t day = day_of_name(name);

		if (day >= 0 && name.len == DAY_NAME_BYTES)
			(*days)[(*count)++] = day;
	}
	closedir(dir);
	qsort(*days, *count, sizeof(**days), compare_days);
}

void dmarc_day_expire(const char *folder, int64_t before)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		int64_t day = day_of_name(span_of(entry->d_name));

		if (day < 0 || day >= before)
			continue;
		log_warning("what was collected for DMARC reports and not sent in time is removed: %s", entry->d_name);
		if (unlinkat(dirfd(dir), entry->d_name, 0) < 0)
			log_warning("cannot remove %s/%s: %m", folder, entry->d_name);
	}
	closedir(dir);
}

/* ---- reading a day ---- */

struct dmarc_day {
	struct dmarc_db *db;
	struct buf       key;		/* of the entry the walk over rows stands at */
	size_t           prefix;	/* bytes of it that all rows of the domain have */
	bool             is_started;
};

enum outcome dmarc_day_open(const char *folder, int64_t day, struct dmarc_day **opened, struct why *why)
{
	struct arena *arena = arena_new(NULL);
	struct dmarc_db *db;
	enum outcome outcome = dmarc_db_open(day_path(arena, folder, day), false, &db, why);

	arena_free(arena);
	if (outcome != DONE)
		return outcome;
	*opened = calloc(1, sizeof(**opened));
	if (*opened == NULL)
		log_fatal("no memory for a day of reports");
	(*opened)->db = db;
	buf_init(&(*opened)->key, BUF_NO_LIMIT);
	return DONE;
}

bool dmarc_day_next_domain(struct dmarc_day *day, struct arena *arena, struct dmarc_day_domain *domain)
{
	struct span key, value;
	struct buf from;
	bool found;

	buf_init(&from, BUF_NO_LIMIT);
	(void)day_domain_key(&from, domain->name);
	do {
		found = dmarc_db_next(day->db, buf_span(&from), true, &key, &value) && span_starts(key, span_lit("D"));
		if (found) {
			buf_clear(&from);
			buf_add(&from, key);
		}
	} while (found && !day_get_domain(value, domain));
	if (found) {
		domain->name = arena_dup(arena, span_skip(buf_span(&from), 1));
		domain->record = arena_dup(arena, domain->record);
	}
	buf_free(&from);
	return found;
}

void dmarc_day_rewind(struct dmarc_day *day, struct span domain)
{
	day->prefix = day_row_key(&day->key, domain, (struct span){ NULL, 0 }).len;
	day->is_started = false;
}

/* next_entry - the next row's entry of the domain. */
static bool next_entry(struct dmarc_day *day, struct span *value)
{
	struct span key;

	if (!dmarc_db_next(day->db, buf_span(&day->key), day->is_started, &key, value) ||
	    !span_starts(key, span_first(buf_span(&day->key), day->prefix)))
		return false;
	buf_clear(&day->key);
	buf_add(&day->key, key);
	day->is_started = true;
	return true;
}

bool dmarc_day_next_row(struct dmarc_day *day, struct arena *arena, struct dmarc_row *row)
{
	struct span value, bytes;
	uint64_t count;

	while (next_entry(day, &value)) {
		if (!day_get_row(value, &count, &bytes) || !dmarc_row_decode(arena_dup(arena, bytes), row))
			continue;
		row->count = count;
		return true;
	}
	return false;
}

enum outcome dmarc_day_forget(struct dmarc_day *day, struct span domain, struct why *why)
{
	struct span value;
	struct buf key;

	dmarc_day_rewind(day, domain);
	while (!dmarc_db_is_broken(day->db) && next_entry(day, &value))
		dmarc_db_delete(day->db, buf_span(&day->key));
	buf_init(&key, BUF_NO_LIMIT);
	dmarc_db_delete(day->db, day_domain_key(&key, domain));
	buf_free(&key);
	if (dmarc_db_is_broken(day->db))
		return why_set(why, DEFER, "", "the file of collected reports is damaged");
	return dmarc_db_sync(day->db, why);
}

bool dmarc_day_is_broken(const struct dmarc_day *day)
{
	return dmarc_db_is_broken(day->db);
}

void dmarc_day_close(struct dmarc_day *day)
{
	struct dmarc_day_domain domain = { .name = { NULL, 0 } };
	struct arena *arena = arena_new(NULL);
	bool has_more = dmarc_day_next_domain(day, arena, &domain);
	struct why why;

	if (dmarc_db_is_broken(day->db))
		has_more = dmarc_db_reset(day->db, &why) != DONE;
	if (has_more)
		dmarc_db_close(day->db);
	else
		dmarc_db_remove(day->db);
	arena_free(arena);
	buf_free(&day->key);
	free(day);
}
