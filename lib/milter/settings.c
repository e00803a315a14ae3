/* SPDX-License-Identifier: ISC */
/* settings.c - smtpd_milters and its kin, read
 *
 * A member is an endpoint, or {endpoint, name=value ...}.  What cannot be read must stop the program: mail would pass
 * a filter that its admin believes in. */
#include "lib/milter/settings.h"

#include <string.h>

struct reading {
	struct arena *arena;
	const char   *error;
};

static bool fail(struct reading *r, const char *what, struct span text)
{
	r->error = arena_printf(r->arena, "%s \"" SPAN_FMT "\"", what, SPAN_ARG(text));
	return false;
}

/* ---- values ---- */

static bool read_action(struct reading *r, struct span text, enum milter_default *out)
{
	static const struct {
		struct span         name;
		enum milter_default action;
	} actions[] = {
		{ SPAN("accept"), MILTER_DO_ACCEPT },         { SPAN("reject"), MILTER_DO_REJECT },
		{ SPAN("tempfail"), MILTER_DO_TEMPFAIL },     { SPAN("quarantine"), MILTER_DO_QUARANTINE },
		{ SPAN("shutdown"), MILTER_DO_SHUTDOWN },
	};

	for (size_t i = 0; i < COUNT_OF(actions); i++) {
		if (span_equal_ci(text, actions[i].name)) {
			*out = actions[i].action;
			return true;
		}
	}
	return fail(r, "unknown default action", text);
}

/* "6", "2 no_header_reply": one version, and what it can say. */
static bool read_protocol(struct reading *r, struct span text, struct milter_settings *m)
{
	static const struct {
		struct span name;
		uint32_t    version, steps;
	} words[] = {
		{ SPAN("2"), 2, MILTER_STEPS_2 }, { SPAN("3"), 3, MILTER_STEPS_3 }, { SPAN("4"), 4, MILTER_STEPS_4 },
		{ SPAN("6"), 6, MILTER_STEPS_6 }, { SPAN("no_header_reply"), 0, MILTER_NR_HEADER },
	};
	struct span rest = text, word;

	m->version = m->steps = 0;
	while (span_token(&rest, ", \t\r\n", &word)) {
		size_t i = 0;

		while (i < COUNT_OF(words) && !span_equal(word, words[i].name))
			i++;
		if (i == COUNT_OF(words) || (words[i].version != 0 && m->version != 0))
			return fail(r, "bad protocol", text);
		m->version += words[i].version;
		m->steps |= words[i].steps;
	}
	return m->version != 0 || fail(r, "bad protocol", text);
}

static bool read_time(struct reading *r, struct span text, uint64_t *out)
{
	unsigned long long seconds;

	if (!conf_parse_time(text, 's', &seconds) || seconds == 0)
		return fail(r, "bad time", text);
	*out = seconds;
	return true;
}

static bool read_option(struct reading *r, struct span text, struct milter_settings *m)
{
	struct span name, value = text;

	if (!span_cut(&value, '=', &name))
		return fail(r, "not name=value:", text);
	name = span_trim(name);
	value = span_trim(value);
	if (span_equal(name, span_lit("connect_timeout")))
		return read_time(r, value, &m->connect_timeout_s);
	if (span_equal(name, span_lit("command_timeout")))
		return read_time(r, value, &m->command_timeout_s);
	if (span_equal(name, span_lit("content_timeout")))
		return read_time(r, value, &m->content_timeout_s);
	if (span_equal(name, span_lit("accept_memory")))	/* ours, not Postfix's */
		return read_time(r, value, &m->accept_memory_s);
	if (span_equal(name, span_lit("default_action")))
		return read_action(r, value, &m->default_action);
	if (span_equal(name, span_lit("protocol")))
		return read_protocol(r, value, m);
	return fail(r, "unknown attribute", name);
}

/* ---- members ---- */

static bool read_endpoint(struct reading *r, struct span text, struct milter_settings *m)
{
	struct span rest = text, kind;
	bool is_known = span_cut(&rest, ':', &kind) &&
	                (span_equal(kind, span_lit("unix")) || span_equal(kind, span_lit("local")) ||
	                 span_equal(kind, span_lit("inet")));

	if (!is_known || rest.len == 0)
		return fail(r, "neither unix:PATH nor inet:HOST:PORT:", text);
	if (span_equal(kind, span_lit("inet")) && span_rfind(rest, ':') == SPAN_NOT_FOUND)
		return fail(r, "no port in", text);
	m->name = arena_cstr(r->arena, text);
	return true;
}

static bool read_member(struct reading *r, struct span text, struct milter_settings *m)
{
	struct span word;

	if (!conf_list_next(&text, &word))
		return fail(r, "no milter in", span_lit("{}"));
	if (!read_endpoint(r, word, m))
		return false;
	while (conf_list_next(&text, &word))
		if (!read_option(r, word, m))
			return false;
	return true;
}

static void take_macros(struct milter_list *list, const struct conf *conf)
{
	const char *const values[MILTER_STAGES] = {
		[MILTER_AT_CONNECT] = conf->milter_connect_macros, [MILTER_AT_HELO] = conf->milter_helo_macros,
		[MILTER_AT_MAIL] = conf->milter_mail_macros,       [MILTER_AT_RCPT] = conf->milter_rcpt_macros,
		[MILTER_AT_DATA] = conf->milter_data_macros,
		[MILTER_AT_EOM] = conf->milter_end_of_data_macros, [MILTER_AT_EOH] = conf->milter_end_of_header_macros,
		[MILTER_AT_UNKNOWN] = conf->milter_unknown_command_macros,
	};

	for (size_t i = 0; i < MILTER_STAGES; i++)
		list->macros[i] = span_of(values[i]);
	list->macro_defaults = span_of(conf->milter_macro_defaults);
}

static bool read_common(struct reading *r, const struct conf *conf, struct milter_settings *common)
{
	*common = (struct milter_settings){
		.connect_timeout_s = conf->milter_connect_timeout,
		.command_timeout_s = conf->milter_command_timeout,
		.content_timeout_s = conf->milter_content_timeout,
	};
	return read_action(r, span_of(conf->milter_default_action), &common->default_action) &&
	       read_protocol(r, span_of(conf->milter_protocol), common);
}

struct milter_list *milter_list_new(struct arena *arena, const struct conf *conf, struct span text,
                                    const char **error)
{
	struct milter_list *list = ARENA_NEW(arena, struct milter_list);
	struct reading r = { .arena = arena };
	struct milter_settings common;
	struct span rest = text, member;
	bool is_good;

	while (conf_list_next(&rest, &member))
		list->count++;
	is_good = list->count == 0 || read_common(&r, conf, &common);
	list->milters = ARENA_NEW_ARRAY(arena, struct milter_settings, list->count);
	rest = text;
	for (size_t i = 0; is_good && conf_list_next(&rest, &member); i++) {
		list->milters[i] = common;
		is_good = read_member(&r, member, &list->milters[i]);
	}
	take_macros(list, conf);
	list->packet_max = (size_t)conf->milter_packet_size_limit;
	list->added_max = (size_t)conf->milter_added_size_limit;
	*error = r.error;
	return is_good ? list : NULL;
}

bool milter_list_has(const struct milter_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->milters[i].name, name) == 0)
			return true;
	return false;
}
