/* SPDX-License-Identifier: ISC */
/* main.c - auth: the one program that reads password data; says yes or no, and where the mail is
 *
 * Asked by smtpd and login over a private socket, and by other mail programs over a public one in Dovecot's protocol
 * (a second master.cf entry).  Opens the folder of auth_passwd_file, nothing else. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "auth/auth.h"
#include "lib/base/log.h"

enum { MOST_REQUESTS = 4096 };

static struct auth state;

/* Names of users and groups are looked up now, the sandbox has no /etc/passwd. */
static bool find_default_ids(struct auth *a, struct arena *arena)
{
	const struct conf *conf = a->conf;
	const char *both;

	if (conf->auth_default_uid[0] == '\0')
		return sandbox_static_owner(conf->virtual_uid_maps, conf->virtual_gid_maps, &a->default_uid,
		                            &a->default_gid);
	both = conf->auth_default_gid[0] == '\0'
	               ? conf->auth_default_uid
	               : arena_printf(arena, "%s:%s", conf->auth_default_uid, conf->auth_default_gid);
	if (sandbox_user(both, &a->default_uid, &a->default_gid))
		return true;
	log_warning("owner of mailboxes \"%s\" is unknown", both);
	return false;
}

static void allow_passwd_folder(struct service_run *run, struct arena *arena)
{
	const char *path = run->conf->auth_passwd_file;
	const char *slash = strrchr(path, '/');
	const char *folder;

	if (*path == '\0') {
		log_warning("auth_passwd_file is not set: nobody can log in");
		return;
	}
	if (*path != '/')
		log_fatal("auth_passwd_file must be an absolute path: %s", path);
	folder = slash == path ? "/" : arena_cstr(arena, span_make(path, (size_t)(slash - path)));
	if (access(folder, X_OK) == 0)
		sandbox_allow(&run->sandbox, folder, false);
	else
		log_warning("cannot use folder %s: %s", folder, strerror(errno));
}

static void prepare(struct service_run *run)
{
	struct auth *a = &state;
	struct arena *arena = arena_new(NULL);	/* the sandbox keeps the folder's name */
	struct penalty_rules rules = {
		.base_us = run->conf->auth_failure_delay * CLOCK_SECOND_US,
		.most_us = run->conf->auth_failure_delay_limit * CLOCK_SECOND_US,
		.table_size = (size_t)run->conf->auth_client_table_size,
	};

	if (rules.most_us < rules.base_us)
		rules.most_us = rules.base_us;
	a->conf = run->conf;
	a->penalties = penalties_new(&rules);
	a->has_default_ids = find_default_ids(a, arena);
	if (!a->has_default_ids && !run->is_privileged) {
		a->default_uid = getuid();
		a->default_gid = getgid();
		a->has_default_ids = true;
	}
	allow_passwd_folder(run, arena);
	a->server = (struct ipc_server){
		.handlers = auth_handlers,
		.count = auth_handler_count,
		.user = a,
		.most_requests = MOST_REQUESTS,
		.opened = auth_peer_opened,
		.closed = auth_peer_closed,
	};
	run->user = a;
}

/* The first read is made as the user that will read it later: what cannot work is told at once. */
static void start(struct service_run *run)
{
	auth_reload(run->user);
}

static struct ipc_server *server_of(struct service_run *run)
{
	return &((struct auth *)run->user)->server;
}

static void serve(struct service_run *run, int fd, size_t listener)
{
	(void)listener;
	auth_dovecot_serve(run->user, fd);
}

static const struct service auth_service = {
	.name = "auth",
	.user = "auth_owner",
	.root = SANDBOX_NO_ROOT,	/* Landlock: the folder of the passwd-file */
	.may = MAY_ACCEPT | MAY_READ_FILES,
	.prepare = prepare,
	.start = start,
	.serve = serve,
	.ipc = server_of,
};

int main(int argc, char **argv)
{
	return service_main(&auth_service, argc, argv);
}
