/* SPDX-License-Identifier: ISC */
/* postern_check.c - mistakes that would be noticed only later
 *
 * A fault keeps the system from starting; a warning does not.  (conf_load has warned of unknown and
 * unsupported parameters already.) */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/sandbox/sandbox.h"
#include "tools/postern.h"

enum { NFS_MAGIC = 0x6969, SMB_MAGIC = 0x517b, FUSE_MAGIC = 0x65735546 };

/* master knows what it can run. */
static unsigned look_at_services(struct postern *p)
{
	const char *program = postern_master_path(p);
	int         status;
	pid_t       pid = fork();

	if (pid == 0) {
		(void)execl(program, "master", "-c", p->config_dir, "-t", (char *)NULL);
		log_error("%s: %s", program, strerror(errno));
		_exit(126);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		log_fatal("cannot start %s: %s", program, strerror(errno));
	return status == 0 ? 0 : 1;
}

static unsigned look_at_user(const struct postern *p, const char *parameter)
{
	const char *user = conf_value(p->conf, parameter, p->arena);
	uid_t       uid;
	gid_t       gid;

	if (user != NULL && sandbox_user(user, &uid, &gid)) {
		if (uid == 0)
			log_warning("parameter %s: this should not be root", parameter);
		return 0;
	}
	log_error("parameter %s: unknown user %s", parameter, user != NULL ? user : "");
	return 1;
}

static unsigned look_at_users(const struct postern *p)
{
	static const char *const parameters[] = {
		"mail_owner", "network_owner", "resolver_owner", "router_owner", "auth_owner", "tls_key_owner",
		"log_owner", "default_privs",
	};
	unsigned faults = 0;

	if (geteuid() != 0)
		return 0;	/* all programs run under our own uid */
	for (size_t i = 0; i < COUNT_OF(parameters); i++)
		faults += look_at_user(p, parameters[i]);
	return faults;
}

static unsigned look_at_spool(const struct postern *p)
{
	const char   *path = p->conf->queue_directory;
	struct statfs fs;
	struct stat   st;

	if (stat(path, &st) < 0)
		return 0;	/* master makes it */
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		log_warning("%s: group or others may write to it", path);
	if (statfs(path, &fs) == 0 && (fs.f_type == NFS_MAGIC || fs.f_type == SMB_MAGIC)) {
		log_error("%s: the queue must be on a local file system", path);
		return 1;
	}
	if (fs.f_type == FUSE_MAGIC)
		log_warning("%s: a FUSE file system may not keep what it has synced", path);
	return 0;
}

static void look_at_files(const struct postern *p)
{
	static const char *const names[] = { "main.cf", "master.cf" };

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		const char *path = arena_printf(p->arena, "%s/%s", p->config_dir, names[i]);
		struct stat st;

		if (stat(path, &st) == 0 && (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
			log_warning("%s: group or others may write to it", path);
	}
}

unsigned postern_look(struct postern *p)
{
	look_at_files(p);
	return look_at_services(p) + look_at_users(p) + look_at_spool(p);
}

int postern_check(struct postern *p, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	if (sandbox_landlock_abi() == 0)
		log_warning("this kernel has no Landlock: file access is confined by user and root folder only");
	return postern_look(p) > 0 ? 1 : 0;
}
