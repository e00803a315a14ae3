/* SPDX-License-Identifier: ISC */
/* settings.h - which milters there are and how each is to be spoken to: smtpd_milters and its kin, read */
#ifndef MILTER_SETTINGS_H
#define MILTER_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/span.h"
#include "lib/conf/conf.h"
#include "lib/milter/protocol.h"

/* What is done about a milter that failed. */
enum milter_default { MILTER_DO_ACCEPT, MILTER_DO_REJECT, MILTER_DO_TEMPFAIL, MILTER_DO_QUARANTINE, MILTER_DO_SHUTDOWN };

struct milter_settings {
	const char         *name;	/* the endpoint as it is spelled: for logs, and for who connects */
	uint64_t            connect_timeout_s, command_timeout_s, content_timeout_s;
	uint64_t            accept_memory_s;	/* for so long a client accepted at connect is not reported again; 0: always is */
	enum milter_default default_action;
	uint32_t            version, steps;	/* that we offer */
	bool                is_barred;	/* by our caller: it fails as if nobody were there */
};

/* A list of milters, in order, and what holds for all of them. */
struct milter_list {
	struct milter_settings *milters;
	size_t                  count;
	struct span             macros[MILTER_STAGES];	/* names, as the parameters have them */
	struct span             macro_defaults;		/* name=value ... */
	size_t                  packet_max;	/* bytes of a packet of a milter */
	size_t                  added_max;	/* bytes of header fields added in all */
};

/* milter_list_new - text is the value of smtpd_milters, non_smtpd_milters or of smtpd_milter_maps.  Everything lives in
 * arena or in conf.  NULL: *error says what is wrong (in arena). */
struct milter_list *milter_list_new(struct arena *arena, const struct conf *conf, struct span text,
                                    const char **error);
/* milter_list_has - a milter of that name is in it. */
bool milter_list_has(const struct milter_list *list, const char *name);

#endif
