/* SPDX-License-Identifier: ISC */
/* ask_dns.h - an asker for threads that puts questions to the dns program, over the task loop of this process
 *
 * The threads of libmilter put their questions in a queue; a task of the loop takes them out and asks, as any program of the
 * suite does. */
#ifndef MAILAUTH_ASK_DNS_H
#define MAILAUTH_ASK_DNS_H

#include "lib/service/service.h"
#include "mailauth/lookups.h"
#include "mailauth/rotation.h"

struct ask_dns;

/* ask_dns_new - for the process of run; lives as long. */
struct ask_dns *ask_dns_new(struct service_run *run, struct answers *answers);
/* ask_dns_start - spawn its task: on the loop. */
void ask_dns_start(struct ask_dns *d);
struct asker *ask_dns_asker(struct ask_dns *d);
/* ask_dns_rotation - the same for tasks of the loop, and questions to one name server alone. */
struct rotation_askers ask_dns_rotation(struct ask_dns *d);

#endif
