/* SPDX-License-Identifier: ISC */
/* log.c - finished lines to stderr, syslog, postlogd or a file
 *
 * A line is built in one buffer on the stack and sent with one call that never waits.  The kernel
 * lets only a few datagrams queue for postlogd, so lines for it are gathered and sent many at a time.
 * The form is Postfix's (postfix-compat section 10): what log analysers know by heart. */
#include "lib/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { IDENT_MAX = 128, HOST_MAX = 256, SYSLOG_FACILITY_MAIL = 2 << 3, LINE_BUFFER = LOG_LINE_MAX + 512 };

static struct {
	char ident[IDENT_MAX];
	char host[HOST_MAX];
	enum log_sink sink;
	int fd;
	int pid;		/* asked once: getpid is a system call, and every line has it */
	bool is_verbose;
	bool is_deferred;
	char *pending;		/* lines for postlogd, each with its line end */
	size_t pending_len, pending_cap;
	unsigned long dropped;
} logger = { .ident = "postern", .sink = LOG_TO_STDERR, .fd = -1 };

/* Offload threads log, and mailauth has a thread a session: a line is built and sent by one at a time. */
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

static const struct {
	const char *prefix;	/* Postfix's word in front of the text */
	int         severity;	/* syslog's number */
} levels[] = {
	[LOG_LEVEL_FATAL] = { "fatal: ", 2 },     [LOG_LEVEL_ERROR] = { "error: ", 3 },
	[LOG_LEVEL_WARNING] = { "warning: ", 4 }, [LOG_LEVEL_NOTE] = { "", 6 },
	[LOG_LEVEL_DEBUG] = { "debug: ", 7 },
};

static int connect_syslog(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		(void)close(fd);
		fd = -1;
	}
	return fd;
}

static void learn_pid(void)
{
	logger.pid = (int)getpid();
	(void)pthread_mutex_init(&one_at_a_time, NULL);	/* whoever held it is not in this process */
}

void log_open(const char *ident, enum log_sink sink, int fd)
{
	if (logger.pid == 0)
		(void)pthread_atfork(NULL, NULL, learn_pid);
	learn_pid();
	log_ident(ident);
	if (gethostname(logger.host, sizeof(logger.host)) < 0 || logger.host[0] == '\0')
		(void)snprintf(logger.host, sizeof(logger.host), "localhost");
	logger.host[sizeof(logger.host) - 1] = '\0';
	tzset();	/* reads /etc/localtime now; there may be no file system later */
	logger.sink = sink;
	logger.fd = sink == LOG_TO_SYSLOG ? connect_syslog() : fd;
	if (logger.fd >= 0 && sink == LOG_TO_SOCKET)
		(void)fcntl(logger.fd, F_SETFL, fcntl(logger.fd, F_GETFL) | O_NONBLOCK);
}

void log_ident(const char *ident)
{
	(void)snprintf(logger.ident, sizeof(logger.ident), "%s", ident);
}

void log_set_verbose(bool verbose)
{
	logger.is_verbose = verbose;
}

void log_set_deferred(bool deferred)
{
	logger.is_deferred = deferred;
}

int log_descriptor(void)
{
	return logger.fd;
}

void log_time_stamp(char out[16])
{
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
		                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	static time_t last;
	static char text[16];
	time_t now = time(NULL);
	struct tm t;

	/* One conversion a second is enough. */
	if (now != last && localtime_r(&now, &t) != NULL) {
		(void)snprintf(text, sizeof(text), "%s %2u %02u:%02u:%02u", months[t.tm_mon],
		               (unsigned)t.tm_mday % 100U, (unsigned)t.tm_hour % 100U,
		               (unsigned)t.tm_min % 100U, (unsigned)t.tm_sec % 100U);
		last = now;
	}
	memcpy(out, text, sizeof(text));
}

