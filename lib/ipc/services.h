/* SPDX-License-Identifier: ISC */
/* services.h - names of our services on private sockets, as master.cf spells them */
#ifndef IPC_SERVICES_H
#define IPC_SERVICES_H

#define SERVICE_ROUTER "rewrite"
#define SERVICE_DNS    "dns"
#define SERVICE_QMGR   "qmgr"
#define SERVICE_AUTH   "auth"
#define SERVICE_TLSMGR "tlsmgr"
#define SERVICE_IMAPD  "imap-session"
#define SERVICE_POP3D  "pop3-session"
#define SERVICE_LOCAL  "virtual"

#endif
