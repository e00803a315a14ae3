/* SPDX-License-Identifier: ISC */
/* submit.c - hand a message to the suite's local submission socket, or leave it in the maildrop
 *
 * The peer is our own smtpd, yet its lines are bounded and checked all the same. */
#include "lib/smtp/submit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/codec.h"
#include "lib/base/fs.h"
#include "lib/net/address.h"
#include "lib/smtp/reply.h"

enum { LINE_MAX_BYTES = 4096 };

struct talk {
	int        fd;
	unsigned   timeout_s;
	struct buf in;
	struct why *why;
};

static int connect_path(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

static int connect_inet(struct span where)
{
	struct arena *arena = arena_new(NULL);
	struct net_address address;
	struct span host, port;
	bool is_bracketed;
	int fd = -1;

	errno = EINVAL;
	if (net_host_port(where, &host, &port, &is_bracketed) && port.len > 0 &&
	    net_resolve(arena_cstr(arena, host), arena_cstr(arena, port), &address))
		fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	arena_free(arena);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address.storage, address.length) < 0) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/* Some more bytes of the peer; false at the end, on error and when time is up. */
static bool read_more(struct talk *t)
{
	struct pollfd wait = { .fd = t->fd, .events = POLLIN };
	char *room = buf_reserve(&t->in, 1024);
	ssize_t n;

	if (room == NULL || poll(&wait, 1, (int)t->timeout_s * 1000) <= 0)
		return false;
	n = read(t->fd, room, 1024);
	if (n <= 0)
		return false;
	buf_commit(&t->in, (size_t)n);
	return true;
}

/* Read a whole reply; DONE, DEFER or REFUSE after its class, why is its last line. */
static enum outcome read_reply(struct talk *t)
{
	for (;;) {
		struct span all = buf_span(&t->in), line, dsn;
		struct smtp_reply_line reply;
		enum outcome outcome;

		if (!span_cut(&all, '\n', &line)) {
			if (!read_more(t))
				return why_set(t->why, DEFER, "4.4.2", "no answer from the mail system");
			continue;
		}
		if (!smtp_reply_line_parse(span_trim_end(line), &reply))
			return why_set(t->why, DEFER, "4.5.0", "malformed answer from the mail system");
		outcome = smtp_outcome(reply.code);
		dsn = reply.dsn.len > 0 ? reply.dsn : span_of(smtp_dsn_default(reply.code));
		outcome = why_set(t->why, outcome, "", SPAN_FMT, SPAN_ARG(reply.text));
		snprintf(t->why->dsn, sizeof(t->why->dsn), SPAN_FMT, SPAN_ARG(dsn));
		buf_consume(&t->in, line.len + 1);
		if (reply.is_last)
			return outcome;
	}
}

static enum outcome send_all(struct talk *t, struct span bytes)
{
	while (bytes.len > 0) {
		struct pollfd wait = { .fd = t->fd, .events = POLLOUT };
		ssize_t n;

		if (poll(&wait, 1, (int)t->timeout_s * 1000) <= 0)
			return why_set(t->why, DEFER, "4.4.2", "the mail system takes no more data");
		n = send(t->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return why_errno(t->why, DEFER, "4.4.2", "send to the mail system");
		if (n > 0)
			bytes = span_skip(bytes, (size_t)n);
	}
	return DONE;
}

/* One command, one reply. */
static enum outcome command(struct talk *t, struct span line)
{
	struct buf out;
	enum outcome outcome;

	buf_init(&out, BUF_NO_LIMIT);
	buf_add(&out, line);
	buf_add(&out, span_lit("\r\n"));
	outcome = send_all(t, buf_span(&out));
	buf_free(&out);
	return outcome == DONE ? read_reply(t) : outcome;
}

static enum outcome send_content(struct talk *t, struct span content)
{
	char line[64];
	enum outcome outcome;

	snprintf(line, sizeof(line), "BDAT %zu LAST\r\n", content.len);
	outcome = send_all(t, span_of(line));
	if (outcome == DONE)
		outcome = send_all(t, content);
	return outcome == DONE ? read_reply(t) : outcome;
}

static enum outcome converse(struct talk *t, const struct submission *s)
{
	enum outcome outcome = read_reply(t);
	struct why goodbye, *kept = t->why;

