/* SPDX-License-Identifier: ISC */
/* fuzz_message_file.c - a file of any bytes is read strictly: refused, or with all its parts inside */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/queue/message_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("message", MFD_CLOEXEC);
	struct arena *arena = arena_new(NULL);
	struct message_preamble p;
	struct queued q;

	if (fd < 0 || (size > 0 && fs_pwrite_all(fd, data, size, 0) < 0))
		abort();
	if (message_file_read(fd, arena, &p, &q) == 0) {
		if (MESSAGE_FILE_CONTENT + p.content_length > size ||
		    q.envelope.recipient_count != p.recipient_count)
			abort();
		if (message_file_check(fd, &p) == 0 && p.content_length > size)
			abort();
	}
	close(fd);
	arena_free(arena);
	return 0;
}
