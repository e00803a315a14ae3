/* SPDX-License-Identifier: ISC */
/* resolve_test.c - verdicts on addresses, by configuration */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/fs.h"
#include "router/router.h"

static char folder[] = "/tmp/resolve_test.XXXXXX";

/* What every configuration of the tests begins with. */
static const char base[] =
	"compatibility_level = 3.6\nmyhostname = mail.example.com\nmyorigin = example.com\n"
	"inet_interfaces = loopback-only\nalias_maps = inline:{root=u1}\nlocal_recipient_maps =\n"
	"mydestination = example.com\nmynetworks = 127.0.0.0/8\n";

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "%s/main.cf", folder);
	unlink(path);
	return rmdir(folder);
}

static struct router *open_router(struct arena *arena, const char *more)
{
	const char *path = arena_printf(arena, "%s/main.cf", folder), *error = NULL;
	const struct conf *conf;
	struct router *r;

	assert_int_equal(fs_replace_file(AT_FDCWD, path, arena_printf_span(arena, "%s%s\n", base, more), 0644), 0);
	conf = conf_load(arena, folder, NULL, 0, &error);
	if (conf == NULL)
		fail_msg("%s: %s", more, error != NULL ? error : "");
	r = router_open(arena, conf, &error);
	if (r == NULL)
		fail_msg("%s: %s", more, error != NULL ? error : "");
	return r;
}

/* describe - a reply as one line: what a row compares. */
static const char *describe(struct arena *a, const struct resolve_reply *reply)
{
	struct span rest = reply->expansion, one;
	const char *text = "";

	switch ((enum route_verdict)reply->verdict) {
	case ROUTE_OK:
		return arena_printf(a, SPAN_FMT " via " SPAN_FMT ":" SPAN_FMT, SPAN_ARG(reply->address),
		                    SPAN_ARG(reply->transport), SPAN_ARG(reply->nexthop));
	case ROUTE_EXPANDED:
		while (span_cut(&rest, '\0', &one))
			text = arena_printf(a, "%s>" SPAN_FMT " ", text, SPAN_ARG(one));
		return text;
	case ROUTE_UNKNOWN:
		text = "unknown";
		break;
	case ROUTE_ERROR:
		text = "error";
		break;
	case ROUTE_DEFER:
		text = "defer";
		break;
	}
	return arena_printf(a, "%s " SPAN_FMT " " SPAN_FMT, text, SPAN_ARG(reply->dsn), SPAN_ARG(reply->reason));
}

struct row {
	const char *main_cf, *recipient, *sender;
	unsigned    flags;
	const char *answer;
};

static void check(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct arena *arena = arena_new(NULL);
		const struct router *r = open_router(arena, rows[i].main_cf);
		struct resolve_request request = { span_of(rows[i].recipient), span_of(rows[i].sender), rows[i].flags };
		struct resolve_reply reply;
		const char *got;

		router_resolve(r, &request, arena, &reply);
		got = describe(arena, &reply);
		if (strcmp(got, rows[i].answer) != 0)
			fail_msg("row %zu: %s, %s: got \"%s\", not \"%s\"", i, rows[i].main_cf, rows[i].recipient, got,
			         rows[i].answer);
		assert_int_equal(reply.ttl_s, 10);
		arena_free(arena);
	}
}

#define CHECK ROUTE_FOR_CHECK

