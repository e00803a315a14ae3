/* SPDX-License-Identifier: ISC */
/* queue_admin.c - message types of queue_admin.h */
#include "lib/ipc/queue_admin.h"

IPC_DEFINE(queue_list_request, 20, QUEUE_LIST_REQUEST);
IPC_DEFINE(queue_entry, 21, QUEUE_ENTRY);
IPC_DEFINE(queue_action_request, 22, QUEUE_ACTION_REQUEST);
IPC_DEFINE(queue_action_reply, 23, QUEUE_ACTION_REPLY);
IPC_DEFINE(queue_read_request, 24, QUEUE_READ_REQUEST);
IPC_DEFINE(queue_read_reply, 25, QUEUE_READ_REPLY);
