/* SPDX-License-Identifier: ISC */
/* sandbox.c - the dangerous steps, once for all programs, in one order
 *
 * Every step that must work ends the process when it does not: a program never runs with more
 * rights than its row names. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/attributes.h"
#include "lib/base/log.h"
#include "lib/sandbox/sandbox_private.h"

#define MUST(step, what)                                                     \
	do {                                                                 \
		if ((step) < 0)                                              \
			log_fatal("sandbox: %s: %s", what, strerror(errno)); \
	} while (0)

/* What a program that becomes other users keeps (as root). */
static const cap_value_t kept_to_become[] = { CAP_SETUID, CAP_SETGID };

static struct sandbox_path *path_of(struct sandbox *s, const char *path)
{
	for (size_t i = 0; i < s->path_count; i++)
		if (strcmp(s->paths[i].path, path) == 0)
			return &s->paths[i];
	if (s->path_count >= SANDBOX_PATHS_MAX)
		log_fatal("sandbox: more than %d paths", SANDBOX_PATHS_MAX);
	s->paths[s->path_count] = (struct sandbox_path){ .path = path };
	return &s->paths[s->path_count++];
}

void sandbox_allow(struct sandbox *s, const char *path, bool may_write)
{
	struct sandbox_path *p = path_of(s, path);

	p->may_write = p->may_write || may_write;
}

void sandbox_allow_programs(struct sandbox *s, const char *path)
{
	path_of(s, path)->may_execute = true;
}

static void change_root(const struct sandbox *s)
{
	if (s->root == SANDBOX_NO_ROOT || geteuid() != 0)
		return;
	MUST(chroot(s->root_path), s->root_path);
	MUST(chdir("/"), "chdir /");
}

static bool keeps(cap_value_t capability, unsigned may)
{
	for (size_t i = 0; (may & MAY_BECOME_USER) != 0 && i < COUNT_OF(kept_to_become); i++)
		if (kept_to_become[i] == capability)
			return true;
	return false;
}

/* What is not in the bounding set does not come back, not even by an exec. */
static void shrink_bounding_set(unsigned may)
{
	if (geteuid() != 0)
		return;
	for (cap_value_t c = 0; cap_get_bound(c) >= 0; c++)
		if (!keeps(c, may) && cap_get_bound(c) == 1)
			(void)cap_drop_bound(c);	/* a container may forbid it */
}

static void change_user(const struct sandbox *s)
{
	if (!s->has_user || geteuid() != 0)
		return;
	MUST(setgroups(0, NULL), "setgroups");
	MUST(setresgid(s->gid, s->gid, s->gid), "setresgid");
	MUST(setresuid(s->uid, s->uid, s->uid), "setresuid");
	if (s->uid != 0 && (setresuid(0, 0, 0) == 0 || setuid(0) == 0 || seteuid(0) == 0))
		log_fatal("sandbox: uid 0 can be had back");
	if (s->gid != 0 && (setresgid(0, 0, 0) == 0 || setegid(0) == 0))
		log_fatal("sandbox: gid 0 can be had back");
}

static void drop_capabilities(unsigned may)
{
	cap_t none = cap_init();

	if (none == NULL)
		log_fatal("sandbox: capabilities: %s", strerror(errno));
	if ((may & MAY_BECOME_USER) != 0 && geteuid() == 0) {
		cap_t have = cap_get_proc();

		/* Only what we were given: a container may have less. */
		for (size_t i = 0; have != NULL && i < COUNT_OF(kept_to_become); i++) {
			cap_flag_value_t value = CAP_CLEAR;

			(void)cap_get_flag(have, kept_to_become[i], CAP_PERMITTED, &value);
			(void)cap_set_flag(none, CAP_PERMITTED, 1, &kept_to_become[i], value);
			(void)cap_set_flag(none, CAP_EFFECTIVE, 1, &kept_to_become[i], value);
		}
		(void)cap_free(have);
	}
	MUST(cap_set_proc(none), "capabilities");
	(void)cap_free(none);
}

static void limit_resources(const struct sandbox *s)
{
	struct rlimit none = { 0, 0 }, files;

	MUST(setrlimit(RLIMIT_CORE, &none), "no core files");
	(void)umask(077);
	if (s->files_max == 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = s->files_max;
	if (files.rlim_max != RLIM_INFINITY && files.rlim_cur > files.rlim_max)
		files.rlim_cur = files.rlim_max;
	MUST(setrlimit(RLIMIT_NOFILE, &files), "descriptors");
}

static void close_to_others(void)
{
#ifndef WITH_SANITIZERS	/* LeakSanitizer traces its own process */
	MUST(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "not dumpable");
#endif
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
}

static void enter(const struct sandbox *s, unsigned may)
{
	int ruleset = landlock_open(s);

	limit_resources(s);
	change_root(s);
	shrink_bounding_set(may);
	change_user(s);
	drop_capabilities(may);
	close_to_others();
	landlock_close(ruleset);
	seccomp_enter(may, s->strict);
}

void sandbox_enter(const struct sandbox *s)
{
	enter(s, s->may);
}

void sandbox_supervise(const struct sandbox *s)
{
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
	landlock_close(landlock_open(s));
	seccomp_enter(MAY_EXEC, false);
}

void sandbox_take_user(const struct sandbox *s)
{
	change_user(s);
	drop_capabilities(MAY_NOTHING);
}

static unsigned become_may(unsigned may)
{
	return may & ~(unsigned)(MAY_FORK | MAY_BECOME_USER);
}

void sandbox_foresee(unsigned may, bool strict)
{
	seccomp_foresee(become_may(may), strict);
}

void sandbox_become(const struct sandbox *s)
{
	sandbox_take_user(s);
	enter(s, become_may(s->may));
}
