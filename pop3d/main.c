/* SPDX-License-Identifier: ISC */
/* main.c - pop3d: sessions of users that logged in through login, each a process confined to that user's mail
 *
 * The zygote keeps only what it needs to become a user; it reads no byte of mail and none of a client. */
#include "lib/service/service.h"
#include "pop3d/pop3d.h"

static const struct service pop3d = {
	.name = "pop3d",
	.root = SANDBOX_NO_ROOT,
	.may = MAY_ACCEPT | MAY_READ_FILES | MAY_WRITE_FILES | MAY_FORK | MAY_BECOME_USER,
	.blocking_main = pop3_zygote,
};

int main(int argc, char **argv)
{
	return service_main(&pop3d, argc, argv);
}
