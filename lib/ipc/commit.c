/* SPDX-License-Identifier: ISC */
/* commit.c - message types of commit.h */
#include "lib/ipc/commit.h"

IPC_DEFINE(lease_request, 2, LEASE_REQUEST);
IPC_DEFINE(lease_reply, 3, LEASE_REPLY);
IPC_DEFINE(commit_request, 4, COMMIT_REQUEST);
IPC_DEFINE(commit_reply, 5, COMMIT_REPLY);
IPC_DEFINE(room_request, 6, ROOM_REQUEST);
IPC_DEFINE(lease_end_request, 8, LEASE_END_REQUEST);
