/* SPDX-License-Identifier: ISC */
/* index.c - postern.index: store, map, check
 *
 * Layout: header, names, padding to 8, records.  Records come last, so that the private mapping goes on into empty
 * memory and new messages are simply added behind them.  Bytes of the file are believed after their checksum only. */
#include "lib/mailbox/index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/codec.h"
#include "lib/base/crc32c.h"
#include "lib/base/fs.h"

enum { INDEX_VERSION = 1, BYTE_ORDER_MARK = 0x01020304, ROOM = 16 * 1024 * 1024 };
#define COUNT_MAX  ((uint64_t)1 << 26)
#define NAMES_MAX  UINT32_MAX

static const char magic[8] = "PosternI";

_Static_assert(sizeof(struct message) == 64, "the record of a message is 64 bytes");

static uint32_t header_crc(const struct index_header *h)
{
	return crc32c(0, span_make(h, offsetof(struct index_header, header_crc)));
}

static size_t records_offset(uint64_t names_length)
{
	return (sizeof(struct index_header) + (size_t)names_length + 7) & ~(size_t)7;
}

static bool header_is_good(const struct index_header *h, uint64_t file_size)
{
	return memcmp(h->magic, magic, sizeof(magic)) == 0 && h->version == INDEX_VERSION &&
	       h->byte_order == BYTE_ORDER_MARK && h->header_crc == header_crc(h) &&
	       h->count <= COUNT_MAX && h->names_length <= NAMES_MAX &&
	       memchr(h->guid, '\0', sizeof(h->guid)) != NULL &&
	       file_size == records_offset(h->names_length) + h->count * sizeof(struct message);
}

static bool read_header(int fd, struct index_header *out)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       fs_pread_all(fd, out, sizeof(*out), 0) == 0 && header_is_good(out, (uint64_t)st.st_size);
}

bool index_read_header(int dir_fd, struct index_header *out)
{
	int fd = fs_open_at(dir_fd, INDEX_NAME, O_RDONLY | O_NOFOLLOW, 0);
	bool good = fd >= 0 && read_header(fd, out);

	if (fd >= 0)
		close(fd);
	return good;
}

/* The file in private memory with ROOM empty bytes behind it. */
static bool map_file(int fd, struct index_map *out)
{
	size_t at = records_offset(out->header.names_length);
	size_t length = at + (size_t)out->header.count * sizeof(struct message);
	char *base = mmap(NULL, length + ROOM, PROT_READ | PROT_WRITE,
	                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED)
		return false;
	out->mapping = base;
	out->mapping_length = length + ROOM;
	if (mmap(base, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd, 0) ==
	    MAP_FAILED)
		return false;
	out->names = base + sizeof(struct index_header);
	out->records = (void *)(base + at);
	out->capacity = (size_t)out->header.count + ROOM / sizeof(struct message);
	return true;
}

static bool records_are_good(const struct index_map *map)
{
	const struct message *r = map->records;
	uint64_t names = map->header.names_length;
	uint32_t last = 0;

	if (crc32c(0, span_make(r, (size_t)map->header.count * sizeof(*r))) != map->header.records_crc)
		return false;
	for (size_t i = 0; i < map->header.count; last = r[i++].uid)
		if (r[i].uid <= last || r[i].base_length == 0 || r[i].base_length > r[i].name_length ||
		    (uint64_t)r[i].name_offset + r[i].name_length > names)
			return false;
	return last < map->header.next_uid;
}

bool index_load(int dir_fd, struct index_map *out)
{
	int fd = fs_open_at(dir_fd, INDEX_NAME, O_RDONLY | O_NOFOLLOW, 0);
	bool good;

	*out = (struct index_map){ .records = NULL };
	if (fd < 0)
		return false;
	good = read_header(fd, &out->header) && map_file(fd, out) && records_are_good(out);
	close(fd);
	if (!good)
		index_unload(out);
	return good;
}

bool index_check_names(const struct index_map *map)
{
	return map->mapping == NULL ||
	       crc32c(0, span_make(map->names, (size_t)map->header.names_length)) ==
	               map->header.names_crc;
}

void index_unload(struct index_map *map)
{
	if (map->mapping != NULL)
		(void)munmap(map->mapping, map->mapping_length);
	*map = (struct index_map){ .records = NULL };
}

static int write_parts(int fd, struct index_header *h, const struct message *records, struct span names)
{
	static const char padding[8];
	size_t padded = records_offset(names.len) - sizeof(*h) - names.len;
	struct iovec iov[] = {
		{ h, sizeof(*h) },
		{ (void *)(uintptr_t)names.ptr, names.len },
		{ (void *)(uintptr_t)padding, padded },
		{ (void *)(uintptr_t)records, (size_t)h->count * sizeof(*records) },
	};

	return fs_writev_all(fd, iov, COUNT_OF(iov));
}

/* No sync: what a crash leaves is whole by its checksums, or not believed. */
int index_store(int dir_fd, struct index_header *h, const struct message *records, size_t count,
                struct span names)
{
	char draft[64];
	uint64_t random;
	int fd, result;

	random_bytes(&random, sizeof(random));
	(void)snprintf(draft, sizeof(draft), INDEX_NAME ".tmp.%016llx", (unsigned long long)random);
	memcpy(h->magic, magic, sizeof(magic));
	h->version = INDEX_VERSION;
	h->byte_order = BYTE_ORDER_MARK;
	h->generation++;
	h->count = count;
	h->names_length = names.len;
	h->names_crc = crc32c(0, names);
	h->records_crc = crc32c(0, span_make(records, count * sizeof(*records)));
	h->header_crc = header_crc(h);
	fd = fs_open_at(dir_fd, draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	result = write_parts(fd, h, records, names);
	if (close(fd) < 0 || result < 0 || fs_rename_over(dir_fd, draft, dir_fd, INDEX_NAME) < 0) {
		int error = errno;

		(void)unlinkat(dir_fd, draft, 0);
		errno = error;
		return -1;
	}
	return 0;
}
