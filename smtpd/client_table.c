/* SPDX-License-Identifier: ISC */
/* client_table.c - counts per client, in memory that all processes of a service share
 *
 * A file of fixed size, mapped before the sandbox and then closed: nobody can cut it short under us.  There are no locks that a dying process could keep: every number
 * is atomic, and what two processes do to one slot in the same instant makes a count off by one at worst.  Each
 * process has a column of its own for its connections and a lock on one byte of the file, which belongs to the mapping
 * and ends with the process; who opens the file empties the columns that nobody holds. */
#include "smtpd/client_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/codec.h"
#include "lib/base/hash.h"
#include "lib/base/log.h"

enum {
	COLUMNS = 64,	/* processes */
	WAYS = 8,	/* slots in which a client may be */
	ATTEMPTS = 8,
};
/* Changes with the layout of the file. */
#define MAGIC 0x706f7374636c6931U

struct client_counts {
	_Atomic uint64_t key;	/* 0: free */
	_Atomic uint64_t window_us;	/* when the present span of the rates began */
	_Atomic uint32_t rates[CLIENT_RATES];
	_Atomic uint16_t connections[COLUMNS];
};

struct shared {
	uint64_t             magic;
	uint64_t             seed[2];	/* of the keys */
	uint64_t             count;
	struct client_counts slots[];
};

struct client_table {
	struct shared *shared;
	size_t         size;	/* of it, in bytes */
	size_t         column;	/* ours */
};

/* ---- the file ---- */

/* Byte 0 is locked while the file is made ready, byte 1 + N by the owner of column N. */
static bool lock_byte(int fd, off_t byte, bool wait)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
	int result;

	do
		result = fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock);
	while (result < 0 && errno == EINTR);
	return result == 0;
}

static void unlock_byte(int fd, off_t byte)
{
	struct flock lock = { .l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };

	(void)fcntl(fd, F_OFD_SETLK, &lock);
}

/* The file with its byte 0 locked; one of another size (another configuration made it) is replaced. */
static int open_file(const char *path, size_t size)
{
	for (int i = 0; i < ATTEMPTS; i++) {
		int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		struct stat st;

		if (fd < 0)
			return -1;
		if (lock_byte(fd, 0, true) && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
			if (st.st_nlink > 0 && st.st_size == (off_t)size)
				return fd;
			if (st.st_nlink > 0 && st.st_size == 0 && ftruncate(fd, (off_t)size) == 0)
				return fd;
			if (st.st_nlink > 0)
				(void)unlink(path);
		}
		(void)close(fd);
	}
	errno = EBUSY;
	return -1;
}

static void empty_column(struct shared *s, size_t column)
{
	for (size_t i = 0; i < s->count; i++)
		if (atomic_load_explicit(&s->slots[i].connections[column], memory_order_relaxed) != 0)
			atomic_store(&s->slots[i].connections[column], 0);
}

/* Take the first free column; what dead processes left in the others is forgotten. */
static bool take_column(struct client_table *t, int fd)
{
	t->column = COLUMNS;
	for (size_t i = 0; i < COLUMNS; i++) {
		if (!lock_byte(fd, (off_t)(1 + i), false))
			continue;
		empty_column(t->shared, i);
		if (t->column == COLUMNS)
			t->column = i;
		else
			unlock_byte(fd, (off_t)(1 + i));
	}
	return t->column < COLUMNS;
}

