/* SPDX-License-Identifier: ISC */
/* main.c - qmgr: the one owner of the queue
 *
 * Listener 0 is private (receivers commit there; master introduces them), listener 1 is public/qmgr for the tools.
 * intake.c tells the two apart. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/ipc/commit.h"
#include "lib/ipc/queue_admin.h"
#include "qmgr/qmgr.h"

enum {
	REQUESTS_MAX = 1024,
	LOADERS = 4,
	OFFLOAD_THREADS = 8,	/* the journal's, the spare segment's, loaders', lease openers' */
	FILES_MAX = 65536,
};

static struct qmgr the_qmgr;
struct qmgr *qmgr = &the_qmgr;

/* ---- start: what the queue holds (reliability rules 2.7) ---- */

static struct segment *old_segment(const struct store_segment *found)
{
	struct segment *s = calloc(1, sizeof(*s));

	if (s == NULL)
		log_fatal("out of memory");
	if (journal_open(qmgr->store.journal_fd, found->seq, &s->file) < 0)
		log_fatal("open journal segment %llx: %s", (unsigned long long)found->seq, strerror(errno));
	list_init(&s->messages);
	s->is_closed = true;
	s->is_damaged = found->is_damaged;
	list_push_back(&qmgr->journal.segments, &s->node);
	return s;
}

static void replay_all(void)
{
	struct store_segment *found;
	size_t count;

	if (store_segments(&qmgr->store, &found, &count) < 0)
		log_fatal("read the journal: %s", strerror(errno));
	for (size_t i = 0; i < count; i++) {
		if (store_replay(&qmgr->index, &found[i]) < 0)
			log_fatal("replay journal segment %llx: %s", (unsigned long long)found[i].seq, strerror(errno));
		if (found[i].is_damaged)
			log_error("journal segment %llx is damaged: a copy is kept in queue/corrupt; its whole records are used",
			          (unsigned long long)found[i].seq);
		if (found[i].size > 0)
			(void)old_segment(&found[i]);
	}
	free(found);
	qmgr->journal.next_seq = qmgr->index.last_seq + 1;
}

static void resume_all(void)
{
	size_t cursor = 0;
	struct span key;
	void *value;

	while (hash_next(qmgr->index.mails, &cursor, &key, &value))
		message_resume(value);
}

/* ---- once a second ---- */

struct measuring {
	int                fd;
	unsigned long long free_bytes;
};

static void measure_blocking(void *arg)
{
	struct measuring *m = arg;
	struct statvfs st;

	m->free_bytes = fstatvfs(m->fd, &st) < 0 ? 0 : (unsigned long long)st.f_bavail * st.f_frsize;
}

static void measure(void)
{
	struct measuring m = { qmgr->store.journal_fd, 0 };

	task_offload(measure_blocking, &m);
	qmgr->free_bytes = m.free_bytes;
}

static void tick_task(void *arg)
{
	(void)arg;
	while (task_sleep_us(qmgr->conf->journal_checkpoint_interval * CLOCK_SECOND_US) == 0) {
		measure();
		agents_tick();
		schedule_sweep(&qmgr->schedule, clock_now_us());
		dispatch_kick();
		journal_tick();
		messages_due(clock_wall_us());
	}
}

/* ---- the service ---- */

static const struct ipc_handler handlers[] = {
	{ &commit_request_type, handle_commit, false },
	{ &lease_request_type, handle_lease, true },
	{ &lease_end_request_type, handle_lease_end, false },
	{ &room_request_type, handle_room, false },
	{ &queue_list_request_type, handle_list, true },
	{ &queue_action_request_type, handle_action, true },
	{ &queue_read_request_type, handle_read, true },
};

static struct ipc_server *qmgr_ipc(struct service_run *run)
{
	(void)run;
	return &qmgr->ipc;
}

static void prepare(struct service_run *run)
{
	qmgr->run = run;
	qmgr->conf = run->conf;
	run->user = qmgr;
	allowed_prepare(run->conf);
	run->sandbox.files_max = FILES_MAX;
	run->sandbox.root_path = run->conf->queue_directory;
	sandbox_allow(&run->sandbox, run->conf->queue_directory, true);
	qmgr->ipc = (struct ipc_server){
		.handlers = handlers, .count = COUNT_OF(handlers), .user = qmgr, .most_requests = REQUESTS_MAX,
		.opened = intake_opened, .closed = intake_closed,
	};
}

static void start_tasks(void)
{
	for (int i = 0; i < LOADERS; i++)
		if (task_spawn(loader_task, NULL, "load") == NULL)
			log_fatal("cannot start: %s", strerror(errno));
	if (task_spawn(scan_task, NULL, "scan") == NULL || task_spawn(tick_task, NULL, "tick") == NULL)
		log_fatal("cannot start: %s", strerror(errno));
}

/* start - inside the sandbox: the queue folder is the root, or still where it was for an ordinary user. */
static void start(struct service_run *run)
{
	const char *root = run->is_privileged ? "/" : run->conf->queue_directory;

	task_set_threads(OFFLOAD_THREADS);
	if (store_open(&qmgr->store, root, true, true) < 0)
		log_fatal("open the queue below %s: %s", run->conf->queue_directory, strerror(errno));
	qmgr->publishing = hash_new();
	list_init(&qmgr->waiting);
	list_init(&qmgr->journal.segments);
	task_waitlist_init(&qmgr->load_work);
	task_waitlist_init(&qmgr->scan_end);
	schedule_init(&qmgr->schedule, limits_of, qmgr);
	store_index_init(&qmgr->index, &qmgr->store, sizeof(struct message));
	task_hold_allowed(true);
	replay_all();
	task_hold_allowed(false);
	measure();
	agents_start(qmgr);
	route_start(qmgr);
	marks_start();
	journal_start(qmgr);
	resume_all();
	start_tasks();
}

/* The router, and whatever transports master.cf has: master knows which those are. */
static const char *const asks[] = { "*", NULL };

static const struct service service = {
	.name = "qmgr",
	.user = "mail_owner",
	.root = SANDBOX_DIR_ROOT,
	.may = MAY_ACCEPT | MAY_READ_FILES | MAY_WRITE_FILES,
	.asks = asks,
	.prepare = prepare,
	.start = start,
	.ipc = qmgr_ipc,
};

int main(int argc, char **argv)
{
	return service_main(&service, argc, argv);
}
