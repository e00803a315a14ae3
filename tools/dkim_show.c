/* SPDX-License-Identifier: ISC */
/* dkim_show.c - postern dkim show: keys, their states, and what the name servers say of them now */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "tools/dkim_tool.h"

struct show {
	struct dkim_tool    *tool;
	struct dkim_servers *servers;	/* NULL: they cannot be asked */
	uint64_t             now_s;
};

static const char *date(struct show *s, uint64_t seconds)
{
	char text[CLOCK_DATE_SIZE];

	return arena_cstr(s->tool->arena, span_of(clock_date(seconds * CLOCK_SECOND_US, text)));
}

static void print_state(struct show *s, const struct dkim_stored_key *key)
{
	printf("  " SPAN_FMT "  %s, ", SPAN_ARG(key->selector), dkim_type_text(s->tool, &key->key));
	if (key->state == DKIM_KEY_ACTIVE)
		printf("active: signs since %s\n", date(s, key->since_s));
	else if (key->state == DKIM_KEY_WAITING)
		printf("waiting since %s: signs when every name server shows its record\n", date(s, key->since_s));
	else if (key->since_s == 0)
		printf("retired: has never signed\n");
	else
		printf("retired since %s\n", date(s, key->since_s));
}

/* print_servers - what each shows; gives whether some still shows the record, or may. */
static bool print_servers(struct show *s, struct span domain, const struct dkim_stored_key *key)
{
	static const char *const words[] = {
		[DKIM_SHOWN] = "shows the record", [DKIM_NOT_SHOWN] = "does not show the record",
		[DKIM_NO_ANSWER] = "does not answer",
	};
	struct dkim_published found;
	bool may_show = false;

	if (s->servers == NULL)
		return true;
	dkim_servers_look(s->servers, domain, key, &found);
	for (size_t i = 0; i < found.count; i++) {
		const struct dkim_name_server *server = &found.server[i];

		may_show = may_show || server->shown != DKIM_NOT_SHOWN;
		printf("    " SPAN_FMT " " SPAN_FMT ": %s\n", SPAN_ARG(server->name),
		       SPAN_ARG(server->address.len != 0 ? server->address : span_lit("(no address)")),
		       words[server->shown]);
	}
	if (found.problem != NULL)
		printf("    %s\n", found.problem);
	if (key->state == DKIM_KEY_ACTIVE && !found.is_everywhere)
		printf("    ! It signs, but not every name server is known to show it: receivers may find no key.\n");
	return may_show || found.problem != NULL;
}

static void print_end(struct show *s, struct span domain, const struct dkim_stored_key *key, bool may_be_shown)
{
	uint64_t end_s = key->since_s == 0 ? 0 : key->since_s + s->tool->conf->dkim_rotation_grace;
	const char *path = dkim_path_text(s->tool, domain, key);

	if (key->state != DKIM_KEY_RETIRED)
		return;
	if (end_s > s->now_s)
		printf("    Its record must stay in the DNS until %s, for mail under way; then remove it, and %s.\n",
		       date(s, end_s), path);
	else if (may_be_shown)
		printf("    Its record may be removed from the DNS now, and so may %s.\n", path);
	else
		printf("    Its record is gone: %s may be removed, too.\n", path);
}

static void print_domain(struct show *s, const struct dkim_key_domain *domain)
{
	printf(SPAN_FMT "\n", SPAN_ARG(domain->name));
	for (size_t i = domain->count; i > 0; i--) {
		const struct dkim_stored_key *key = &domain->key[i - 1];

		print_state(s, key);
		if (key->state != DKIM_KEY_RETIRED)
			dkim_print_form(s->tool, "    ", domain->name, key);
		print_end(s, domain->name, key, print_servers(s, domain->name, key));
	}
}

/* ---- which domains ---- */

static int by_name(const void *left, const void *right)
{
	const struct dkim_key_domain *const *a = left, *const *b = right;

	return span_compare((*a)->name, (*b)->name);
}

static int show_all(struct show *s)
{
	struct dkim_keyset *set = dkim_keyset_read(&s->tool->dir, NULL);
	const struct dkim_key_domain **domains =
		ARENA_NEW_ARRAY(s->tool->arena, const struct dkim_key_domain *, dkim_keyset_count(set) + 1);
	size_t cursor = 0, count = 0;
	bool has_fault = dkim_keyset_has_fault(set);

	while ((domains[count] = dkim_keyset_next(set, &cursor)) != NULL)
		count++;
	qsort(domains, count, sizeof(domains[0]), by_name);
	for (size_t i = 0; i < count; i++)
		print_domain(s, domains[i]);
	if (count == 0)
		printf("There are no keys in %s: \"postern dkim keygen DOMAIN\" makes them.\n", s->tool->dir.path);
	dkim_keyset_free(set);
	return has_fault ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int show_one(struct show *s)
{
	struct dkim_key_domain domain;
	struct why why;

	if (dkim_keydir_domain(&s->tool->dir, s->tool->arena, s->tool->domain, NULL, &domain, &why) != DONE) {
		log_error("%s", why.text);
		return EXIT_FAILURE;
	}
	if (domain.count == 0) {
		log_error("there is no key of " SPAN_FMT, SPAN_ARG(s->tool->domain));
		return EXIT_FAILURE;
	}
	print_domain(s, &domain);
	return EXIT_SUCCESS;
}

int dkim_show(struct dkim_tool *t)
{
	struct show s = { .tool = t, .servers = dkim_servers_open(t), .now_s = clock_wall_us() / CLOCK_SECOND_US };
	int status;

	if (s.servers == NULL)
		printf("What the name servers show is not known: %s.\n\n",
		       errno == EACCES ? "only root may ask" : "the mail system does not run");
	status = t->domain.len != 0 ? show_one(&s) : show_all(&s);
	if (s.servers != NULL)
		dkim_servers_close(s.servers);
	return status;
}
