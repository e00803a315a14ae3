/* SPDX-License-Identifier: ISC */
/* dmarc_store_test.c - collecting rows: sums, limits, days, damage, kills and threads */
#include "lib/mailauth/dmarc_store.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/base/test.h"
#include "lib/mailauth/dmarc_store_private.h"
#include "lib/mailauth/test_folder.h"

enum { DAY = 20000 };

static struct arena *arena;
static struct test_folder folder;

static int setup(void **state)
{
	(void)state;
	arena = arena_new(NULL);
	test_folder_make(&folder);
	log_open("test", LOG_TO_FD, open("/dev/null", O_WRONLY | O_CLOEXEC));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	test_folder_remove(&folder);
	arena_free(arena);
	return 0;
}

static uint64_t moment(int64_t day)
{
	return (dmarc_day_begin_s(day) + 3600) * CLOCK_SECOND_US;
}

static struct dmarc_store_settings settings_in(const char *path)
{
	return (struct dmarc_store_settings){ .folder = path, DMARC_STORE_STANDARD_LIMITS };
}

static struct dmarc_sample sample(const char *domain, const char *ip, bool spf)
{
	return (struct dmarc_sample){
		.policy_domain = span_of(domain), .record = span_lit("v=DMARC1; p=none; rua=mailto:r@example.com"),
		.which = DMARC_RFC7489,
		.row = {
			.source_ip = span_of(ip), .header_from = span_of(domain), .envelope_from = span_of(domain),
			.envelope_to = span_lit("receiver.example"), .spf_aligned = spf,
			.reasons = { { DMARC_OVERRIDE_LOCAL_POLICY, SPAN("arc=pass") } }, .reason_count = 1,
			.dkim = { { SPAN("d.example"), SPAN("sel"), DMARC_SAID_FAIL, SPAN("body hash") } }, .dkim_count = 1,
			.spf = { { SPAN("m.example"), false, DMARC_SAID_PASS } }, .spf_count = 1,
		},
	};
}

static struct dmarc_store *open_store(const struct dmarc_store_settings *settings)
{
	struct dmarc_store *store;
	struct why why;

	if (dmarc_store_open(settings, &store, &why) != DONE)
		fail_msg("%s", why.text);
	return store;
}

static void flush(struct dmarc_store *store, int64_t day)
{
	struct why why;

	if (dmarc_store_flush(store, moment(day), &why) != DONE)
		fail_msg("%s", why.text);
}

/* What a day's file holds of a domain. */
struct sums {
	size_t   domains, rows;
	uint64_t messages, listed, dropped;
};

static struct sums sums_of(const char *path, int64_t day, const char *name)
{
	struct dmarc_day_domain domain = { .name = { NULL, 0 } };
	struct sums sums = { 0 };
	struct dmarc_day *d;
	struct dmarc_row row;
	struct why why;

	if (dmarc_day_open(path, day, &d, &why) != DONE)
		fail_msg("%s", why.text);
	while (dmarc_day_next_domain(d, arena, &domain)) {
		sums.domains++;
		if (!span_equal(domain.name, span_of(name)))
			continue;
		sums.messages = domain.messages;
		sums.dropped = domain.dropped;
		dmarc_day_rewind(d, domain.name);
		while (dmarc_day_next_row(d, arena, &row)) {
			sums.rows++;
			sums.listed += row.count;
		}
	}
	dmarc_day_close(d);
	return sums;
}

