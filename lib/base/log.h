/* SPDX-License-Identifier: ISC */
/* log.h - one event, one line, in the form that Postfix log tools read
 *
 * The logger alone escapes bytes: what is below 0x20 or from 0x7f to 0x9f (outside
 * valid UTF-8) comes out as a backslash and three octal digits, and no line is longer
 * than LOG_LINE_MAX.  A sender of log lines never waits: lines for postlogd are kept while its
 * socket is full, up to LOG_PENDING_MAX bytes; past that they are dropped and counted, and a
 * summary follows when there is room again. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

#include "lib/base/attributes.h"

enum { LOG_LINE_MAX = 2000, LOG_PENDING_MAX = 256 * 1024, LOG_DATAGRAM_MAX = 8192 };

enum log_level {
	LOG_LEVEL_FATAL,	/* the process ends */
	LOG_LEVEL_ERROR,	/* the admin must act */
	LOG_LEVEL_WARNING,	/* the admin should know */
	LOG_LEVEL_NOTE,		/* the mail's history */
	LOG_LEVEL_DEBUG,	/* on request */
};

enum log_sink {
	LOG_TO_STDERR,	/* "ident: text", for tools and before log_open */
	LOG_TO_SYSLOG,	/* /dev/log, facility mail, opened now (before the sandbox) */
	LOG_TO_SOCKET,	/* datagrams to fd: postlogd; whole lines, several where they waited */
	LOG_TO_FD,	/* finished lines written to fd: postlogd itself, foreground runs */
};

/* log_open - where lines go from now on.  ident is SYSLOG_NAME/PROGRAM (kept).  fd: see the
 * sinks; -1 otherwise.  Non-blocking is set on it. */
void log_open(const char *ident, enum log_sink sink, int fd);
/* log_ident - change the ident: roles of one process log under their own names. */
void log_ident(const char *ident);
void log_set_verbose(bool verbose);
/* log_descriptor - the descriptor in use, or -1; for those that pass it on. */
int log_descriptor(void);
/* log_set_deferred - gather lines for postlogd until log_flush is called, or a few KiB are there:
 * for programs whose loop flushes before it sleeps. */
void log_set_deferred(bool deferred);
/* log_flush - send what waits; false when the receiver has no room now: call again soon. */
bool log_flush(void);
/* log_time_stamp - "Mon DD HH:MM:SS" of now into out (16 bytes with NUL). */
void log_time_stamp(char out[16]);

/* log_note and kin - one line of that level. */
void log_note(const char *format, ...) PRINTF_LIKE(1, 2);
void log_warning(const char *format, ...) PRINTF_LIKE(1, 2);
void log_error(const char *format, ...) PRINTF_LIKE(1, 2);
void log_debug(const char *format, ...) PRINTF_LIKE(1, 2);
/* log_as - a note under the name of another role: PROGRAM of this line only. */
void log_as(const char *program, enum log_level level, const char *format, ...) PRINTF_LIKE(3, 4);
/* log_fatal - log and exit(1). */
void log_fatal(const char *format, ...) PRINTF_LIKE(1, 2) NO_RETURN;

/* bug - an invariant of ours is broken: log where, abort.  Stays on in production. */
#define bug(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)
/* bug_at - the same for a given place. */
void bug_at(const char *file, int line, const char *format, ...) PRINTF_LIKE(3, 4) NO_RETURN;
#define REQUIRE(condition) ((condition) ? (void)0 : bug("broken: %s", #condition))

#endif
