/* SPDX-License-Identifier: ISC */
/* verify.c - who is this mail of?  The checks in their order, all over one budget of look-ups
 *
 * SPF and the name of the client need the envelope alone, DKIM and ARC the message, DMARC what the others found.  Their
 * questions to the DNS are begun as early as what they are about is known, so that the answers have come by the end. */
#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/mailauth/dmarc_from.h"
#include "lib/smtp/address.h"
#include "mailauth/keyring.h"
#include "mailauth/mailauth.h"

enum { RANDOM_SPAN = 100, AUTHORS_EXPECTED = 1 };

/* ---- what will be asked ---- */

void verify_expect_sender(struct message *m)
{
	struct span local, domain;

	smtp_address_split(m->sender, &local, &domain);
	if (domain.len > 0)
		m->lookup.expect(m->lookup.user, domain, RR_TXT);
	if (m->session->helo.len > 0 && (domain.len == 0 || mailauth.conf->spf_helo_check))
		m->lookup.expect(m->lookup.user, m->session->helo, RR_TXT);
}

static struct span *from_values(struct message *m, size_t *count)
{
	struct span *values = ARENA_NEW_ARRAY(m->arena, struct span, m->field_count + 1);

	*count = 0;
	for (size_t i = 0; i < m->field_count; i++)
		if (span_equal_ci(m->fields[i].name, span_lit("From")))
			values[(*count)++] = m->fields[i].value;
	return values;
}

static void expect_policy(struct message *m)
{
	size_t value_count, count = 0;
	struct span *values = from_values(m, &value_count), *domains;

	if (dmarc_from_domains(m->arena, values, value_count, AUTHORS_EXPECTED, &domains, &count) == DMARC_FROM_OK &&
	    count > 0)
		m->lookup.expect(m->lookup.user, arena_printf_span(m->arena, "_dmarc." SPAN_FMT, SPAN_ARG(domains[0])),
		                 RR_TXT);
}

/* ---- with the header: what the body must be hashed for ---- */

/* We seal what comes in where the admin wants it and there is a key. */
static void start_seal(struct message *m)
{
	struct arc_seal_settings settings = ARC_SEAL_STANDARD_SETTINGS;
	const struct ring_key *keys;
	size_t count;

	if (mailauth.conf->arc_seal_domain[0] == '\0')
		return;
	m->ring = keyring_hold(mailauth.keyring);
	keys = ring_active(m->ring, span_of(mailauth.conf->arc_seal_domain), &count);
	for (size_t i = 0; i < count && settings.key == NULL; i++) {
		if (keys[i].key.type != DKIM_RSA)
			continue;	/* what every validator knows */
		settings.key = &keys[i].key;
		settings.domain = keys[i].domain;
		settings.selector = keys[i].selector;
	}
	settings.now_s = clock_wall_us() / CLOCK_SECOND_US;
	settings.fold = DKIM_FOLD_LF;
	if (settings.key != NULL)
		m->sealer = arc_seal_start(m->arena, mailauth.crypto, &settings, m->index, m->body);
}

void verify_start(struct message *m)
{
	struct mail_header header = { m->fields, m->field_count };
	struct dkim_verify_settings dkim = mailauth.dkim;

	dkim.now_s = clock_wall_us() / CLOCK_SECOND_US;
	expect_policy(m);
	m->verifier = dkim_verify_start(m->arena, mailauth.crypto, &dkim, header, m->index, m->body, &m->lookup);
	m->arc = arc_verify_start(m->arena, mailauth.crypto, &mailauth.arc, header, m->index, m->body, &m->lookup);
	start_seal(m);
}

/* ---- at the end ---- */

static void check_name(struct message *m, struct judgement *j)
{
	struct session *s = m->session;

	j->has_iprev = mailauth.conf->iprev_check && s->has_ip;
	if (!j->has_iprev)
		return;
	if (s->name.len > 0)	/* the server has asked already */
		j->iprev = (struct iprev_verdict){ .result = IPREV_PASS, .name = s->name };
	else
		iprev_check(&s->ip, &m->lookup, m->arena, IPREV_STANDARD_NAMES, &j->iprev);
}

/* MAIL FROM; of a bounce, which has none, HELO. */
static void check_spf(struct message *m, struct judgement *j)
{
	struct spf_client client = { .ip = m->session->ip, .helo = m->session->helo, .mail_from = m->sender };
	struct spf_settings settings = mailauth.spf;

	j->has_spf = m->session->has_ip;
	if (!j->has_spf)
		return;
	settings.now_s = clock_wall_us() / CLOCK_SECOND_US;
	spf_check(&client, m->sender.len > 0 ? SPF_MAILFROM : SPF_HELO, &m->lookup, m->arena, &settings, &j->spf);
	if (m->sender.len == 0 || !mailauth.conf->spf_helo_check)
		return;
	spf_check(&client, SPF_HELO, &m->lookup, m->arena, &settings, &j->spf_helo);
	j->has_spf_helo = j->spf_helo.result != SPF_NONE;	/* most have no policy: not worth a word */
}

static enum dmarc_auth dmarc_auth(bool is_pass, bool is_temporary)
{
	return is_pass ? DMARC_AUTH_PASS : is_temporary ? DMARC_AUTH_TEMPERROR : DMARC_AUTH_NO;
}

static void check_dmarc(struct message *m, struct judgement *j)
{
	struct dmarc_identifier *dkim = ARENA_NEW_ARRAY(m->arena, struct dmarc_identifier, j->dkim.count + 1);
	struct dmarc_message message = { .dkim = dkim, .dkim_count = j->dkim.count };

	message.from = from_values(m, &message.from_count);
	if (j->has_spf)
		message.spf = (struct dmarc_identifier){
			.status = dmarc_auth(j->spf.result == SPF_PASS, j->spf.result == SPF_TEMPERROR),
			.domain = j->spf.domain,
		};
	for (size_t i = 0; i < j->dkim.count; i++)
		dkim[i] = (struct dmarc_identifier){
			.status = dmarc_auth(j->dkim.item[i].status == DKIM_PASS,
			                     j->dkim.item[i].status == DKIM_TEMPERROR),
			.domain = j->dkim.item[i].domain,
		};
	message.random = (unsigned)(siphash(m->queue_id.len > 0 ? m->queue_id : m->sender) % RANDOM_SPAN);
	dmarc_check(m->arena, &mailauth.dmarc, &m->lookup, &message, &j->dmarc);
}

void verify_end(struct message *m, struct judgement *j)
{
	check_name(m, j);
	check_spf(m, j);
	j->is_unreadable = m->body == NULL;
	if (j->is_unreadable) {
		j->dmarc = (struct dmarc_verdict){ .result = DMARC_PERMERROR, .reason = "header too large" };
	} else {
		j->dkim = dkim_verify_end(m->verifier);
		j->arc = arc_verify_end(m->arc);
		check_dmarc(m, j);
	}
	policy_decide(m, j);
}
