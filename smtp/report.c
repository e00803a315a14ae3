/* SPDX-License-Identifier: ISC */
/* report.c - the end of a delivery attempt: one log line and one result a recipient (postfix-compat 10) */
#include "lib/base/log.h"
#include "smtp/smtp.h"

static const char *const statuses[] = {
	[DELIVER_SENT] = "sent",
	[DELIVER_DEFERRED] = "deferred",
	[DELIVER_BOUNCED] = "bounced",
};

static const char *delays(struct delivery *d, uint64_t now_us)
{
	const struct deliver_request *q = d->request;
	uint64_t connected_us = d->connected_us != 0 ? d->connected_us : now_us;
	char parts[5][CLOCK_DELAY_SIZE];

	return arena_printf(d->arena, "delay=%s, delays=%s/%s/%s/%s",
	                    clock_delay(q->arrival_us, now_us, parts[0]),
	                    clock_delay(q->arrival_us, q->active_us, parts[1]),
	                    clock_delay(q->active_us, d->taken_us, parts[2]),
	                    clock_delay(d->taken_us, connected_us, parts[3]),
	                    clock_delay(connected_us, now_us, parts[4]));
}

static void log_result(struct delivery *d, const struct recipient *r, enum deliver_status status,
                       const struct why *why)
{
	const struct envelope_recipient *facts = r->facts;
	const char *original = "", *uses = "";

	if (facts->original.len > 0 && !span_equal(facts->original, facts->address))
		original = arena_printf(d->arena, ", orig_to=<" SPAN_FMT ">", SPAN_ARG(facts->original));
	if (d->connection_uses > 1)
		uses = arena_printf(d->arena, ", conn_use=%u", d->connection_uses);
	log_as(d->client->role, LOG_LEVEL_NOTE,
	       SPAN_FMT ": to=<" SPAN_FMT ">%s, relay=%s%s, %s, dsn=%s, status=%s (%s)",
	       SPAN_ARG(d->request->queue_id), SPAN_ARG(facts->address), original, d->relay, uses,
	       delays(d, clock_wall_us()), why->dsn, statuses[status], why->text);
}

/* diagnostic_of - what the remote host said, without our words around it; empty when it was not asked. */
static struct span diagnostic_of(const struct why *why)
{
	struct span text = span_of(why->text);
	size_t said = span_search(text, span_lit(" said: "));

	return said == SPAN_NOT_FOUND ? (struct span){ NULL, 0 } : span_skip(text, said + 7);
}

void report_recipient(struct delivery *d, struct recipient *r, enum deliver_status status,
                      const struct why *why)
{
	struct deliver_result result = {
		.recipient = r->facts->number,
		.status = status,
		.dsn = span_of(why->dsn),
		.reason = span_of(why->text),
		.remote_mta = span_of(d->remote_host),
		.diagnostic = diagnostic_of(why),
		.is_durable = status == DELIVER_SENT,	/* it is the remote host's now */
		.host_failed = r->host_failed && status == DELIVER_DEFERRED,
		.reports_itself = status == DELIVER_SENT && d->host_has_dsn,
	};

	if (!r->is_open)
		return;
	r->is_open = false;
	d->open--;
	log_result(d, r, status, why);
	d->result(d, &result, d->open > 0);
}

void report_open(struct delivery *d, enum deliver_status status, const struct why *why)
{
	for (size_t i = 0; i < d->envelope.recipient_count; i++)
		report_recipient(d, &d->recipients[i], status, why);
}
