/* SPDX-License-Identifier: ISC */
/* dmarc_store.c - collecting what aggregate reports are made of
 *
 * Messages are counted in memory, by equal rows; one thread writes the counts to the day's file now and then.  Two
 * locks: 'adding' is held for the time of a hash look-up, 'writing' for that of a disk.  A kill loses what was added
 * since the last flush, and at worst the day's file (dmarc_db.h). */
#include "lib/mailauth/dmarc_store.h"

#include <pthread.h>
#include <stdlib.h>

#include "lib/base/fs.h"
#include "lib/base/hash.h"
#include "lib/base/log.h"
#include "lib/mailauth/dmarc_store_private.h"

enum { FOLDER_MODE = 0700, ENTRY_OVERHEAD_BYTES = 64 };

struct pending_row {
	uint64_t count;
	size_t   domain_len;	/* of the key, which is domain, NUL, row */
};

/* A domain in a batch; while it is written, what the file knows of it. */
struct pending_domain {
	struct dmarc_day_domain known;
	struct span             record;
	enum dmarc_text         which;
	bool                    is_refused;	/* one too many for the day */
};

/* What was added on one day since the last flush. */
struct batch {
	int64_t       day;
	struct arena *arena;
	struct hash  *rows, *domains;
	size_t        bytes;
	struct batch *older;
};

struct dmarc_store {
	struct dmarc_store_settings settings;
	pthread_mutex_t             adding, writing;
	struct batch               *newest;	/* under adding, as are latest_day and the counts */
	int64_t                     latest_day;
	struct dmarc_store_counts   counts;
	int64_t                     day;	/* under writing: whose file db is */
	struct dmarc_db            *db;
};

enum outcome dmarc_store_open(const struct dmarc_store_settings *settings, struct dmarc_store **store,
                              struct why *why)
{
	struct dmarc_store *s;

	if (fs_make_dirs(settings->folder, FOLDER_MODE) < 0)
		return why_errno(why, DEFER, "", "make folder %s", settings->folder);
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		log_fatal("no memory for the store of reports");
	s->settings = *settings;
	pthread_mutex_init(&s->adding, NULL);
	pthread_mutex_init(&s->writing, NULL);
	*store = s;
	return DONE;
}

/* ---- adding ---- */

bool dmarc_sample_of(const struct dmarc_verdict *verdict, enum dmarc_text which, struct dmarc_sample *sample)
{
	struct dmarc_row *row = &sample->row;

	if (!verdict->has_record || verdict->record.rua.len == 0 ||
	    (verdict->result != DMARC_PASS && verdict->result != DMARC_FAIL))
		return false;
	*sample = (struct dmarc_sample){
		.policy_domain = verdict->policy_domain, .record = verdict->record.text, .which = which,
	};
	row->header_from = verdict->author;
	row->disposition = verdict->applied;
	row->dkim_aligned = verdict->dkim_aligned;
	row->spf_aligned = verdict->spf_aligned;
	if (verdict->applied != verdict->asked)
		row->reasons[row->reason_count++].type = verdict->record.is_test ? DMARC_OVERRIDE_TEST_MODE :
			DMARC_OVERRIDE_SAMPLED_OUT;
	return true;
}

static struct batch *batch_new(int64_t day, struct batch *older)
{
	struct arena *arena = arena_new(NULL);
	struct batch *b = ARENA_NEW(arena, struct batch);

	b->arena = arena;
	b->day = day;
	b->older = older;
	b->rows = hash_new();
	b->domains = hash_new();
	return b;
}

static void batch_free(struct batch *b)
{
	hash_free(b->rows, NULL);
	hash_free(b->domains, NULL);
	arena_free(b->arena);
}

static void add_domain(struct batch *b, const struct dmarc_sample *sample)
{
	struct pending_domain *d = hash_get(b->domains, sample->policy_domain);

	if (d == NULL) {
		d = ARENA_NEW(b->arena, struct pending_domain);
		hash_put(b->domains, sample->policy_domain, d);
		b->bytes += sizeof(*d) + sample->policy_domain.len + ENTRY_OVERHEAD_BYTES;
	}
	d->which = sample->which;
	if (span_equal(d->record, sample->record))
		return;
	d->record = arena_dup(b->arena, sample->record);
	b->bytes += d->record.len;
}

