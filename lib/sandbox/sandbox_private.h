/* SPDX-License-Identifier: ISC */
/* sandbox_private.h - the steps of sandbox.c that have files of their own */
#ifndef SANDBOX_SANDBOX_PRIVATE_H
#define SANDBOX_SANDBOX_PRIVATE_H

#include "lib/sandbox/sandbox.h"

/* landlock_open - a ruleset for s, made while its paths can still be reached; -1 when the kernel has no Landlock.
 * landlock_close - confine this process to it. */
int  landlock_open(const struct sandbox *s);
void landlock_close(int ruleset);

/* seccomp_enter - refuse from now on every system call outside the sets of 'may'. */
void seccomp_enter(unsigned may, bool strict);
/* seccomp_foresee - compile that filter now; a later seccomp_enter with the same arguments, in this process or
 * its children, only loads it. */
void seccomp_foresee(unsigned may, bool strict);

#endif
