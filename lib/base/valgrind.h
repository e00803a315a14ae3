/* SPDX-License-Identifier: ISC */
/* valgrind.h - what valgrind must be told, and whether it is there; nothing without its headers */
#ifndef BASE_VALGRIND_H
#define BASE_VALGRIND_H

#ifdef HAVE_VALGRIND_VALGRIND_H
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0u
#define VALGRIND_STACK_REGISTER(low, high) ((void)(low), (void)(high), 0u)
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#endif

#endif
