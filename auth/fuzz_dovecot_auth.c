/* SPDX-License-Identifier: ISC */
/* fuzz_dovecot_auth.c - lines of Dovecot's protocol and the SASL responses in them; fields survive escaping */
#include <stdint.h>
#include <stdlib.h>

#include "auth/dovecot_line.h"
#include "auth/sasl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A value that was escaped comes back the same. */
static void check_escaping(struct arena *arena, struct span value)
{
	struct dovecot_line line;
	struct buf text;

	buf_init(&text, BUF_NO_LIMIT);
	buf_add_cstr(&text, "AUTH\t1\tPLAIN");
	dovecot_add_field(&text, "service=", value);
	dovecot_line_parse(arena, buf_span(&text), &line);
	if (line.verb != DOVECOT_AUTH || !span_equal(line.service, value))
		abort();
	buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_make(data, size), text;
	struct arena *arena = arena_new(NULL);

	check_escaping(arena, rest);
	while (!span_is_empty(rest)) {
		struct dovecot_line line;
		struct sasl_exchange x = { .arena = arena };

		span_cut(&rest, '\n', &text);
		dovecot_line_parse(arena, text, &line);
		x.mechanism = sasl_find(line.mechanism);
		if (line.verb != DOVECOT_AUTH || x.mechanism == NULL)
			continue;
		if (sasl_next(&x, line.has_response, line.response) == SASL_CREDENTIALS &&
		    (span_is_empty(x.user) || span_find(x.password, '\0') != SPAN_NOT_FOUND))
			abort();
	}
	arena_free(arena);
	return 0;
}
