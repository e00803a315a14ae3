/* SPDX-License-Identifier: ISC */
/* policy.c - from verdicts to what becomes of the message
 *
 * A failure of the DNS decides nothing: temperror is written down and the mail goes on (reliability P4).  What a domain asks
 * for in its DMARC policy is done as far as the admin lets it, but not where a forwarder we trust explains the
 * failure (RFC 7489 6.7, RFC 8617 7.2). */
#include "lib/base/log.h"
#include "mailauth/mailauth.h"

/* ---- reasons not to follow the policy ---- */

static bool is_trusted_sealer(struct span domain)
{
	struct span rest = span_of(mailauth.conf->arc_trusted_sealers), trusted;

	while (conf_list_next(&rest, &trusted))
		if (span_equal_ci(domain, trusted))
			return true;
	return false;
}

/* The newest sealer of a good chain is trusted, and saw DMARC pass when the mail came to him. */
static bool is_vouched_for(const struct message *m, const struct judgement *j)
{
	static const struct auth_results_limits limits = AUTH_RESULTS_STANDARD_LIMITS;
	const struct auth_result *dmarc;
	struct auth_results seen;

	if (j->arc.status != ARC_PASS || j->arc.count == 0 || !is_trusted_sealer(j->arc.sealers[j->arc.count - 1]))
		return false;
	if (!auth_results_parse(m->arena, j->arc.results, &limits, &seen))
		return false;
	dmarc = auth_result_find(&seen, span_lit("dmarc"), 0);
	return dmarc != NULL && span_equal_ci(dmarc->result, span_lit("pass"));
}

static void look_for_override(struct message *m, struct judgement *j)
{
	struct session *s = m->session;

	if (is_vouched_for(m, j)) {
		j->override = OVERRIDE_ARC;
		j->override_text = arena_printf_span(m->arena, "arc=pass as[%zu].d=" SPAN_FMT, j->arc.count,
		                                     SPAN_ARG(j->arc.sealers[j->arc.count - 1]));
	} else if (s->has_ip && tables_have_client(mailauth.tables, CLIENT_TRUSTED_FORWARDER, s->name, &s->ip)) {
		j->override = OVERRIDE_FORWARDER;
		j->override_text = span_lit("a forwarder we know");
	}
}

/* ---- actions ---- */

static struct span author(const struct judgement *j)
{
	return j->dmarc.author.len > 0 ? j->dmarc.author : span_lit("(no domain)");
}

/* An author nobody can be asked about: several From fields, no address, a header too large to look at.  A mail program may well
 * show one, so this is no way around the policy of him who is shown (RFC 7489 6.6.1). */
static void refuse_unclear(struct message *m, struct judgement *j)
{
	j->action = mailauth.dmarc_reject;
	j->reason = arena_printf_span(m->arena, "It cannot be told whose mail this is (DMARC: %s)", j->dmarc.reason);
}

static void follow_dmarc(struct message *m, struct judgement *j)
{
	bool is_unclear = j->dmarc.result == DMARC_PERMERROR;
	enum dmarc_policy asked = j->dmarc.applied;

	if (!is_unclear && (j->dmarc.result != DMARC_FAIL || asked == DMARC_POLICY_NONE))
		return;
	look_for_override(m, j);
	if (j->override != OVERRIDE_NONE)
		return;
	if (is_unclear) {
		refuse_unclear(m, j);
		return;
	}
	j->action = asked == DMARC_POLICY_REJECT ? mailauth.dmarc_reject : mailauth.dmarc_quarantine;
	j->reason = arena_printf_span(m->arena, "This mail claims to be from " SPAN_FMT
	                              ", but neither SPF nor DKIM shows that it is, and " SPAN_FMT
	                              " asks to %s such mail (DMARC, p=%s)", SPAN_ARG(author(j)),
	                              SPAN_ARG(j->dmarc.policy_domain),
	                              asked == DMARC_POLICY_REJECT ? "refuse" : "set aside", dmarc_policy_name(asked));
}

static void follow_spf(struct message *m, struct judgement *j)
{
	if (!j->has_spf || j->spf.result != SPF_FAIL || j->dmarc.result == DMARC_PASS || mailauth.spf_fail <= j->action)
		return;
	j->action = mailauth.spf_fail;
	j->reason = arena_printf_span(m->arena, "This host may not send mail of " SPAN_FMT " (SPF)%s" SPAN_FMT,
	                              SPAN_ARG(j->spf.domain),
	                              j->spf.explanation.len > 0 ? "; it explains: " : "",
	                              SPAN_ARG(j->spf.explanation));
}

static const char *action_name(enum action action)
{
	return action == ACTION_REJECT ? "reject" : action == ACTION_QUARANTINE ? "quarantine" : "none";
}

static void log_judgement(const struct message *m, const struct judgement *j)
{
	log_note(SPAN_FMT ": from=<" SPAN_FMT ">, author=" SPAN_FMT ", spf=" SPAN_FMT ", dkim=%s, arc=%s, dmarc=%s%s%s, "
	         "action=%s", SPAN_ARG(m->queue_id.len > 0 ? m->queue_id : span_lit("NOQUEUE")), SPAN_ARG(m->sender),
	         SPAN_ARG(author(j)), SPAN_ARG(j->has_spf ? spf_result_name(j->spf.result) : span_lit("none")),
	         judgement_dkim(j), arc_status_word(j->arc.status), dmarc_result_name(j->dmarc.result),
	         j->dmarc.result == DMARC_FAIL ? " p=" : "",
	         j->dmarc.result == DMARC_FAIL ? dmarc_policy_name(j->dmarc.applied) : "", action_name(j->action));
}

const char *judgement_dkim(const struct judgement *j)
{
	const char *best = "none";

	for (size_t i = 0; i < j->dkim.count; i++) {
		if (j->dkim.item[i].status == DKIM_PASS)
			return "pass";
		best = dkim_status_word(j->dkim.item[i].status);
	}
	return best;
}

void policy_decide(struct message *m, struct judgement *j)
{
	follow_dmarc(m, j);
	if (j->override == OVERRIDE_NONE)
		follow_spf(m, j);
	if (j->reason.len == 0)
		j->reason = span_lit("message authentication");
	log_judgement(m, j);
}
