/* SPDX-License-Identifier: ISC */
/* check_dmarc_reports.c - aggregate reports as commands: collect messages, send, take and sum up reports
 *
 *	mailauth_check dmarc-collect DNS FOLDER
 *		Standard input: a message a line, its fields with tabs between them: seconds since 1970, policy domain,
 *		record, header_from, envelope_from, envelope_to, source, disposition, dkim and spf (pass or fail),
 *		reasons (type:comment), DKIM (domain:selector:result:words), SPF (domain:scope:result); lists have '|'
 *		between.
 *	mailauth_check dmarc-send DNS PSL FOLDER SECONDS
 *		Prints each mail behind a line "mail ADDRESS BYTES"; at the end "sent REPORTS MAILS REFUSED POSTPONED".
 *	mailauth_check dmarc-take DNS FILE DOMAIN
 *		Standard input: a mail, or a bare report.
 *	mailauth_check dmarc-summary DNS FILE DOMAIN */
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/mailauth/dmarc_send.h"
#include "lib/mailauth/dmarc_store.h"
#include "lib/mailauth/dmarc_totals.h"
#include "mailauth/check.h"

enum { FIELDS = 13, FLUSH_EVERY = 1000, ENTRIES_MAX = 100000, SUMMARY_LINES = 20, FOREVER_DAYS = 100000 };

/* ---- collect ---- */

static bool is_pass(struct span text)
{
	return span_equal(text, span_lit("pass"));
}

static void read_lists(struct dmarc_row *row, struct span reasons, struct span dkim, struct span spf)
{
	struct span item, word;

	while (row->reason_count < DMARC_ROW_REASONS && span_token(&reasons, "|", &item)) {
		struct dmarc_reason *reason = &row->reasons[row->reason_count++];

		(void)span_cut(&item, ':', &word);
		if (!dmarc_override_read(word, &reason->type))
			reason->type = DMARC_OVERRIDE_OTHER;
		reason->comment = item;
	}
	while (row->dkim_count < DMARC_ROW_DKIM && span_token(&dkim, "|", &item)) {
		struct dmarc_dkim_said *said = &row->dkim[row->dkim_count++];

		(void)span_cut(&item, ':', &said->domain);
		(void)span_cut(&item, ':', &said->selector);
		(void)span_cut(&item, ':', &word);
		if (!dmarc_auth_read(word, &said->result))
			said->result = DMARC_SAID_NONE;
		said->human = item;
	}
	while (row->spf_count < DMARC_ROW_SPF && span_token(&spf, "|", &item)) {
		struct dmarc_spf_said *said = &row->spf[row->spf_count++];

		(void)span_cut(&item, ':', &said->domain);
		(void)span_cut(&item, ':', &word);
		said->is_helo = span_equal(word, span_lit("helo"));
		if (!dmarc_auth_read(item, &said->result))
			said->result = DMARC_SAID_NONE;
	}
}

/* read_sample - one line; gives its time in seconds. */
static unsigned long long read_sample(struct span line, struct dmarc_sample *sample)
{
	struct span fields[FIELDS];
	unsigned long long seconds = 0;

	for (size_t i = 0; i < FIELDS; i++)
		(void)span_cut(&line, '\t', &fields[i]);
	if (!span_u64(fields[0], UINT32_MAX, &seconds))
		log_fatal("a line does not begin with a time");
	*sample = (struct dmarc_sample){
		.policy_domain = fields[1], .record = fields[2], .which = DMARC_RFC7489,
		.row = {
			.header_from = fields[3], .envelope_from = fields[4], .envelope_to = fields[5],
			.source_ip = fields[6], .dkim_aligned = is_pass(fields[8]), .spf_aligned = is_pass(fields[9]),
		},
	};
	if (!dmarc_policy_read(fields[7], &sample->row.disposition))
		log_fatal("a line has no disposition");
	read_lists(&sample->row, fields[10], fields[11], fields[12]);
	return seconds;
}

