/* SPDX-License-Identifier: ISC */
/* control.c - message types of control.h */
#include "lib/ipc/control.h"

IPC_DEFINE(control_ask_request, 2, CONTROL_ASK_REQUEST);
IPC_DEFINE(control_ask_reply, 3, CONTROL_ASK_REPLY);
IPC_DEFINE(control_ready, 4, CONTROL_READY);
IPC_DEFINE(control_alive, 6, CONTROL_ALIVE);
IPC_DEFINE(control_beat, 20, CONTROL_BEAT);
IPC_DEFINE(control_drain, 22, CONTROL_DRAIN);
IPC_DEFINE(control_reopen, 24, CONTROL_REOPEN);
IPC_DEFINE(control_connection, 26, CONTROL_CONNECTION);
