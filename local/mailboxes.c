/* SPDX-License-Identifier: ISC */
/* mailboxes.c - open Maildirs, store into them, make what was stored durable
 *
 * Directories stay open between messages, so that a delivery costs open, writev, close, rename.  What is
 * stored is durable after the next checkpoint: one syncfs for each file system that took mail. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/mailbox/folders.h"
#include "local/local.h"

struct open_mailbox {
	struct list    node;	/* of local.by_use */
	struct maildir md;
	dev_t          device;
	unsigned       users;
	char          *path;
};

struct touched_fs {
	struct list node;
	dev_t       device;
	int         fd;
	bool        is_dirty;
};

/* ---- what to sync ---- */

/* Remember the file system before anything is written, so that a checkpoint sees every error since. */
static struct touched_fs *file_system_of(struct local *l, dev_t device, int dir_fd)
{
	struct touched_fs *fs;

	LIST_EACH(node, &l->touched) {
		fs = CONTAINER_OF(node, struct touched_fs, node);
		if (fs->device == device)
			return fs;
	}
	fs = calloc(1, sizeof(*fs));
	if (fs == NULL)
		log_fatal("out of memory (file system)");
	fs->device = device;
	fs->fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
	list_push_back(&l->touched, &fs->node);
	return fs;
}

struct sync_job {
	int fd, error;
};

static void run_sync(void *arg)
{
	struct sync_job *job = arg;

	job->error = syncfs(job->fd) < 0 ? errno : 0;
}

bool checkpoint(struct local *l)
{
	bool good = true;

	/* The list only grows, at its end: the walk survives suspension. */
	LIST_EACH(node, &l->touched) {
		struct touched_fs *fs = CONTAINER_OF(node, struct touched_fs, node);
		struct sync_job job = { .fd = fs->fd };

		if (!fs->is_dirty)
			continue;
		fs->is_dirty = false;
		task_offload(run_sync, &job);
		if (job.error != 0) {
			log_error("cannot sync delivered mail: %s", strerror(job.error));
			good = false;
		}
	}
	return good;
}

/* ---- open Maildirs ---- */

static void close_mailbox(struct local *l, struct open_mailbox *m)
{
	(void)hash_remove(l->mailboxes, span_of(m->path));
	list_remove(&m->node);
	maildir_close(&m->md);
	free(m->path);
	free(m);
}

static void make_room(struct local *l)
{
	LIST_EACH_SAFE(node, after, &l->by_use) {
		struct open_mailbox *m = CONTAINER_OF(node, struct open_mailbox, node);

		if (hash_count(l->mailboxes) < (size_t)l->conf->local_mailbox_cache_limit)
			return;
		if (m->users == 0)
			close_mailbox(l, m);
	}
}

static int open_inbox(struct maildir *md, const char *path)
{
	if (maildir_open(md, AT_FDCWD, path, 0) == 0)
		return 0;
	if (errno != ENOENT || fs_make_dirs(path, 0700) < 0)
		return -1;
	return maildir_open(md, AT_FDCWD, path, 0);
}

int maildir_open_or_make(struct maildir *md, const char *path, struct span folder)
{
	struct maildir inbox;
	int result, error;

	if (folder.len == 0)
		return open_inbox(md, path);
	if (open_inbox(&inbox, path) < 0)
		return -1;
	result = folder_open_or_make(inbox.dir, folder, md);
	error = errno;
	maildir_close(&inbox);
	errno = error;
	return result;
}

struct open_job {
	const char    *path;
	struct span    folder;
	struct maildir md;
	int            error;
};

static void run_open(void *arg)
{
	struct open_job *job = arg;

	job->error = maildir_open_or_make(&job->md, job->path, job->folder) < 0 ? errno : 0;
}

/* An INBOX is open in no time.  A folder may have to be made, with syncs and a lock: off the loop. */
static int open_directories(struct maildir *md, const char *path, struct span folder)
{
	struct open_job job = { .path = path, .folder = folder };

	if (folder.len == 0)
		return maildir_open_or_make(md, path, folder);
	task_offload(run_open, &job);
	*md = job.md;
	errno = job.error;
	return job.error == 0 ? 0 : -1;
}

/* at: the directory of folder.  Suspends where folder is not the INBOX. */
static struct open_mailbox *open_mailbox(struct local *l, const char *at, const char *path, struct span folder)
{
	struct open_mailbox *m;
	struct maildir md;
	struct stat st;

