/* SPDX-License-Identifier: ISC */
/* dkim_make.c - postern dkim keygen and rotate: make private keys, and tell what to publish
 *
 * Nothing else is to be done: mailauth sees new keys by itself, and begins to sign with those that wait when their records
 * are everywhere. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/base/log.h"
#include "tools/dkim_tool.h"

enum { TYPES = DKIM_ED25519 + 1, DAY_SIZE = 16, RSA_BITS_LEAST = 2048 };

static const char letters[TYPES] = { [DKIM_RSA] = 'r', [DKIM_ED25519] = 'e' };

/* A key that is made now. */
struct new_key {
	bool                    is_wanted, is_stored;
	struct span             selector;
	struct dkim_signing_key key;
};

static bool read_domain(struct dkim_tool *t, struct dkim_key_domain *domain)
{
	struct why why;

	if (dkim_keydir_domain(&t->dir, t->arena, t->domain, NULL, domain, &why) == DONE)
		return true;
	log_error("%s", why.text);
	return false;
}

static const struct dkim_stored_key *find(const struct dkim_key_domain *domain, struct span selector)
{
	for (size_t i = 0; i < domain->count; i++)
		if (span_equal_ci(domain->key[i].selector, selector))
			return &domain->key[i];
	return NULL;
}

static const struct dkim_stored_key *in_state(const struct dkim_key_domain *domain, enum dkim_key_type type,
                                              enum dkim_key_state state)
{
	for (size_t i = domain->count; i > 0; i--)
		if (domain->key[i - 1].key.type == type && domain->key[i - 1].state == state)
			return &domain->key[i - 1];
	return NULL;
}

/* ---- making them ---- */

/* new_selector - of today and the type: p20261128r, p20261128r2 ... */
static struct span new_selector(struct dkim_tool *t, const struct dkim_key_domain *domain, enum dkim_key_type type)
{
	time_t now = time(NULL);
	struct span selector;
	struct tm local = { 0 };
	char day[DAY_SIZE];

	(void)localtime_r(&now, &local);
	(void)strftime(day, sizeof(day), "%Y%m%d", &local);
	selector = arena_printf_span(t->arena, "p%s%c", day, letters[type]);
	for (unsigned i = 2; find(domain, selector) != NULL; i++)
		selector = arena_printf_span(t->arena, "p%s%c%u", day, letters[type], i);
	return selector;
}

/* choose_selector - the one that was asked for, with the type's letter where there are two. */
static struct span choose_selector(struct dkim_tool *t, const struct dkim_key_domain *domain, enum dkim_key_type type,
                                   bool is_alone)
{
	if (t->selector.len == 0)
		return new_selector(t, domain, type);
	return is_alone ? t->selector : arena_printf_span(t->arena, SPAN_FMT "%c", SPAN_ARG(t->selector), letters[type]);
}

static uint64_t youngest_ns(const struct dkim_key_domain *domain)
{
	return domain->count != 0 ? domain->key[domain->count - 1].made_ns : 0;
}

static bool make_one(struct dkim_tool *t, const struct dkim_key_domain *domain, enum dkim_key_type type,
                     unsigned rsa_bits, struct new_key *made)
{
	struct why why;

	if (!dkim_keydir_is_selector(made->selector)) {
		log_error("\"" SPAN_FMT "\" is no selector: letters, digits and hyphens", SPAN_ARG(made->selector));
		return false;
	}
	made->is_stored = dkim_keydir_generate(type, rsa_bits, &made->key, &why) == DONE &&
	                  dkim_keydir_store(&t->dir, t->domain, made->selector, &made->key, youngest_ns(domain), t->owner,
	                                    &why) == DONE;
	dkim_signing_key_free(&made->key);
	if (!made->is_stored)
		log_error("%s", why.text);
	return made->is_stored;
}

/* make_all - the wanted keys; ends with the first that fails. */
static bool make_all(struct dkim_tool *t, const struct dkim_key_domain *domain, const unsigned rsa_bits,
                     struct new_key made[TYPES])
{
	bool is_alone = !made[DKIM_RSA].is_wanted || !made[DKIM_ED25519].is_wanted;

	for (size_t type = 0; type < TYPES; type++) {
		if (!made[type].is_wanted)
			continue;
		made[type].selector = choose_selector(t, domain, (enum dkim_key_type)type, is_alone);
		if (!make_one(t, domain, (enum dkim_key_type)type, rsa_bits, &made[type]))
			return false;
	}
	return true;
}

/* ---- telling of them ---- */

