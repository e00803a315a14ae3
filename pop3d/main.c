/* SPDX-License-Identifier: ISC */
/* main.c - pop3d: sessions of users that logged in through login, each a process confined to that user's mail
 * (lib/service/zygote.h) */
#include "lib/service/zygote.h"
#include "pop3d/pop3d.h"

static void serve(struct service_run *run, const struct session_request *r, const char *path)
{
	pop3_session(run->conf, r, path, zygote_is_stopping);
}

static void run_zygote(struct service_run *run)
{
	const struct zygote_work work = {
		.process_limit = run->conf->pop3d_process_limit,
		.user_limit = run->conf->pop3d_user_session_limit,
		.user_client_limit = run->conf->pop3d_user_session_limit,
		.limit_code = "",
		.serve = serve,
	};

	zygote_main(run, &work);
}

static const struct service pop3d = {
	.name = "pop3d",
	.root = SANDBOX_NO_ROOT,
	.may = MAY_ACCEPT | MAY_READ_FILES | MAY_WRITE_FILES | MAY_FORK | MAY_BECOME_USER,
	.prepare = zygote_prepare,
	.blocking_main = run_zygote,
};

int main(int argc, char **argv)
{
	return service_main(&pop3d, argc, argv);
}
