/* SPDX-License-Identifier: ISC */
/* milters_private.h - what milters.c and message.c share */
#ifndef MILTER_MILTERS_PRIVATE_H
#define MILTER_MILTERS_PRIVATE_H

#include "lib/milter/milters.h"

enum milter_state {
	MILTER_UNCONNECTED,
	MILTER_ASKED,		/* events are reported */
	MILTER_HAS_ACCEPTED,	/* this message: nothing more until it is over */
	MILTER_SETTLED,		/* the whole session, or it failed: 'standing' is its answer */
};

struct milter {
	const struct milter_settings *settings;
	struct milter_connection     *connection;	/* NULL: none */
	enum milter_state             state;
	struct milter_answer          standing;
	bool                          in_message;	/* to be aborted when that ends early */
	int                           skipped;		/* command it wants no more of, until another comes; 0: none */
};

struct milters {
	struct arena             *arena, *per_event;
	const struct milter_list *list;
	struct milter_pool       *pool;
	milter_macro             *macro;
	void                     *user;
	struct milter            *milters;
	struct span               client;	/* its address, during the report of it */
	const struct milter_header *header;	/* at the end of a message: source of {auth_results} */
};

/* A report. */
struct milter_event {
	enum milter_command command;
	uint32_t            no, nr;	/* steps: not to be sent, not answered */
	bool                is_content;	/* content_timeout counts */
};

/* milter_settle - no more events of this session: answer is what it says to everything. */
void milter_settle(struct milters *ms, struct milter *m, const struct milter_answer *answer);
/* milter_fail - the connection is of no use: its default action from now on. */
void milter_fail(struct milters *ms, struct milter *m, struct milter_answer *answer);
/* milter_refuse - fill answer with a refusal of one line (kept). */
void milter_refuse(struct milter_answer *answer, unsigned code, const struct span *line);
/* milter_apply_standing - add what a settled milter says to answer. */
void milter_apply_standing(const struct milter *m, struct milter_answer *answer);
/* milter_add_macros - gather the macros of a stage, named by the command they belong to. */
void milter_add_macros(struct milters *ms, struct milter *m, enum milter_stage stage, enum milter_command command);
/* milter_wants - this event is to be sent to m now. */
bool milter_wants(struct milter *m, const struct milter_event *event);
/* milter_hear - the packet of event has been gathered: send it and wait for the answer when there is one. */
void milter_hear(struct milters *ms, struct milter *m, const struct milter_event *event,
                 struct milter_answer *answer);
/* milter_deadline - for one wait. */
uint64_t milter_deadline(const struct milter *m, const struct milter_event *event);
/* milter_decide - a reply that ends an event, or quarantine; true when the event is over.  False for any other. */
bool milter_decide(struct milters *ms, struct milter *m, const struct milter_event *event,
                   const struct milter_reply *reply, struct milter_answer *answer, bool *is_known);

#endif