static void adds_up(void **state)
{
	struct dmarc_store_settings settings = settings_in(folder.path);
	struct dmarc_sample a = sample("example.com", "192.0.2.1", true);
	struct dmarc_sample b = sample("example.com", "192.0.2.2", false);
	struct dmarc_sample c = sample("example.net", "2001:db8::1", true);
	struct dmarc_store *store = open_store(&settings);
	struct dmarc_store_counts counts;
	struct sums sums;

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 10; i++)
			assert_true(dmarc_store_add(store, &a, moment(DAY)));
		assert_true(dmarc_store_add(store, &b, moment(DAY)));
		assert_true(dmarc_store_add(store, &c, moment(DAY)));
		flush(store, DAY);
	}
	dmarc_store_counts(store, &counts);
	assert_int_equal(counts.messages, 36);
	assert_int_equal(counts.dropped, 0);
	dmarc_store_close(store);
	sums = sums_of(folder.path, DAY, "example.com");
	assert_int_equal(sums.domains, 2);
	assert_int_equal(sums.rows, 2);
	assert_int_equal(sums.listed, 33);
	assert_int_equal(sums.messages, 33);
	assert_int_equal(sums.dropped, 0);
	sums = sums_of(folder.path, DAY, "example.net");
	assert_int_equal(sums.rows, 1);
	assert_int_equal(sums.listed, 3);
}

static void keeps_rows_whole(void **state)
{
	struct dmarc_store_settings settings = settings_in(folder.path);
	struct dmarc_sample a = sample("whole.example", "192.0.2.1", true);
	struct dmarc_store *store = open_store(&settings);
	struct dmarc_day_domain domain = { .name = SPAN("whole.exampld") };
	struct dmarc_day *day;
	struct dmarc_row row;
	struct why why;

	(void)state;
	a.row.disposition = DMARC_POLICY_QUARANTINE;
	assert_true(dmarc_store_add(store, &a, moment(DAY)));
	dmarc_store_close(store);
	assert_int_equal(dmarc_day_open(folder.path, DAY, &day, &why), DONE);
	assert_true(dmarc_day_next_domain(day, arena, &domain));
	assert_span(domain.name, "whole.example");
	assert_span(domain.record, "v=DMARC1; p=none; rua=mailto:r@example.com");
	dmarc_day_rewind(day, domain.name);
	assert_true(dmarc_day_next_row(day, arena, &row));
	assert_span(row.source_ip, "192.0.2.1");
	assert_span(row.envelope_to, "receiver.example");
	assert_int_equal(row.disposition, DMARC_POLICY_QUARANTINE);
	assert_true(row.spf_aligned && !row.dkim_aligned);
	assert_int_equal(row.reason_count, 1);
	assert_int_equal(row.reasons[0].type, DMARC_OVERRIDE_LOCAL_POLICY);
	assert_span(row.reasons[0].comment, "arc=pass");
	assert_int_equal(row.dkim_count, 1);
	assert_span(row.dkim[0].selector, "sel");
	assert_span(row.dkim[0].human, "body hash");
	assert_int_equal(row.dkim[0].result, DMARC_SAID_FAIL);
	assert_int_equal(row.spf_count, 1);
	assert_span(row.spf[0].domain, "m.example");
	assert_int_equal(row.count, 1);
	assert_false(dmarc_day_next_row(day, arena, &row));
	dmarc_day_close(day);
}

static void days_turn(void **state)
{
	struct dmarc_store_settings settings = settings_in(arena_printf(arena, "%s/days", folder.path));
	struct dmarc_sample a = sample("example.com", "192.0.2.1", true);
	struct dmarc_store *store = open_store(&settings);
	struct dmarc_day *day;
	struct why why;
	int64_t *days;
	size_t count;

	(void)state;
	assert_true(dmarc_store_add(store, &a, moment(DAY)));
	flush(store, DAY);
	assert_int_equal(dmarc_day_open(settings.folder, DAY, &day, &why), DEFER);	/* still under way */
	assert_non_null(strstr(why.text, "in use"));
	assert_true(dmarc_store_add(store, &a, moment(DAY)));
	assert_true(dmarc_store_add(store, &a, moment(DAY + 1)));
	assert_true(dmarc_store_add(store, &a, moment(DAY)));	/* the clock went back: counts for the later day */
	flush(store, DAY + 1);
	assert_int_equal(sums_of(settings.folder, DAY, "example.com").listed, 2);
	flush(store, DAY + 2);	/* nothing new, but the day is over */
	assert_int_equal(sums_of(settings.folder, DAY + 1, "example.com").listed, 2);
	dmarc_day_list(arena, settings.folder, &days, &count);
	assert_int_equal(count, 2);
	assert_int_equal(days[0], DAY);
	assert_int_equal(days[1], DAY + 1);
	dmarc_store_close(store);
	dmarc_day_expire(settings.folder, DAY + 1);
	dmarc_day_list(arena, settings.folder, &days, &count);
	assert_int_equal(count, 1);
	assert_int_equal(dmarc_day_open(settings.folder, DAY, &day, &why), REFUSE);
}

