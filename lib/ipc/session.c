/* SPDX-License-Identifier: ISC */
/* session.c - message types of session.h */
#include "lib/ipc/session.h"

IPC_DEFINE(session_request, 2, SESSION_REQUEST);
IPC_DEFINE(session_reply, 3, SESSION_REPLY);