static void test_standard_form(void **state)
{
	static const struct row rows[] = {
		{ "", "u1@example.com", "", 0, "u1@example.com via local:mail.example.com" },
		{ "", "u1", "", 0, "u1@example.com via local:mail.example.com" },
		{ "", "u1@", "", 0, "u1@example.com via local:mail.example.com" },
		{ "", "U1@EXAMPLE.com", "", 0, "U1@EXAMPLE.com via local:mail.example.com" },
		{ "", "u1@example.com.", "", 0, "u1@example.com via local:mail.example.com" },
		{ "", "@a.example,@b.example:u1@example.com", "", 0, "u1@example.com via local:mail.example.com" },
		{ "append_dot_mydomain = yes", "u@host", "", 0, "u@host.example.com via smtp:host.example.com" },
		{ "", "u@host", "", 0, "u@host via smtp:host" },
		{ "append_at_myorigin = no", "u1", "", 0, "error 5.1.3 bad address syntax" },
		{ "", "a%b@example.com", "", 0, "a%b@example.com via local:mail.example.com" },
		{ "", "x!y@example.com", "", 0, "x!y@example.com via local:mail.example.com" },
		{ "", "\"a@b\"@example.com", "", 0, "\"a@b\"@example.com via local:mail.example.com" },
		{ "", "\"a@b\"", "", 0, "\"a@b\"@example.com via local:mail.example.com" },
		{ "", "", "", 0, "error 5.1.3 bad address syntax" },
		{ "", "\"\"@example.com", "", 0, "error 5.1.3 bad address syntax" },
		{ "", "@example.com", "", 0, "error 5.1.3 bad address syntax" },
		{ "", "u@a..b", "", 0, "error 5.1.3 bad address syntax" },
		{ "", "u@a b", "", 0, "error 5.1.3 bad address syntax" },
		{ "", "u@[127.0.0.1]", "", 0, "u@[127.0.0.1] via local:mail.example.com" },
		{ "", "u@[IPv6:::1]", "", 0, "u@[IPv6:::1] via local:mail.example.com" },
		{ "", "u@[192.0.2.9]", "", 0, "u@[192.0.2.9] via smtp:[192.0.2.9]" },
		{ "proxy_interfaces = 192.0.2.9", "u@[192.0.2.9]", "", 0, "u@[192.0.2.9] via local:mail.example.com" },
	};

	(void)state;
	check(rows, COUNT_OF(rows));
}

static void test_classes(void **state)
{
	static const char virtual_mailbox[] =
		"virtual_mailbox_domains = v.example\nvirtual_mailbox_maps = inline:{u1@v.example=u1/, @c.example=x}\n";
	static const char relay[] = "relay_domains = r.example\nrelay_recipient_maps = inline:{u1@r.example=x}\n";
	static const char alias[] =
		"virtual_alias_domains = a.example\nvirtual_alias_maps = inline:{u1@a.example=u2@example.com}\n";
	static const struct row rows[] = {
		{ virtual_mailbox, "u1@v.example", "", CHECK, "u1@v.example via virtual:v.example" },
		{ virtual_mailbox, "U1@V.Example", "", CHECK, "U1@V.Example via virtual:V.Example" },
		{ virtual_mailbox, "u2@v.example", "", CHECK, "unknown 5.1.1 User unknown in virtual mailbox table" },
		{ virtual_mailbox, "u2@v.example", "", ROUTE_IS_SENDER,
		  "unknown 5.1.0 User unknown in virtual mailbox table" },
		{ virtual_mailbox, "u2@v.example", "", 0, "u2@v.example via virtual:v.example" },
		{ virtual_mailbox, "u1@sub.v.example", "", CHECK, "u1@sub.v.example via smtp:sub.v.example" },
		{ "virtual_mailbox_domains = v.example\nvirtual_mailbox_maps = fail:x", "u1@v.example", "", CHECK,
		  "defer 4.3.0 Temporary lookup failure" },
		{ "virtual_mailbox_domains = fail:x", "u1@v.example", "", 0, "defer 4.3.0 Temporary lookup failure" },
		{ "virtual_mailbox_domains = v.example\nvirtual_transport = lmtp:unix:private/lmtp", "u1@v.example", "",
		  CHECK, "u1@v.example via lmtp:unix:private/lmtp" },
		{ relay, "u1@r.example", "", CHECK, "u1@r.example via relay:r.example" },
		{ relay, "u1@x.r.example", "", CHECK, "unknown 5.1.1 User unknown in relay recipient table" },
		{ relay, "u2@r.example", "", CHECK, "unknown 5.1.1 User unknown in relay recipient table" },
		{ "relay_domains = r.example", "any@x.r.example", "", CHECK, "any@x.r.example via relay:x.r.example" },
		{ "relay_domains = r.example\nparent_domain_matches_subdomains =", "any@x.r.example", "", CHECK,
		  "any@x.r.example via smtp:x.r.example" },
		{ alias, "u1@a.example", "", CHECK, "u1@a.example via :" },
		{ alias, "u1@a.example", "", 0, ">u2@example.com " },
		{ alias, "u2@a.example", "", CHECK, "unknown 5.1.1 User unknown in virtual alias table" },
		{ alias, "u2@a.example", "", 0, "unknown 5.1.1 User unknown in virtual alias table" },
		{ "show_user_unknown_table_name = no\nvirtual_alias_domains = a.example", "u@a.example", "", CHECK,
		  "unknown 5.1.1 User unknown" },
		{ "local_recipient_maps = inline:{u1=x} $alias_maps", "u1@example.com", "", CHECK,
		  "u1@example.com via local:mail.example.com" },
		{ "local_recipient_maps = inline:{u1=x} $alias_maps", "root@example.com", "", CHECK,
		  "root@example.com via local:mail.example.com" },
		{ "local_recipient_maps = inline:{u1=x}", "u2@example.com", "", CHECK,
		  "unknown 5.1.1 User unknown in local recipient table" },
		{ "local_recipient_maps = inline:{u1=x}", "u2@example.com", "", 0,
		  "u2@example.com via local:mail.example.com" },
		{ "recipient_delimiter = +\nlocal_recipient_maps = inline:{u1=x}", "u1+list@example.com", "", CHECK,
		  "u1+list@example.com via local:mail.example.com" },
		{ "local_recipient_maps = inline:{u1=x}, fail:y", "u2@example.com", "", CHECK,
		  "defer 4.3.0 Temporary lookup failure" },
		{ "", "", "", ROUTE_IS_SENDER, " via :" },
	};

	(void)state;
	check(rows, COUNT_OF(rows));
}