static void forgets(void **state)
{
	struct dmarc_store_settings settings = settings_in(arena_printf(arena, "%s/forget", folder.path));
	struct dmarc_store *store = open_store(&settings);
	struct dmarc_day *day;
	struct why why;
	size_t count;
	int64_t *days;

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		struct dmarc_sample a = sample(i % 2 != 0 ? "a.example" : "b.example",
		                               arena_printf(arena, "192.0.%u.%u", i >> 8, i & 255), true);

		assert_true(dmarc_store_add(store, &a, moment(DAY)));
	}
	dmarc_store_close(store);
	assert_int_equal(dmarc_day_open(settings.folder, DAY, &day, &why), DONE);
	assert_int_equal(dmarc_day_forget(day, span_lit("a.example"), &why), DONE);
	dmarc_day_close(day);
	assert_int_equal(sums_of(settings.folder, DAY, "a.example").rows, 0);
	assert_int_equal(sums_of(settings.folder, DAY, "b.example").rows, 1000);
	assert_int_equal(dmarc_day_open(settings.folder, DAY, &day, &why), DONE);
	assert_int_equal(dmarc_day_forget(day, span_lit("b.example"), &why), DONE);
	dmarc_day_close(day);	/* the last: the file goes */
	dmarc_day_list(arena, settings.folder, &days, &count);
	assert_int_equal(count, 0);
}

static void samples(void **state)
{
	struct dmarc_verdict v = {
		.result = DMARC_FAIL, .asked = DMARC_POLICY_REJECT, .applied = DMARC_POLICY_QUARANTINE,
		.author = SPAN("a.example.com"), .policy_domain = SPAN("example.com"), .has_record = true,
		.dkim_aligned = true,
	};
	struct dmarc_sample sample;

	(void)state;
	assert_true(dmarc_record_parse(DMARC_BIS, span_lit("v=DMARC1; p=none; t=y; rua=mailto:a@example.com"), &v.record));
	assert_true(dmarc_sample_of(&v, DMARC_BIS, &sample));
	assert_span(sample.policy_domain, "example.com");
	assert_span(sample.row.header_from, "a.example.com");
	assert_span(sample.record, "v=DMARC1; p=none; t=y; rua=mailto:a@example.com");
	assert_int_equal(sample.which, DMARC_BIS);
	assert_int_equal(sample.row.disposition, DMARC_POLICY_QUARANTINE);
	assert_true(sample.row.dkim_aligned && !sample.row.spf_aligned);
	assert_int_equal(sample.row.reason_count, 1);
	assert_int_equal(sample.row.reasons[0].type, DMARC_OVERRIDE_TEST_MODE);
	v.record.is_test = false;
	assert_true(dmarc_sample_of(&v, DMARC_RFC7489, &sample));
	assert_int_equal(sample.row.reasons[0].type, DMARC_OVERRIDE_SAMPLED_OUT);
	v.applied = v.asked;
	assert_true(dmarc_sample_of(&v, DMARC_RFC7489, &sample));
	assert_int_equal(sample.row.reason_count, 0);
	v.result = DMARC_TEMPERROR;
	assert_false(dmarc_sample_of(&v, DMARC_RFC7489, &sample));
	v.result = DMARC_PASS;
	v.record.rua.len = 0;
	assert_false(dmarc_sample_of(&v, DMARC_RFC7489, &sample));
}

