/* SPDX-License-Identifier: ISC */
/* deliver.c - one request of qmgr: hosts are tried until each recipient has an answer
 *
 * What one host refuses for now, the next may take; what it refuses for good is reported at once.  Whoever is
 * still without an answer when nothing is left to try is reported with the reason of the last try. */
#include "lib/base/log.h"
#include "smtp/smtp.h"

struct attempt {
	struct delivery *d;
	enum outcome     outcome;	/* of the last try that reached no transaction */
	long long        addresses, sessions;
	bool             is_over;	/* limits are reached, or nobody may be asked any more */
};

/* blame - the reason for all that are open, unless a later try has a better one. */
static void blame(struct attempt *a, enum outcome outcome, const struct why *why, bool host_failed)
{
	a->outcome = outcome;
	for (size_t i = 0; i < a->d->envelope.recipient_count; i++) {
		struct recipient *r = &a->d->recipients[i];

		if (!r->is_open)
			continue;
		r->why = *why;
		r->host_failed = host_failed;
	}
}

/* cache_key - sessions are shared by what they were opened for. */
static struct span cache_key(struct delivery *d, struct span nexthop)
{
	struct span sender = { NULL, 0 };

	if (d->client->conf->smtp_sasl_auth_enable && d->client->conf->smtp_sender_dependent_authentication)
		sender = d->envelope.sender;
	return arena_printf_span(d->arena, "%s " SPAN_FMT " " SPAN_FMT, d->client->role, SPAN_ARG(nexthop),
	                         SPAN_ARG(sender));
}

/* use - the transaction over an open session, which is then kept or closed.  False: the session was dead. */
static bool use(struct attempt *a, struct session *s, struct span key)
{
	struct delivery *d = a->d;
	bool was_alive;

	d->relay = arena_cstr(d->arena, span_of(s->relay));
	d->remote_host = arena_cstr(d->arena, span_of(s->host_name));
	d->connected_us = clock_wall_us();
	a->outcome = DEFER;
	was_alive = transaction_run(d, s);
	cache_keep(d->client, key, s);
	return was_alive;
}

static bool try_idle(struct attempt *a, struct span key)
{
	struct session *s = cache_take(a->d->client, key);

	/* One that died while idle costs nothing: a fresh one follows. */
	return s != NULL && use(a, s, key) && a->d->open == 0;
}

static bool is_past(long long used, long long limit)
{
	return limit > 0 && used >= limit;
}

/* log_failure - as Postfix has it: a connect that failed is the host's affair, anything later this message's. */
static void log_failure(const struct delivery *d, const struct why *why)
{
	if (span_starts(span_of(why->text), span_lit("connect to ")))
		log_as(d->client->role, LOG_LEVEL_NOTE, "%s", why->text);
	else
		log_as(d->client->role, LOG_LEVEL_NOTE, SPAN_FMT ": %s", SPAN_ARG(d->request->queue_id), why->text);
}

static void try_host(struct attempt *a, const struct nexthop *nexthop, const struct host *host, struct span key)
{
	struct delivery *d = a->d;
	enum outcome outcome;
	struct why why;
	struct session *s;

	a->addresses++;
	s = session_open(d, nexthop, host, &outcome, &why);
	if (s == NULL) {
		log_failure(d, &why);
		blame(a, outcome, &why, true);
		return;
	}
	a->sessions++;
	(void)use(a, s, key);
}

static void try_hosts(struct attempt *a, const struct nexthop *nexthop, const struct hosts *hosts,
                      struct span key)
{
	const struct conf *conf = a->d->client->conf;

	for (size_t i = 0; i < hosts->count && a->d->open > 0 && !a->is_over; i++) {
		if (is_past(a->addresses, conf->smtp_mx_address_limit) ||
		    is_past(a->sessions, conf->smtp_mx_session_limit) || task_is_cancelled())
			a->is_over = true;
		else
			try_host(a, nexthop, &hosts->list[i], key);
	}
}

static void try_site(struct attempt *a, struct span text)
{
	struct delivery *d = a->d;
	struct span key = cache_key(d, text);
	struct nexthop nexthop;
	struct hosts hosts;
	struct why why;
	enum outcome outcome;

	if (try_idle(a, key))
		return;
	outcome = nexthop_parse(d->client, d->arena, text, &nexthop, &why);
	if (outcome == DONE)
		outcome = route_find(d, &nexthop, &hosts, &why);
	if (outcome == DONE) {
		a->addresses = 0;
		try_hosts(a, &nexthop, &hosts, key);
		return;
	}
	d->relay = "none";
	d->remote_host = "";
	blame(a, outcome, &why, outcome == DEFER);
}

static void try_sites(struct attempt *a, struct span list)
{
	struct span site;

	while (a->d->open > 0 && !a->is_over && span_token(&list, ", \t", &site))
		try_site(a, site);
}

/* conclude - nothing is left to try. */
static void conclude(struct attempt *a)
{
	for (size_t i = 0; i < a->d->envelope.recipient_count; i++) {
		struct recipient *r = &a->d->recipients[i];

		report_recipient(a->d, r, a->outcome == REFUSE ? DELIVER_BOUNCED : DELIVER_DEFERRED, &r->why);
	}
}

/* reject_request - qmgr sent what is no envelope: it must still get its one answer. */
static void reject_request(struct delivery *d)
{
	struct deliver_result result = { .status = DELIVER_DEFERRED, .dsn = SPAN("4.3.0"),
		                         .reason = SPAN("malformed delivery request") };

	log_error(SPAN_FMT ": malformed delivery request", SPAN_ARG(d->request->queue_id));
	d->result(d, &result, false);
}

static bool take_up(struct delivery *d)
{
	d->taken_us = clock_wall_us();
	d->relay = "none";
	d->remote_host = "";
	if (!envelope_decode(d->arena, d->request->envelope, &d->envelope) || d->envelope.recipient_count == 0)
		return false;
	d->open = d->envelope.recipient_count;
	d->recipients = ARENA_NEW_ARRAY(d->arena, struct recipient, d->open);
	for (size_t i = 0; i < d->open; i++) {
		d->recipients[i].facts = &d->envelope.recipients[i];
		d->recipients[i].is_open = true;
		(void)why_set(&d->recipients[i].why, DEFER, "4.4.0", "no host to deliver to");
	}
	return true;
}

void deliver(struct delivery *d)
{
	struct attempt a = { .d = d, .outcome = DEFER };

	if (!take_up(d)) {
		reject_request(d);
		return;
	}
	try_sites(&a, d->request->nexthop);
	/* Null MX and loops are facts about the address that no other relay changes (RFC 7505 4.1). */
	if (a.outcome != REFUSE || !span_equal(span_of(d->recipients[0].why.dsn), span_lit("5.1.10")))
		try_sites(&a, span_of(d->client->conf->smtp_fallback_relay));
	conclude(&a);
}