/* utf8_length - bytes of the valid UTF-8 sequence at p (n bytes are there), 0 if none. */
static size_t utf8_length(const unsigned char *p, size_t n)
{
	size_t len = p[0] >= 0xf0 && p[0] <= 0xf4 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc2 ? 2 : 0;

	if (len == 0 || p[0] > 0xf4 || len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if (p[0] == 0xc2 && p[1] < 0xa0)	/* C1 control */
		return 0;
	return len;
}

/* escape - copy text to out (room bytes), control bytes as \ooo; gives the length. */
static size_t escape(char *out, size_t room, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t left = strlen(text), used = 0;

	while (left > 0 && used + 5 < room) {
		size_t len = *p >= 0x20 && *p < 0x7f ? 1 : utf8_length(p, left);

		if (len == 0) {
			used += (size_t)snprintf(out + used, room - used, "\\%03o", *p);
			len = 1;
		} else {
			memcpy(out + used, p, len);
			used += len;
		}
		p += len;
		left -= len;
	}
	return used;
}

/* keep_line - behind the lines that wait for postlogd; false when there is no room. */
static bool keep_line(const char *line, size_t n)
{
	if (n > LOG_PENDING_MAX - logger.pending_len)
		return false;
	if (n > logger.pending_cap - logger.pending_len) {
		size_t cap = logger.pending_cap != 0 ? 2 * logger.pending_cap : LOG_DATAGRAM_MAX;
		char *larger = realloc(logger.pending, cap < LOG_PENDING_MAX ? cap : LOG_PENDING_MAX);

		if (larger == NULL)
			return false;
		logger.pending = larger;
		logger.pending_cap = cap < LOG_PENDING_MAX ? cap : LOG_PENDING_MAX;
	}
	memcpy(logger.pending + logger.pending_len, line, n);
	logger.pending_len += n;
	return true;
}

/* whole_lines - how much of the pending bytes one datagram takes: whole lines, at least one. */
static size_t whole_lines(const char *bytes, size_t len)
{
	const char *end;

	if (len <= LOG_DATAGRAM_MAX)
		return len;
	end = memrchr(bytes, '\n', LOG_DATAGRAM_MAX);
	return end != NULL ? (size_t)(end - bytes) + 1 : LOG_DATAGRAM_MAX;
}

/* flush - with the lock. */
static bool flush(void)
{
	size_t done = 0;
	bool has_room = true;

	while (has_room && done < logger.pending_len) {
		size_t n = whole_lines(logger.pending + done, logger.pending_len - done);

		has_room = send(logger.fd, logger.pending + done, n, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
		if (has_room)
			done += n;
	}
	if (done > 0) {
		logger.pending_len -= done;
		memmove(logger.pending, logger.pending + done, logger.pending_len);
	}
	return has_room;
}

bool log_flush(void)
{
	bool has_room;

	(void)pthread_mutex_lock(&one_at_a_time);
	has_room = flush();
	(void)pthread_mutex_unlock(&one_at_a_time);
	return has_room;
}

/* send_line - one finished line (n bytes, no line end); false when there was no room for it. */
static bool send_line(char *line, size_t n)
{
	ssize_t sent;

	if (logger.sink == LOG_TO_SOCKET) {
		line[n++] = '\n';
		if (!keep_line(line, n))
			return false;
		if (!logger.is_deferred || logger.pending_len >= LOG_DATAGRAM_MAX / 2)
			(void)flush();
		return true;
	}
	if (logger.sink == LOG_TO_STDERR || logger.sink == LOG_TO_FD) {
		line[n++] = '\n';
		sent = write(logger.fd >= 0 ? logger.fd : STDERR_FILENO, line, n);
	} else {
		sent = logger.fd >= 0 ? send(logger.fd, line, n, MSG_DONTWAIT | MSG_NOSIGNAL) : -1;
	}
	if (sent < 0 && logger.sink == LOG_TO_SYSLOG && errno != EAGAIN && errno != ENOBUFS) {
		/* syslogd was restarted: its socket is another one now. */
		if (logger.fd >= 0)
			(void)close(logger.fd);
		logger.fd = connect_syslog();
		sent = logger.fd >= 0 ? send(logger.fd, line, n, MSG_DONTWAIT | MSG_NOSIGNAL) : -1;
	}
	return sent >= 0;
}

/* begin_line - what stands before the text, by sink. */
static size_t begin_line(char *line, size_t room, const char *ident, enum log_level level)
{
	const char *prefix = levels[level].prefix;
	char stamp[16];
	int n;

	log_time_stamp(stamp);
	switch (logger.sink) {
	case LOG_TO_STDERR:
		n = snprintf(line, room, "%s: %s", ident, prefix);
		break;
	case LOG_TO_SYSLOG:
		n = snprintf(line, room, "<%d>%s %s[%d]: %s",
		             SYSLOG_FACILITY_MAIL | levels[level].severity, stamp, ident,
		             logger.pid, prefix);
		break;
	case LOG_TO_SOCKET:
	case LOG_TO_FD:
	default:
		n = snprintf(line, room, "%s %s %s[%d]: %s", stamp, logger.host, ident,
		             logger.pid, prefix);
		break;
	}
	return n > 0 ? (size_t)n : 0;
}

/* log_text - with the lock. */
static void log_text(const char *ident, enum log_level level, const char *text)
{
	char line[LINE_BUFFER];
	size_t n;

	if (logger.dropped != 0) {
		char summary[64];

		(void)snprintf(summary, sizeof(summary), "%lu log lines were dropped", logger.dropped);
		n = begin_line(line, sizeof(line), logger.ident, LOG_LEVEL_WARNING);
		n += escape(line + n, sizeof(line) - n - 1, summary);
		if (!send_line(line, n)) {
			logger.dropped++;
			return;
		}
		logger.dropped = 0;
	}
	n = begin_line(line, sizeof(line), ident, level);
	n += escape(line + n, sizeof(line) - n - 1, text);
	if (!send_line(line, n))
		logger.dropped++;
}

static void log_args(const char *ident, enum log_level level, const char *format, va_list args)
	PRINTF_LIKE(3, 0);

static void log_args(const char *ident, enum log_level level, const char *format, va_list args)
{
	char text[LOG_LINE_MAX];
	int error = errno;

	(void)vsnprintf(text, sizeof(text), format, args);
	(void)pthread_mutex_lock(&one_at_a_time);
	log_text(ident, level, text);
	(void)pthread_mutex_unlock(&one_at_a_time);
	errno = error;
}

#define LOG_AT(level)                                       \
	do {                                                \
		va_list args;                               \
		va_start(args, format);                     \
		log_args(logger.ident, level, format, args); \
		va_end(args);                               \
	} while (0)

void log_note(const char *format, ...)
{
	LOG_AT(LOG_LEVEL_NOTE);
}

void log_warning(const char *format, ...)
{
	LOG_AT(LOG_LEVEL_WARNING);
}

void log_error(const char *format, ...)
{
	LOG_AT(LOG_LEVEL_ERROR);
}

void log_debug(const char *format, ...)
{
	if (logger.is_verbose)
		LOG_AT(LOG_LEVEL_DEBUG);
}

void log_as(const char *program, enum log_level level, const char *format, ...)
{
	char ident[IDENT_MAX];
	const char *slash = strrchr(logger.ident, '/');
	int keep = slash != NULL ? (int)(slash - logger.ident) + 1 : 0;
	va_list args;

	(void)snprintf(ident, sizeof(ident), "%.*s%s", keep, logger.ident, program);
	va_start(args, format);
	log_args(ident, level, format, args);
	va_end(args);
}

void log_fatal(const char *format, ...)
{
	LOG_AT(LOG_LEVEL_FATAL);
	(void)log_flush();
	exit(EXIT_FAILURE);
}

void bug_at(const char *file, int line, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_error("panic: %s:%d: %s", file, line, text);
	(void)log_flush();
	abort();
}
