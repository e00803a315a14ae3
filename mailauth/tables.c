/* SPDX-License-Identifier: ISC */
/* tables.c - lists and tables of the configuration, for threads
 *
 * lib/table is made for one thread; a look-up takes microseconds, so one lock for all is enough. */
#include <pthread.h>

#include "lib/base/log.h"
#include "lib/table/match.h"
#include "lib/table/table.h"
#include "mailauth/mailauth.h"

struct tables {
	pthread_mutex_t          lock;
	const struct match_list *clients[CLIENT_LISTS];
	const struct table_list *signers;	/* NULL: there is no table */
};

static const struct match_list *open_list(const struct conf *conf, struct arena *arena, const char *title,
                                          const char *value)
{
	const char *error = NULL;
	const struct match_list *list =
		match_list_open(arena, title, value, false, conf->default_database_type, &error);

	if (list == NULL)
		log_fatal("parameter %s: %s", title, error);
	return list;
}

struct tables *tables_new(const struct conf *conf, struct arena *arena)
{
	struct tables *t = ARENA_NEW(arena, struct tables);

	pthread_mutex_init(&t->lock, NULL);
	t->clients[CLIENT_SIGNED] = open_list(conf, arena, "mailauth_sign_networks", conf->mailauth_sign_networks);
	t->clients[CLIENT_TRUSTED_FORWARDER] =
		open_list(conf, arena, "dmarc_trusted_forwarders", conf->dmarc_trusted_forwarders);
	if (conf->dkim_signing_table[0] != '\0')
		t->signers = table_list_open(arena, "dkim_signing_table", conf->dkim_signing_table,
		                             conf->default_database_type);
	return t;
}

bool tables_have_client(struct tables *t, enum client_list list, struct span name, const struct net_address *address)
{
	struct arena *arena;
	bool has;

	if (match_list_is_empty(t->clients[list]))
		return false;
	arena = arena_new(NULL);
	pthread_mutex_lock(&t->lock);
	has = match_client(t->clients[list], name, address, arena) == TABLE_FOUND;
	pthread_mutex_unlock(&t->lock);
	arena_free(arena);
	return has;
}

/* find - one key; a table that fails is logged there, and has no row. */
static bool find(struct tables *t, struct span key, enum table_key part, struct arena *arena, struct span *value)
{
	return table_list_find(t->signers, key, part, arena, value) == TABLE_FOUND;
}

/* look - the address, its domain, ".parent" for each domain above it, "*". */
static bool look(struct tables *t, struct span local, struct span domain, struct arena *arena, struct span *value)
{
	struct span rest = domain;

	if (find(t, arena_printf_span(arena, SPAN_FMT "@" SPAN_FMT, SPAN_ARG(local), SPAN_ARG(domain)), TABLE_WHOLE_KEY,
	         arena, value) ||
	    find(t, domain, TABLE_PART_OF_KEY, arena, value))
		return true;
	for (size_t dot = span_find(rest, '.'); dot != SPAN_NOT_FOUND; dot = span_find(rest, '.')) {
		if (find(t, span_skip(rest, dot), TABLE_PART_OF_KEY, arena, value))
			return true;
		rest = span_skip(rest, dot + 1);
	}
	return find(t, span_lit("*"), TABLE_PART_OF_KEY, arena, value);
}

bool tables_signers(struct tables *t, struct span local, struct span domain, struct arena *arena, struct span *value)
{
	bool has;

	if (t->signers == NULL)
		return false;
	pthread_mutex_lock(&t->lock);
	has = look(t, local, domain, arena, value);
	pthread_mutex_unlock(&t->lock);
	return has;
}
