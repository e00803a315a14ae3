/* SPDX-License-Identifier: ISC */
/* dkim_text.c - keys and their records as an admin wants them: for a zone file, for a web form, in a sentence */
#include <stdio.h>

#include "tools/dkim_tool.h"

enum { STRING_MAX_BYTES = 255, LINE_BYTES = 80 };

void dkim_print_zone(struct dkim_tool *t, struct span domain, const struct dkim_stored_key *key)
{
	struct span name = dkim_key_name(t->arena, key->selector, domain);
	struct span text = dkim_key_record_text(t->arena, key->key.type, key->key.pkey);

	printf(SPAN_FMT ". IN TXT ", SPAN_ARG(name));
	if (text.len <= STRING_MAX_BYTES) {
		printf("\"" SPAN_FMT "\"\n", SPAN_ARG(text));
		return;
	}
	printf("(");
	for (; text.len != 0; text = span_skip(text, LINE_BYTES)) {
		struct span piece = span_first(text, LINE_BYTES);

		printf("\n\t\"" SPAN_FMT "\"", SPAN_ARG(piece));
	}
	printf(" )\n");
}

void dkim_print_form(struct dkim_tool *t, const char *indent, struct span domain, const struct dkim_stored_key *key)
{
	struct span name = dkim_key_name(t->arena, key->selector, domain);
	struct span text = dkim_key_record_text(t->arena, key->key.type, key->key.pkey);

	printf("%sname:  " SPAN_FMT "\n%svalue: " SPAN_FMT "\n", indent, SPAN_ARG(name), indent, SPAN_ARG(text));
}

const char *dkim_type_text(struct dkim_tool *t, const struct dkim_signing_key *key)
{
	return key->type == DKIM_ED25519 ? "Ed25519" : arena_printf(t->arena, "RSA %u bits", key->bits);
}

const char *dkim_path_text(struct dkim_tool *t, struct span domain, const struct dkim_stored_key *key)
{
	return arena_printf(t->arena, "%s/" SPAN_FMT "/" SPAN_FMT ".pem", t->dir.path, SPAN_ARG(domain),
	                    SPAN_ARG(key->selector));
}

const char *dkim_span_text(struct dkim_tool *t, unsigned long long seconds)
{
	static const struct { unsigned long long seconds; const char *name; } units[] = {
		{ 86400, "day" }, { 3600, "hour" }, { 60, "minute" }, { 1, "second" },
	};
	size_t i = 0;

	while (i + 1 < COUNT_OF(units) && (seconds < units[i].seconds || seconds % units[i].seconds != 0))
		i++;
	seconds /= units[i].seconds;
	return arena_printf(t->arena, "%llu %s%s", seconds, units[i].name, seconds == 1 ? "" : "s");
}
