/* SPDX-License-Identifier: ISC */
/* power_cut_test.c - the power goes at any moment: nothing acknowledged is lost, nothing ended comes back
 *
 * A small host writes to the real library, on a disk that is only a model: all a file got since its last sync may be
 * there, in part, or not at all.  After each step the disk is rebuilt as such a moment may leave it, and replayed.
 * Every rebuilt disk is checked against what had been acknowledged by then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/queue/store.h"

enum {
	SIZE = 65536,
	MESSAGES = 12,
	SECTOR = 512,
	SEEDS = 40,		/* ways each moment may leave the disk */
};

struct host {
	char                   path[32], image[64];
	struct store           store, disk;	/* disk: the image */
	struct journal_segment segment;
	char                  *synced;		/* the segment as of its last sync */
	struct buf             batch;
	/* what was acknowledged by the last sync, and what may be there or not */
	bool is_accepted[MESSAGES], is_over[MESSAGES], may_be_over[MESSAGES], may_be_accepted[MESSAGES];
	uint32_t random;
};

static void id_of(size_t i, char out[QUEUE_ID_MAX])
{
	snprintf(out, QUEUE_ID_MAX, "3xYz0000zBCDFGHJ%c", 'K' + (char)(i == 0 ? 0 : i <= 3 ? i : i + 1));
}

static uint32_t next_random(struct host *h)
{
	h->random = h->random * 1664525 + 1013904223;
	return h->random >> 16;
}

static int set_up(void **state)
{
	struct host *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	snprintf(h->path, sizeof(h->path), "/tmp/power.XXXXXX");
	assert_non_null(mkdtemp(h->path));
	snprintf(h->image, sizeof(h->image), "%s.image", h->path);
	assert_int_equal(mkdir(h->image, 0700), 0);
	assert_int_equal(store_open(&h->disk, h->image, true, false), 0);
	assert_int_equal(store_open(&h->store, h->path, true, false), 0);
	assert_int_equal(journal_create(h->store.journal_fd, 1, SIZE, 0, &h->segment), 0);
	h->synced = malloc(SIZE);
	assert_non_null(h->synced);
	assert_int_equal(fs_pread_all(h->segment.fd, h->synced, SIZE, 0), 0);
	buf_init(&h->batch, BUF_NO_LIMIT);
	h->random = 4711;
	*state = h;
	return 0;
}

static int tear_down(void **state)
{
	struct host *h = *state;
	char command[160];

	close(h->segment.fd);
	store_close(&h->store);
	store_close(&h->disk);
	buf_free(&h->batch);
	free(h->synced);
	snprintf(command, sizeof(command), "rm -rf '%s' '%s'", h->path, h->image);
	free(h);
	return system(command) == 0 ? 0 : -1;
}

/* ---- the disk after a power cut ---- */

/* leave_image - the segment with each sector written since the last sync there or not, as the dice say. */
static void leave_image(struct host *h, unsigned way)
{
	char *now = malloc(SIZE), name[JOURNAL_NAME_MAX];
	int fd;

	assert_non_null(now);
	assert_int_equal(fs_pread_all(h->segment.fd, now, SIZE, 0), 0);
	for (size_t at = 0; at < SIZE; at += SECTOR)
		if (way == 0 || (way > 1 && next_random(h) % 2 == 0))
			memcpy(now + at, h->synced + at, SECTOR);
	fd = openat(h->disk.journal_fd, journal_name(1, name), O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fs_pwrite_all(fd, now, SIZE, 0), 0);
	close(fd);
	free(now);
}

static void check_message(const struct host *h, const struct store_index *index, size_t i, unsigned way)
{
	char id[QUEUE_ID_MAX];
	const struct mail *m;

	id_of(i, id);
	m = hash_get(index->mails, span_of(id));
	if (m == NULL && h->is_accepted[i] && !h->may_be_over[i])
		fail_msg("way %u: message %zu was acknowledged and is lost", way, i);
	if (m != NULL && h->is_over[i])
		fail_msg("way %u: message %zu was over and is back", way, i);
	if (m != NULL && !h->may_be_accepted[i])
		fail_msg("way %u: message %zu was never written", way, i);
}