static struct shared *map(int fd, size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED,
	                    fd, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static void make_ready(struct shared *s, size_t count)
{
	if (s->magic == MAGIC && s->count == count)
		return;
	memset(s, 0, sizeof(*s) + count * sizeof(s->slots[0]));
	random_bytes(s->seed, sizeof(s->seed));
	s->count = count;
	s->magic = MAGIC;
}

static bool open_shared(struct client_table *t, const char *path, size_t count)
{
	int fd = open_file(path, t->size), error;

	if (fd < 0)
		return false;
	t->shared = map(fd, t->size);
	error = errno;
	if (t->shared != NULL) {
		make_ready(t->shared, count);
		if (!take_column(t, fd)) {
			(void)munmap(t->shared, t->size);
			t->shared = NULL;
			error = EUSERS;
		}
	}
	unlock_byte(fd, 0);
	(void)close(fd);	/* the mapping keeps the lock of our column */
	errno = error;
	return t->shared != NULL;
}

struct client_table *client_table_open(const char *path, size_t clients)
{
	struct client_table *t = calloc(1, sizeof(*t));
	size_t count = (clients + WAYS - 1) / WAYS * WAYS;

	if (t == NULL)
		log_fatal("out of memory (clients)");
	t->size = sizeof(struct shared) + count * sizeof(struct client_counts);
	if (path != NULL && open_shared(t, path, count))
		return t;
	if (path != NULL)
		log_warning("%s: %s: limits of clients are kept by each process on its own", path, strerror(errno));
	t->column = 0;
	t->shared = map(-1, t->size);
	if (t->shared == NULL)
		log_fatal("out of memory (clients)");
	make_ready(t->shared, count);
	return t;
}

void client_table_close(struct client_table *t)
{
	empty_column(t->shared, t->column);
	(void)munmap(t->shared, t->size);
	free(t);
}

/* ---- counting ---- */

unsigned client_connections(const struct client_counts *c)
{
	unsigned sum = 0;

	for (size_t i = 0; i < COLUMNS; i++)
		sum += atomic_load_explicit(&c->connections[i], memory_order_relaxed);
	return sum;
}

/* The slot that may be given to another: free, or of a client that is not connected, the one idle for longest. */
static struct client_counts *find_room(struct client_counts *ways)
{
	struct client_counts *oldest = NULL;

	for (size_t i = 0; i < WAYS; i++) {
		if (ways[i].key == 0)
			return &ways[i];
		if (client_connections(&ways[i]) == 0 &&
		    (oldest == NULL || ways[i].window_us < oldest->window_us))
			oldest = &ways[i];
	}
	return oldest;
}

static struct client_counts *find(struct client_counts *ways, uint64_t key)
{
	struct client_counts *c = NULL;
	uint64_t old;

	for (size_t i = 0; i < WAYS; i++)
		if (ways[i].key == key)
			return &ways[i];
	c = find_room(ways);
	if (c == NULL)
		return NULL;
	old = c->key;
	if (!atomic_compare_exchange_strong(&c->key, &old, key))
		return NULL;
	c->window_us = 0;
	for (size_t i = 0; i < CLIENT_RATES; i++)
		c->rates[i] = 0;
	return c;
}

struct client_counts *client_enter(struct client_table *t, struct span client)
{
	uint64_t key = siphash_with(t->shared->seed, client) | 1;
	struct client_counts *ways = &t->shared->slots[(key >> 1) % (t->shared->count / WAYS) * WAYS];

	for (int i = 0; i < ATTEMPTS; i++) {
		struct client_counts *c = find(ways, key);

		if (c == NULL)
			continue;
		c->connections[t->column]++;
		if (c->key == key)
			return c;
		c->connections[t->column]--;	/* another process gave the slot away meanwhile */
	}
	return NULL;
}

void client_leave(struct client_table *t, struct client_counts *c)
{
	if (c->connections[t->column] > 0)
		c->connections[t->column]--;
}

unsigned client_count(struct client_counts *c, unsigned rate, uint64_t now_us, uint64_t unit_us)
{
	uint64_t began = c->window_us;

	/* A window in the future is from before the last boot. */
	if ((now_us - began > unit_us || began > now_us) &&
	    atomic_compare_exchange_strong(&c->window_us, &began, now_us))
		for (size_t i = 0; i < CLIENT_RATES; i++)
			c->rates[i] = 0;
	return ++c->rates[rate];
}