	if (outcome == DONE)
		outcome = command(t, span_lit("EHLO localhost"));
	if (outcome == DONE)
		outcome = command(t, s->mail);
	for (size_t i = 0; outcome == DONE && i < s->rcpt_count; i++)
		outcome = command(t, s->rcpts[i]);
	if (outcome == DONE)
		outcome = send_content(t, s->content);
	t->why = &goodbye;
	if (outcome == DONE && command(t, span_lit("QUIT")) != DONE)
		outcome = DONE;	/* it is queued, whatever becomes of the goodbye */
	t->why = kept;
	return outcome;
}

enum outcome submit_message(const char *where, const struct submission *s, unsigned timeout_s,
                            struct why *why)
{
	bool is_inet = strncmp(where, "inet:", 5) == 0;
	struct talk t = { .fd = is_inet ? connect_inet(span_of(where + 5)) : connect_path(where),
		          .timeout_s = timeout_s, .why = why };
	enum outcome outcome;

	if (t.fd < 0)
		return why_errno(why, DEFER, "4.3.0", "connect to %s", where);
	buf_init(&t.in, LINE_MAX_BYTES * 4);
	outcome = converse(&t, s);
	buf_free(&t.in);
	close(t.fd);
	return outcome;
}

/* The file's bytes, in one piece. */
static void maildrop_format(struct buf *out, const struct submission *s)
{
	buf_add(out, s->mail);
	buf_add_byte(out, '\n');
	for (size_t i = 0; i < s->rcpt_count; i++) {
		buf_add(out, s->rcpts[i]);
		buf_add_byte(out, '\n');
	}
	buf_add_byte(out, '\n');
	buf_add(out, s->content);
}

/* Write, sync, and only then give the name that the maildrop program looks for. */
static int write_whole(int dir, const char *draft, const char *name, struct span bytes)
{
	int fd = fs_open_at(dir, draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
	int result;

	if (fd < 0)
		return -1;
	result = fs_write_all(fd, bytes.ptr, bytes.len);
	if (result == 0)
		result = fs_sync(fd);
	if (close(fd) < 0)
		result = -1;
	if (result == 0)
		result = fs_rename_new(dir, draft, dir, name);
	if (result < 0) {
		int error = errno;

		if (fs_unlink_at(dir, draft) < 0)
			errno = error;	/* a draft left behind is harmless */
		errno = error;
	}
	return result;
}

enum outcome maildrop_write(const char *folder, const struct submission *s, struct why *why)
{
	/* The folder may be entered and written, not listed: so a random name keeps the mail private
	 * though its mode lets the folder's owner read it. */
	int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	enum outcome outcome;
	unsigned long long random[2];
	struct buf bytes;
	char name[64];

	if (dir < 0)
		return why_errno(why, DEFER, "4.3.0", "open %s", folder);
	random_bytes(random, sizeof(random));
	snprintf(name, sizeof(name), "new.%016llx%016llx", random[0], random[1]);
	buf_init(&bytes, BUF_NO_LIMIT);
	maildrop_format(&bytes, s);
	if (write_whole(dir, name + 4, name, buf_span(&bytes)) < 0)
		outcome = why_errno(why, DEFER, "4.3.0", "write %s/%s", folder, name);
	else
		outcome = why_set(why, DONE, "2.0.0", "left in %s", folder);
	buf_free(&bytes);
	close(dir);
	return outcome;
}

static bool is_command_line(struct span line, struct span verb)
{
	if (!span_starts(line, verb))
		return false;
	for (size_t i = 0; i < line.len; i++)
		if ((unsigned char)line.ptr[i] < 0x20 || line.ptr[i] == 0x7f)
			return false;
	return line.len < LINE_MAX_BYTES;
}

bool maildrop_parse(struct arena *arena, struct span bytes, struct submission *s)
{
	struct span rest = bytes, line;
	size_t most = 0;

	for (size_t i = 0; i + 1 < bytes.len && !(bytes.ptr[i] == '\n' && bytes.ptr[i + 1] == '\n'); i++)
		most += bytes.ptr[i] == '\n';
	*s = (struct submission){ .rcpts = ARENA_NEW_ARRAY(arena, struct span, most + 1) };
	if (!span_cut(&rest, '\n', &s->mail) || !is_command_line(s->mail, span_lit("MAIL FROM:<")))
		return false;
	while (span_cut(&rest, '\n', &line) && line.len > 0) {
		if (!is_command_line(line, span_lit("RCPT TO:<")) || s->rcpt_count > most)
			return false;
		s->rcpts[s->rcpt_count++] = line;
	}
	s->content = rest;
	return s->rcpt_count > 0 && line.len == 0;
}
