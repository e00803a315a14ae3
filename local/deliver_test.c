/* SPDX-License-Identifier: ISC */
/* deliver_test.c - where a message is stored: the INBOX, or for ENVELOPE_JUNK the folder junk_mailbox_name
 *
 * The router is played by the test.  As root the deliveries of many owners are tried too, with a spawner. */
#include "lib/mailbox/test_store.h"

#include <dirent.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "local/spawn.h"

enum { USER_ID = 64120, LOG_PIPE = 8192 };

struct bench {
	struct bench      *older;
	char               base[256], maildir[300];
	struct conf        conf;
	struct service_run run;
	struct local       local;
	struct arena      *arena;
	/* of the next delivery */
	uint32_t           envelope_flags;
	uint64_t           deliver_flags;
	const char        *queue_id;
	/* what became of it */
	struct delivery    last;
	char               log[LOG_PIPE];
	bool               checkpoint_failed;
};

/* All of them stay: what local keeps open lives as long as its process. */
static struct bench *benches;

/* ---- what others would say ---- */

enum outcome local_lookup(struct delivery *d, const char *maps, struct span key, enum lookup_how how,
                          struct span *value)
{
	(void)d;
	(void)maps;
	(void)how;
	*value = span_lit("u1/Maildir/");
	return span_equal(key, span_lit("u1@example.test")) ? DONE : REFUSE;
}

enum outcome local_owner(struct delivery *d, uid_t *uid, gid_t *gid)
{
	(void)d;
	*uid = USER_ID;
	*gid = USER_ID;
	return DONE;
}

/* ---- the bench ---- */

static void use_folder(struct bench *b, const char *name)
{
	b->local.junk_folder = span_of(name);
	buf_clear(&b->local.junk_directory);
	if (name[0] != '\0')
		assert_true(folder_directory(span_of(name), &b->local.junk_directory));
}

