/* SPDX-License-Identifier: ISC */
/* landlock.c - which files may be opened, enforced by the kernel whoever we are
 *
 * By system call, because libc has no wrappers.  A kernel without Landlock leaves this step out;
 * "postern check" says so. */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/sandbox/sandbox_private.h"

/* Newer than the headers we may be built with. */
#define ACCESS_REFER    (1ULL << 13)	/* ABI 2 */
#define ACCESS_TRUNCATE (1ULL << 14)	/* ABI 3 */

#define ACCESS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define ACCESS_WRITE                                                                        \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                    \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |                     \
	 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |                       \
	 LANDLOCK_ACCESS_FS_MAKE_SYM | ACCESS_REFER | ACCESS_TRUNCATE)
#define ACCESS_OF_FILES                                                                     \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |                       \
	 LANDLOCK_ACCESS_FS_READ_FILE | ACCESS_TRUNCATE)

int sandbox_landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return abi > 0 ? (int)abi : 0;
}

/* Every kind of access the kernel knows to control. */
static unsigned long long controlled(int abi)
{
	unsigned long long all = (1ULL << 13) - 1;

	if (abi >= 2)
		all |= ACCESS_REFER;
	if (abi >= 3)
		all |= ACCESS_TRUNCATE;
	return all;
}

static void allow(int ruleset, unsigned long long handled, const struct sandbox_path *path)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = ACCESS_READ };
	struct stat                       st;
	int                               fd = open(path->path, O_PATH | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0) {
		log_warning("sandbox: %s: %s: it stays out of reach", path->path, strerror(errno));
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	if (path->may_write)
		rule.allowed_access |= ACCESS_WRITE;
	if (path->may_execute)
		rule.allowed_access |= LANDLOCK_ACCESS_FS_EXECUTE;
	rule.allowed_access &= handled;
	if (!S_ISDIR(st.st_mode))
		rule.allowed_access &= ACCESS_OF_FILES;
	rule.parent_fd = fd;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		log_fatal("sandbox: Landlock rule for %s: %s", path->path, strerror(errno));
	(void)close(fd);
}

int landlock_open(const struct sandbox *s)
{
	struct landlock_ruleset_attr attr = { 0 };
	int                          abi = sandbox_landlock_abi();
	long                         ruleset;

	if (abi == 0)
		return -1;
	attr.handled_access_fs = controlled(abi);
	ruleset = syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0)
		log_fatal("sandbox: Landlock: %s", strerror(errno));
	(void)fcntl((int)ruleset, F_SETFD, FD_CLOEXEC);
	for (size_t i = 0; i < s->path_count; i++)
		allow((int)ruleset, attr.handled_access_fs, &s->paths[i]);
	return (int)ruleset;
}

void landlock_close(int ruleset)
{
	if (ruleset < 0)
		return;
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		log_fatal("sandbox: Landlock: %s", strerror(errno));
	(void)close(ruleset);
}
