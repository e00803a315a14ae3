/* SPDX-License-Identifier: ISC */
/* attributes.h - compiler attributes, each with a fallback, and small macros */
#ifndef BASE_ATTRIBUTES_H
#define BASE_ATTRIBUTES_H

#include <stddef.h>

#if defined(__GNUC__)
#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#define NO_RETURN __attribute__((noreturn))
#define UNUSED __attribute__((unused))
#define RETURNS_NONNULL __attribute__((returns_nonnull))
#else
#define MUST_USE
#define PRINTF_LIKE(text, first)
#define NO_RETURN
#define UNUSED
#define RETURNS_NONNULL
#endif

/* COUNT_OF - number of members of an array. */
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* CONTAINER_OF - the struct of which pointer is the member. */
#define CONTAINER_OF(pointer, type, member) \
	((type *)(void *)((char *)(pointer) - offsetof(type, member)))

#endif
