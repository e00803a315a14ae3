/* SPDX-License-Identifier: ISC */
/* maildrop.c - submits what sendmail left in the maildrop folder while the suite was down
 *
 * Looks at start and once a minute.  The files come from any local user: they are read strictly (lib/smtp/submit.h),
 * handed to the local submission socket as any user's mail, and removed when that has them.  Runs as
 * mail_owner, who owns the folder (master makes it); opens nothing else. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/service/service.h"
#include "lib/smtp/submit.h"

enum { SCAN_EVERY_S = 60, STEP_TIMEOUT_S = 60 };

struct maildrop {
	const char *folder, *socket;
};

static void prepare(struct service_run *run)
{
	struct arena *arena = arena_new(NULL);
	struct maildrop *m = ARENA_NEW(arena, struct maildrop);

	m->folder = arena_printf(arena, "%s/maildrop", run->conf->queue_directory);
	m->socket = arena_printf(arena, "%s/public/pickup", run->conf->queue_directory);
	sandbox_allow(&run->sandbox, m->folder, true);
	sandbox_allow(&run->sandbox, arena_printf(arena, "%s/public", run->conf->queue_directory), true);
	run->user = m;
}

/* One file: read, submit, remove. */
static void submit_file(const struct maildrop *m, int dir, const char *name, size_t limit)
{
	struct arena *arena = arena_new(NULL);
	struct submission s;
	struct stat about;
	struct buf bytes;
	struct why why;
	enum outcome outcome;

	buf_init(&bytes, limit);
	if (fstatat(dir, name, &about, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(about.st_mode) || about.st_nlink != 1)
		outcome = why_set(&why, REFUSE, "5.6.0", "not a plain file");
	else if (fs_read_file(dir, name, &bytes) < 0)
		outcome = why_errno(&why, errno == EFBIG ? REFUSE : DEFER, "4.3.0", "read");
	else if (!maildrop_parse(arena, buf_span(&bytes), &s))
		outcome = why_set(&why, REFUSE, "5.6.0", "malformed");
	else
		outcome = submit_message(m->socket, &s, STEP_TIMEOUT_S, &why);
	if (outcome == DONE && fs_unlink_at(dir, name) < 0)
		log_warning("maildrop/%s is queued but cannot be removed: %m", name);
	else if (outcome == DONE)
		log_note("maildrop/%s: %s", name, why.text);
	else
		log_warning("maildrop/%s stays: %s", name, why.text);
	buf_free(&bytes);
	arena_free(arena);
}

static void scan(const struct maildrop *m, size_t limit)
{
	DIR *folder = opendir(m->folder);
	struct dirent *entry;

	if (folder == NULL) {
		log_warning("open %s: %m", m->folder);
		return;
	}
	while ((entry = readdir(folder)) != NULL)
		if (strncmp(entry->d_name, "new.", 4) == 0)
			submit_file(m, dirfd(folder), entry->d_name, limit);
	closedir(folder);
}

/* Answer master until then; false: it wants us to end. */
static bool wait_until(struct service_run *run, uint64_t deadline_us)
{
	struct pollfd control = { .fd = run->control_fd, .events = POLLIN };
	uint64_t now;

	while ((now = clock_now_us()) < deadline_us) {
		if (poll(&control, 1, (int)((deadline_us - now) / 1000 + 1)) > 0 &&
		    service_blocking_control(run) != SERVICE_GO_ON)
			return false;
	}
	return true;
}

static void run_maildrop(struct service_run *run)
{
	size_t limit = run->conf->message_size_limit == 0 ? BUF_NO_LIMIT
	                                                  : (size_t)run->conf->message_size_limit + 1048576;

	for (;;) {
		uint64_t next = clock_in_s(SCAN_EVERY_S);

		scan(run->user, limit);
		if (!wait_until(run, next))
			return;
	}
}

static const struct service maildrop_service = {
	.name = "maildrop",
	.user = "mail_owner",
	.root = SANDBOX_NO_ROOT,
	.may = MAY_READ_FILES | MAY_WRITE_FILES | MAY_CONNECT_UNIX,
	.prepare = prepare,
	.blocking_main = run_maildrop,
};

int main(int argc, char **argv)
{
	return service_main(&maildrop_service, argc, argv);
}