static void test_next_hops(void **state)
{
	static const char senders[] =
		"sender_dependent_relayhost_maps = inline:{s@s.example=[r1], @s.example=[r2], <>=[r3], d@x=DUNNO}\n"
		"relayhost = [gw.example]:587\n";
	static const char transports[] =
		"transport_maps = inline:{u+e@t.example=t1:, u@t.example=t2:h2, t.example=t3:, .t.example=t4:[h4], "
		"n.example=:[h5], k.example=:, {e.example = error:5.7.1 go away}, {f.example=error:no}, "
		"{r.example=retry:4.4.4 later}, d.example=discard:silent, example.com=lmtp:inet:h:24}\n"
		"recipient_delimiter = +-\n";
	static const struct row rows[] = {
		{ "", "u@d.example", "s@x", 0, "u@d.example via smtp:d.example" },
		{ "relayhost = [gw.example]:587", "u@d.example", "", 0, "u@d.example via smtp:[gw.example]:587" },
		{ "relayhost = gw", "u@example.com", "", 0, "u@example.com via local:mail.example.com" },
		{ "relayhost = gw\nrelay_domains = r.example", "u@r.example", "", 0, "u@r.example via relay:gw" },
		{ "relayhost = gw\nrelay_domains = r.example\nrelay_transport = relay:[in]", "u@r.example", "", 0,
		  "u@r.example via relay:[in]" },
		{ "relayhost = gw\ndefault_transport = smtp:[out]", "u@d.example", "", 0, "u@d.example via smtp:[out]" },
		{ senders, "u@d.example", "s@s.example", 0, "u@d.example via smtp:[r1]" },
		{ senders, "u@d.example", "t@S.example", 0, "u@d.example via smtp:[r2]" },
		{ senders, "u@d.example", "", 0, "u@d.example via smtp:[r3]" },
		{ senders, "u@d.example", "d@x", 0, "u@d.example via smtp:[gw.example]:587" },
		{ senders, "u@d.example", "z@x", 0, "u@d.example via smtp:[gw.example]:587" },
		{ "sender_dependent_relayhost_maps = fail:x", "u@d.example", "s@x", 0,
		  "defer 4.3.0 Temporary lookup failure" },
		{ "sender_dependent_default_transport_maps = inline:{@s.example=slow:}\nrelayhost = gw", "u@d.example",
		  "s@s.example", 0, "u@d.example via slow:gw" },
		{ "sender_dependent_default_transport_maps = inline:{@s.example=slow:[x]}", "u@d.example",
		  "s@s.example", 0, "u@d.example via slow:[x]" },
		{ transports, "u+e@t.example", "", 0, "u+e@t.example via t1:t.example" },
		{ transports, "u+f@t.example", "", 0, "u+f@t.example via t2:h2" },
		{ transports, "u-f@t.example", "", 0, "u-f@t.example via t2:h2" },
		{ transports, "v@t.example", "", 0, "v@t.example via t3:t.example" },
		{ transports, "v@x.y.t.example", "", 0, "v@x.y.t.example via t4:[h4]" },
		{ transports, "v@n.example", "", 0, "v@n.example via smtp:[h5]" },
		{ transports, "v@k.example", "", 0, "v@k.example via smtp:k.example" },
		{ transports, "v@e.example", "", CHECK, "error 5.7.1 go away" },
		{ transports, "v@f.example", "", 0, "error 5.0.0 no" },
		{ transports, "v@r.example", "", 0, "defer 4.4.4 later" },
		{ transports, "v@d.example", "", 0, "v@d.example via discard:silent" },
		{ transports, "v@example.com", "", 0, "v@example.com via lmtp:inet:h:24" },
		{ "relayhost = gw\ntransport_maps = inline:{t.example=smtp:}", "u@t.example", "", 0,
		  "u@t.example via smtp:t.example" },
		{ "transport_maps = inline:{*=all:h}", "u@t.example", "", 0, "u@t.example via all:h" },
		{ "transport_maps = regexp:{{/^u@/ re:h}}", "u@t.example", "", 0, "u@t.example via re:h" },
		{ "transport_maps = regexp:{{/^t.example$$/ re:h}}", "u@t.example", "", 0,
		  "u@t.example via smtp:t.example" },
		{ "transport_maps = fail:x", "u@t.example", "", 0, "defer 4.3.0 Temporary lookup failure" },
	};

	(void)state;
	check(rows, COUNT_OF(rows));
}

