/* SPDX-License-Identifier: ISC */
/* tlskey.c - message types of tlskey.h */
#include "lib/ipc/tlskey.h"

IPC_DEFINE(tls_sign_request, 2, TLS_SIGN_REQUEST);
IPC_DEFINE(tls_sign_reply, 3, TLS_SIGN_REPLY);
IPC_DEFINE(tls_ticket_keys_request, 4, TLS_TICKET_KEYS_REQUEST);
IPC_DEFINE(tls_ticket_keys_reply, 5, TLS_TICKET_KEYS_REPLY);
