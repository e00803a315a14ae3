/* SPDX-License-Identifier: ISC */
/* report.c - what became of a recipient: for qmgr, and as a line in the form Postfix log tools read */
#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "local/local.h"

static const char *const words[] = {
	[DELIVER_SENT] = "sent", [DELIVER_DEFERRED] = "deferred", [DELIVER_BOUNCED] = "bounced",
	[DELIVER_EXPANDED] = "sent",
};

void set_result(struct delivery *d, enum deliver_status status)
{
	d->result.status = status;
	d->result.dsn = span_of(d->why.dsn);
	d->result.reason = span_of(d->why.text);
}

void set_stored(struct delivery *d)
{
	struct span folder = folder_for(d);

	d->how = "delivered to maildir";
	why_set(&d->why, DONE, "2.0.0", "%s", d->how);
	set_result(d, DELIVER_SENT);
	if (folder.len > 0)
		d->how = arena_printf(d->arena, "%s folder " SPAN_FMT, d->how, SPAN_ARG(folder));
}

void local_log(const struct delivery *d, const char *relay)
{
	const struct deliver_request *m = d->message;
	const struct envelope_recipient *r = d->recipient;
	uint64_t now = clock_wall_us();
	struct span original = r->original.len > 0 && !span_equal(r->original, r->address) ?
	                               arena_printf_span(d->arena, ", orig_to=<" SPAN_FMT ">",
	                                                 SPAN_ARG(r->original)) :
	                               (struct span){ NULL, 0 };
	char total[CLOCK_DELAY_SIZE], before[CLOCK_DELAY_SIZE], inside[CLOCK_DELAY_SIZE], here[CLOCK_DELAY_SIZE];
	bool is_good = d->result.status == DELIVER_SENT || d->result.status == DELIVER_EXPANDED;
	struct span text = is_good ? span_of(d->how) : d->result.reason;

	log_as(relay, LOG_LEVEL_NOTE,
	       SPAN_FMT ": to=<" SPAN_FMT ">" SPAN_FMT ", relay=%s, delay=%s, delays=%s/%s/0/%s, dsn=" SPAN_FMT
	       ", status=%s (" SPAN_FMT ")",
	       SPAN_ARG(m->queue_id), SPAN_ARG(r->address), SPAN_ARG(original), relay,
	       clock_delay(m->arrival_us, now, total), clock_delay(m->arrival_us, m->active_us, before),
	       clock_delay(m->active_us, d->started_us, inside), clock_delay(d->started_us, now, here),
	       SPAN_ARG(d->result.dsn), words[d->result.status], SPAN_ARG(text));
}
