/* SPDX-License-Identifier: ISC */
/* settings_test.c - smtpd_milters and the attributes of each milter */
#include "lib/conf/test_conf.h"
#include "lib/milter/settings.h"

static const char main_cf[] = "compatibility_level = 3.6\nmyhostname = mx.example.test\n"
                              "milter_connect_timeout = 7\nmilter_command_timeout = 8\nmilter_content_timeout = 1m\n"
                              "milter_default_action = tempfail\nmilter_protocol = 4, no_header_reply\n";

static void each_member_has_its_settings(void **state)
{
	struct arena *arena = arena_new(NULL);
	const struct conf *conf = test_conf(arena, main_cf);
	const char *error;
	const struct milter_list *list =
		milter_list_new(arena, conf, span_lit("unix:/run/a.sock,inet:localhost:8891 { inet:[::1]:11332, connect_timeout=1, "
	                                              "command_timeout = 2s,default_action=accept protocol=6 } "
	                                              "{local:private/b, { content_timeout = 3m }, {protocol = 2}}"),
	                        &error);
	const struct milter_settings *m;

	(void)state;
	/* "command_timeout = 2s" is three words. */
	assert_null(list);
	list = milter_list_new(arena, conf, span_lit("unix:/run/a.sock,inet:localhost:8891 { inet:[::1]:11332, connect_timeout=1, "
	                                              "command_timeout=2s,default_action=Accept protocol=6 } "
	                                              "{local:private/b, { content_timeout = 3m }, {protocol = 2}}"),
	                        &error);
	assert_non_null(list);
	assert_int_equal(list->count, 4);
	m = &list->milters[0];
	assert_string_equal(m->name, "unix:/run/a.sock");
	assert_int_equal(m->connect_timeout_s, 7);
	assert_int_equal(m->command_timeout_s, 8);
	assert_int_equal(m->content_timeout_s, 60);
	assert_int_equal(m->default_action, MILTER_DO_TEMPFAIL);
	assert_int_equal(m->version, 4);
	assert_int_equal(m->steps, MILTER_STEPS_4 | MILTER_NR_HEADER);
	m = &list->milters[2];
	assert_string_equal(m->name, "inet:[::1]:11332");
	assert_int_equal(m->connect_timeout_s, 1);
	assert_int_equal(m->command_timeout_s, 2);
	assert_int_equal(m->default_action, MILTER_DO_ACCEPT);
	assert_int_equal(m->version, 6);
	assert_int_equal(m->steps, MILTER_STEPS_6);
	m = &list->milters[3];
	assert_string_equal(m->name, "local:private/b");
	assert_int_equal(m->content_timeout_s, 180);
	assert_int_equal(m->version, 2);
	assert_true(milter_list_has(list, "inet:localhost:8891"));
	assert_false(milter_list_has(list, "inet:localhost:8892"));
	assert_span(list->macros[MILTER_AT_EOM], "i");
	arena_free(arena);
}

static void what_cannot_be_read_is_said(void **state)
{
	static const struct { const char *text, *error; } rows[] = {
		{ "/run/a.sock", "neither unix:PATH nor inet:HOST:PORT: \"/run/a.sock\"" },
		{ "tcp:localhost:8", "neither unix:PATH nor inet:HOST:PORT: \"tcp:localhost:8\"" },
		{ "unix:", "neither unix:PATH nor inet:HOST:PORT: \"unix:\"" },
		{ "inet:localhost", "no port in \"inet:localhost\"" },
		{ "{}", "no milter in \"{}\"" },
		{ "{ unix:/a, what=1 }", "unknown attribute \"what\"" },
		{ "{ unix:/a, now }", "not name=value: \"now\"" },
		{ "{ unix:/a, command_timeout=soon }", "bad time \"soon\"" },
		{ "{ unix:/a, command_timeout=0 }", "bad time \"0\"" },
		{ "{ unix:/a, default_action=DUNNO }", "unknown default action \"DUNNO\"" },
		{ "{ unix:/a, protocol=5 }", "bad protocol \"5\"" },
		{ "{ unix:/a, { protocol = 2 6 } }", "bad protocol \"2 6\"" },
		{ "{ unix:/a, protocol=no_header_reply }", "bad protocol \"no_header_reply\"" },
	};
	struct arena *arena = arena_new(NULL);
	const struct conf *conf = test_conf(arena, main_cf);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *error = NULL;

		assert_null(milter_list_new(arena, conf, span_of(rows[i].text), &error));
		assert_string_equal(error, rows[i].error);
	}
	arena_free(arena);
}

static void common_settings_matter_only_with_a_milter(void **state)
{
	struct arena *arena = arena_new(NULL);
	const struct conf *conf = test_conf(arena, "milter_protocol = 1\nmyhostname = mx.example.test\n");
	const char *error;

	(void)state;
	assert_non_null(milter_list_new(arena, conf, span_lit(""), &error));
	assert_null(milter_list_new(arena, conf, span_lit("unix:/a"), &error));
	assert_string_equal(error, "bad protocol \"1\"");
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_member_has_its_settings),
		cmocka_unit_test(what_cannot_be_read_is_said),
		cmocka_unit_test(common_settings_matter_only_with_a_milter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
