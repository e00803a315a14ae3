/* SPDX-License-Identifier: ISC */
/* main.c - mailauth: a filter (milter) that checks who mail is of, and signs ours
 *
 * Two ways to start it.  By master, as a service: it asks our dns program, and master connects the receivers to the
 * socket it makes in queue/private.  Or beside another mail server that speaks the milter protocol (standalone.h).
 * libmilter accepts and runs its threads beside the task loop, which looks up, watches keys and sends reports. */
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/ipc/services.h"
#include "lib/service/service.h"
#include "lib/task/task.h"
#include "mailauth/ask_dns.h"
#include "mailauth/mailauth.h"
#include "mailauth/milter.h"
#include "mailauth/reports.h"
#include "mailauth/standalone.h"

enum {
	LEAVE_LOOK_US = 20 * 1000,
	LEAVE_WAIT_S = 10,	/* for messages under way, before their connections are closed */
};

static void prepare(struct service_run *run)
{
	const struct conf *conf = run->conf;
	struct sandbox *box = &run->sandbox;
	const char *folder = box->has_user ? prepare_checks(conf, box->uid, box->gid)
	                                   : prepare_checks(conf, (uid_t)-1, (gid_t)-1);

	run->user = ask_dns_new(run, answers_new((size_t)conf->mailauth_answer_cache_size));
	mailauth.asker = ask_dns_asker(run->user);
	/* Only master can enter the folder of the socket. */
	milter_open(arena_printf(conf->arena, "unix:%s/private/%s", conf->queue_directory, run->name));
	allow_paths(box, conf, folder);
	if (strncmp(conf->dmarc_report_submission, "inet:", 5) == 0)
		box->may |= MAY_CONNECT_INET;
	sandbox_allow(box, arena_printf(conf->arena, "%s/public", conf->queue_directory), false);
}

static void start(struct service_run *run)
{
	struct rotation_askers askers = ask_dns_rotation(run->user);

	ask_dns_start(run->user);
	start_tasks(&askers);
	milter_start();
}

/* A new process has our socket's name.  Messages on old connections are finished, then those are closed, and the
 * receivers come to the new one. */
static void leave(void *arg)
{
	uint64_t deadline_us = clock_in_s(LEAVE_WAIT_S);

	(void)arg;
	while (mailauth.messages > 0 && clock_now_us() < deadline_us)
		if (task_sleep_us(LEAVE_LOOK_US) < 0)
			break;
	task_stop();
}

static void drain(struct service_run *run)
{
	(void)run;
	run->connections++;	/* the end waits for leave() */
	reports_stop(mailauth.reports);
	if (task_spawn(leave, NULL, "leave") == NULL)
		task_stop();
}

static const char *const asks[] = { SERVICE_DNS, NULL };

static const struct service mailauth_service = {
	.name = "mailauth",
	.user = "filter_owner",
	.root = SANDBOX_NO_ROOT,
	.may = MAY_ACCEPT | MAY_READ_FILES | MAY_WRITE_FILES | MAY_CONNECT_UNIX,
	.asks = asks,
	.prepare = prepare,
	.start = start,
	.drain = drain,
};

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "-l") == 0)
			return standalone_main(argc, argv);
	return service_main(&mailauth_service, argc, argv);
}
