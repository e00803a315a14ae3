/* SPDX-License-Identifier: ISC */
/* libunbound_setup.c - from the dns_ parameters to a libunbound context
 *
 * All files are read here, before the sandbox; libunbound would read trust anchors at the first question,
 * which is too late.  Whatever would make it ask on its own is turned off. */
#include <fcntl.h>
#include <stdio.h>
#include <unbound.h>

#include "lib/base/buf.h"
#include "lib/base/fs.h"
#include "lib/net/address.h"
#include "lib/net/libunbound.h"

enum { ANCHOR_FILE_MAX = 64 * 1024 };

static enum outcome set(struct ub_ctx *ctx, const char *option, const char *value, struct why *why)
{
	int error = ub_ctx_set_option(ctx, option, value);

	if (error != 0)
		return why_set(why, REFUSE, "", "libunbound does not take %s %s: %s", option, value,
		               ub_strerror(error));
	return DONE;
}

static enum outcome set_options(struct ub_ctx *ctx, struct why *why)
{
	static const char *const options[][2] = {
		{ "do-not-query-localhost:", "no" },	/* a resolver on this host is usual */
		{ "prefetch:", "no" },
		{ "trust-anchor-signaling:", "no" },
		{ "infra-host-ttl:", "60" },	/* a server that was down is tried again soon */
		{ "infra-keep-probing:", "yes" },
		{ "cache-max-negative-ttl:", "900" },
		{ "edns-buffer-size:", "1232" },
		{ "unblock-lan-zones:", "yes" },	/* reverse names of private networks are our admin's */
	};

	for (size_t i = 0; i < COUNT_OF(options); i++) {
		if (set(ctx, options[i][0], options[i][1], why) != DONE)
			return REFUSE;
	}
	return DONE;
}

static enum outcome set_sizes(struct ub_ctx *ctx, const struct conf *conf, struct why *why)
{
	char number[32];

	snprintf(number, sizeof(number), "%llu", conf->dns_cache_size);
	if (set(ctx, "rrset-cache-size:", number, why) != DONE)
		return REFUSE;
	snprintf(number, sizeof(number), "%llu", conf->dns_cache_size / 2);
	return set(ctx, "msg-cache-size:", number, why);
}

/* speaks - whether inet_protocols has the family; "all" has both. */
static bool speaks(const struct conf *conf, struct span family)
{
	struct span rest = span_of(conf->inet_protocols), word;

	while (conf_list_next(&rest, &word)) {
		if (span_equal_ci(word, family) || span_equal_ci(word, span_lit("all")))
			return true;
	}
	return false;
}

static enum outcome set_protocols(struct ub_ctx *ctx, const struct conf *conf, struct why *why)
{
	if (set(ctx, "do-ip4:", speaks(conf, span_lit("ipv4")) ? "yes" : "no", why) != DONE)
		return REFUSE;
	return set(ctx, "do-ip6:", speaks(conf, span_lit("ipv6")) ? "yes" : "no", why);
}

static enum outcome add_server(struct ub_ctx *ctx, struct span server, struct why *why)
{
	char text[NET_ADDRESS_TEXT_MAX], forward[NET_ADDRESS_TEXT_MAX + 8];
	struct span host, port;
	struct net_address address;
	unsigned long long number = 53;
	bool is_bracketed;

	if (!net_host_port(server, &host, &port, &is_bracketed) ||
	    (port.len > 0 && !span_u64(port, 65535, &number)) ||
	    !net_address_parse(host, (unsigned)number, &address))
		return why_set(why, REFUSE, "", "dns_servers: \"" SPAN_FMT "\" is not an address with a port",
		               SPAN_ARG(server));
	snprintf(forward, sizeof(forward), "%s@%llu", net_address_text(&address, text), number);
	if (ub_ctx_set_fwd(ctx, forward) != 0)
		return why_set(why, REFUSE, "", "libunbound does not take the server %s", forward);
	return DONE;
}

/* set_servers - whom to ask; nobody to forward to means that libunbound resolves from the root. */
static enum outcome set_servers(struct ub_ctx *ctx, const struct conf *conf, struct why *why)
{
	struct span rest = span_of(conf->dns_servers), server;
	int error;

	while (conf_list_next(&rest, &server)) {
		if (add_server(ctx, server, why) != DONE)
			return REFUSE;
	}
	if (conf->dns_servers[0] != '\0' || conf->dns_recursion)
		return DONE;
	error = ub_ctx_resolvconf(ctx, conf->dns_resolv_conf);
	if (error != 0)
		return why_set(why, REFUSE, "", "cannot read name servers from %s: %s", conf->dns_resolv_conf,
		               ub_strerror(error));
	return DONE;
}

static bool wants_validation(const struct conf *conf)
{
	struct span how = span_of(conf->dns_validate);

	if (span_equal_ci(how, span_lit("auto")))
		return conf->dns_recursion && conf->dns_servers[0] == '\0';
	return span_equal_ci(how, span_lit("yes"));
}

/* add_anchors - one record a line, as unbound-anchor writes them: comments begin with ';'. */
static enum outcome add_anchors(struct ub_ctx *ctx, const struct conf *conf, struct why *why)
{
	struct arena *arena = arena_new(NULL);
	struct buf text;
	struct span rest, line, record;
	size_t added = 0;

	buf_init(&text, ANCHOR_FILE_MAX);
	if (fs_read_file(AT_FDCWD, conf->dns_trust_anchor_file, &text) == 0) {
		rest = buf_span(&text);
		while (rest.len > 0) {
			span_cut(&rest, '\n', &line);
			span_cut(&line, ';', &record);
			record = span_trim(record);
			if (record.len > 0 && ub_ctx_add_ta(ctx, arena_cstr(arena, record)) == 0)
				added++;
		}
	}
	buf_free(&text);
	arena_free(arena);
	if (added == 0)
		return why_set(why, REFUSE, "", "no trust anchor in dns_trust_anchor_file %s",
		               conf->dns_trust_anchor_file);
	return DONE;
}

enum outcome libunbound_setup(struct ub_ctx *ctx, const struct conf *conf, struct why *why)
{
	int error;

	ub_ctx_debugout(ctx, NULL);
	ub_ctx_async(ctx, 1);	/* a thread: a process of its own could not be confined with us */
	if (set_options(ctx, why) != DONE || set_sizes(ctx, conf, why) != DONE ||
	    set_protocols(ctx, conf, why) != DONE || set_servers(ctx, conf, why) != DONE)
		return REFUSE;
	if (wants_validation(conf) && add_anchors(ctx, conf, why) != DONE)
		return REFUSE;
	/* The first change of local zones makes libunbound read all the rest of its setting now.  Servers
	 * named by the admin may well know names below "test" (RFC 6761 leaves that to them). */
	error = ub_ctx_zone_remove(ctx, "test.");
	if (error != 0)
		return why_set(why, REFUSE, "", "libunbound: %s", ub_strerror(error));
	return DONE;
}
