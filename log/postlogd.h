/* SPDX-License-Identifier: ISC */
/* postlogd.h - lines from a socket to a file */
#ifndef LOG_POSTLOGD_H
#define LOG_POSTLOGD_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/buf.h"

struct postlogd_file {
	const char        *path;	/* kept by the caller */
	int                fd;		/* -1: none; lines are dropped and counted */
	unsigned long long lost;	/* lines, since the last one that was written */
};

/* postlogd_open - append to path ("/dev/stdout": descriptor 1); a new file gets mode 0640 and that owner. */
void postlogd_open(struct postlogd_file *f, const char *path, const uid_t *owner);
/* postlogd_reopen - after it was rotated.  Keeps the old file when the new one cannot be opened. */
void postlogd_reopen(struct postlogd_file *f);
/* postlogd_receive - add the lines that wait in the socket, each with its line end, control bytes replaced: their
 * number, or -1 with errno (EAGAIN: none). */
int  postlogd_receive(int fd, struct buf *lines);
/* postlogd_write - append all of it and clear it.  When it fails, the lines are counted as lost, and the next that can
 * be written are followed by a line that says so. */
void postlogd_write(struct postlogd_file *f, struct buf *lines);

#endif
