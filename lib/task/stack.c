/* SPDX-License-Identifier: ISC */
/* stack.c - stacks of tasks: mapped with a guard page below, kept in a bounded pool
 *
 * A page of a stack costs memory only once it was touched, and stack_trim gives it back. */
#include "lib/task/task_private.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/valgrind.h"

enum { POOL_MAX = 128 };

static struct task_stack *pool;
static size_t pool_count;

static size_t page_size(void)
{
	static size_t size;

	if (size == 0)
		size = (size_t)sysconf(_SC_PAGESIZE);
	return size;
}

static size_t round_to_pages(size_t bytes)
{
	return (bytes + page_size() - 1) & ~(page_size() - 1);
}

static void unmap(struct task_stack *s)
{
	VALGRIND_STACK_DEREGISTER(s->valgrind_id);
	munmap(s->map, s->map_size);
	free(s);
}

static struct task_stack *map_new(size_t usable, void (*entry)(void))
{
	struct task_stack *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->map_size = usable + page_size();
	s->map = mmap(NULL, s->map_size, PROT_READ | PROT_WRITE,
	              MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	if (s->map == MAP_FAILED) {
		free(s);
		return NULL;
	}
	s->valgrind_id = VALGRIND_STACK_REGISTER(s->map + page_size(), s->map + s->map_size);
	if (mprotect(s->map, page_size(), PROT_NONE) < 0) {
		unmap(s);
		return NULL;
	}
	context_make(&s->context, s->map + page_size(), usable, entry);
	return s;
}

struct task_stack *stack_take(size_t bytes, void (*entry)(void))
{
	size_t usable = round_to_pages(bytes);

	while (pool != NULL) {
		struct task_stack *s = pool;

		pool = s->next;
		pool_count--;
		if (s->context.stack_size == usable)
			return s;
		unmap(s);	/* task_set_stack was called since */
	}
	return map_new(usable, entry);
}

void stack_give(struct task_stack *s)
{
	if (pool_count >= POOL_MAX) {
		unmap(s);
		return;
	}
	s->next = pool;
	pool = s;
	pool_count++;
}

void stack_trim(struct task_stack *s, const char *depth)
{
	const char *low = s->map + page_size();
	size_t unused = (size_t)(depth - low) & ~(page_size() - 1);

	if (unused > 0)
		madvise(s->map + page_size(), unused, MADV_DONTNEED);
}

void stack_close_pool(void)
{
	while (pool != NULL) {
		struct task_stack *s = pool;

		pool = s->next;
		unmap(s);
	}
	pool_count = 0;
}