/* ---- limits ---- */

static void limits(void **state)
{
	struct dmarc_store_settings settings = {
		.folder = arena_printf(arena, "%s/limits", folder.path), .most_domains = 3, .most_rows = 5,
		.most_bytes = 1 << 20, .most_pending_bytes = 1 << 20,
	};
	struct dmarc_store *store = open_store(&settings);
	struct dmarc_store_counts counts;
	struct sums sums;

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 40; i++) {
			struct dmarc_sample a = sample(arena_printf(arena, "d%u.example", i % 4),
			                               arena_printf(arena, "192.0.2.%u", i / 4), true);

			assert_true(dmarc_store_add(store, &a, moment(DAY)));
		}
		flush(store, DAY);
	}
	dmarc_store_counts(store, &counts);
	assert_int_equal(counts.messages, 80);
	assert_int_equal(counts.dropped, 80 - 2 * 3 * 5);
	dmarc_store_close(store);
	sums = sums_of(settings.folder, DAY, "d0.example");
	assert_int_equal(sums.domains, 3);
	for (unsigned i = 0, kept = 0; i < 4; i++) {
		sums = sums_of(settings.folder, DAY, arena_printf(arena, "d%u.example", i));
		if (sums.rows == 0)
			continue;
		assert_true(++kept <= 3);
		assert_int_equal(sums.rows, 5);
		assert_int_equal(sums.listed, 10);
		assert_int_equal(sums.dropped, 10);
		assert_int_equal(sums.messages, 20);
	}
}

/* Different rows without end: memory and file stay within their limits. */
static void flood(void **state)
{
	struct dmarc_store_settings settings = {
		.folder = arena_printf(arena, "%s/flood", folder.path), .most_domains = 1000000, .most_rows = 1000000,
		.most_bytes = 1 << 20, .most_pending_bytes = 256 << 10,
	};
	struct dmarc_store *store = open_store(&settings);
	struct dmarc_store_counts counts;
	struct stat st;

	(void)state;
	for (unsigned i = 0; i < 40000; i++) {
		struct dmarc_sample a = sample(i % 3 == 0 ? "x.example" : arena_printf(arena, "d%u.example", i),
		                               arena_printf(arena, "198.51.%u.%u", i >> 8, i & 255), true);

		(void)dmarc_store_add(store, &a, moment(DAY));
		if (i % 500 == 0)
			flush(store, DAY);
	}
	dmarc_store_counts(store, &counts);
	assert_int_equal(counts.messages, 40000);
	assert_true(counts.dropped > 20000 && counts.dropped < 40000);
	assert_int_equal(stat(day_path(arena, settings.folder, DAY), &st), 0);
	assert_true(st.st_size <= 2 << 20);
	dmarc_store_close(store);
	arena_reset(arena);
}

static void too_long(void **state)
{
	struct dmarc_store_settings settings = settings_in(folder.path);
	struct dmarc_sample a = sample("example.com", "192.0.2.1", true);
	struct dmarc_store *store = open_store(&settings);
	static char text[70000];

	(void)state;
	memset(text, 'a', sizeof(text));
	a.record = span_make(text, RECORD_MAX_BYTES + 1);
	assert_false(dmarc_store_add(store, &a, moment(DAY)));
	a.record = span_make(text, RECORD_MAX_BYTES);
	a.policy_domain = span_make(text, 300);
	assert_false(dmarc_store_add(store, &a, moment(DAY)));
	a.policy_domain = span_lit("example.com");
	a.row.header_from = span_make(text, sizeof(text));	/* cut */
	assert_true(dmarc_store_add(store, &a, moment(DAY)));
	dmarc_store_close(store);
}

/* ---- what goes wrong ---- */

/* spoil - overwrite some bytes of a file in many places. */
static void spoil(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	for (off_t at = 100; at < 40000; at += 1234)
		assert_int_equal(fs_pwrite_all(fd, "nonsense nonsense", 17, at), 0);
	close(fd);
}

