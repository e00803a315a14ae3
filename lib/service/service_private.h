/* SPDX-License-Identifier: ISC */
/* service_private.h - what the files of lib/service share */
#ifndef SERVICE_SERVICE_PRIVATE_H
#define SERVICE_SERVICE_PRIVATE_H

#include "lib/service/service.h"

enum { SERVICE_CONTROL_FD = 3, SERVICE_FIRST_LISTENER = 4 };

/* ---- arguments.c ---- */

/* service_arguments - fill run from the command line; false with a line on stderr when it is wrong. */
MUST_USE bool service_arguments(struct service_run *run, struct arena *arena, int argc, char **argv,
                                struct conf_override **overrides, size_t *override_count, bool *verbose);

/* ---- loop.c ---- */

/* service_loop - serve until told to end. */
void service_loop(struct service_run *run);
/* service_drain - take no more work; end when all is done, stop after service_drain_time_limit. */
void service_drain(struct service_run *run);
/* service_stop - the same, but soon: clients are told; end after patience_s at the latest. */
void service_stop(struct service_run *run, uint64_t patience_s);
/* service_adopt - a task for this connection, as if it had been accepted (fd is taken). */
void service_adopt(struct service_run *run, int fd, size_t listener);

/* ---- control.c ---- */

/* service_control_open - the channel to master, with what it may tell us.  service_control - that channel. */
void service_control_open(struct service_run *run);
struct ipc_channel *service_control_channel(void);
/* service_control_ready - tell master that we serve. */
void service_control_ready(struct service_run *run);
/* service_blocking_signals - for programs without a loop: from now on SIGTERM is what service_blocking_control tells. */
void service_blocking_signals(struct service_run *run);

#endif
