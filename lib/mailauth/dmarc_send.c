/* SPDX-License-Identifier: ISC */
/* dmarc_send.c - the day's work of a reporter */
#include "lib/mailauth/dmarc_send.h"

#include "lib/base/log.h"
#include "lib/mailauth/dmarc_store.h"

enum { DAY_LAST_S = 86399 };

/* One run. */
struct run {
	const struct dmarc_send_settings *settings;
	const struct dmarc_send_ways     *ways;
	struct dmarc_send_counts         *counts;
	struct dmarc_day                 *day;
	bool                              is_last_try;	/* of this day */
	uint64_t                          begin_s, wall_us;
	struct why                       *why;
};

/* One report. */
struct job {
	struct run              *run;
	struct arena            *arena;
	struct dmarc_day_domain *domain;
	struct dmarc_record      record;
	struct dmarc_report_head head;
};

/* choose - who gets it; DEFER: not all are known yet. */
static enum outcome choose(struct job *j, struct dmarc_destination **list, size_t *count)
{
	const struct dmarc_send_ways *ways = j->run->ways;
	struct lookup lookup = ways->begin(ways->user);
	struct dmarc_query q = {
		.arena = j->arena, .lookup = &lookup, .text = j->domain->which, .psl = j->run->settings->psl,
		.most = j->run->settings->most_questions,
	};
	enum outcome outcome = dmarc_destinations(&q, j->domain->name, span_lit("rua"), j->record.rua,
	                                          j->run->settings->most_destinations, list, count, j->run->why);

	ways->end(ways->user);
	return outcome == DEFER && j->run->is_last_try ? DONE : outcome;
}

/* write_report - the packed report; how many rows it has. */
static size_t write_report(struct job *j, struct buf *packed)
{
	struct dmarc_report *report = dmarc_report_begin(j->run->settings->reporter, &j->head);
	struct arena *arena = arena_new(j->arena);
	struct dmarc_row row;
	size_t rows = 0;

	dmarc_day_rewind(j->run->day, j->domain->name);
	while (dmarc_day_next_row(j->run->day, arena, &row)) {
		if (!dmarc_report_row(report, &row)) {
			log_warning("DMARC report on " SPAN_FMT " is cut after %zu rows", SPAN_ARG(j->domain->name),
			            rows);
			break;
		}
		rows++;
		arena_reset(arena);
	}
	dmarc_report_end(report, packed);
	arena_free(arena);
	return rows;
}

/* mail_one - to one address. */
static enum outcome mail_one(struct job *j, struct span packed, const struct dmarc_destination *to, unsigned number)
{
	const struct dmarc_send_ways *ways = j->run->ways;
	enum outcome outcome;
	struct buf mail;

	buf_init(&mail, BUF_NO_LIMIT);
	outcome = dmarc_report_mail(j->arena, j->run->settings->reporter, &j->head, packed, to->address, number,
	                            j->run->wall_us, to->limit_bytes, &mail, j->run->why);
	if (outcome == DONE)
		outcome = ways->mail(ways->user, to->address, buf_span(&mail), j->run->why);
	buf_free(&mail);
	if (outcome == DONE)
		j->run->counts->mails++;
	else
		log_warning("DMARC report on " SPAN_FMT " to <" SPAN_FMT ">: %s", SPAN_ARG(j->domain->name),
		            SPAN_ARG(to->address), j->run->why->text);
	return outcome;
}

/* mail_all - DONE: somebody has it; REFUSE: nobody will; DEFER: nobody has, somebody may. */
static enum outcome mail_all(struct job *j, struct span packed, const struct dmarc_destination *list, size_t count)
{
	enum outcome outcome = REFUSE;

	for (size_t i = 0; i < count; i++) {
		enum outcome one = mail_one(j, packed, &list[i], (unsigned)i + 1);

		/* Who has it must not get it again: one that failed after another has it goes without. */
		if (one == DONE || outcome == REFUSE)
			outcome = one;
	}
	return outcome == DEFER && j->run->is_last_try ? REFUSE : outcome;
}

static enum outcome send_report(struct job *j)
{
	struct dmarc_destination *list;
	enum outcome outcome;
	struct buf packed;
	size_t count;

	if (!dmarc_record_parse(j->domain->which, j->domain->record, &j->record) || !j->record.is_usable ||
	    j->record.rua.len == 0)
		return REFUSE;
	outcome = choose(j, &list, &count);
	if (outcome != DONE || count == 0)
		return outcome == DONE ? REFUSE : outcome;
	j->head = (struct dmarc_report_head){
		.policy_domain = j->domain->name, .record = &j->record, .begin_s = j->run->begin_s,
		.end_s = j->run->begin_s + DAY_LAST_S,
	};
	if (j->domain->dropped != 0)
		j->head.error = arena_printf_span(j->arena, "%llu of %llu messages are in no record: there is no room",
		                                  (unsigned long long)j->domain->dropped,
		                                  (unsigned long long)j->domain->messages);
	buf_init(&packed, BUF_NO_LIMIT);
	if (write_report(j, &packed) == 0 || dmarc_day_is_broken(j->run->day))
		outcome = REFUSE;
	else
		outcome = mail_all(j, buf_span(&packed), list, count);
	buf_free(&packed);
	return outcome;
}

/* send_day - all reports of the open day. */
static enum outcome send_day(struct run *run)
{
	struct arena *names = arena_new(NULL), *arena = arena_new(NULL);
	struct dmarc_day_domain domain = { .name = { NULL, 0 } };
	enum outcome outcome = DONE;

	while (dmarc_day_next_domain(run->day, names, &domain)) {
		struct job job = { .run = run, .arena = arena, .domain = &domain };
		enum outcome one = send_report(&job);

		run->counts->reports += one == DONE;
		run->counts->refused += one == REFUSE;
		run->counts->postponed += one == DEFER;
		if (one != DEFER)
			one = dmarc_day_forget(run->day, domain.name, run->why);
		if (one == DEFER)
			outcome = DEFER;
		arena_reset(arena);
	}
	arena_free(arena);
	arena_free(names);
	return outcome;
}

enum outcome dmarc_send(const struct dmarc_send_settings *settings, const struct dmarc_send_ways *ways,
                        uint64_t wall_us, struct dmarc_send_counts *counts, struct why *why)
{
	struct run run = { .settings = settings, .ways = ways, .counts = counts, .wall_us = wall_us, .why = why };
	int64_t today = dmarc_day_of(wall_us), *days;
	struct arena *arena = arena_new(NULL);
	enum outcome outcome = DONE;
	size_t count;

	*counts = (struct dmarc_send_counts){ 0 };
	dmarc_day_list(arena, settings->folder, &days, &count);
	for (size_t i = 0; i < count && days[i] < today; i++) {
		enum outcome one = dmarc_day_open(settings->folder, days[i], &run.day, why);

		if (one == REFUSE)
			continue;
		if (one == DONE) {
			run.is_last_try = today - days[i] > settings->keep_days;
			run.begin_s = dmarc_day_begin_s(days[i]);
			one = send_day(&run);
			dmarc_day_close(run.day);
		}
		if (one == DEFER)
			outcome = DEFER;
	}
	dmarc_day_expire(settings->folder, today - settings->keep_days - 1);
	arena_free(arena);
	return outcome;
}
