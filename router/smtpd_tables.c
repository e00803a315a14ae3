/* SPDX-License-Identifier: ISC */
/* smtpd_tables.c - the tables in smtpd's restrictions and match lists
 *
 * smtpd has no files: it names the table as it stands in the configuration, and only a table that does stand
 * there is read for it.  Each smtpd of master.cf has a configuration of its own (-o). */
#include "router/router.h"

static const char *const names[] = {
	"smtpd_client_restrictions", "smtpd_helo_restrictions", "smtpd_sender_restrictions",
	"smtpd_relay_restrictions", "smtpd_recipient_restrictions", "smtpd_data_restrictions",
	"smtpd_end_of_data_restrictions", "mynetworks", "smtpd_client_event_limit_exceptions",
	"smtpd_forbid_bare_newline_exclusions", "smtpd_milter_maps",
};

void router_each_smtpd_list(const struct conf *conf, struct arena *arena,
                            void (*fn)(void *user, const char *name, const char *value), void *user)
{
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		const char *value = conf_value(conf, names[i], arena);

		if (value != NULL && value[0] != '\0')
			fn(user, names[i], value);
	}
}

static void close_table(void *table)
{
	table_close(table);
}

static void open_table(struct router *r, const char *parameter, struct span spec)
{
	struct table_list *list = ARENA_NEW(r->arena, struct table_list);

	list->tables = ARENA_NEW_ARRAY(r->arena, struct table *, 1);
	list->tables[0] = table_open(spec, SMTPD_TABLE_TYPE);
	list->count = 1;
	list->title = arena_cstr(r->arena, span_of(parameter));
	arena_on_reset(r->arena, close_table, list->tables[0]);
	hash_put(r->smtpd_tables, span_of(table_spec(list->tables[0])), list);
}

static void open_members(void *user, const char *name, const char *value)
{
	struct span rest = span_of(value), member;

	while (conf_list_next(&rest, &member)) {
		while (span_starts(member, span_lit("!")))
			member = span_trim_start(span_skip(member, 1));
		if (table_reads_files(member, SMTPD_TABLE_TYPE))
			open_table(user, name, member);
	}
}

void router_open_smtpd_tables(struct router *r, const struct conf *conf)
{
	router_each_smtpd_list(conf, r->arena, open_members, r);
}

const struct table_list *router_smtpd_table(const struct router *r, struct span spec)
{
	return hash_get(r->smtpd_tables, spec);
}