static void damage(void **state)
{
	struct dmarc_store_settings settings = settings_in(arena_printf(arena, "%s/damage", folder.path));
	struct dmarc_sample a = sample("example.com", "192.0.2.1", true);
	const char *path = day_path(arena, settings.folder, DAY);
	struct dmarc_store *store = open_store(&settings);
	struct stat st;

	(void)state;
	assert_true(dmarc_store_add(store, &a, moment(DAY)));
	dmarc_store_close(store);
	spoil(path);
	store = open_store(&settings);
	assert_true(dmarc_store_add(store, &a, moment(DAY)));
	dmarc_store_close(store);
	assert_int_equal(sums_of(settings.folder, DAY, "example.com").listed, 1);
	assert_int_equal(stat(arena_printf(arena, "%s.damaged", path), &st), 0);
	/* Not a database at all. */
	store = open_store(&settings);
	assert_int_equal(truncate(path, 17), 0);
	assert_true(dmarc_store_add(store, &a, moment(DAY)));
	dmarc_store_close(store);
	assert_int_equal(sums_of(settings.folder, DAY, "example.com").listed, 1);
}

/* exists - is there a file beside the day's, of that kind? */
static bool exists(const char *path, const char *kind)
{
	struct stat st;

	return stat(arena_printf(arena, "%s.%s", path, kind), &st) == 0;
}

