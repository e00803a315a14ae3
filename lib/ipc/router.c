/* SPDX-License-Identifier: ISC */
/* router.c - message types of router.h */
#include "lib/ipc/router.h"

IPC_DEFINE(resolve_request, 2, RESOLVE_REQUEST);
IPC_DEFINE(resolve_reply, 3, RESOLVE_REPLY);
IPC_DEFINE(lookup_request, 4, LOOKUP_REQUEST);
IPC_DEFINE(lookup_reply, 5, LOOKUP_REPLY);
IPC_DEFINE(router_asker, 6, ROUTER_ASKER);
