/* SPDX-License-Identifier: ISC */
/* stream.h - a byte stream of a task: a plain descriptor, or TLS over one (lib/tls puts itself in) */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/span.h"

struct stream;

struct stream_methods {
	/* As task_read and task_write: suspend, -1 with errno. */
	ssize_t (*read)(struct stream *s, void *data, size_t n, uint64_t deadline_us);
	ssize_t (*write)(struct stream *s, const void *data, size_t n, uint64_t deadline_us);
	/* wait_readable - 0 when a read would not wait (bytes decrypted and not yet read count), -1 with errno. */
	int     (*wait_readable)(struct stream *s, uint64_t deadline_us);
	/* shutdown - say goodbye (TLS close_notify), best effort; close frees 'state'. */
	void    (*shutdown)(struct stream *s);
	void    (*close)(struct stream *s);
};

struct stream {
	const struct stream_methods *methods;
	int                          fd;	/* owned; non-blocking */
	void                        *state;	/* of the methods: TLS session */
};

/* stream_plain - s over fd (taken). */
void stream_plain(struct stream *s, int fd);
ssize_t stream_read(struct stream *s, void *data, size_t n, uint64_t deadline_us);
/* stream_write - all n bytes, or -1. */
ssize_t stream_write(struct stream *s, const void *data, size_t n, uint64_t deadline_us);
int  stream_wait_readable(struct stream *s, uint64_t deadline_us);
void stream_close(struct stream *s);

#endif
