/* SPDX-License-Identifier: ISC */
/* smtpd_access.h - restrictions: what the list reader, the rules and the access tables share */
#ifndef SMTPD_SMTPD_ACCESS_H
#define SMTPD_SMTPD_ACCESS_H

#include "lib/table/table.h"
#include "smtpd/smtpd.h"

enum rule_result { RULE_DUNNO, RULE_PERMIT, RULE_REFUSE };

struct smtpd_rule;

/* What a list is evaluated for. */
struct access_case {
	struct smtpd               *s;
	const char                 *stage;	/* CONNECT, HELO, MAIL, RCPT ...: for replies and logs */
	struct span                 recipient;	/* empty before RCPT */
	const struct resolve_reply *route;	/* of recipient */
	bool                        only_warn;	/* warn_if_reject stands before this rule */
	bool                        has_deferral;	/* a defer_if_permit was met */
	struct smtpd_verdict        deferral;
	bool                        has_relay_rule;	/* an explicit relay decision was passed */
	struct smtpd_verdict        verdict;	/* of the refusal */
	unsigned                    depth;	/* of access tables that name restrictions */
};

/* What a rule needs behind its name. */
enum rule_argument { RULE_ALONE, RULE_TABLE, RULE_WORD };

struct rule_row {
	const char        *name;
	enum rule_result (*judge)(struct access_case *c, const struct smtpd_rule *rule);
	enum rule_argument argument;
	unsigned           at;		/* bits of 1 << enum smtpd_stage: where its data are known with delay_reject */
};

struct smtpd_rule {
	const struct rule_row   *row;
	struct span              argument;
	const struct table_list *tables;
};

struct smtpd_rules {
	struct smtpd_rule *rules;
	size_t             count;
};

/* rule_row_find - by name; NULL when there is none. */
const struct rule_row *rule_row_find(struct span name);
/* access_refuse - set the verdict; gives RULE_REFUSE. */
enum rule_result access_refuse(struct access_case *c, long long code, const char *dsn, const char *format, ...)
	PRINTF_LIKE(4, 5);
/* access_defer_if_permit - remember it; gives RULE_DUNNO. */
enum rule_result access_defer_if_permit(struct access_case *c, const char *dsn, const char *format, ...)
	PRINTF_LIKE(3, 4);
/* access_run - one list from left to right. */
enum rule_result access_run(struct access_case *c, const struct smtpd_rules *list);
/* access_list_parse - text is the value of parameter (for messages).  Ends the process on what it cannot honour. */
const struct smtpd_rules *access_list_parse(struct arena *arena, const char *parameter, const char *text,
                                            enum smtpd_stage stage);

/* What access tables are looked up by: smtpd_access_map.c. */
enum rule_result rule_check_client_access(struct access_case *c, const struct smtpd_rule *rule);
enum rule_result rule_check_reverse_client_access(struct access_case *c, const struct smtpd_rule *rule);
enum rule_result rule_check_helo_access(struct access_case *c, const struct smtpd_rule *rule);
enum rule_result rule_check_sender_access(struct access_case *c, const struct smtpd_rule *rule);
enum rule_result rule_check_recipient_access(struct access_case *c, const struct smtpd_rule *rule);
enum rule_result rule_check_sasl_access(struct access_case *c, const struct smtpd_rule *rule);

#endif
