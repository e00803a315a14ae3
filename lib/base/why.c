/* SPDX-License-Identifier: ISC */
/* why.c - filling in the reason of an outcome */
#include "lib/base/why.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void fill(struct why *why, const char *dsn, const char *format, va_list args)
	PRINTF_LIKE(3, 0);

static void fill(struct why *why, const char *dsn, const char *format, va_list args)
{
	(void)snprintf(why->dsn, sizeof(why->dsn), "%s", dsn);
	(void)vsnprintf(why->text, sizeof(why->text), format, args);
}

enum outcome why_set(struct why *why, enum outcome outcome, const char *dsn,
                     const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fill(why, dsn, format, args);
	va_end(args);
	return outcome;
}

enum outcome why_errno(struct why *why, enum outcome outcome, const char *dsn,
                       const char *format, ...)
{
	int error = errno;
	va_list args;
	size_t len;

	va_start(args, format);
	fill(why, dsn, format, args);
	va_end(args);
	len = strlen(why->text);
	(void)snprintf(why->text + len, sizeof(why->text) - len, ": %s", strerror(error));
	errno = error;
	return outcome;
}
