/* SPDX-License-Identifier: ISC */
/* context.h - a flow of control with its own stack: private to lib/task */
#ifndef TASK_CONTEXT_H
#define TASK_CONTEXT_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>

struct context {
	jmp_buf     where;	/* valid while suspended, once started */
	bool        is_started;
	bool        is_ending;	/* leaves for good: its sanitizer state may go */
	const char *stack_low;	/* lowest usable byte; of the loop's own context: found out at run time */
	size_t      stack_size;
	void       *fake_stack;	/* of AddressSanitizer */
};

/* context_make - prepare c to run entry on the given stack at the first switch to it.  entry never returns. */
void context_make(struct context *c, const char *stack_low, size_t stack_size, void (*entry)(void));
/* context_switch - leave from, go on where to was left (or begin it).  No system call, but at the first switch. */
void context_switch(struct context *from, struct context *to);
/* context_arrived - the first thing entry must call. */
void context_arrived(void);

#endif
