/* SPDX-License-Identifier: ISC */
/* settings.c - from parameters to what the checks take */
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "mailauth/mailauth.h"

enum { KEYS_KEPT = 1000 };

static enum action read_action(const char *name, const char *text)
{
	static const char *const words[] = { [ACTION_NONE] = "none", [ACTION_QUARANTINE] = "quarantine",
		                             [ACTION_REJECT] = "reject" };

	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (span_equal_ci(span_of(text), span_of(words[i])))
			return (enum action)i;
	log_fatal("parameter %s: \"%s\" is not none, quarantine or reject", name, text);
}

static bool read_canon(struct span word, enum dkim_canon *canon)
{
	*canon = span_equal_ci(word, span_lit("simple")) ? DKIM_SIMPLE : DKIM_RELAXED;
	return *canon == DKIM_SIMPLE || span_equal_ci(word, span_lit("relaxed"));
}

static void read_canonicalization(struct mailauth *m)
{
	struct span body = span_of(m->conf->dkim_canonicalization), header;

	if (!span_cut(&body, '/', &header))
		body = span_lit("simple");	/* as c= has it (RFC 6376 3.5) */
	if (!read_canon(header, &m->header_canon) || !read_canon(body, &m->body_canon))
		log_fatal("parameter dkim_canonicalization: \"%s\" is not HEADER/BODY of relaxed and simple",
		          m->conf->dkim_canonicalization);
}

static void read_names(struct mailauth *m)
{
	struct span rest = span_of(m->conf->authserv_ids_removed), id, *ids;

	m->authserv_id = span_of(m->conf->authserv_id);
	if (m->authserv_id.len == 0)
		log_fatal("parameter authserv_id is empty");
	ids = ARENA_NEW_ARRAY(m->conf->arena, struct span, rest.len + 1);
	ids[m->removed_count++] = m->authserv_id;
	while (conf_list_next(&rest, &id))
		ids[m->removed_count++] = id;
	m->removed_ids = ids;
}

static void read_dkim(struct mailauth *m)
{
	const struct conf *conf = m->conf;

	m->dkim = (struct dkim_verify_settings)DKIM_VERIFY_STANDARD_SETTINGS;
	m->dkim.clock_skew_s = conf->dkim_clock_skew;
	m->dkim.signatures_max = (size_t)conf->dkim_signature_limit;
	m->dkim.length_rule = conf->dkim_accept_partial_body ? DKIM_LENGTH_ANY : DKIM_LENGTH_WHOLE;
	m->dkim.keys.lookups_max = (size_t)conf->dkim_key_lookup_limit;
	m->dkim.keys.rsa_bits_min = (unsigned)conf->dkim_key_bits_min;
	m->dkim.keys.rsa_bits_max = (unsigned)conf->dkim_key_bits_max;
	m->arc = (struct arc_verify_settings)ARC_VERIFY_STANDARD_SETTINGS;
	m->arc.length_rule = m->dkim.length_rule;
	m->arc.keys.rsa_bits_min = m->dkim.keys.rsa_bits_min;
	m->arc.keys.rsa_bits_max = m->dkim.keys.rsa_bits_max;
	m->crypto = dkim_crypto_new(KEYS_KEPT);
}

static void read_dmarc(struct mailauth *m)
{
	const struct conf *conf = m->conf;
	const char *file = conf->dmarc_public_suffix_file;
	struct span text = span_of(conf->dmarc_text);
	struct why why;

	if (!span_equal_ci(text, span_lit("rfc7489")) && !span_equal_ci(text, span_lit("dmarcbis")))
		log_fatal("parameter dmarc_text: \"%s\" is not rfc7489 or dmarcbis", conf->dmarc_text);
	m->psl = dmarc_psl_open(file[0] != '\0' ? file : NULL, &why);
	if (m->psl == NULL)
		log_fatal("%s", why.text);
	m->dmarc = (struct dmarc_settings){
		.text = span_equal_ci(text, span_lit("dmarcbis")) ? DMARC_BIS : DMARC_RFC7489,
		.psl = m->psl,
		.most_authors = DMARC_AUTHORS_MAX,
		.most_dkim = m->dkim.signatures_max,
		.most_questions = DMARC_QUESTIONS_MAX,
	};
	m->dmarc_reject = read_action("dmarc_reject_action", conf->dmarc_reject_action);
	m->dmarc_quarantine = read_action("dmarc_quarantine_action", conf->dmarc_quarantine_action);
}

void settings_read(struct mailauth *m, const struct conf *conf)
{
	m->conf = conf;
	m->lookups.wait_us = conf->mailauth_lookup_time_limit * CLOCK_SECOND_US;
	m->lookups.most_questions = (size_t)conf->mailauth_lookup_limit;
	m->spf = (struct spf_settings)SPF_STANDARD_SETTINGS;
	m->spf.most_terms = (unsigned)conf->spf_lookup_limit;
	m->spf.most_void_terms = (unsigned)conf->spf_void_lookup_limit;
	m->spf.receiver = span_of(conf->myhostname);
	m->spf_fail = read_action("spf_fail_action", conf->spf_fail_action);
	read_names(m);
	read_canonicalization(m);
	read_dkim(m);
	read_dmarc(m);
	m->tables = tables_new(conf, conf->arena);
}
