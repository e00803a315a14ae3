/* SPDX-License-Identifier: ISC */
/* main.c - imapd: a zygote that forks one process per IMAP session
 *
 * The zygote reads requests of login alone, never a byte from a client.  The child it forks becomes the
 * mail's owner, confined to that user's mail (zygote.c), and runs the session. */
#include "imapd/zygote.h"
#include "lib/service/service.h"

static const struct service imapd_service = {
	.name = "imapd",
	.root = SANDBOX_NO_ROOT,
	.may = MAY_ACCEPT | MAY_READ_FILES | MAY_WRITE_FILES | MAY_FORK | MAY_BECOME_USER,
	.prepare = zygote_prepare,
	.blocking_main = zygote_main,
};

int main(int argc, char **argv)
{
	return service_main(&imapd_service, argc, argv);
}