static void check_image(const struct host *h, unsigned way)
{
	struct store_segment segment = { .seq = 1 };
	struct store_index index;

	store_index_init(&index, &h->disk, sizeof(struct mail));
	assert_int_equal(store_replay(&index, &segment), 0);
	for (size_t i = 0; i < MESSAGES; i++)
		check_message(h, &index, i, way);
	store_index_free(&index, true);
}

static void cut_power(struct host *h)
{
	for (unsigned way = 0; way < SEEDS; way++) {
		leave_image(h, way);
		check_image(h, way);
	}
}

/* ---- what the host does ---- */

static void add_message(struct host *h, size_t i)
{
	struct envelope_recipient to = { .number = 1, .address = SPAN("one@example.test") };
	struct envelope e = { .arrival_us = 99, .recipients = &to, .recipient_count = 1 };
	char head[8] = { 0 }, id[QUEUE_ID_MAX], content[3000];
	struct buf envelope;
	struct span pieces[3];

	buf_init(&envelope, BUF_NO_LIMIT);
	envelope_encode(&envelope, &e);
	head[4] = (char)envelope.len;
	memset(content, 'a' + (int)i, sizeof(content));
	pieces[0] = span_make(head, sizeof(head));
	pieces[1] = buf_span(&envelope);
	pieces[2] = span_make(content, 100 + 200 * i);
	id_of(i, id);
	(void)journal_record_add(&h->batch, &h->segment, JOURNAL_MESSAGE, span_of(id), pieces, 3);
	h->may_be_accepted[i] = true;
	buf_free(&envelope);
}

static void add_done(struct host *h, size_t i)
{
	char id[QUEUE_ID_MAX];

	id_of(i, id);
	(void)journal_record_add(&h->batch, &h->segment, JOURNAL_DONE, span_of(id), NULL, 0);
	h->may_be_over[i] = true;
}

/* write_batch - and look at what a power cut before its sync leaves, and one behind it. */
static void write_batch(struct host *h, bool is_synced)
{
	struct span batch = buf_span(&h->batch);

	if (is_synced) {
		fs_fail_at(2, EIO);	/* written, but the sync fails: nothing may be acknowledged */
		assert_int_equal(journal_write(&h->segment, batch, true), -1);
		fs_fail_at(0, 0);
		cut_power(h);
	}
	assert_int_equal(journal_write(&h->segment, batch, is_synced), 0);
	buf_clear(&h->batch);
	if (!is_synced) {
		cut_power(h);
		return;
	}
	assert_int_equal(fs_pread_all(h->segment.fd, h->synced, SIZE, 0), 0);
	for (size_t i = 0; i < MESSAGES; i++) {
		h->is_accepted[i] = h->may_be_accepted[i];
		h->is_over[i] = h->may_be_over[i];
	}
	cut_power(h);
}

static void acknowledged_mail_is_there_after_a_power_cut(void **state)
{
	struct host *h = *state;

	for (size_t i = 0; i + 2 < MESSAGES; i += 3) {
		add_message(h, i);
		add_message(h, i + 1);
		write_batch(h, true);
		add_done(h, i);
		write_batch(h, false);		/* results have no sync of their own */
		add_message(h, i + 2);
		write_batch(h, true);
	}
}

static void mail_without_a_sync_may_go_but_nothing_else(void **state)
{
	struct host *h = *state;

	add_message(h, 0);
	write_batch(h, true);
	for (size_t i = 1; i < MESSAGES; i++) {
		add_message(h, i);
		write_batch(h, false);
	}
	add_done(h, 0);
	write_batch(h, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(acknowledged_mail_is_there_after_a_power_cut, set_up, tear_down),
		cmocka_unit_test_setup_teardown(mail_without_a_sync_may_go_but_nothing_else, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
