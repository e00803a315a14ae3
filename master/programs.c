/* SPDX-License-Identifier: ISC */
/* programs.c - commands of master.cf, Postfix's and ours, and who may be introduced to whom
 *
 * The row of each program says whom it asks as well; but that row is in the program, which may have been
 * taken over.  This table is the one that counts. */
#include <string.h>
#include <sys/socket.h>

#include "lib/ipc/services.h"
#include "master/master.h"

static const char *const smtpd_asks[] = {
	SERVICE_ROUTER, SERVICE_DNS, SERVICE_QMGR, SERVICE_AUTH, SERVICE_TLSMGR, NULL
};
static const char *const qmgr_asks[] = { SERVICE_ROUTER, NULL };
static const char *const smtp_asks[] = { SERVICE_ROUTER, SERVICE_DNS, NULL };
static const char *const local_asks[] = { SERVICE_ROUTER, NULL };
static const char *const login_asks[] = {
	SERVICE_AUTH, SERVICE_TLSMGR, SERVICE_IMAPD, SERVICE_POP3D, NULL
};
static const char *const mailauth_asks[] = { SERVICE_DNS, NULL };
static const char *const none[] = { NULL };

static const struct program programs[] = {
	{ "smtpd",      "smtpd",    SOCK_STREAM,    PROGRAM_ASKS_MILTERS, smtpd_asks },
	{ "postscreen", "smtpd",    SOCK_STREAM,    PROGRAM_ASKS_MILTERS, smtpd_asks },
	{ "pickup",     "smtpd",    SOCK_STREAM,    PROGRAM_SINGLE | PROGRAM_ASKS_MILTERS, smtpd_asks },
	{ "maildrop",   "maildrop", SOCK_STREAM,    PROGRAM_SINGLE | PROGRAM_ACCEPTS_ITSELF, none },
	{ "qmgr",       "qmgr",     SOCK_SEQPACKET, PROGRAM_SINGLE | PROGRAM_EXCLUSIVE | PROGRAM_ASKS_TRANSPORTS, qmgr_asks },
	{ "router",     "router",   SOCK_SEQPACKET, PROGRAM_KNOWS_ASKERS, none },
	{ "trivial-rewrite", "router", SOCK_SEQPACKET, PROGRAM_KNOWS_ASKERS, none },
	{ "dns",        "dns",      SOCK_SEQPACKET, PROGRAM_SINGLE, none },
	{ "auth",       "auth",     SOCK_SEQPACKET, PROGRAM_SINGLE, none },
	{ "auth-client", "auth",    SOCK_STREAM,    PROGRAM_SINGLE, none },	/* Dovecot's protocol, for others */
	{ "tlsmgr",     "tlsmgr",   SOCK_SEQPACKET, PROGRAM_SINGLE, none },
	{ "smtp",       "smtp",     SOCK_SEQPACKET, PROGRAM_TRANSPORT, smtp_asks },
	{ "lmtp",       "smtp",     SOCK_SEQPACKET, PROGRAM_TRANSPORT, smtp_asks },
	{ "local",      "local",    SOCK_SEQPACKET, PROGRAM_TRANSPORT, local_asks },
	{ "virtual",    "local",    SOCK_SEQPACKET, PROGRAM_TRANSPORT, local_asks },
	{ "login",      "login",    SOCK_STREAM,    0, login_asks },
	{ "imapd",      "imapd",    SOCK_SEQPACKET, PROGRAM_SINGLE | PROGRAM_ACCEPTS_ITSELF, none },
	{ "pop3d",      "pop3d",    SOCK_SEQPACKET, PROGRAM_SINGLE | PROGRAM_ACCEPTS_ITSELF, none },
	{ "mailauth",   "mailauth", SOCK_STREAM,    PROGRAM_SINGLE | PROGRAM_MAKES_SOCKET, mailauth_asks },
	{ "postlogd",   "postlogd", SOCK_DGRAM,     PROGRAM_SINGLE, none },
	/* Their work is part of other programs. */
	{ "cleanup",    NULL, 0, 0, none },
	{ "bounce",     NULL, 0, 0, none },
	{ "defer",      NULL, 0, 0, none },
	{ "trace",      NULL, 0, 0, none },
	{ "verify",     NULL, 0, 0, none },
	{ "flush",      NULL, 0, 0, none },
	{ "proxymap",   NULL, 0, 0, none },
	{ "showq",      NULL, 0, 0, none },
	{ "error",      NULL, 0, 0, none },
	{ "retry",      NULL, 0, 0, none },
	{ "discard",    NULL, 0, 0, none },
	{ "anvil",      NULL, 0, 0, none },
	{ "scache",     NULL, 0, 0, none },
	{ "tlsproxy",   NULL, 0, 0, none },
	{ "dnsblog",    NULL, 0, 0, none },
};

const struct program *program_find(const char *command)
{
	for (size_t i = 0; i < COUNT_OF(programs); i++)
		if (strcmp(programs[i].command, command) == 0)
			return &programs[i];
	return NULL;
}

bool program_may_ask(const struct program *asker, const char *service, const struct program *answerer)
{
	if ((asker->flags & PROGRAM_ASKS_TRANSPORTS) != 0 && (answerer->flags & PROGRAM_TRANSPORT) != 0)
		return true;
	for (const char *const *name = asker->asks; *name != NULL; name++)
		if (strcmp(*name, service) == 0)
			return true;
	return false;
}
