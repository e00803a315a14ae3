/* SPDX-License-Identifier: ISC */
/* spool.c - the folders below queue_directory, and the lock that keeps a second master out
 *
 * The lock is the kernel's, on an open file: it goes with its holder, so what a crash leaves behind never
 * blocks a start. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/sandbox/sandbox.h"
#include "master/master.h"

static const struct {
	const char *name;
	mode_t      mode;
	bool        is_queue;	/* belongs to mail_owner, else to root */
} folders[] = {
	{ "pid",      0755, false },
	{ "private",  0700, false },	/* only master connects there */
	{ "public",   0755, false },
	{ "empty",    0755, false },	/* root of the network programs */
	{ "journal",  0700, true },
	{ "message",  0700, true },
	{ "corrupt",  0700, true },
	{ "maildrop", 01733, true },	/* sendmail leaves mail here while we are down */
};

static bool fail(struct arena *arena, const char **error, const char *what, const char *path)
{
	*error = arena_printf(arena, "%s %s: %s", what, path, strerror(errno));
	return false;
}

/* Make it when it is missing; correct mode and owner in any case. */
static bool settle_folder(const char *path, mode_t mode, uid_t uid, gid_t gid, struct arena *arena,
                          const char **error)
{
	struct stat st;

	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return fail(arena, error, "create folder", path);
	if (lstat(path, &st) < 0)
		return fail(arena, error, "look at", path);
	if (!S_ISDIR(st.st_mode)) {
		*error = arena_printf(arena, "%s is not a folder", path);
		return false;
	}
	if (geteuid() == 0 && (st.st_uid != uid || st.st_gid != gid) && lchown(path, uid, gid) < 0)
		return fail(arena, error, "change the owner of", path);
	if ((st.st_mode & 07777) != mode && chmod(path, mode) < 0)
		return fail(arena, error, "change the mode of", path);
	return true;
}

bool spool_prepare(const struct conf *conf, struct arena *arena, const char **error)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (geteuid() == 0 && !sandbox_user(conf->mail_owner, &uid, &gid)) {
		*error = arena_printf(arena, "parameter mail_owner: unknown user %s", conf->mail_owner);
		return false;
	}
	if (fs_make_dirs(conf->queue_directory, 0755) < 0)
		return fail(arena, error, "create", conf->queue_directory);
	if (fs_make_dirs(conf->data_directory, 0755) < 0 ||
	    !settle_folder(conf->data_directory, 0755, uid, gid, arena, error))
		return *error != NULL ? false : fail(arena, error, "create", conf->data_directory);
	/* Socket names are short when they are relative. */
	if (chdir(conf->queue_directory) < 0)
		return fail(arena, error, "enter", conf->queue_directory);
	for (size_t i = 0; i < COUNT_OF(folders); i++)
		if (!settle_folder(folders[i].name, folders[i].mode, folders[i].is_queue ? uid : geteuid(),
		                   folders[i].is_queue ? gid : getegid(), arena, error))
			return false;
	return true;
}

bool spool_lock(struct arena *arena, const char **error)
{
	static const char path[] = "pid/master.pid";
	struct flock      lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char              text[24];
	int               length = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	int               fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd < 0)
		return fail(arena, error, "open", path);
	if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
		(void)close(fd);
		if (errno != EAGAIN && errno != EACCES)
			return fail(arena, error, "lock", path);
		*error = "the mail system is already running";
		return false;
	}
	if (ftruncate(fd, 0) < 0 || fs_pwrite_all(fd, text, (size_t)length, 0) < 0)
		return fail(arena, error, "write", path);
	return true;	/* fd stays open as long as we live: it is the lock */
}