static void test_aliases(void **state)
{
	static const char plain[] =
		"virtual_alias_maps = inline:{{a@x.example = b@x.example, c@x.example}, b@x.example=d@x.example, "
		"bare=u9@y.example, {self@x.example = self@x.example, o@x.example}, one@x.example=one@x.example, "
		"l1@x.example=l2@x.example, l2@x.example=l1@x.example, @all.example=@other.example, "
		"@sink.example=u@other.example, short@x.example=u1, e@x.example=f@x.example}\n"
		"recipient_delimiter = +\n";
	static const struct row rows[] = {
		{ plain, "a@x.example", "", 0, ">d@x.example >c@x.example " },
		{ plain, "A@X.example", "", 0, ">d@x.example >c@x.example " },
		{ plain, "bare@example.com", "", 0, ">u9@y.example " },
		{ plain, "bare@elsewhere.example", "", 0, "bare@elsewhere.example via smtp:elsewhere.example" },
		{ plain, "self@x.example", "", 0, ">self@x.example >o@x.example " },
		{ plain, "self@x.example", "", ROUTE_NO_ALIASES, "self@x.example via smtp:x.example" },
		{ plain, "one@x.example", "", 0, "one@x.example via smtp:x.example" },
		{ plain, "l1@x.example", "", 0, "l1@x.example via smtp:x.example" },
		{ plain, "q+e@all.example", "", 0, ">q+e@other.example " },
		{ plain, "q+e@sink.example", "", 0, ">u@other.example " },
		{ plain, "short@x.example", "", 0, ">u1@example.com " },
		{ plain, "e+tag@x.example", "", 0, ">f+tag@x.example " },
		{ "recipient_delimiter = +\npropagate_unmatched_extensions =\n"
		  "virtual_alias_maps = inline:{e@x.example=f@x.example}", "e+tag@x.example", "", 0, ">f@x.example " },
		{ "virtual_alias_maps = inline:{}, inline:{a@x=b@y}", "a@x", "", 0, ">b@y " },
		{ "virtual_alias_maps = fail:x", "a@x", "", 0, "defer 4.3.0 Temporary lookup failure" },
		/* Of an alias RCPT learns that it exists, never a route: that would deliver to the alias itself. */
		{ "virtual_mailbox_domains = x\nvirtual_alias_maps = inline:{a@x=b@x}", "a@x", "", CHECK,
		  "a@x via :" },
		{ "virtual_alias_maps = fail:x", "a@x", "", CHECK, "defer 4.3.0 Temporary lookup failure" },
		{ "virtual_alias_maps = inline:{{a@x=1@x 2@x 3@x}}\nvirtual_alias_expansion_limit = 2", "a@x", "", 0,
		  "defer 4.6.0 Alias expansion error" },
		{ "virtual_alias_maps = regexp:{{/^(.*)@x$$/ a$$1@x}}\nvirtual_alias_recursion_limit = 20", "a@x", "", 0,
		  "defer 4.6.0 Alias expansion error" },
		{ "virtual_alias_maps = inline:{{a@x = \"b c\"@y, d@y}}", "a@x", "", 0, ">\"b c\"@y >d@y " },
		{ "relocated_maps = inline:{{old@example.com = new@y.example}}", "old@example.com", "", CHECK,
		  "error 5.1.6 User has moved to new@y.example" },
	};

	(void)state;
	check(rows, COUNT_OF(rows));
}

