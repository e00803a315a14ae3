/* SPDX-License-Identifier: ISC */
/* fuzz_master_cf.c - any bytes as master.cf: an error, or entries that are whole */
#include "lib/base/hash.h"
#include "lib/base/log.h"
#include "lib/conf/master_text.h"
#include "lib/conf/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(NULL);
	struct conf_source source = { .arena = arena, .settings = hash_new() };
	struct conf conf = { .default_process_limit = 100, .source = &source };
	const struct master_conf *m;
	const char *error = NULL;

	m = master_conf_parse(arena, "master.cf", span_make(data, size), &conf, &error);
	REQUIRE((m == NULL) == (error != NULL));
	for (size_t i = 0; m != NULL && i < m->count; i++) {
		const struct master_entry *e = &m->entries[i];

		REQUIRE(e->name[0] != '\0' || e->line > 0);
		REQUIRE(e->command != NULL && e->args != NULL);
		for (size_t j = 0; j < e->override_count; j++)
			REQUIRE(e->overrides[j].name != NULL && e->overrides[j].value != NULL);
	}
	hash_free(source.settings, NULL);
	arena_free(arena);
	return 0;
}