static void touch(const char *path, const char *kind)
{
	int fd = open(arena_printf(arena, "%s.%s", path, kind), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

/* The mark that a killed writer leaves behind. */
static void mark(void **state)
{
	struct dmarc_store_settings settings = settings_in(arena_printf(arena, "%s/mark", folder.path));
	struct dmarc_sample a = sample("example.com", "192.0.2.1", true);
	const char *path = day_path(arena, settings.folder, DAY);
	struct dmarc_store *store = open_store(&settings);

	(void)state;
	assert_true(dmarc_store_add(store, &a, moment(DAY)));
	flush(store, DAY);
	assert_false(exists(path, "dirty"));
	dmarc_store_close(store);
	touch(path, "dirty");	/* but the file is whole */
	assert_int_equal(sums_of(settings.folder, DAY, "example.com").listed, 1);
	assert_false(exists(path, "dirty") || exists(path, "damaged"));
	spoil(path);
	touch(path, "dirty");
	assert_int_equal(sums_of(settings.folder, DAY, "example.com").listed, 0);
	assert_false(exists(path, "dirty"));
	assert_true(exists(path, "damaged"));
	dmarc_day_expire(settings.folder, DAY + 1);
	assert_false(exists(path, "damaged"));
}

/* add_many_rows - n rows of a few domains, whose addresses begin with net. */
static void add_many_rows(struct dmarc_store *store, unsigned net, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const char *ip = arena_printf(arena, "198.%u.%u.%u", net, i >> 8 & 255, i & 255);
		struct dmarc_sample a = sample(arena_printf(arena, "d%u.example", i % 7), ip, true);

		assert_true(dmarc_store_add(store, &a, moment(DAY)));
	}
	flush(store, DAY);
}

static void read_file(const char *path, struct buf *content)
{
	buf_init(content, BUF_NO_LIMIT);
	assert_int_equal(fs_read_file(AT_FDCWD, path, content), 0);
}

/* Killed while pages are written: any mixture of two states either has all that was there before, or is set aside. */
static void mixtures(void **state)
{
	enum { PAGE = 4096, BEFORE = 1500 };
	struct dmarc_store_settings settings = settings_in(arena_printf(arena, "%s/mixtures", folder.path));
	const char *path = day_path(arena, settings.folder, DAY);
	struct dmarc_store *store = open_store(&settings);
	struct buf old, new;
	uint64_t dice = 88172645463325252U;

	(void)state;
	add_many_rows(store, 1, BEFORE);
	read_file(path, &old);
	add_many_rows(store, 2, BEFORE);
	read_file(path, &new);
	dmarc_store_close(store);
	assert_true(new.len > old.len + 10 * PAGE && new.len % PAGE == 0);
	for (unsigned round = 0; round < 60; round++) {
		struct buf mixed;
		uint64_t listed = 0;

		buf_init(&mixed, BUF_NO_LIMIT);
		buf_add(&mixed, buf_span(&new));
		for (size_t at = 0; at < old.len; at += PAGE) {
			dice = dice * 6364136223846793005U + 1442695040888963407U;
			if (dice >> 40 & (1U << round % 5))
				memcpy(mixed.ptr + at, old.ptr + at, PAGE);
		}
		assert_int_equal(fs_replace_file(AT_FDCWD, path, buf_span(&mixed), 0600), 0);
		touch(path, "dirty");
		buf_free(&mixed);
		store = open_store(&settings);
		add_many_rows(store, 3, 100);
		dmarc_store_close(store);
		for (unsigned i = 0; i < 7; i++)
			listed += sums_of(settings.folder, DAY, arena_printf(arena, "d%u.example", i)).listed;
		assert_true(listed == 100 || listed >= BEFORE + 100);
		assert_true(exists(path, "damaged") || listed > 100);
		(void)unlink(arena_printf(arena, "%s.damaged", path));
	}
	buf_free(&old);
	buf_free(&new);
}

/* Entries that verify as a tree but make no sense. */
static void strange_entries(void **state)
{
	const char *path = arena_printf(arena, "%s/strange", folder.path);
	struct dmarc_db *db;
	struct why why;

	(void)state;
	assert_int_equal(fs_make_dirs(path, 0700), 0);
	assert_int_equal(dmarc_db_open(day_path(arena, path, DAY), true, &db, &why), DONE);
	dmarc_db_put(db, span_lit("T"), span_lit("x"));
	dmarc_db_put(db, span_lit("Da.example"), span_lit("short"));
	dmarc_db_put(db, span_lit("Db.example"), span_lit("\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0v"));
	dmarc_db_put(db, span_lit("Rb.example\0x"), span_lit("\1\0\0\0\0\0\0\0nonsense"));
	dmarc_db_put(db, span_lit("Rb.example\0y"), span_lit(""));
	dmarc_db_close(db);
	assert_int_equal(sums_of(path, DAY, "b.example").domains, 1);
	assert_int_equal(sums_of(path, DAY, "b.example").rows, 0);
}

/* A disk that is full: the flush says so and drops; later it works again. */
static void full_disk(void **state)
{
	struct dmarc_store_settings settings = settings_in(arena_printf(arena, "%s/full", folder.path));
	struct dmarc_store *store = open_store(&settings);
	struct dmarc_sample a = sample("example.com", "192.0.2.1", true);
	struct rlimit old, small;
	struct why why;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 64 * 1024;
	assert_true(dmarc_store_add(store, &a, moment(DAY)));
	flush(store, DAY);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (unsigned i = 0; i < 20000; i++) {
		struct dmarc_sample b = sample("example.com", arena_printf(arena, "198.51.%u.%u", i >> 8, i & 255),
		                               true);

		assert_true(dmarc_store_add(store, &b, moment(DAY)));
	}
	assert_int_equal(dmarc_store_flush(store, moment(DAY), &why), DEFER);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_true(dmarc_store_add(store, &a, moment(DAY)));
	flush(store, DAY);
	dmarc_store_close(store);
	assert_true(sums_of(settings.folder, DAY, "example.com").listed >= 2);
}

/* Killed at any moment: the file opens again, and at most it is one that was set aside. */
static void killed(void **state)
{
	struct dmarc_store_settings settings = settings_in(arena_printf(arena, "%s/killed", folder.path));

	(void)state;
	for (unsigned round = 0; round < 15; round++) {
		struct dmarc_store *store;
		pid_t child = fork();

		if (child == 0) {
			store = open_store(&settings);
			for (unsigned i = 0;; i++) {
				const char *ip = arena_printf(arena, "198.%u.%u.%u", round, i >> 8 & 255, i & 255);
				struct dmarc_sample a = sample("example.com", ip, true);

				(void)dmarc_store_add(store, &a, moment(DAY));
				if (i % 200 == 0)
					flush(store, DAY);
			}
		}
		usleep(20000 + round * 3777);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		store = open_store(&settings);
		flush(store, DAY);
		dmarc_store_close(store);
	}
	assert_true(sums_of(settings.folder, DAY, "example.com").domains <= 1);
}

struct adder {
	struct dmarc_store *store;
	unsigned            number;
};

static void *add_many(void *arg)
{
	struct adder *adder = arg;
	struct dmarc_sample a = sample("example.com", "192.0.2.1", true);
	struct dmarc_sample b = sample("example.com", adder->number % 2 != 0 ? "192.0.2.2" : "192.0.2.3", true);

	for (unsigned i = 0; i < 5000; i++)
		(void)dmarc_store_add(adder->store, i % 2 != 0 ? &a : &b, moment(DAY));
	return NULL;
}

static void threads(void **state)
{
	struct dmarc_store_settings settings = settings_in(arena_printf(arena, "%s/threads", folder.path));
	struct dmarc_store *store = open_store(&settings);
	pthread_t thread[4];
	struct adder adders[4];

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(thread); i++) {
		adders[i] = (struct adder){ store, i };
		assert_int_equal(pthread_create(&thread[i], NULL, add_many, &adders[i]), 0);
	}
	for (unsigned i = 0; i < 20; i++)
		flush(store, DAY);
	for (unsigned i = 0; i < COUNT_OF(thread); i++)
		pthread_join(thread[i], NULL);
	dmarc_store_close(store);
	assert_int_equal(sums_of(settings.folder, DAY, "example.com").listed, 20000);
	assert_int_equal(sums_of(settings.folder, DAY, "example.com").rows, 3);
}

