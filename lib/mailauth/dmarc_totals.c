/* SPDX-License-Identifier: ISC */
/* dmarc_totals.c - what others report about a domain of ours
 *
 *	"I" domain NUL day digest		a report that was taken: of its reporter's name and its id
 *	"S" domain NUL day reporter NUL source	sums
 *	"T"					how many entries there are
 *
 * Days are 4 bytes, big-endian, so that entries are in their order; numbers in values are little-endian. */
#include "lib/mailauth/dmarc_totals.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "lib/base/log.h"
#include "lib/mailauth/dmarc_db.h"
#include "lib/mailauth/dmarc_store.h"
#include "lib/net/address.h"

enum { NAME_MAX_BYTES = 255, DAY_BYTES = 4, DAY_S = 86400, DIGEST_BYTES = 16 };
enum { NUMBERS = 4 + DMARC_POLICY_REJECT + 1, SUMS_BYTES = 8 * NUMBERS };

struct dmarc_totals {
	struct dmarc_db *db;
	uint64_t         most_entries, entries;
	struct buf       key;
};

/* ---- entries ---- */

static void add_day(struct buf *key, int64_t day)
{
	for (unsigned i = 0; i < DAY_BYTES; i++)
		buf_add_byte(key, (char)((uint64_t)day >> 8 * (DAY_BYTES - 1 - i)));
}

/* begin_key - kind, domain and day: what all entries of a day begin with. */
static void begin_key(struct buf *key, char kind, struct span domain, int64_t day)
{
	buf_clear(key);
	buf_add_byte(key, kind);
	buf_add(key, domain);
	buf_add_byte(key, '\0');
	add_day(key, day);
}

/* split_key - take a key apart; false when it is none of ours. */
static bool split_key(struct span key, struct span *domain, int64_t *day, struct span *rest)
{
	*rest = span_skip(key, 1);
	if (key.len == 0 || (key.ptr[0] != 'I' && key.ptr[0] != 'S') || !span_cut(rest, '\0', domain) ||
	    rest->len < DAY_BYTES)
		return false;
	*day = 0;
	for (unsigned i = 0; i < DAY_BYTES; i++)
		*day = *day << 8 | (unsigned char)rest->ptr[i];
	*rest = span_skip(*rest, DAY_BYTES);
	return true;
}

static uint64_t take_u64(struct span *rest)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < 8 && i < rest->len; i++)
		value |= (uint64_t)(unsigned char)rest->ptr[i] << 8 * i;
	*rest = span_skip(*rest, 8);
	return value;
}

static bool get_sums(struct span value, struct dmarc_sums *sums)
{
	if (value.len != SUMS_BYTES)
		return false;
	sums->messages = take_u64(&value);
	sums->aligned = take_u64(&value);
	sums->dkim_aligned = take_u64(&value);
	sums->spf_aligned = take_u64(&value);
	for (size_t i = 0; i < COUNT_OF(sums->disposed); i++)
		sums->disposed[i] = take_u64(&value);
	return true;
}

static void put_sums(struct dmarc_totals *t, const struct dmarc_sums *sums)
{
	struct buf value;

	buf_init(&value, SUMS_BYTES);
	buf_add_u64(&value, sums->messages);
	buf_add_u64(&value, sums->aligned);
	buf_add_u64(&value, sums->dkim_aligned);
	buf_add_u64(&value, sums->spf_aligned);
	for (size_t i = 0; i < COUNT_OF(sums->disposed); i++)
		buf_add_u64(&value, sums->disposed[i]);
	dmarc_db_put(t->db, buf_span(&t->key), buf_span(&value));
	buf_free(&value);
}

static void load_count(struct dmarc_totals *t)
{
	struct span value;

	t->entries = dmarc_db_get(t->db, span_lit("T"), &value) ? take_u64(&value) : 0;
}

/* finish - what was changed to disk; a damaged file is begun anew. */
static enum outcome finish(struct dmarc_totals *t, struct why *why)
{
	struct buf value;

