/* SPDX-License-Identifier: ISC */
/* dns.c - message types of dns.h */
#include "lib/ipc/dns.h"

IPC_DEFINE(dns_request, 2, DNS_REQUEST);
IPC_DEFINE(dns_reply, 3, DNS_REPLY);
