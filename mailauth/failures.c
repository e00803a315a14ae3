/* SPDX-License-Identifier: ISC */
/* failures.c - failure reports on their way: from a judgement to what is told of it, and the task that sends it */
#include "mailauth/failures.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/base/codec.h"
#include "lib/base/hash.h"
#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/mailauth/dmarc_destination.h"
#include "lib/mailauth/dmarc_failure.h"
#include "lib/mailauth/text.h"
#include "lib/task/task.h"
#include "mailauth/hand_in.h"
#include "mailauth/mailauth.h"

enum {
	LOOK_US = 2 * 1000 * 1000,
	DOMAINS_MAX = 10000,	/* counted within an hour; further ones get nothing until it is over */
	HOUR_S = 3600,
	ID_BYTES = 12,
};

struct failures {
	const struct conf *conf;
	pthread_mutex_t    lock;
	struct list        waiting;
	size_t             waiting_count;
	struct hash       *told;	/* reports by policy domain, in the hour */
	uint64_t           hour_ends_us;
};

/* One report, with an arena of its own. */
struct pending {
	struct list          node;
	struct arena        *arena;
	struct dmarc_failure failure;
	struct span          policy_domain, ruf;
};

struct failures *failures_new(const struct conf *conf)
{
	struct failures *f;

	if (!conf->dmarc_failure_reports)
		return NULL;
	f = ARENA_NEW(conf->arena, struct failures);
	f->conf = conf;
	pthread_mutex_init(&f->lock, NULL);
	list_init(&f->waiting);
	f->told = hash_new();
	return f;
}

/* ---- from a judgement to a report ---- */

static const struct dkim_result *broken_signature(const struct judgement *j)
{
	for (size_t i = 0; i < j->dkim.count; i++)
		if (j->dkim.item[i].status != DKIM_PASS && j->dkim.item[i].status != DKIM_TEMPERROR)
			return &j->dkim.item[i];
	return NULL;
}

/* A mail without a sender may be a report itself (RFC 6591 5): those would never end. */
static bool is_wanted(const struct message *m, const struct judgement *j)
{
	const struct dmarc_failed failed = {
		.spf_aligned = j->dmarc.spf_aligned, .dkim_aligned = j->dmarc.dkim_aligned,
		.spf_failed = j->has_spf && (j->spf.result == SPF_FAIL || j->spf.result == SPF_SOFTFAIL),
		.dkim_failed = broken_signature(j) != NULL,
	};

	return m->sender.len > 0 && m->session->has_ip && j->dmarc.has_record && j->dmarc.record.ruf.len > 0 &&
	       (j->dmarc.result == DMARC_PASS || j->dmarc.result == DMARC_FAIL) &&
	       dmarc_failure_is_wanted(j->dmarc.record.fo, &failed);
}

/* Is there room for one more on domain?  It is counted then.  Under the lock. */
static bool take_room(struct failures *f, struct span domain)
{
	size_t told;

	if (clock_now_us() > f->hour_ends_us) {
		hash_free(f->told, NULL);
		f->told = hash_new();
		f->hour_ends_us = clock_in_s(HOUR_S);
	}
	told = (size_t)(uintptr_t)hash_get(f->told, domain);
	if (f->waiting_count >= (size_t)f->conf->dmarc_failure_pending_limit ||
	    told >= (size_t)f->conf->dmarc_failure_report_limit || (told == 0 && hash_count(f->told) >= DOMAINS_MAX))
		return false;
	(void)hash_put(f->told, domain, (void *)(uintptr_t)(told + 1));
	f->waiting_count++;
	return true;
}

/* The first fields, as many as the limit allows. */
static struct span header_of(struct arena *arena, const struct message *m, size_t most)
{
	struct span result;
	struct buf out;

	buf_init(&out, most);
	for (size_t i = 0; i < m->field_count && buf_add(&out, m->fields[i].raw); i++)
		;
	result = arena_dup(arena, buf_span(&out));
	buf_free(&out);
	return result;
}

static void fill(struct pending *p, struct message *m, const struct judgement *j, size_t most_header)
{
	const struct dkim_result *broken = broken_signature(j);
	struct arena *arena = p->arena;
	struct dmarc_failure *f = &p->failure;
	char ip[NET_ADDRESS_TEXT_MAX];
	unsigned char id[ID_BYTES];

	random_bytes(id, sizeof(id));
	*f = (struct dmarc_failure){
		.id = hex_encode(arena, span_make(id, sizeof(id))), .author = arena_dup(arena, j->dmarc.author),
		.sender = arena_dup(arena, m->sender),
		.source_ip = arena_dup(arena, span_of(net_address_text(&m->session->ip, ip))),
		.results = arena_dup(arena, results_value(m, j)), .spf_domain = arena_dup(arena, j->spf.domain),
		.spf_policy = arena_dup(arena, j->spf.policy), .header = header_of(arena, m, most_header),
		.delivery = j->action == ACTION_REJECT ? "reject" : j->action == ACTION_QUARANTINE ? "spam" : "delivered",
		.spf_aligned = j->dmarc.spf_aligned, .dkim_aligned = j->dmarc.dkim_aligned,
		.arrival_us = clock_wall_us(),
	};
	if (broken != NULL) {
		f->dkim_domain = arena_dup(arena, broken->domain);
		f->dkim_identity = arena_dup(arena, broken->identity);
		f->dkim_selector = arena_dup(arena, broken->selector);
	}
	p->policy_domain = arena_dup(arena, j->dmarc.policy_domain);
	p->ruf = arena_dup(arena, j->dmarc.record.ruf);
}

