/* SPDX-License-Identifier: ISC */
/* milter.c - libmilter in this process */
#include "mailauth/milter.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/table/table.h"
#include "mailauth/failures.h"
#include "mailauth/keyring.h"
#include "mailauth/mailauth.h"
#include "mailauth/reports.h"
#include "mailauth/rotation.h"

enum { BACKLOG = 200 };

struct mailauth mailauth;

void milter_open(const char *where)
{
	struct smfiDesc us = session_describe();

	if (smfi_setconn(writable(where)) != MI_SUCCESS || smfi_register(us) != MI_SUCCESS)
		log_fatal("libmilter does not take the socket %s", where);
	(void)smfi_setbacklog(BACKLOG);
	if (smfi_opensocket(true) != MI_SUCCESS)
		log_fatal("cannot listen on %s: %s", where, strerror(errno));
}

static void *run_milter(void *arg)
{
	(void)arg;
	if (smfi_main() != MI_SUCCESS)
		log_error("libmilter has ended");
	(void)kill(getpid(), SIGTERM);
	return NULL;
}

void milter_start(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run_milter, NULL) != 0)
		log_fatal("no thread for libmilter");
	(void)pthread_detach(thread);
}

/* A folder of ours, made for the user we will be. */
static const char *own_folder(const struct conf *conf, const char *name, uid_t uid, gid_t gid)
{
	const char *path = arena_printf(conf->arena, "%s/%s", conf->data_directory, name);

	if (fs_make_dirs(conf->data_directory, 0755) < 0 || fs_make_dirs(path, 0700) < 0 || (uid != (uid_t)-1 && chown(path, uid, gid) < 0))
		log_fatal("cannot make %s: %s", path, strerror(errno));
	return path;
}

const char *prepare_checks(const struct conf *conf, uid_t uid, gid_t gid)
{
	const char *folder = own_folder(conf, "mailauth", uid, gid);
	struct why why;

	settings_read(&mailauth, conf);
	mailauth.keyring = keyring_new(conf, (struct dkim_owner){ uid != (uid_t)-1, uid, gid }, &why);
	if (mailauth.keyring == NULL)
		log_fatal("%s", why.text);
	mailauth.reports = reports_new(conf, own_folder(conf, "mailauth/reports", uid, gid));
	mailauth.failures = failures_new(conf);
	return folder;
}

static void allow_table(void *user, const char *path)
{
	sandbox_allow(user, path, false);
}

void allow_paths(struct sandbox *box, const struct conf *conf, const char *folder)
{
	sandbox_allow(box, folder, true);
	keyring_allow(mailauth.keyring, box);
	table_each_path(conf->dkim_signing_table, conf->default_database_type, allow_table, box);
}

void start_tasks(const struct rotation_askers *askers)
{
	rotation_start(mailauth.conf, mailauth.keyring, askers);
	reports_start(mailauth.reports);
	failures_start(mailauth.failures);
}
