/* SPDX-License-Identifier: ISC */
/* postlogd.c - lines from a socket to a file, many at a time */
#include "log/postlogd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/base/log.h"

enum { BATCH = 32, DATAGRAM_MAX = LOG_DATAGRAM_MAX };

static int open_file(const char *path)
{
	if (strcmp(path, "/dev/stdout") == 0)
		return fcntl(1, F_DUPFD_CLOEXEC, 3);
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
}

void postlogd_open(struct postlogd_file *f, const char *path, const uid_t *owner)
{
	f->path = path;
	f->lost = 0;
	f->fd = open_file(path);
	if (f->fd >= 0 && owner != NULL && strncmp(path, "/dev/", 5) != 0 && fchown(f->fd, *owner, (gid_t)-1) < 0)
		log_warning("%s: cannot give it to uid %u: %s", path, (unsigned)*owner, strerror(errno));
}

void postlogd_reopen(struct postlogd_file *f)
{
	int fd = open_file(f->path);

	if (fd < 0) {
		log_warning("open %s: %s: going on with the old file", f->path, strerror(errno));
		return;
	}
	if (f->fd >= 0)
		(void)close(f->fd);
	f->fd = fd;
}

/* One datagram is one or more whole lines; other control bytes do not get through. */
static void add_line(struct buf *lines, const char *bytes, size_t n)
{
	char *out;

	while (n > 0 && (bytes[n - 1] == '\n' || bytes[n - 1] == '\0'))
		n--;
	out = buf_reserve(lines, n + 1);
	if (out == NULL)
		return;
	for (size_t i = 0; i < n; i++)
		out[i] = ((unsigned char)bytes[i] < 0x20 && bytes[i] != '\n') || bytes[i] == 0x7f ? '?' : bytes[i];
	out[n] = '\n';
	buf_commit(lines, n + 1);
}

int postlogd_receive(int fd, struct buf *lines)
{
	static char    bytes[BATCH][DATAGRAM_MAX];
	struct iovec   iov[BATCH];
	struct mmsghdr messages[BATCH];
	int            count;

	memset(messages, 0, sizeof(messages));
	for (size_t i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ bytes[i], sizeof(bytes[i]) };
		messages[i].msg_hdr.msg_iov = &iov[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	do {
		count = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
	} while (count < 0 && errno == EINTR);
	for (int i = 0; i < count; i++)
		add_line(lines, bytes[i], messages[i].msg_len);
	return count;
}

static unsigned long long count_lines(const struct buf *lines)
{
	unsigned long long n = 0;

	for (size_t i = 0; i < lines->len; i++)
		n += lines->ptr[i] == '\n';
	return n;
}

void postlogd_write(struct postlogd_file *f, struct buf *lines)
{
	if (f->fd < 0 || fs_write_all(f->fd, lines->ptr, lines->len) < 0) {
		f->lost += count_lines(lines);
	} else if (f->lost > 0) {
		unsigned long long lost = f->lost;

		f->lost = 0;	/* the warning comes back to us as a datagram */
		log_warning("%llu log lines could not be written to %s", lost, f->path);
	}
	buf_clear(lines);
}