int check_dmarc_collect(struct check *c, char **args)
{
	struct dmarc_store_settings settings = { .folder = args[0], DMARC_STORE_STANDARD_LIMITS };
	struct span input = check_input(c), line;
	struct dmarc_store_counts counts;
	struct dmarc_store *store;
	unsigned long long seconds = 0, lines = 0;
	struct dmarc_sample sample;
	struct why why;

	if (dmarc_store_open(&settings, &store, &why) != DONE)
		log_fatal("%s", why.text);
	while (input.len != 0) {
		(void)span_cut(&input, '\n', &line);
		seconds = read_sample(line, &sample);
		(void)dmarc_store_add(store, &sample, seconds * CLOCK_SECOND_US);
		if (++lines % FLUSH_EVERY == 0 && dmarc_store_flush(store, seconds * CLOCK_SECOND_US, &why) != DONE)
			log_fatal("%s", why.text);
	}
	if (dmarc_store_flush(store, seconds * CLOCK_SECOND_US, &why) != DONE)
		log_fatal("%s", why.text);
	dmarc_store_counts(store, &counts);
	printf("added %llu, dropped %llu\n", (unsigned long long)counts.messages, (unsigned long long)counts.dropped);
	dmarc_store_close(store);
	return 0;
}

/* ---- send ---- */

static struct lookup begin_questions(void *user)
{
	struct check *c = user;

	return c->lookup;
}

static void end_questions(void *user)
{
	(void)user;
}

static enum outcome print_mail(void *user, struct span to, struct span mail, struct why *why)
{
	(void)user;
	(void)why;
	printf("mail " SPAN_FMT " %zu\n" SPAN_FMT, SPAN_ARG(to), mail.len, SPAN_ARG(mail));
	return DONE;
}

int check_dmarc_send(struct check *c, char **args)
{
	static const struct dmarc_reporter reporter = {
		.org_name = SPAN("Receiver & Sons"), .domain = SPAN("receiver.example"),
		.email = SPAN("dmarc@receiver.example"), .contact = SPAN("https://receiver.example/?a=1&b=<2>"),
		.host = SPAN("mx1.receiver.example"), .most_xml_bytes = DMARC_XML_MAX_BYTES,
		.most_mail_bytes = DMARC_MAIL_MAX_BYTES,
	};
	struct why why = { .text = "" };
	struct dmarc_psl *psl = dmarc_psl_open(args[0], &why);
	struct dmarc_send_settings settings = {
		.folder = args[1], .reporter = &reporter, .psl = psl, DMARC_SEND_STANDARD_LIMITS,
	};
	struct dmarc_send_ways ways = {
		.begin = begin_questions, .end = end_questions, .mail = print_mail, .user = c,
	};
	struct dmarc_send_counts counts;
	unsigned long long seconds;

	if (psl == NULL || !span_u64(span_of(args[2]), UINT32_MAX, &seconds))
		log_fatal("no list or no time: %s", why.text);
	if (dmarc_send(&settings, &ways, seconds * CLOCK_SECOND_US, &counts, &why) != DONE)
		log_warning("%s", why.text);
	printf("sent %u %u %u %u\n", counts.reports, counts.mails, counts.refused, counts.postponed);
	dmarc_psl_close(psl);
	return 0;
}

/* ---- take, summary ---- */

static bool is_ours(void *user, struct span domain)
{
	return span_equal(domain, span_of(user));
}

static struct dmarc_totals *open_totals(const char *path)
{
	struct dmarc_totals *totals;
	struct why why;

	if (dmarc_totals_open(path, ENTRIES_MAX, &totals, &why) != DONE)
		log_fatal("%s", why.text);
	return totals;
}

int check_dmarc_take(struct check *c, char **args)
{
	struct dmarc_totals *totals = open_totals(args[0]);
	struct span input = check_input(c);
	bool is_mail = dmarc_container_of(input) == DMARC_CONTAINER_NONE;
	struct dmarc_taken taken;
	enum outcome outcome;
	struct why why;

	outcome = dmarc_totals_take(totals, c->arena, input, is_mail, is_ours, args[1], &taken, &why);
	if (outcome != DONE)
		printf("%s: %s\n", outcome == REFUSE ? "refused" : "later", why.text);
	else
		printf("%s: " SPAN_FMT " of " SPAN_FMT ", %zu rows, %llu messages\n",
		       taken.is_repeat ? "repeat" : "taken", SPAN_ARG(taken.report_id), SPAN_ARG(taken.org_name), taken.rows,
		       (unsigned long long)taken.messages);
	dmarc_totals_close(totals);
	return outcome == DONE ? 0 : 1;
}

int check_dmarc_summary(struct check *c, char **args)
{
	struct dmarc_totals *totals = open_totals(args[0]);
	struct buf out;

	(void)c;
	buf_init(&out, BUF_NO_LIMIT);
	dmarc_totals_summary(totals, span_of(args[1]), 0, FOREVER_DAYS, SUMMARY_LINES, &out);
	fwrite(out.ptr, 1, out.len, stdout);
	buf_free(&out);
	dmarc_totals_close(totals);
	return 0;
}
