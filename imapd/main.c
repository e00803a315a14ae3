/* SPDX-License-Identifier: ISC */
/* main.c - imapd: sessions of users that logged in through login, each a process confined to that user's mail
 * (lib/service/zygote.h) */
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "imapd/imapd.h"
#include "lib/base/log.h"
#include "lib/mime/charset.h"
#include "lib/service/zygote.h"

static struct mailstore *store;	/* of the one session of this process */

static void read_settings(const struct conf *conf, struct imap_settings *settings)
{
	*settings = (struct imap_settings){
		.command_limit = (size_t)conf->imapd_command_limit,
		.header_limit = (size_t)conf->imapd_header_limit,
		.append_limit = (unsigned long long)conf->message_size_limit,
		.timeout_s = (unsigned)conf->imapd_timeout,
		.idle_notify_s = (unsigned)conf->imapd_idle_notify_interval,
		.bad_command_limit = (unsigned)conf->imapd_bad_command_limit,
		.mime = {
			.depth = (size_t)conf->imapd_mime_nesting_limit,
			.parts = (size_t)conf->imapd_mime_part_limit,
		},
		.is_stopping = zygote_is_stopping,
	};
}

static bool open_store(UNUSED struct service_run *run, UNUSED const struct session_request *r, const char *path)
{
	store = mailstore_open(path, true);
	return store != NULL;
}

static void serve(struct service_run *run, const struct session_request *r, UNUSED const char *path)
{
	struct imap_settings settings;
	struct imap_report   report;
	struct timeval       patience = { .tv_sec = (time_t)run->conf->imapd_timeout };

	read_settings(run->conf, &settings);
	/* A client that reads nothing is given up at last. */
	(void)setsockopt(r->client, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	imap_session(&settings, r->client, store, r->tag, r->input, &report);
	mailstore_close(store);
	log_note("user=<" SPAN_FMT ">, rip=" SPAN_FMT ", disconnected: %s, in=%llu out=%llu commands=%llu",
	         SPAN_ARG(r->user), SPAN_ARG(r->remote_address), report.end, report.in_bytes, report.out_bytes,
	         report.commands);
}

/* Load what sessions need and cannot reach any more: time zone, converters. */
static void prepare(struct service_run *run)
{
	zygote_prepare(run);
	tzset();
	charset_prepare();
}

static void run_zygote(struct service_run *run)
{
	const struct zygote_work work = {
		.process_limit = run->conf->imapd_process_limit,
		.user_limit = run->conf->imapd_user_session_limit,
		.user_client_limit = run->conf->imapd_user_client_session_limit,
		.limit_code = "[LIMIT] ",
		.open = open_store,
		.serve = serve,
	};

	zygote_main(run, &work);
}

static const struct service imapd_service = {
	.name = "imapd",
	.root = SANDBOX_NO_ROOT,
	.may = MAY_ACCEPT | MAY_READ_FILES | MAY_WRITE_FILES | MAY_FORK | MAY_BECOME_USER,
	.prepare = prepare,
	.blocking_main = run_zygote,
};

int main(int argc, char **argv)
{
	return service_main(&imapd_service, argc, argv);
}