static void test_canonical(void **state)
{
	static const char maps[] =
		"canonical_maps = inline:{old@example.com=new@example.com, c1@x.example=c2@x.example, "
		"c2@x.example=c3@x.example}\nsender_canonical_maps = inline:{u1@example.com=s.one@example.com}\n"
		"recipient_canonical_maps = inline:{r.one@example.com=u1@example.com}\n";
	static const struct row rows[] = {
		{ maps, "old@example.com", "", 0, "new@example.com via local:mail.example.com" },
		{ maps, "old", "", 0, "new@example.com via local:mail.example.com" },
		{ maps, "c1@x.example", "", 0, "c3@x.example via smtp:x.example" },
		{ maps, "r.one@example.com", "", 0, "u1@example.com via local:mail.example.com" },
		{ maps, "u1@example.com", "", 0, "u1@example.com via local:mail.example.com" },
		{ maps, "u1@example.com", "", ROUTE_IS_SENDER, "s.one@example.com via local:mail.example.com" },
		{ "canonical_maps = fail:x", "u1@example.com", "", 0, "defer 4.3.0 Temporary lookup failure" },
		{ "canonical_classes = header_sender\ncanonical_maps = fail:x", "u1@example.com", "", 0,
		  "u1@example.com via local:mail.example.com" },
		{ "masquerade_domains = example.com", "u@h.example.com", "", ROUTE_IS_SENDER,
		  "u@example.com via local:mail.example.com" },
		{ "masquerade_domains = example.com", "u@h.example.com", "", 0,
		  "u@h.example.com via smtp:h.example.com" },
		{ "masquerade_domains = !h.example.com example.com", "u@x.h.example.com", "", ROUTE_IS_SENDER,
		  "u@x.h.example.com via smtp:x.h.example.com" },
		{ "masquerade_domains = example.com\nmasquerade_exceptions = root", "root@h.example.com", "",
		  ROUTE_IS_SENDER, "root@h.example.com via smtp:h.example.com" },
	};

	(void)state;
	check(rows, COUNT_OF(rows));
}

