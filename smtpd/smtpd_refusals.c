/* SPDX-License-Identifier: ISC */
/* smtpd_refusals.c - settings that would let mail pass unchecked if they were ignored
 *
 * Rule 1 of postfix-compat: what is not supported is ignored with a log line, unless that weakens safety.  Then the
 * service does not start, and the line says which setting to remove. */
#include "lib/base/log.h"
#include "smtpd/smtpd.h"

enum {
	FROM_NETWORK = 1,	/* the setting concerns mail by SMTP */
	FROM_HERE = 2,		/* mail of local users */
};

static const struct {
	const char *name;
	unsigned    concerns;
} refused[] = {
	{ "content_filter", FROM_NETWORK | FROM_HERE },
	{ "header_checks", FROM_NETWORK | FROM_HERE },
	{ "mime_header_checks", FROM_NETWORK | FROM_HERE },
	{ "nested_header_checks", FROM_NETWORK | FROM_HERE },
	{ "body_checks", FROM_NETWORK | FROM_HERE },
	{ "smtpd_proxy_filter", FROM_NETWORK },
	{ "smtpd_command_filter", FROM_NETWORK },
	{ "smtpd_upstream_proxy_protocol", FROM_NETWORK },	/* all clients would seem to be the proxy */
	{ "smtpd_tls_req_ccert", FROM_NETWORK },
};

static bool is_harmless(const char *value)
{
	struct span text = span_trim(span_of(value != NULL ? value : ""));

	return text.len == 0 || span_equal_ci(text, span_lit("no"));
}

void smtpd_refuse_unsafe(const struct conf *conf, bool is_local, struct arena *arena)
{
	for (size_t i = 0; i < COUNT_OF(refused); i++) {
		const char *value = conf_value(conf, refused[i].name, arena);

		if ((refused[i].concerns & (is_local ? FROM_HERE : FROM_NETWORK)) != 0 && !is_harmless(value))
			log_fatal("%s = %s: not supported yet, and ignoring it would let mail pass unchecked; "
			          "remove it to start", refused[i].name, value);
	}
}