	if (open_directories(&md, path, folder) < 0)
		return NULL;
	m = hash_get(l->mailboxes, span_of(at));
	if (m != NULL) {	/* another delivery was faster */
		maildir_close(&md);
		return m;
	}
	if (fstat(md.dir, &st) < 0) {
		maildir_close(&md);
		return NULL;
	}
	maildir_clean_tmp(&md, l->conf->maildir_tmp_lifetime);
	make_room(l);
	m = calloc(1, sizeof(*m));
	if (m == NULL || (m->path = strdup(at)) == NULL)
		log_fatal("out of memory (mailbox)");
	m->md = md;
	m->device = st.st_dev;
	list_init(&m->node);
	(void)hash_put(l->mailboxes, span_of(m->path), m);
	return m;
}

/* Still the directory of that name?  An admin may have moved the mailbox away. */
static bool is_in_place(const struct open_mailbox *m)
{
	struct stat ours, named;

	return fstat(m->md.dir, &ours) == 0 && stat(m->path, &named) == 0 && ours.st_ino == named.st_ino &&
	       ours.st_dev == named.st_dev;
}

static struct open_mailbox *get_mailbox(struct local *l, struct arena *arena, const char *path, struct span folder)
{
	const char *at = folder.len == 0 ? path : arena_printf(arena, "%s/%s", path, buf_cstr(&l->junk_directory));
	struct open_mailbox *m = hash_get(l->mailboxes, span_of(at));

	if (m != NULL && m->users == 0 && !is_in_place(m)) {
		close_mailbox(l, m);
		m = NULL;
	}
	if (m == NULL)
		m = open_mailbox(l, at, path, folder);
	if (m == NULL)
		return NULL;
	list_remove(&m->node);
	list_push_back(&l->by_use, &m->node);
	m->users++;
	return m;
}

/* ---- storing ---- */

static char printable(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f ? '?' : c;
}

static struct span clean(struct arena *arena, struct span address)
{
	char *copy = arena_cstr(arena, address);

	for (size_t i = 0; i < address.len; i++)
		copy[i] = printable(copy[i]);
	return span_make(copy, address.len);
}

void describe_delivery(const struct delivery *d, struct maildir_delivery *out)
{
	const struct deliver_request *m = d->message;
	struct span address = clean(d->arena, d->recipient->address);
	struct span original = d->recipient->original.len > 0 ? clean(d->arena, d->recipient->original) :
	                                                        address;

	*out = (struct maildir_delivery){
		.queue_id = m->queue_id, .recipient = d->recipient->number,
		.arrival_s = m->arrival_us / CLOCK_SECOND_US,
		.content = m->content, .file = m->file, .content_offset = m->content_offset,
		.content_length = m->content_length,
		.may_be_repeat = (m->flags & DELIVER_MAY_BE_REPEAT) != 0, .sync = d->local->sync_always,
		.trace = arena_printf_span(d->arena,
		                           "Return-Path: <" SPAN_FMT ">\r\nX-Original-To: " SPAN_FMT
		                           "\r\nDelivered-To: " SPAN_FMT "\r\n",
		                           SPAN_ARG(clean(d->arena, d->envelope->sender)),
		                           SPAN_ARG(original), SPAN_ARG(address)),
	};
}

struct store_job {
	const struct maildir          *md;
	const struct maildir_delivery *delivery;
	enum outcome                   outcome;
	struct why                     why;
};

static void run_store(void *arg)
{
	struct store_job *job = arg;

	job->outcome = mailbox_deliver(job->md, job->delivery, NULL, &job->why);
}

enum outcome cannot_open(const char *path, struct span folder, struct why *why)
{
	const char *dsn = errno == EDQUOT ? "4.2.2" : errno == ENOSPC ? "4.3.1" : "4.2.0";

	if (folder.len > 0)
		return why_errno(why, DEFER, dsn, "cannot open folder " SPAN_FMT " of maildir %s", SPAN_ARG(folder), path);
	return why_errno(why, DEFER, dsn, "cannot open maildir %s", path);
}

struct span folder_for(const struct delivery *d)
{
	return (d->envelope->flags & ENVELOPE_JUNK) != 0 ? d->local->junk_folder : (struct span){ NULL, 0 };
}

enum outcome store_as_us(struct delivery *d, const char *path)
{
	struct local *l = d->local;
	struct span folder = folder_for(d);
	struct open_mailbox *m = get_mailbox(l, d->arena, path, folder);
	struct maildir_delivery delivery;
	struct store_job job;
	struct touched_fs *fs;

	if (m == NULL)
		return cannot_open(path, folder, &d->why);
	describe_delivery(d, &delivery);
	fs = file_system_of(l, m->device, m->md.dir);
	job = (struct store_job){ .md = &m->md, .delivery = &delivery };
	/* What may take long leaves the loop: big files, syncs, searches for a first attempt. */
	if (delivery.sync || delivery.file >= 0 || delivery.may_be_repeat)
		task_offload(run_store, &job);
	else
		run_store(&job);
	fs->is_dirty = true;
	m->users--;
	d->why = job.why;
	d->result.is_durable = delivery.sync && job.outcome == DONE;
	return job.outcome;
}