void failures_note(struct failures *f, struct message *m, const struct judgement *j)
{
	struct pending *p;
	struct arena *arena;
	bool has_room;

	if (f == NULL || !is_wanted(m, j))
		return;
	pthread_mutex_lock(&f->lock);
	has_room = take_room(f, j->dmarc.policy_domain);
	pthread_mutex_unlock(&f->lock);
	if (!has_room)
		return;
	arena = arena_new(NULL);
	p = ARENA_NEW(arena, struct pending);
	p->arena = arena;
	fill(p, m, j, (size_t)f->conf->dmarc_failure_header_limit);
	pthread_mutex_lock(&f->lock);
	list_push_back(&f->waiting, &p->node);
	pthread_mutex_unlock(&f->lock);
}

/* ---- the task ---- */

struct sending {
	const struct conf    *conf;
	const struct pending *pending;
	unsigned              mails;
};

static void mail_all(struct sending *s, struct arena *arena, const struct dmarc_destination *list, size_t count)
{
	const struct pending *p = s->pending;
	const struct dmarc_reporter reporter = {
		.domain = span_of(s->conf->myhostname), .email = span_of(s->conf->dmarc_report_address),
	};
	struct why why;

	for (size_t i = 0; i < count; i++) {
		struct buf mail;

		buf_init(&mail, BUF_NO_LIMIT);
		dmarc_failure_mail(arena, &reporter, &p->failure, list[i].address, clock_wall_us(), &mail);
		if (text_wire_bytes(buf_span(&mail)) > list[i].limit_bytes)
			log_note("DMARC failure report on " SPAN_FMT ": larger than <" SPAN_FMT "> takes",
			         SPAN_ARG(p->policy_domain), SPAN_ARG(list[i].address));
		else if (hand_in(s->conf, list[i].address, buf_span(&mail), &why) == DONE)
			s->mails++;
		else
			log_warning("DMARC failure report on " SPAN_FMT " to <" SPAN_FMT ">: %s", SPAN_ARG(p->policy_domain),
			            SPAN_ARG(list[i].address), why.text);
		buf_free(&mail);
	}
}

static void send_blocking(void *arg)
{
	struct sending *s = arg;
	struct arena *arena = arena_new(NULL);
	struct lookups *lookups = lookups_new(mailauth.asker, &mailauth.lookups);
	struct lookup lookup = lookups_lookup(lookups);
	struct dmarc_query q = {
		.arena = arena, .lookup = &lookup, .text = mailauth.dmarc.text, .psl = mailauth.psl,
		.most = mailauth.lookups.most_questions,
	};
	struct dmarc_destination *list;
	struct why why;
	size_t count;

	/* Whose agreement the DNS does not tell of goes without: the next message will do. */
	if (dmarc_destinations(&q, s->pending->policy_domain, span_lit("ruf"), s->pending->ruf,
	                       (size_t)s->conf->dmarc_report_destination_limit, &list, &count, &why) != DONE)
		log_note("DMARC failure report: %s", why.text);
	lookups_free(lookups);
	mail_all(s, arena, list, count);
	arena_free(arena);
}

static struct pending *take_first(struct failures *f)
{
	struct pending *p = NULL;

	pthread_mutex_lock(&f->lock);
	if (!list_is_empty(&f->waiting)) {
		p = CONTAINER_OF(f->waiting.next, struct pending, node);
		list_remove(&p->node);
		f->waiting_count--;
	}
	pthread_mutex_unlock(&f->lock);
	return p;
}

static void run(void *arg)
{
	struct failures *f = arg;

	while (task_sleep_us(LOOK_US) == 0) {
		struct sending s = { .conf = f->conf };

		for (struct pending *p = take_first(f); p != NULL; p = take_first(f)) {
			s.pending = p;
			task_offload(send_blocking, &s);
			arena_free(p->arena);
		}
		if (s.mails > 0)
			log_note("DMARC failure reports: %u mails sent", s.mails);
	}
}

void failures_start(struct failures *f)
{
	if (f != NULL && task_spawn(run, f, "failures") == NULL)
		log_fatal("cannot start the failure reports");
}
