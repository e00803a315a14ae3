/* SPDX-License-Identifier: ISC */
/* fuzz_main_cf.c - any bytes as main.cf: never crashes, ends soon, and what it expands is a C string */
#include "lib/base/log.h"
#include "lib/conf/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(NULL);
	struct hash *settings = hash_new();
	struct conf_source s = { .arena = arena, .settings = settings };
	const char *error = NULL;

	s.last = &s.first;
	if (source_parse(&s, "main.cf", span_make(data, size), &error))
		for (const struct setting *i = s.first; i != NULL; i = i->next) {
			const char *value = source_expand(&s, span_of(i->raw), arena, &error);
			struct span rest = span_of(value), member;

			REQUIRE(value != NULL || error != NULL);
			while (conf_list_next(&rest, &member))
				REQUIRE(member.len <= strlen(value));
		}
	else
		REQUIRE(error != NULL);
	hash_free(settings, NULL);
	arena_free(arena);
	return 0;
}
