/* SPDX-License-Identifier: ISC */
/* test.h - what every unit test includes: cmocka with the headers it forgets, and span checks */
#ifndef BASE_TEST_H
#define BASE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "lib/base/span.h"

/* assert_span - s holds exactly the bytes of text; a failure shows both. */
#define assert_span(s, text) assert_span_at((s), span_of(text), __FILE__, __LINE__)

static inline void assert_span_at(struct span got, struct span wanted, const char *file, int line)
{
	if (span_equal(got, wanted))
		return;
	print_error("got \"" SPAN_FMT "\", wanted \"" SPAN_FMT "\"\n", SPAN_ARG(got), SPAN_ARG(wanted));
	_fail(file, line);
}

#endif