static int set_up(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	const char *folder = getenv("TMPDIR");

	assert_non_null(b);
	(void)umask(077);
	(void)snprintf(b->base, sizeof(b->base), "%s/deliver-test.XXXXXX", folder != NULL ? folder : "/tmp");
	assert_non_null(mkdtemp(b->base));
	(void)snprintf(b->maildir, sizeof(b->maildir), "%s/u1/Maildir", b->base);
	b->arena = arena_new(NULL);
	b->conf.arena = b->arena;
	b->conf.virtual_mailbox_base = b->conf.mail_directories = b->base;
	b->conf.local_mailbox_cache_limit = 10;
	b->conf.maildir_tmp_lifetime = 3600;
	b->run = (struct service_run){ .name = "virtual", .conf = &b->conf, .control_fd = -1 };
	b->local = (struct local){ .run = &b->run, .conf = &b->conf, .has_one_owner = true, .spawner_fd = -1,
		                   .mailboxes = hash_new() };
	list_init(&b->local.by_use);
	list_init(&b->local.touched);
	buf_init(&b->local.junk_directory, 512);
	use_folder(b, "Junk");
	b->envelope_flags = ENVELOPE_JUNK;
	b->queue_id = "QID";
	log_open("test", LOG_TO_STDERR, -1);
	b->older = benches;
	*state = benches = b;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *b = *state;

	fs_fail_at(0, 0);
	(void)nftw(b->base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}

static void deliver_one(struct bench *b)
{
	struct envelope_recipient recipient = { .number = 1, .address = SPAN("u1@example.test") };
	struct envelope envelope = { .flags = b->envelope_flags, .sender = SPAN("from@example.org"),
		                     .recipients = &recipient, .recipient_count = 1 };
	struct deliver_request request = { .queue_id = span_of(b->queue_id), .file = -1, .flags = b->deliver_flags,
		                           .content = SPAN("Subject: x\r\n\r\nbody\r\n"),
		                           .arrival_us = 1700000000 * CLOCK_SECOND_US };
	struct delivery d = { .local = &b->local, .message = &request, .envelope = &envelope,
		              .recipient = &recipient, .arena = b->arena, .started_us = clock_wall_us() };

	deliver_virtual(&d);
	local_log(&d, "virtual");
	d.result.dsn = arena_dup(b->arena, d.result.dsn);
	d.result.reason = arena_dup(b->arena, d.result.reason);
	b->last = d;
}

static void run_delivery(void *arg)
{
	struct bench *b = arg;

	spawner_open(&b->local);
	deliver_one(b);
	b->checkpoint_failed = !checkpoint(&b->local);
	if (b->local.spawner == NULL)
		return;
	ipc_channel_on_notice(b->local.spawner, NULL, 0, NULL, NULL);	/* it may go now */
	ipc_channel_release(b->local.spawner);
}

/* The log lines of work(b), too. */
static void run(struct bench *b, task_fn *work)
{
	int pipes[2];
	ssize_t n;

	assert_int_equal(pipe(pipes), 0);
	log_open("test", LOG_TO_FD, pipes[1]);
	task_main(work, b);
	log_open("test", LOG_TO_STDERR, -1);
	(void)close(pipes[1]);
	n = read(pipes[0], b->log, sizeof(b->log) - 1);
	(void)close(pipes[0]);
	assert_true(n >= 0);
	b->log[n] = '\0';
}

static void expect(const struct bench *b, enum deliver_status status, const char *log)
{
	if (b->last.result.status != (uint64_t)status || strstr(b->log, log) == NULL)
		fail_msg("status %d (" SPAN_FMT "), the log is \"%s\"", (int)b->last.result.status,
		         SPAN_ARG(b->last.result.reason), b->log);
}

static void deliver(struct bench *b, enum deliver_status status, const char *log)
{
	run(b, run_delivery);
	assert_false(b->checkpoint_failed);
	expect(b, status, log);
}

static bool count_entry(void *user, struct span name)
{
	(void)name;
	++*(size_t *)user;
	return true;
}

/* Messages in a directory below the Maildir; 0 also where there is none. */
static size_t count(const struct bench *b, const char *directory)
{
	char path[600];
	size_t n = 0;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", b->maildir, directory);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	assert_int_equal(maildir_scan(fd, count_entry, &n), 0);
	(void)close(fd);
	return n;
}

/* The attributes under which IMAP lists the folder. */
static unsigned listed(struct bench *b, const char *name)
{
	struct mailstore *store = mailstore_open(b->maildir, false);
	struct folder *folders;
	size_t n;
	unsigned attributes = 0;

	assert_non_null(store);
	assert_int_equal(folders_list(store, b->arena, &folders, &n), MAIL_OK);
	for (size_t i = 0; i < n; i++)
		if (span_equal(folders[i].name, span_of(name)))
			attributes = folders[i].attributes;
	mailstore_close(store);
	return attributes;
}

/* ---- the tests ---- */

static void junk_goes_to_its_folder(void **state)
{
	struct bench *b = *state;
	struct test_store t = { .arena = b->arena };
	struct mailbox *m;

	deliver(b, DELIVER_SENT, "dsn=2.0.0, status=sent (delivered to maildir folder Junk)");
	assert_span(b->last.result.reason, "delivered to maildir");	/* what a DSN may tell the sender */
	assert_false(b->last.result.is_durable);
	assert_int_equal(count(b, "new"), 0);
	assert_int_equal(count(b, ".Junk/new"), 1);
	assert_int_equal(listed(b, "Junk"), FOLDER_EXISTS | FOLDER_SUBSCRIBED | FOLDER_JUNK);
	t.store = mailstore_open(b->maildir, false);
	assert_non_null(t.store);
	assert_int_equal(mailbox_open(t.store, span_lit("Junk"), 0, &m), MAIL_OK);
	assert_int_equal(mailbox_count(m), 1);
	assert_span(read_all(&t, m, 1), "Return-Path: <from@example.org>\r\nX-Original-To: u1@example.test\r\n"
	                                "Delivered-To: u1@example.test\r\nSubject: x\r\n\r\nbody\r\n");
	mailbox_close(m);
	mailstore_close(t.store);
}

static void other_mail_goes_to_the_inbox(void **state)
{
	struct bench *b = *state;

	b->envelope_flags = ENVELOPE_8BITMIME;
	deliver(b, DELIVER_SENT, "status=sent (delivered to maildir)");
	assert_int_equal(count(b, "new"), 1);
	assert_int_equal(listed(b, "Junk"), 0);
	b->queue_id = "QID2";
	b->envelope_flags = ENVELOPE_JUNK;
	use_folder(b, "");	/* the admin wants no such folder */
	deliver(b, DELIVER_SENT, "status=sent (delivered to maildir)");
	assert_int_equal(count(b, "new"), 2);
	assert_int_equal(listed(b, "Junk"), 0);
}

static void nested_and_foreign_names(void **state)
{
	struct bench *b = *state;

	use_folder(b, "Gel\xc3\xb6scht/Spam & Co");
	deliver(b, DELIVER_SENT, "(delivered to maildir folder Gel\xc3\xb6scht/Spam & Co)");
	assert_int_equal(count(b, ".Gel&APY-scht.Spam &- Co/new"), 1);
	assert_int_equal(listed(b, "Gel\xc3\xb6scht/Spam & Co"), FOLDER_EXISTS | FOLDER_SUBSCRIBED);
}

static void a_repeat_is_one_message(void **state)
{
	struct bench *b = *state;
	char from[600], to[600];
	DIR *directory;
	struct dirent *entry;

	deliver(b, DELIVER_SENT, "folder Junk)");
	b->deliver_flags = DELIVER_MAY_BE_REPEAT;
	deliver(b, DELIVER_SENT, "folder Junk)");
	assert_int_equal(count(b, ".Junk/new"), 1);
	/* ... also when it was read meanwhile. */
	(void)snprintf(from, sizeof(from), "%s/.Junk/new", b->maildir);
	directory = opendir(from);
	assert_non_null(directory);
	while ((entry = readdir(directory)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(to, sizeof(to), "../cur/%s:2,S", entry->d_name);
		assert_int_equal(renameat(dirfd(directory), entry->d_name, dirfd(directory), to), 0);
	}
	(void)closedir(directory);
	deliver(b, DELIVER_SENT, "folder Junk)");
	assert_int_equal(count(b, ".Junk/new"), 0);
	assert_int_equal(count(b, ".Junk/cur"), 1);
	assert_int_equal(count(b, "new"), 0);
}

static void always_durable(void **state)
{
	struct bench *b = *state;

	b->local.sync_always = true;
	deliver(b, DELIVER_SENT, "folder Junk)");
	assert_true(b->last.result.is_durable);
}

static void what_the_user_does_with_it(void **state)
{
	struct bench *b = *state;
	struct mailstore *store;

	deliver(b, DELIVER_SENT, "folder Junk)");
	store = mailstore_open(b->maildir, false);
	assert_non_null(store);
	assert_int_equal(folder_subscribe(store, span_lit("Junk"), false), MAIL_OK);
	b->queue_id = "QID2";
	deliver(b, DELIVER_SENT, "folder Junk)");	/* no longer subscribed: so it stays */
	assert_int_equal(listed(b, "Junk"), FOLDER_EXISTS | FOLDER_JUNK);
	assert_int_equal(folder_delete(store, span_lit("Junk")), MAIL_OK);
	b->queue_id = "QID3";
	deliver(b, DELIVER_SENT, "folder Junk)");	/* gone: made anew */
	assert_int_equal(count(b, ".Junk/new"), 1);
	assert_int_equal(listed(b, "Junk"), FOLDER_EXISTS | FOLDER_SUBSCRIBED | FOLDER_JUNK);
	mailstore_close(store);
}

static void deliver_second(void *arg)
{
	struct bench *b = arg;

	b->queue_id = "QID2";
	run_delivery(b);
}

static void deliver_two(void *arg)
{
	assert_non_null(task_spawn(deliver_second, arg, "second"));
	run_delivery(arg);
}

static void two_at_once_into_a_new_folder(void **state)
{
	struct bench *b = *state;

	run(b, deliver_two);
	expect(b, DELIVER_SENT, "status=sent (delivered to maildir folder Junk)");
	assert_non_null(strstr(b->log, " QID: to="));
	assert_non_null(strstr(b->log, " QID2: to="));
	assert_null(strstr(b->log, "deferred"));
	assert_int_equal(count(b, ".Junk/new"), 2);
	assert_int_equal(hash_count(b->local.mailboxes), 1);
}

static void no_room(void **state)
{
	static const struct {
		int         error;
		const char *log;
	} rows[] = { { EDQUOT, "dsn=4.2.2, status=deferred (cannot open folder Junk of maildir" },
		     { ENOSPC, "dsn=4.3.1, status=deferred (cannot open folder Junk of maildir" } };
	struct bench *b = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		fs_fail_at(1, rows[i].error);
		deliver(b, DELIVER_DEFERRED, rows[i].log);
	}
	deliver(b, DELIVER_SENT, "folder Junk)");
	assert_int_equal(count(b, "new"), 0);
	assert_int_equal(count(b, ".Junk/new"), 1);
}

static void something_in_its_place(void **state)
{
	struct bench *b = *state;
	char path[600];
	FILE *f;

	assert_int_equal(fs_make_dirs(b->maildir, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/.Junk", b->maildir);
	assert_int_equal(symlink("/tmp", path), 0);
	deliver(b, DELIVER_DEFERRED, "dsn=4.2.0, status=deferred (cannot open folder Junk of maildir");
	assert_int_equal(unlink(path), 0);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fclose(f), 0);
	deliver(b, DELIVER_DEFERRED, "dsn=4.2.0, status=deferred (cannot open folder Junk of maildir");
	assert_int_equal(count(b, "new"), 0);
}

static void mail_of_many_owners(void **state)
{
	struct bench *b = *state;
	struct stat st;
	char path[600];

	if (geteuid() != 0)
		skip();
	assert_int_equal(chown(b->base, USER_ID, USER_ID), 0);
	b->local.has_one_owner = false;
	b->run.is_privileged = true;
	spawner_fork(&b->local);
	deliver(b, DELIVER_SENT, "status=sent (delivered to maildir folder Junk)");
	assert_true(b->last.result.is_durable);
	assert_int_equal(count(b, "new"), 0);
	assert_int_equal(count(b, ".Junk/new"), 1);
	assert_int_equal(listed(b, "Junk"), FOLDER_EXISTS | FOLDER_SUBSCRIBED | FOLDER_JUNK);
	(void)snprintf(path, sizeof(path), "%s/.Junk/maildirfolder", b->maildir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, USER_ID);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(mail_of_many_owners),	/* first: it forks before there are threads */
		TEST(junk_goes_to_its_folder),
		TEST(other_mail_goes_to_the_inbox),
		TEST(nested_and_foreign_names),
		TEST(a_repeat_is_one_message),
		TEST(always_durable),
		TEST(what_the_user_does_with_it),
		TEST(two_at_once_into_a_new_folder),
		TEST(no_room),
		TEST(something_in_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
