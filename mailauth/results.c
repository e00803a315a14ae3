/* SPDX-License-Identifier: ISC */
/* results.c - what was found, as header fields: Authentication-Results (RFC 8601), Received-SPF, an ARC set
 *
 * No X- field of ours: who wants results reads these, and a server that can hands them to later filters as macros. */
#include "lib/base/log.h"
#include "mailauth/mailauth.h"

enum { FIELDS_MOST = 5, RESULTS_MAX_BYTES = 64 * 1024 };

/* ---- one method each ---- */

static void write_iprev(struct auth_results_writer *w, struct message *m, const struct judgement *j)
{
	char text[NET_ADDRESS_TEXT_MAX];

	if (!j->has_iprev)
		return;
	auth_results_result(w, "iprev", iprev_result_name(j->iprev.result));
	if (j->iprev.name.len > 0)
		auth_results_remark(w, j->iprev.name);
	auth_results_property(w, "policy.iprev", span_of(net_address_text(&m->session->ip, text)));
}

static void write_spf(struct auth_results_writer *w, struct message *m, const struct judgement *j)
{
	if (!j->has_spf)
		return;
	auth_results_result(w, "spf", spf_result_name(j->spf.result));
	if (j->spf.reason.len > 0)
		auth_results_reason(w, j->spf.reason);
	if (m->sender.len > 0)
		auth_results_property(w, "smtp.mailfrom", m->sender);
	else
		auth_results_property(w, "smtp.helo", m->session->helo);
}

static void write_spf_helo(struct auth_results_writer *w, struct message *m, const struct judgement *j)
{
	if (!j->has_spf_helo)
		return;
	auth_results_result(w, "spf", spf_result_name(j->spf_helo.result));
	auth_results_property(w, "smtp.helo", m->session->helo);
}

static void write_signature(struct auth_results_writer *w, struct message *m, const struct dkim_result *r)
{
	auth_results_result(w, "dkim", span_of(dkim_status_word(r->status)));
	if (r->status != DKIM_PASS && r->reason[0] != '\0')
		auth_results_reason(w, span_of(r->reason));
	if (r->key_bits > 0)
		auth_results_remark(w, arena_printf_span(m->arena, "%u-bit key%s", r->key_bits,
		                                         r->is_testing ? ", testing" : ""));
	auth_results_property(w, "header.d", r->domain);
	auth_results_property(w, "header.i", r->identity);
	auth_results_property(w, "header.s", r->selector);
	auth_results_property(w, "header.a", span_of(r->algorithm));
	auth_results_property(w, "header.b", r->b);
}

static void write_dkim(struct auth_results_writer *w, struct message *m, const struct judgement *j)
{
	for (size_t i = 0; i < j->dkim.count; i++)
		write_signature(w, m, &j->dkim.item[i]);
	if (j->dkim.count == 0)
		auth_results_result(w, "dkim", span_lit("none"));
}

static void write_arc(struct auth_results_writer *w, struct message *m, const struct judgement *j)
{
	if (j->arc.status == ARC_NONE)
		return;
	auth_results_result(w, "arc", span_of(arc_status_word(j->arc.status)));
	if (j->arc.reason[0] != '\0')
		auth_results_reason(w, span_of(j->arc.reason));
	if (j->arc.count > 0)
		auth_results_remark(w, arena_printf_span(m->arena, "i=%zu d=" SPAN_FMT, j->arc.count,
		                                         SPAN_ARG(j->arc.sealers[j->arc.count - 1])));
}

static void write_dmarc(struct auth_results_writer *w, struct message *m, const struct judgement *j)
{
	const struct dmarc_verdict *v = &j->dmarc;

	auth_results_result(w, "dmarc", span_of(dmarc_result_name(v->result)));
	if (v->result != DMARC_PASS && v->result != DMARC_NONE && v->reason != NULL && v->reason[0] != '\0')
		auth_results_reason(w, span_of(v->reason));
	if (v->has_record)
		auth_results_remark(w, arena_printf_span(m->arena, "p=%s dis=%s%s" SPAN_FMT, dmarc_policy_name(v->record.p),
		                                         j->action == ACTION_QUARANTINE ? "quarantine" : "none",
		                                         j->override != OVERRIDE_NONE ? " because " : "",
		                                         SPAN_ARG(j->override_text)));
	auth_results_property(w, "header.from", v->author);
	if (v->result == DMARC_FAIL)
		auth_results_property(w, "policy.dmarc", span_of(dmarc_policy_name(v->asked)));
}

/* ---- the fields ---- */

/* "NAME: value" and a line end, as a field. */
static struct mail_field as_field(struct message *m, struct span text)
{
	struct mail_field field;
	struct span rest = arena_dup(m->arena, span_trim_end(text));

	(void)span_cut(&rest, ':', &field.name);
	field.value = rest;
	return field;
}

static struct mail_field results_field(struct message *m, const struct judgement *j)
{
	struct auth_results_form form = { .line_end = span_lit("\n"), .may_utf8 = false };
	struct auth_results_writer w;
	struct mail_field field;
	struct buf out;

	buf_init(&out, RESULTS_MAX_BYTES);
	auth_results_begin(&w, m->arena, &out, &form, mailauth.authserv_id);
	write_iprev(&w, m, j);
	write_spf(&w, m, j);
	write_spf_helo(&w, m, j);
	if (j->is_unreadable) {
		auth_results_result(&w, "dkim", span_lit("permerror"));
		auth_results_reason(&w, span_lit("header too large"));
	} else {
		write_dkim(&w, m, j);
		write_arc(&w, m, j);
	}
	write_dmarc(&w, m, j);
	auth_results_end(&w);
	field = as_field(m, buf_span(&out));
	buf_free(&out);
	return field;
}

struct span results_value(struct message *m, const struct judgement *j)
{
	return results_field(m, j).value;
}

static struct mail_field received_spf(struct message *m, const struct judgement *j)
{
	struct spf_client client = { .ip = m->session->ip, .helo = m->session->helo, .mail_from = m->sender };
	struct mail_field field;
	struct buf out;

	buf_init(&out, RESULTS_MAX_BYTES);
	spf_received_add(&out, &client, &j->spf, span_of(mailauth.conf->myhostname), span_lit("\n"));
	field = as_field(m, buf_span(&out));
	buf_free(&out);
	return field;
}

static size_t add_seal(struct message *m, const struct judgement *j, struct span results, struct mail_field *out)
{
	struct arc_fields fields;

	if (m->sealer == NULL || !arc_may_seal(&j->arc))
		return 0;
	if (!arc_seal_end(m->sealer, &j->arc, span_trim(results), &fields)) {
		log_error(SPAN_FMT ": the key of arc_seal_domain does not sign", SPAN_ARG(m->queue_id));
		return 0;
	}
	out[0] = fields.results;
	out[1] = fields.message;
	out[2] = fields.seal;
	return 3;
}

size_t results_fields(struct message *m, const struct judgement *j, const struct mail_field **fields)
{
	struct mail_field *all = ARENA_NEW_ARRAY(m->arena, struct mail_field, FIELDS_MOST);
	size_t count = 0;

	if (mailauth.conf->spf_received_header && j->has_spf)
		all[count++] = received_spf(m, j);
	all[count] = results_field(m, j);
	count++;
	count += add_seal(m, j, all[count - 1].value, all + count);
	*fields = all;
	return count;
}
