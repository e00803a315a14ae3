/* SPDX-License-Identifier: ISC */
/* reports_send.c - the ways of this program for lib/mailauth/dmarc_send.h: who is asked, and where mail is handed in */
#include "mailauth/reports_send.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/mailauth/dmarc_send.h"
#include "lib/task/task.h"
#include "mailauth/hand_in.h"
#include "mailauth/mailauth.h"

enum { KEEP_DAYS = 3, XML_PER_PACKED = 10 };

struct sending {
	const struct conf       *conf;
	const char              *folder;
	struct lookups          *lookups;	/* of the report under way */
	enum outcome             outcome;
	struct dmarc_send_counts counts;
	struct why               why;
};

static struct lookup begin(void *user)
{
	struct sending *s = user;

	s->lookups = lookups_new(mailauth.asker, &mailauth.lookups);
	return lookups_lookup(s->lookups);
}

static void end(void *user)
{
	struct sending *s = user;

	lookups_free(s->lookups);
	s->lookups = NULL;
}

static enum outcome mail(void *user, struct span to, struct span text, struct why *why)
{
	const struct sending *s = user;

	return hand_in(s->conf, to, text, why);
}

static void send_blocking(void *arg)
{
	struct sending *s = arg;
	const struct conf *conf = s->conf;
	struct dmarc_reporter reporter = {
		.org_name = span_of(conf->dmarc_report_organization), .domain = span_of(conf->myhostname),
		.email = span_of(conf->dmarc_report_address), .contact = span_of(conf->dmarc_report_contact),
		.host = span_of(conf->myhostname),
		.most_xml_bytes = XML_PER_PACKED * (size_t)conf->dmarc_report_size_limit,
		.most_mail_bytes = (size_t)conf->dmarc_report_size_limit,
	};
	struct dmarc_send_settings settings = {
		.folder = s->folder, .reporter = &reporter, .psl = mailauth.psl,
		.most_destinations = (size_t)conf->dmarc_report_destination_limit,
		.most_questions = mailauth.lookups.most_questions, .keep_days = KEEP_DAYS,
	};
	struct dmarc_send_ways ways = { .begin = begin, .end = end, .mail = mail, .user = s };

	s->outcome = dmarc_send(&settings, &ways, clock_wall_us(), &s->counts, &s->why);
}

void reports_send_due(const struct conf *conf, const char *folder)
{
	struct sending s = { .conf = conf, .folder = folder };

	task_offload(send_blocking, &s);
	if (s.counts.reports > 0 || s.counts.refused > 0)
		log_note("DMARC reports: %u sent in %u mails, %u wanted by nobody, %u postponed", s.counts.reports,
		         s.counts.mails, s.counts.refused, s.counts.postponed);
	if (s.outcome != DONE)
		log_warning("DMARC reports wait: %s", s.why.text);
}
