/* SPDX-License-Identifier: ISC */
/* milter.h - libmilter in this process: its socket and its threads, and what both ways to start share */
#ifndef MAILAUTH_MILTER_H
#define MAILAUTH_MILTER_H

#include <sys/types.h>

#include "lib/conf/conf.h"
#include "lib/sandbox/sandbox.h"
#include "mailauth/rotation.h"

/* milter_open - listen at "unix:PATH" or "inet:PORT@HOST"; ends the process when that fails.  With the privileges of the
 * start. */
void milter_open(const char *where);
/* milter_start - libmilter's threads, inside the sandbox; when libmilter ends, the process gets SIGTERM. */
void milter_start(void);

/* prepare_checks - settings, keys, a folder of our own below data_directory (given) for what is remembered, which is
 * made for uid and gid (-1: whoever we are).  Before the sandbox; ends the process on what cannot be honoured. */
const char *prepare_checks(const struct conf *conf, uid_t uid, gid_t gid);
/* allow_paths - the folder that prepare_checks gave, keys and tables. */
void allow_paths(struct sandbox *box, const struct conf *conf, const char *folder);
/* start_tasks - what the loop does beside looking up: watch keys, send reports. */
void start_tasks(const struct rotation_askers *askers);

#endif
