/* SPDX-License-Identifier: ISC */
/* reports.c - collecting: from a judgement to a row, and the task that writes rows behind
 *
 * How a day that is over is sent is in reports_send.c. */
#include "mailauth/reports.h"

#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/mailauth/dmarc_store.h"
#include "lib/task/task.h"
#include "mailauth/mailauth.h"
#include "mailauth/reports_send.h"

enum { FLUSH_US = 10 * 1000 * 1000, PENDING_MAX_BYTES = 8 << 20 };

struct reports {
	const struct conf  *conf;
	const char         *folder;
	struct dmarc_store *store;
	pthread_mutex_t     lock;	/* of the store's end */
	bool                is_over;
};

struct reports *reports_new(const struct conf *conf, const char *folder)
{
	struct reports *r;
	struct dmarc_store_settings settings = {
		.folder = folder,
		.most_domains = (size_t)conf->dmarc_store_domain_limit,
		.most_rows = (size_t)conf->dmarc_store_row_limit,
		.most_bytes = conf->dmarc_store_size_limit / 2,	/* the file may be twice as large */
		.most_pending_bytes = PENDING_MAX_BYTES,
	};
	struct why why;

	if (!conf->dmarc_aggregate_reports)
		return NULL;
	r = ARENA_NEW(conf->arena, struct reports);
	r->conf = conf;
	r->folder = folder;
	pthread_mutex_init(&r->lock, NULL);
	if (dmarc_store_open(&settings, &r->store, &why) == DONE)
		return r;
	log_error("nothing is collected for DMARC reports: %s", why.text);
	return NULL;
}

/* ---- from a judgement to a row ---- */

static enum dmarc_auth_result said_by_spf(enum spf_result result)
{
	static const enum dmarc_auth_result words[] = {
		[SPF_NONE] = DMARC_SAID_NONE, [SPF_NEUTRAL] = DMARC_SAID_NEUTRAL, [SPF_PASS] = DMARC_SAID_PASS,
		[SPF_FAIL] = DMARC_SAID_FAIL, [SPF_SOFTFAIL] = DMARC_SAID_SOFTFAIL,
		[SPF_TEMPERROR] = DMARC_SAID_TEMPERROR, [SPF_PERMERROR] = DMARC_SAID_PERMERROR,
	};

	return words[result];
}

static void fill_dkim(struct dmarc_row *row, const struct dkim_results *results)
{
	for (size_t i = 0; i < results->count && row->dkim_count < DMARC_ROW_DKIM; i++) {
		struct dmarc_dkim_said *said = &row->dkim[row->dkim_count];

		if (results->item[i].domain.len == 0 ||
		    !dmarc_auth_read(span_of(dkim_status_word(results->item[i].status)), &said->result))
			continue;
		said->domain = results->item[i].domain;
		said->selector = results->item[i].selector;
		row->dkim_count++;
	}
}

static enum dmarc_policy disposition(const struct judgement *j)
{
	return j->action == ACTION_REJECT       ? DMARC_POLICY_REJECT
	       : j->action == ACTION_QUARANTINE ? DMARC_POLICY_QUARANTINE
	                                        : DMARC_POLICY_NONE;
}

static void add_reason(struct dmarc_row *row, enum dmarc_override type, struct span comment)
{
	row->reasons[row->reason_count++] = (struct dmarc_reason){ .type = type, .comment = comment };
}

/* Why the disposition is not what was asked for. */
static void fill_reasons(struct dmarc_row *row, const struct judgement *j)
{
	if (j->dmarc.result != DMARC_FAIL)
		return;
	if (j->dmarc.applied != j->dmarc.asked)
		add_reason(row, j->dmarc.record.is_test ? DMARC_OVERRIDE_TEST_MODE : DMARC_OVERRIDE_SAMPLED_OUT,
		           span_lit(""));
	if (j->override == OVERRIDE_ARC)
		add_reason(row, DMARC_OVERRIDE_LOCAL_POLICY, j->override_text);
	else if (j->override == OVERRIDE_FORWARDER)
		add_reason(row, DMARC_OVERRIDE_TRUSTED_FORWARDER, span_lit(""));
	else if (row->disposition != j->dmarc.applied)
		add_reason(row, DMARC_OVERRIDE_LOCAL_POLICY, span_lit(""));
}

static struct span domain_of(struct span address)
{
	size_t at = span_rfind(address, '@');

	return at == SPAN_NOT_FOUND ? span_lit("") : span_skip(address, at + 1);
}

void reports_note(struct reports *r, const struct message *m, const struct judgement *j)
{
	char ip[NET_ADDRESS_TEXT_MAX];
	struct dmarc_sample sample;
	struct dmarc_row *row = &sample.row;

	if (r == NULL || !m->session->has_ip || !j->dmarc.has_record || j->dmarc.record.rua.len == 0 ||
	    (j->dmarc.result != DMARC_PASS && j->dmarc.result != DMARC_FAIL))
		return;
	sample = (struct dmarc_sample){ .policy_domain = j->dmarc.policy_domain, .record = j->dmarc.record.text,
		                        .which = mailauth.dmarc.text };
	row->source_ip = span_of(net_address_text(&m->session->ip, ip));
	row->header_from = j->dmarc.author;
	row->envelope_from = domain_of(m->sender);
	row->envelope_to = m->recipient_domain;
	row->disposition = disposition(j);
	row->dkim_aligned = j->dmarc.dkim_aligned;
	row->spf_aligned = j->dmarc.spf_aligned;
	fill_reasons(row, j);
	fill_dkim(row, &j->dkim);
	row->spf[0] = (struct dmarc_spf_said){ .domain = j->spf.domain, .is_helo = j->spf.identity == SPF_HELO,
		                               .result = said_by_spf(j->spf.result) };
	row->spf_count = 1;
	if (j->has_spf_helo)
		row->spf[row->spf_count++] = (struct dmarc_spf_said){
			.domain = j->spf_helo.domain, .is_helo = true, .result = said_by_spf(j->spf_helo.result),
		};
	pthread_mutex_lock(&r->lock);
	if (!r->is_over)
		(void)dmarc_store_add(r->store, &sample, clock_wall_us());
	pthread_mutex_unlock(&r->lock);
}

/* ---- the task ---- */

struct flushing {
	struct reports *reports;
	enum outcome    outcome;
	struct why      why;
};

static void flush_blocking(void *arg)
{
	struct flushing *f = arg;

	f->outcome = dmarc_store_flush(f->reports->store, clock_wall_us(), &f->why);
}

static void flush(struct reports *r)
{
	struct flushing f = { .reports = r };

	task_offload(flush_blocking, &f);
	if (f.outcome != DONE)
		log_warning("results for DMARC reports are lost: %s", f.why.text);
}

static void run(void *arg)
{
	struct reports *r = arg;
	uint64_t send_us = clock_now_us();

	while (task_sleep_us(FLUSH_US) == 0 && !r->is_over) {
		flush(r);
		if (clock_now_us() < send_us)
			continue;
		reports_send_due(r->conf, r->folder);
		send_us = clock_now_us() + r->conf->dmarc_report_look_interval * CLOCK_SECOND_US;
	}
}

void reports_start(struct reports *r)
{
	if (r != NULL && task_spawn(run, r, "reports") == NULL)
		log_fatal("cannot start the reports");
}

void reports_stop(struct reports *r)
{
	if (r == NULL)
		return;
	pthread_mutex_lock(&r->lock);
	if (!r->is_over)
		dmarc_store_close(r->store);
	r->is_over = true;
	pthread_mutex_unlock(&r->lock);
}
