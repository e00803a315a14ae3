/* SPDX-License-Identifier: ISC */
/* auth.c - message types of auth.h */
#include "lib/ipc/auth.h"

IPC_DEFINE(auth_mechanisms_request, 2, AUTH_MECHANISMS_REQUEST);
IPC_DEFINE(auth_mechanisms_reply, 3, AUTH_MECHANISMS_REPLY);
IPC_DEFINE(auth_request, 4, AUTH_REQUEST);
IPC_DEFINE(auth_reply, 5, AUTH_REPLY);