static void test_lookups(void **state)
{
	static const struct {
		const char     *maps, *key;
		enum lookup_how how;
		const char     *answer;
	} rows[] = {
		{ "alias_maps", "root", LOOKUP_EXACT, "u1" },
		{ "alias_maps", "none", LOOKUP_EXACT, "-" },
		{ "own_maps", "k", LOOKUP_EXACT, "v" },
		{ "own_maps", "u+x@example.com", LOOKUP_ADDRESS, "user" },
		{ "own_maps", "u+x@example.com", LOOKUP_EXACT, "-" },
		{ "own_maps", "a.b.d.example", LOOKUP_DOMAIN, "dom" },
		{ "own_maps", "x", (enum lookup_how)9, "!" },
		{ "header_checks", "Subject: x", LOOKUP_EXACT, "DUNNO" },
		{ "unset_maps", "x", LOOKUP_EXACT, "-" },
		{ "bad_maps", "x", LOOKUP_EXACT, "!" },
		{ "mynetworks", "x", LOOKUP_EXACT, "!" },
		{ "texthash:/etc/passwd", "x", LOOKUP_EXACT, "!" },
		{ "_maps", "x", LOOKUP_EXACT, "!" },
	};
	struct arena *arena = arena_new(NULL);
	struct router *r = open_router(arena, "own_maps = inline:{k=v, u@example.com=user, .d.example=dom}\n"
	                                      "recipient_delimiter = +\nheader_checks = regexp:{{/^sub/ DUNNO}}\n"
	                                      "bad_maps = fail:x\n");

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct lookup_request request = { span_of(rows[i].maps), span_of(rows[i].key), rows[i].how };
		struct lookup_reply reply;
		const char *got;

		router_lookup(r, &request, arena, &reply);
		got = reply.status == LOOKUP_FOUND ? arena_cstr(arena, reply.value)
		      : reply.status == LOOKUP_NOT_FOUND ? "-" : "!";
		if (strcmp(got, rows[i].answer) != 0)
			fail_msg("%s %s: got %s", rows[i].maps, rows[i].key, got);
	}
	arena_free(arena);
}

static void programs_see_only_the_tables_they_need(void **state)
{
	static const struct { const char *asker, *maps; bool may; } rows[] = {
		{ "smtp", "smtp_sasl_password_maps", true },
		{ "smtpd", "smtp_sasl_password_maps", false },
		{ "local", "smtp_sasl_password_maps", false },
		{ "other", "smtp_sasl_password_maps", false },
		{ NULL, "smtp_sasl_password_maps", false },
		{ NULL, "alias_maps", false },
		{ "local", "alias_maps", true },
		{ "smtpd", "smtpd_sender_login_maps", true },
		{ "smtpd", "texthash:/nonexistent/access", true },
		{ "smtpd", "hash:/nonexistent/bare", true },
		{ "smtpd", "cidr:/nonexistent/networks", true },
		{ "smtpd", "texthash:/etc/shadow", false },
		{ "smtpd", "texthash:/nonexistent/other", false },
		{ "smtp", "texthash:/nonexistent/access", false },
	};
	struct arena *arena = arena_new(NULL);
	struct router *r = open_router(arena, "smtp_sasl_password_maps = texthash:/nonexistent/passwords\n"
	                                      "other_maps = texthash:/nonexistent/other\n"
	                                      "mynetworks = 127.0.0.0/8 [::1]/128 !cidr:/nonexistent/networks\n"
	                                      "smtpd_client_restrictions = reject_rbl_client bl.example.com,\n"
	                                      " check_client_access texthash:/nonexistent/access,\n"
	                                      " check_client_access /nonexistent/bare\n");

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (router_may_ask(r, rows[i].asker, span_of(rows[i].maps)) != rows[i].may)
			fail_msg("%s may ask for %s: not %d", rows[i].asker != NULL ? rows[i].asker : "(nobody)",
			         rows[i].maps, rows[i].may);
	assert_string_equal(router_asker_find(span_lit("smtpd")), "smtpd");
	assert_string_equal(router_asker_find(span_lit("imapd")), "other");
	arena_free(arena);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_see_only_the_tables_they_need),
		cmocka_unit_test(test_standard_form),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_next_hops),
		cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_canonical),
		cmocka_unit_test(test_lookups),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