	buf_init(&value, 8);
	buf_add_u64(&value, t->entries);
	dmarc_db_put(t->db, span_lit("T"), buf_span(&value));
	buf_free(&value);
	if (!dmarc_db_is_broken(t->db))
		return dmarc_db_sync(t->db, why);
	t->entries = 0;
	if (dmarc_db_reset(t->db, why) == DONE)
		(void)why_set(why, DEFER, "", "the file of totals was damaged");
	return DEFER;
}

enum outcome dmarc_totals_open(const char *path, uint64_t most_entries, struct dmarc_totals **totals,
                               struct why *why)
{
	struct dmarc_db *db;
	enum outcome outcome = dmarc_db_open(path, true, &db, why);

	if (outcome != DONE)
		return DEFER;
	*totals = calloc(1, sizeof(**totals));
	if (*totals == NULL)
		log_fatal("no memory for totals");
	(*totals)->db = db;
	(*totals)->most_entries = most_entries;
	buf_init(&(*totals)->key, BUF_NO_LIMIT);
	load_count(*totals);
	return DONE;
}

void dmarc_totals_close(struct dmarc_totals *totals)
{
	if (totals == NULL)
		return;
	dmarc_db_close(totals->db);
	buf_free(&totals->key);
	free(totals);
}

/* ---- taking a report ---- */

struct taking {
	struct dmarc_totals *totals;
	struct arena        *arena;
	bool               (*is_ours)(void *user, struct span domain);
	void                *user;
	struct dmarc_taken  *taken;
	int64_t              day;
};

/* is_new - note that this report is here; false when it was. */
static bool is_new(struct taking *k, struct span org_name, struct span report_id)
{
	struct dmarc_totals *t = k->totals;
	unsigned char digest[EVP_MAX_MD_SIZE];
	struct buf facts;
	struct span value;

	buf_init(&facts, BUF_NO_LIMIT);
	buf_add(&facts, org_name);
	buf_add_byte(&facts, '\0');
	buf_add(&facts, report_id);
	if (EVP_Digest(facts.ptr, facts.len, digest, NULL, EVP_sha256(), NULL) != 1)
		bug("no SHA-256");
	buf_free(&facts);
	begin_key(&t->key, 'I', k->taken->domain, k->day);
	buf_add(&t->key, span_make(digest, DIGEST_BYTES));
	if (dmarc_db_get(t->db, buf_span(&t->key), &value))
		return false;
	dmarc_db_put(t->db, buf_span(&t->key), span_lit("1"));
	t->entries++;
	return true;
}

static bool take_head(void *user, const struct dmarc_feedback *head, struct why *why)
{
	struct taking *k = user;
	struct span org = head->org_name.len != 0 ? head->org_name : head->email;
	int64_t day = (int64_t)(head->begin_s / DAY_S);

	enum outcome outcome = DONE;

	if (!k->is_ours(k->user, head->domain))
		outcome = why_set(why, REFUSE, "", "the report is on " SPAN_FMT ", which is not ours",
		                  SPAN_ARG(head->domain));
	else if (day > UINT32_MAX)
		outcome = why_set(why, REFUSE, "", "the report is of no time of ours");
	else if (k->totals->entries >= k->totals->most_entries)
		outcome = why_set(why, REFUSE, "", "there is no room for more reports");
	if (outcome != DONE)
		return false;
	k->day = day;
	k->taken->domain = arena_dup(k->arena, head->domain);
	k->taken->org_name = arena_dup(k->arena, span_first(org, NAME_MAX_BYTES));
	k->taken->report_id = arena_dup(k->arena, head->report_id);
	k->taken->begin_s = head->begin_s;
	k->taken->end_s = head->end_s;
	k->taken->is_repeat = !is_new(k, org, head->report_id);
	return true;
}