/* add_row - count the row under key; false when the batch is full. */
static bool add_row(struct batch *b, const struct dmarc_sample *sample, struct span key, size_t most_bytes)
{
	struct pending_row *row = hash_get(b->rows, key);

	if (row == NULL) {
		if (b->bytes >= most_bytes)
			return false;
		row = ARENA_NEW(b->arena, struct pending_row);
		row->domain_len = sample->policy_domain.len;
		hash_put(b->rows, key, row);
		b->bytes += sizeof(*row) + key.len + ENTRY_OVERHEAD_BYTES;
	}
	row->count++;
	add_domain(b, sample);
	return true;
}

bool dmarc_store_add(struct dmarc_store *store, const struct dmarc_sample *sample, uint64_t wall_us)
{
	bool ok = false;
	struct buf key;

	buf_init(&key, ROW_MAX_BYTES);
	buf_add(&key, sample->policy_domain);
	buf_add_byte(&key, '\0');
	dmarc_row_encode(&sample->row, &key);
	pthread_mutex_lock(&store->adding);
	store->counts.messages++;
	/* A clock that went back does not open a day again whose reports may be out. */
	if (dmarc_day_of(wall_us) > store->latest_day)
		store->latest_day = dmarc_day_of(wall_us);
	if (store->newest == NULL || store->newest->day != store->latest_day)
		store->newest = batch_new(store->latest_day, store->newest);
	if (!key.overflowed && sample->policy_domain.len <= NAME_MAX_BYTES && sample->record.len <= RECORD_MAX_BYTES)
		ok = add_row(store->newest, sample, buf_span(&key), store->settings.most_pending_bytes);
	store->counts.dropped += !ok;
	pthread_mutex_unlock(&store->adding);
	buf_free(&key);
	return ok;
}

void dmarc_store_counts(struct dmarc_store *store, struct dmarc_store_counts *counts)
{
	pthread_mutex_lock(&store->adding);
	*counts = store->counts;
	pthread_mutex_unlock(&store->adding);
}

/* ---- writing ---- */

/* One batch being written. */
struct writing {
	const struct dmarc_store_settings *settings;
	struct dmarc_db                   *db;
	struct batch                      *batch;
	struct day_totals                  totals;
	uint64_t                           dropped;
	struct buf                         key;
};

/* load_domains - what the file knows of the domains in the batch. */
static void load_domains(struct writing *w)
{
	struct span name, value;
	void *item;

	for (size_t at = 0; hash_next(w->batch->domains, &at, &name, &item);) {
		struct pending_domain *d = item;

		d->known = (struct dmarc_day_domain){ .name = name };
		d->is_refused = false;
		if (!dmarc_db_get(w->db, day_domain_key(&w->key, name), &value) || !day_get_domain(value, &d->known)) {
			d->is_refused = w->totals.domains >= w->settings->most_domains ||
			                w->totals.bytes >= w->settings->most_bytes;
			w->totals.domains += !d->is_refused;
			w->totals.bytes += d->is_refused ? 0 : name.len + d->record.len + ENTRY_OVERHEAD_BYTES;
		}
		d->known.which = d->which;
		d->known.record = d->record;
	}
}

static void write_row(struct writing *w, struct pending_domain *d, struct span bytes, uint64_t count)
{
	struct span key = day_row_key(&w->key, d->known.name, bytes), value, old;
	uint64_t before = 0;

	d->known.messages += count;
	if (dmarc_db_get(w->db, key, &value) && day_get_row(value, &before, &old)) {
		day_put_row(w->db, key, before + count, bytes);
		return;
	}
	if (d->is_refused || d->known.rows >= w->settings->most_rows || w->totals.bytes >= w->settings->most_bytes) {
		d->known.dropped += count;
		w->dropped += count;
		return;
	}
	d->known.rows++;
	w->totals.bytes += key.len + bytes.len + ENTRY_OVERHEAD_BYTES;
	day_put_row(w->db, key, count, bytes);
}