/* Every prefix of a row, and every row with a byte more, is none. */
static void row_form(void **state)
{
	struct dmarc_sample a = sample("example.com", "192.0.2.1", true);
	struct dmarc_row row;
	struct buf bytes, again;

	(void)state;
	buf_init(&bytes, BUF_NO_LIMIT);
	buf_init(&again, BUF_NO_LIMIT);
	dmarc_row_encode(&a.row, &bytes);
	assert_true(dmarc_row_decode(buf_span(&bytes), &row));
	dmarc_row_encode(&row, &again);
	assert_true(span_equal(buf_span(&bytes), buf_span(&again)));
	for (size_t n = 0; n < bytes.len; n++) {
		char *exact = malloc(n + 1);

		assert_non_null(exact);
		memcpy(exact, bytes.ptr, n);
		assert_false(dmarc_row_decode(span_make(exact, n), &row));
		free(exact);
	}
	buf_add_byte(&bytes, '\0');
	assert_false(dmarc_row_decode(buf_span(&bytes), &row));
	buf_free(&bytes);
	buf_free(&again);
}

static void no_folder(void **state)
{
	struct dmarc_store_settings settings = settings_in("/proc/nowhere/x");
	struct dmarc_store *store;
	struct why why;

	(void)state;
	assert_int_equal(dmarc_store_open(&settings, &store, &why), DEFER);
	dmarc_store_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adds_up), cmocka_unit_test(keeps_rows_whole), cmocka_unit_test(days_turn),
		cmocka_unit_test(forgets), cmocka_unit_test(samples), cmocka_unit_test(limits), cmocka_unit_test(flood),
		cmocka_unit_test(too_long), cmocka_unit_test(damage), cmocka_unit_test(mark), cmocka_unit_test(mixtures),
		cmocka_unit_test(strange_entries),
		cmocka_unit_test(full_disk), cmocka_unit_test(killed), cmocka_unit_test(threads),
		cmocka_unit_test(row_form), cmocka_unit_test(no_folder),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
