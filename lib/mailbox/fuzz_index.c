/* SPDX-License-Identifier: ISC */
/* fuzz_index.c - a postern.index of foreign bytes is refused, or every record of it can be used */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/crc32c.h"
#include "lib/mailbox/index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int folder(void)
{
	static int fd = -1;
	char path[] = "/tmp/fuzz-index.XXXXXX";

	if (fd < 0 && mkdtemp(path) != NULL)
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd;
}

/* Make the checksums right, so that what lies behind them is reached. */
static void mend(char *copy, size_t size)
{
	struct index_header h;
	size_t names, records;

	if (size < sizeof(h))
		return;
	memcpy(&h, copy, sizeof(h));
	names = sizeof(h) + (size_t)(h.names_length % 4096);
	records = (names + 7) & ~(size_t)7;
	memcpy(h.magic, "PosternI", sizeof(h.magic));
	h.version = 1;
	h.byte_order = 0x01020304;
	h.names_length = names - sizeof(h);
	h.guid[sizeof(h.guid) - 1] = '\0';
	if (records <= size) {
		h.count = (size - records) / sizeof(struct message);
		h.records_crc = crc32c(0, span_make(copy + records, (size_t)h.count * sizeof(struct message)));
	}
	h.header_crc = crc32c(0, span_make(&h, offsetof(struct index_header, header_crc)));
	memcpy(copy, &h, sizeof(h));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct index_map map;
	char *copy = malloc(size + 1);
	int fd = openat(folder(), INDEX_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	uint64_t sum = 0;

	if (copy == NULL || fd < 0)
		abort();
	memcpy(copy, data, size);
	if (size > 0 && (data[size - 1] & 1) != 0)
		mend(copy, size);
	if (write(fd, copy, size) != (ssize_t)size)
		abort();
	close(fd);
	free(copy);
	if (index_load(folder(), &map)) {
		for (size_t i = 0; i < map.header.count; i++)
			for (size_t k = 0; k < map.records[i].name_length; k++)
				sum += (unsigned char)map.names[map.records[i].name_offset + k];
		sum += index_check_names(&map);
		index_unload(&map);
	}
	return sum == UINT64_MAX;
}
