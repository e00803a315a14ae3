/* SPDX-License-Identifier: ISC */
/* zygote.h - the parent of all session processes */
#ifndef IMAPD_ZYGOTE_H
#define IMAPD_ZYGOTE_H

#include "lib/service/service.h"

/* zygote_prepare - load what sessions need and cannot reach any more: converters, time zone. */
void zygote_prepare(struct service_run *run);
/* zygote_main - take session requests from login until master is gone or wants us to end. */
void zygote_main(struct service_run *run);

#endif