static void print_records(struct dkim_tool *t, const struct dkim_stored_key *const *keys, size_t count)
{
	printf("\nThe record%s to publish, for a zone file:\n\n", count > 1 ? "s" : "");
	for (size_t i = 0; i < count; i++)
		dkim_print_zone(t, t->domain, keys[i]);
	printf("\nThe same for a web form, where the type is TXT and the value one line:\n\n");
	for (size_t i = 0; i < count; i++)
		dkim_print_form(t, "  ", t->domain, keys[i]);
	printf("\n");
}

static void tell_future(struct dkim_tool *t, size_t waiting, size_t count)
{
	if (waiting < count)
		printf("A first key signs mail at once: receivers can check that only when its record is in the DNS.\n");
	if (waiting == 0)
		return;
	printf("A key that waits signs nothing yet.  Publish its record and leave the old one where it is: every %s it is\n"
	       "looked whether all name servers of the zone show the new record.  When they do, mail is signed with the new\n"
	       "key, without a word from you.  The old record must stay %s longer; \"postern dkim show " SPAN_FMT "\"\n"
	       "says when it may go.\n", dkim_span_text(t, t->conf->dkim_rotation_check_interval),
	       dkim_span_text(t, t->conf->dkim_rotation_grace), SPAN_ARG(t->domain));
}

static void tell(struct dkim_tool *t, const struct dkim_stored_key *const *keys, size_t count)
{
	size_t waiting = 0;

	for (size_t i = 0; i < count; i++) {
		bool waits = keys[i]->state != DKIM_KEY_ACTIVE;

		printf("%s  (%s; %s)\n", dkim_path_text(t, t->domain, keys[i]), dkim_type_text(t, &keys[i]->key),
		       waits ? "it waits" : "it signs");
		waiting += waits;
	}
	print_records(t, keys, count);
	tell_future(t, waiting, count);
}

/* ---- the subcommands ---- */

int dkim_keygen(struct dkim_tool *t)
{
	struct new_key made[TYPES] = {
		[DKIM_RSA] = { .is_wanted = !t->without_rsa },
		[DKIM_ED25519] = { .is_wanted = !t->without_ed25519 },
	};
	const struct dkim_stored_key *keys[TYPES];
	struct dkim_key_domain domain;
	size_t count = 0;
	bool ok;

	if (!read_domain(t, &domain))
		return EXIT_FAILURE;
	ok = make_all(t, &domain, t->rsa_bits, made);
	if (!read_domain(t, &domain))
		return EXIT_FAILURE;
	for (size_t type = 0; type < TYPES; type++) {
		const struct dkim_stored_key *key = made[type].is_stored ? find(&domain, made[type].selector) : NULL;

		if (key != NULL)
			keys[count++] = key;
	}
	if (count != 0) {
		printf("New private key%s:\n\n", count > 1 ? "s" : "");
		tell(t, keys, count);
	}
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* next_keys - the next key of each type that signs; where one waits already, that is it. */
static bool next_keys(struct dkim_tool *t, struct dkim_key_domain *domain, bool *is_old)
{
	struct new_key made[TYPES] = { { .is_wanted = false } };
	unsigned rsa_bits = RSA_BITS_LEAST;
	bool has_active = false, has_new = false;

	for (size_t type = 0; type < TYPES; type++) {
		const struct dkim_stored_key *active = in_state(domain, (enum dkim_key_type)type, DKIM_KEY_ACTIVE);

		if (active == NULL)
			continue;
		has_active = true;
		if (type == DKIM_RSA && active->key.bits > rsa_bits)
			rsa_bits = active->key.bits;
		made[type].is_wanted = in_state(domain, (enum dkim_key_type)type, DKIM_KEY_WAITING) == NULL;
		has_new = has_new || made[type].is_wanted;
	}
	*is_old = !has_new;
	if (!has_active)
		log_error("there is no key of " SPAN_FMT " yet: make one with \"postern dkim keygen " SPAN_FMT "\"",
		          SPAN_ARG(t->domain), SPAN_ARG(t->domain));
	return has_active && make_all(t, domain, rsa_bits, made) && read_domain(t, domain);
}

int dkim_rotate(struct dkim_tool *t)
{
	const struct dkim_stored_key *keys[TYPES];
	struct dkim_key_domain domain;
	size_t count = 0;
	bool is_old;

	if (!read_domain(t, &domain) || !next_keys(t, &domain, &is_old))
		return EXIT_FAILURE;
	for (size_t type = 0; type < TYPES; type++) {
		const struct dkim_stored_key *key = in_state(&domain, (enum dkim_key_type)type, DKIM_KEY_WAITING);

		if (key != NULL)
			keys[count++] = key;
	}
	printf(is_old ? "The next keys are there already:\n\n" : "The next keys:\n\n");
	tell(t, keys, count);
	return EXIT_SUCCESS;
}
