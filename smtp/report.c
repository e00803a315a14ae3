/* SPDX-License-Identifier: ISC */
/* report.c - the end of a delivery attempt: one log line and one result a recipient (postfix-compat 10) */
#include "lib/base/log.h"
#include "smtp/smtp.h"

enum { RESOLUTION_US = 10000 };	/* delay_logging_resolution_limit = 2 digits behind the point */

static const char *const statuses[] = {
	[DELIVER_SENT] = "sent",
	[DELIVER_DEFERRED] = "deferred",
	[DELIVER_BOUNCED] = "bounced",
};

char *report_delay(struct arena *arena, uint64_t us)
{
	uint64_t unit = RESOLUTION_US, rounded;
	char *text;
	size_t length;

	if (us >= 10 * CLOCK_SECOND_US)
		return arena_printf(arena, "%llu", (unsigned long long)((us + 500000) / CLOCK_SECOND_US));
	while (us / unit >= 100)
		unit *= 10;
	rounded = (us + unit / 2) / unit * unit;
	text = arena_printf(arena, "%llu.%06llu", (unsigned long long)(rounded / CLOCK_SECOND_US),
	                    (unsigned long long)(rounded % CLOCK_SECOND_US));
	length = span_of(text).len;
	while (text[length - 1] == '0')
		text[--length] = '\0';
	if (text[length - 1] == '.')
		text[--length] = '\0';
	return text;
}

static uint64_t between(uint64_t from_us, uint64_t to_us)
{
	return to_us > from_us ? to_us - from_us : 0;
}

static const char *delays(struct delivery *d, uint64_t now_us)
{
	const struct deliver_request *q = d->request;
	uint64_t connected_us = d->connected_us != 0 ? d->connected_us : now_us;

	return arena_printf(d->arena, "delay=%s, delays=%s/%s/%s/%s",
	                    report_delay(d->arena, between(q->arrival_us, now_us)),
	                    report_delay(d->arena, between(q->arrival_us, q->active_us)),
	                    report_delay(d->arena, between(q->active_us, d->taken_us)),
	                    report_delay(d->arena, between(d->taken_us, connected_us)),
	                    report_delay(d->arena, between(connected_us, now_us)));
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