static void count_row(struct dmarc_sums *sums, const struct dmarc_row *row)
{
	sums->messages += row->count;
	sums->aligned += row->dkim_aligned || row->spf_aligned ? row->count : 0;
	sums->dkim_aligned += row->dkim_aligned ? row->count : 0;
	sums->spf_aligned += row->spf_aligned ? row->count : 0;
	sums->disposed[row->disposition] += row->count;
}

static bool take_row(void *user, const struct dmarc_row *row, struct why *why)
{
	struct taking *k = user;
	struct dmarc_totals *t = k->totals;
	struct dmarc_sums sums = { 0 };
	char text[NET_ADDRESS_TEXT_MAX];
	struct net_address address;
	struct span value;

	(void)why;
	k->taken->rows++;
	k->taken->messages += row->count;
	if (k->taken->is_repeat || !net_address_parse(row->source_ip, 0, &address))
		return true;
	begin_key(&t->key, 'S', k->taken->domain, k->day);
	/* A name with a NUL would not be told apart from its source again. */
	buf_add(&t->key, span_first(k->taken->org_name, span_find(k->taken->org_name, '\0')));
	buf_add_byte(&t->key, '\0');
	buf_add_cstr(&t->key, net_address_text(&address, text));
	if (!dmarc_db_get(t->db, buf_span(&t->key), &value) || !get_sums(value, &sums)) {
		if (t->entries >= t->most_entries) {
			k->taken->dropped += row->count;
			return true;
		}
		t->entries++;
	}
	count_row(&sums, row);
	put_sums(t, &sums);
	return true;
}

enum outcome dmarc_totals_take(struct dmarc_totals *totals, struct arena *arena, struct span bytes, bool is_mail,
                               bool (*is_ours)(void *user, struct span domain), void *user,
                               struct dmarc_taken *taken, struct why *why)
{
	static const struct dmarc_read_limits limits = DMARC_READ_STANDARD_LIMITS;
	struct taking k = { .totals = totals, .arena = arena, .is_ours = is_ours, .user = user, .taken = taken };
	const struct dmarc_xml_taker taker = { take_head, take_row, &k };
	enum outcome outcome;

	*taken = (struct dmarc_taken){ .rows = 0 };
	outcome = is_mail ? dmarc_read_mail(bytes, &limits, &taker, why) :
	                    dmarc_read_report(bytes, &limits, &taker, why);
	return outcome == DONE && !taken->is_repeat ? finish(totals, why) : outcome;
}

/* ---- all entries ---- */

enum outcome dmarc_totals_expire(struct dmarc_totals *totals, int64_t before, struct why *why)
{
	struct span key = { NULL, 0 }, value, domain, rest;
	bool after = false;
	int64_t day;

	while (dmarc_db_next(totals->db, key, after, &key, &value)) {
		buf_clear(&totals->key);
		buf_add(&totals->key, key);
		key = buf_span(&totals->key);
		after = true;
		if (!split_key(key, &domain, &day, &rest) || day >= before)
			continue;
		dmarc_db_delete(totals->db, key);
		totals->entries -= totals->entries != 0;
	}
	return finish(totals, why);
}

void dmarc_totals_each(struct dmarc_totals *totals, struct span domain, int64_t from, int64_t to,
                       void (*give)(void *user, int64_t day, struct span org_name, struct span source,
                                    const struct dmarc_sums *sums), void *user)
{
	struct span key, value, name, source, org;
	struct dmarc_sums sums;
	bool after = false;
	int64_t day;

	begin_key(&totals->key, 'S', domain, from < 0 ? 0 : from);
	while (dmarc_db_next(totals->db, buf_span(&totals->key), after, &key, &value)) {
		buf_clear(&totals->key);
		buf_add(&totals->key, key);
		after = true;
		if (!split_key(buf_span(&totals->key), &name, &day, &source) || totals->key.ptr[0] != 'S' ||
		    !span_equal(name, domain) || day > to)
			return;
		if (get_sums(value, &sums) && span_cut(&source, '\0', &org))
			give(user, day, org, source, &sums);
	}
}
