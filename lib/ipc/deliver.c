/* SPDX-License-Identifier: ISC */
/* deliver.c - message types of deliver.h */
#include "lib/ipc/deliver.h"

IPC_DEFINE(deliver_request, 2, DELIVER_REQUEST);
IPC_DEFINE(deliver_result, 3, DELIVER_RESULT);
IPC_DEFINE(checkpoint_request, 4, CHECKPOINT_REQUEST);
IPC_DEFINE(checkpoint_reply, 5, CHECKPOINT_REPLY);