static void write_batch(struct writing *w)
{
	struct span key;
	void *item;

	day_get_totals(w->db, &w->totals);
	w->dropped = 0;
	load_domains(w);
	for (size_t at = 0; hash_next(w->batch->rows, &at, &key, &item);) {
		const struct pending_row *row = item;
		struct pending_domain *d = hash_get(w->batch->domains, span_first(key, row->domain_len));

		write_row(w, d, span_skip(key, row->domain_len + 1), row->count);
	}
	for (size_t at = 0; hash_next(w->batch->domains, &at, &key, &item);) {
		const struct pending_domain *d = item;

		if (!d->is_refused)
			day_put_domain(w->db, &w->key, &d->known);
	}
	w->totals.dropped += w->dropped;
	day_put_totals(w->db, &w->totals);
}

/* turn_to - have the file of a day open; that of another day is let go of. */
static enum outcome turn_to(struct dmarc_store *s, int64_t day, struct why *why)
{
	struct arena *arena;
	enum outcome outcome;

	if (s->db != NULL && s->day == day)
		return DONE;
	dmarc_db_close(s->db);
	s->db = NULL;
	s->day = day;
	arena = arena_new(NULL);
	outcome = dmarc_db_open(day_path(arena, s->settings.folder, day), true, &s->db, why);
	arena_free(arena);
	return outcome == DONE ? DONE : DEFER;
}

/* batch_messages - how many messages a batch holds, when it is lost. */
static uint64_t batch_messages(const struct batch *b)
{
	uint64_t messages = 0;
	struct span key;
	void *item;

	for (size_t at = 0; hash_next(b->rows, &at, &key, &item);) {
		const struct pending_row *row = item;

		messages += row->count;
	}
	return messages;
}

/* store_batch - write one batch; adds to *dropped how many of its messages found no room. */
static enum outcome store_batch(struct dmarc_store *s, struct batch *b, uint64_t *dropped, struct why *why)
{
	struct writing w = { .settings = &s->settings, .batch = b };
	enum outcome outcome = turn_to(s, b->day, why);

	buf_init(&w.key, BUF_NO_LIMIT);
	w.db = s->db;
	if (outcome == DONE)
		write_batch(&w);
	if (outcome == DONE && dmarc_db_is_broken(s->db) && (outcome = dmarc_db_reset(s->db, why)) == DONE)
		write_batch(&w);
	if (outcome == DONE)
		outcome = dmarc_db_sync(s->db, why);
	buf_free(&w.key);
	*dropped += outcome == DONE ? w.dropped : batch_messages(b);
	if (outcome != DONE && s->db != NULL && dmarc_db_is_broken(s->db)) {
		dmarc_db_close(s->db);
		s->db = NULL;
	}
	return outcome;
}

/* write_all - all batches, oldest first. */
static enum outcome write_all(struct dmarc_store *s, struct batch *newest, struct why *why)
{
	struct batch *b, *older, *oldest = NULL;
	enum outcome outcome = DONE;
	uint64_t dropped = 0;

	for (b = newest; b != NULL; b = older) {
		older = b->older;
		b->older = oldest;
		oldest = b;
	}
	for (b = oldest; b != NULL; b = older) {
		older = b->older;
		if (store_batch(s, b, &dropped, why) != DONE)
			outcome = DEFER;
		batch_free(b);
	}
	pthread_mutex_lock(&s->adding);
	s->counts.dropped += dropped;
	pthread_mutex_unlock(&s->adding);
	return outcome;
}

enum outcome dmarc_store_flush(struct dmarc_store *store, uint64_t wall_us, struct why *why)
{
	enum outcome outcome;
	struct batch *newest;

	pthread_mutex_lock(&store->writing);
	pthread_mutex_lock(&store->adding);
	newest = store->newest;
	store->newest = NULL;
	pthread_mutex_unlock(&store->adding);
	outcome = write_all(store, newest, why);
	if (store->db != NULL && dmarc_day_of(wall_us) > store->day) {
		dmarc_db_close(store->db);
		store->db = NULL;
	}
	pthread_mutex_unlock(&store->writing);
	return outcome;
}

void dmarc_store_close(struct dmarc_store *store)
{
	struct why why;

	if (store == NULL)
		return;
	if (dmarc_store_flush(store, 0, &why) != DONE)
		log_warning("DMARC reports: %s", why.text);
	dmarc_db_close(store->db);
	pthread_mutex_destroy(&store->adding);
	pthread_mutex_destroy(&store->writing);
	free(store);
}
