/* SPDX-License-Identifier: ISC */
/* sign.c - DKIM signatures for our own mail: whose keys, and when
 *
 * Who may send in a domain's name is the receiver's affair (smtpd_sender_login_maps and kin); what came in from a user
 * or host of ours is signed for the domain in From (RFC 6376 5.1, 6.3: signer and author agree, so DMARC does). */
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/mailauth/dmarc_domain.h"
#include "lib/mime/address.h"
#include "mailauth/keyring.h"
#include "mailauth/mailauth.h"

enum { SIGNERS_MAX = 8, AUTHORS_LOOKED_AT = 8 };

/* The first author; false: From names nobody with a domain. */
static bool find_author(struct message *m, struct span *local, struct span *domain)
{
	for (size_t i = 0; i < m->field_count; i++) {
		if (!span_equal_ci(m->fields[i].name, span_lit("From")))
			continue;
		for (struct mime_address *a = mime_addresses(m->arena, m->fields[i].value, AUTHORS_LOOKED_AT); a != NULL;
		     a = a->next) {
			if (a->kind != MIME_MAILBOX || !dmarc_domain_normal(m->arena, a->domain, domain))
				continue;
			*local = a->mailbox;
			return true;
		}
	}
	return false;
}

static void add_signer(struct message *m, const struct ring_key *key)
{
	const struct conf *conf = mailauth.conf;
	struct dkim_sign_settings settings = {
		.key = &key->key, .domain = key->domain, .selector = key->selector,
		.header_canon = mailauth.header_canon, .body_canon = mailauth.body_canon,
		.signed_names = span_of(conf->dkim_sign_headers),
		.oversigned_names = span_of(conf->dkim_oversign_headers),
		.now_s = clock_wall_us() / CLOCK_SECOND_US, .lifetime_s = conf->dkim_signature_lifetime,
		.fold = DKIM_FOLD_LF,
	};
	struct dkim_signer *signer;

	if (m->signer_count == SIGNERS_MAX)
		return;
	signer = dkim_sign_start(m->arena, mailauth.crypto, &settings, m->index, m->body);
	if (signer != NULL)
		m->signers[m->signer_count++] = signer;
}

static void add_domain(struct message *m, struct span domain)
{
	size_t count;
	const struct ring_key *keys = ring_active(m->ring, domain, &count);

	for (size_t i = 0; i < count; i++)
		add_signer(m, &keys[i]);
}

/* A word of dkim_signing_table: DOMAIN, or DOMAIN:SELECTOR. */
static void add_named(struct message *m, struct span word)
{
	struct span domain, selector = word;
	const struct ring_key *key;

	if (!span_cut(&selector, ':', &domain)) {
		add_domain(m, word);
		return;
	}
	key = ring_key(m->ring, domain, selector);
	if (key != NULL)
		add_signer(m, key);
	else
		log_warning("dkim_signing_table names " SPAN_FMT ", and there is no such key", SPAN_ARG(word));
}

static void choose_keys(struct message *m, struct span local, struct span domain)
{
	struct span value, word;

	if (!tables_signers(mailauth.tables, local, domain, m->arena, &value)) {
		add_domain(m, domain);
		return;
	}
	while (span_token(&value, ", \t", &word))
		if (!span_equal_ci(word, span_lit("none")))
			add_named(m, word);
}

void sign_start(struct message *m)
{
	struct span local, domain;

	m->ring = keyring_hold(mailauth.keyring);
	if (ring_is_empty(m->ring) || !find_author(m, &local, &domain))
		return;
	m->signers = ARENA_NEW_ARRAY(m->arena, struct dkim_signer *, SIGNERS_MAX);
	choose_keys(m, local, domain);
}

size_t sign_end(struct message *m, const struct mail_field **fields)
{
	struct mail_field *all = ARENA_NEW_ARRAY(m->arena, struct mail_field, m->signer_count + 1);
	size_t count = 0;

	for (size_t i = 0; i < m->signer_count; i++) {
		if (dkim_sign_end(m->signers[i], &all[count]))
			count++;
		else
			log_error(SPAN_FMT ": a DKIM key does not sign", SPAN_ARG(m->queue_id));
	}
	*fields = all;
	return count;
}
