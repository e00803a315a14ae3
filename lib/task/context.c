/* SPDX-License-Identifier: ISC */
/* context.c - switching stacks
 *
 * A context is made with ucontext, which knows the calling convention, and from then on switched with
 * _setjmp and _longjmp, which save no signal mask and so make no system call.  Jumping to another stack is
 * what fortified longjmp refuses, so this one file is compiled without. */
#undef _FORTIFY_SOURCE

#include "lib/task/context.h"

#include <stdlib.h>
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_FIBERS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_FIBERS 1
#endif
#endif

#ifdef WITH_FIBERS
#include <sanitizer/common_interface_defs.h>
#endif

/* Who left and who was gone to in the switch under way; one loop a process. */
static struct context *left, *entered;
static void (*entered_entry)(void);

static void announce_switch(struct context *from, const struct context *to)
{
#ifdef WITH_FIBERS
	__sanitizer_start_switch_fiber(from->is_ending ? NULL : &from->fake_stack, to->stack_low, to->stack_size);
#else
	(void)from;
	(void)to;
#endif
}

void context_arrived(void)
{
#ifdef WITH_FIBERS
	const void *low;
	size_t size;

	__sanitizer_finish_switch_fiber(entered->fake_stack, &low, &size);
	entered->fake_stack = NULL;
	left->stack_low = (const char *)low;
	left->stack_size = size;
#endif
}

void context_make(struct context *c, const char *stack_low, size_t stack_size, void (*entry)(void))
{
	*c = (struct context){ .stack_low = stack_low, .stack_size = stack_size };
	entered_entry = entry;
}

/* begin - in a function of its own, so that the large ucontext_t is not part of every switch.  It never returns, so
 * AddressSanitizer must not mark its frame: nobody would take the marks off. */
static __attribute__((noinline, noreturn, no_sanitize_address)) void begin(struct context *to)
{
	ucontext_t fresh;

	if (getcontext(&fresh) < 0)
		abort();
	fresh.uc_stack.ss_sp = (char *)(size_t)to->stack_low;
	fresh.uc_stack.ss_size = to->stack_size;
	fresh.uc_link = NULL;
	makecontext(&fresh, entered_entry, 0);
	setcontext(&fresh);
	abort();
}

__attribute__((no_sanitize_address)) void context_switch(struct context *from, struct context *to)
{
	announce_switch(from, to);
	left = from;
	entered = to;
	from->is_started = true;
	if (_setjmp(from->where) == 0) {
		if (to->is_started)
			_longjmp(to->where, 1);
		begin(to);
	}
	context_arrived();
}
