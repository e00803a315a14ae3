/* SPDX-License-Identifier: ISC */
/* tls_protocols.c - protocol, cipher and group parameters, as main.cf spells them
 *
 * A protocols parameter is a range (">=TLSv1.2, <=TLSv1.3"), a list of what to leave out ("!SSLv3") or of what to
 * use ("TLSv1.2").  Whatever it says, nothing below TLS 1.2 is spoken (RFC 8996); a setting that leaves nothing is
 * taken as TLS 1.2 and newer. */
#include "lib/tls/tls_private.h"

#include "lib/base/log.h"

static const struct {
	struct span name;
	unsigned    at;		/* place in the order of versions */
} versions[] = {
	{ SPAN("SSLv2"), 0 },   { SPAN("SSLv3"), 1 },   { SPAN("TLSv1"), 2 },   { SPAN("TLSv1.0"), 2 },
	{ SPAN("TLSv1.1"), 3 }, { SPAN("TLSv1.2"), 4 }, { SPAN("TLSv1.3"), 5 }, { SPAN("0300"), 1 },
	{ SPAN("0301"), 2 },    { SPAN("0302"), 3 },    { SPAN("0303"), 4 },    { SPAN("0304"), 5 },
};

enum { ALL_VERSIONS = 0x3f };

static bool version_at(struct span name, unsigned *at)
{
	for (size_t i = 0; i < COUNT_OF(versions); i++) {
		if (span_equal_ci(name, versions[i].name)) {
			*at = versions[i].at;
			return true;
		}
	}
	return false;
}

/* What one member says: bits it allows in *include, bits it takes away in *exclude. */
static bool read_member(struct span member, unsigned *include, unsigned *exclude)
{
	unsigned at;

	if (span_starts(member, span_lit("!")) && version_at(span_skip(member, 1), &at))
		*exclude |= 1u << at;
	else if (span_starts(member, span_lit(">=")) && version_at(span_skip(member, 2), &at))
		*exclude |= (1u << at) - 1;
	else if (span_starts(member, span_lit("<=")) && version_at(span_skip(member, 2), &at))
		*exclude |= ALL_VERSIONS & ~((2u << at) - 1);
	else if (version_at(member, &at))
		*include |= 1u << at;
	else
		return false;
	return true;
}

unsigned tls_protocols_parse(const char *text, struct span *unknown)
{
	struct span rest = span_of(text), member;
	unsigned include = 0, exclude = 0, chosen;

	*unknown = (struct span){ 0 };
	while (span_token(&rest, " \t\r\n,:", &member)) {
		if (!read_member(member, &include, &exclude))
			*unknown = member;
	}
	chosen = (include != 0 ? include : ALL_VERSIONS) & ~exclude;
	return chosen >> 4;
}

void tls_limit_protocols(SSL_CTX *ctx, const char *protocols)
{
	struct span unknown;
	unsigned chosen = tls_protocols_parse(protocols, &unknown);

	if (!span_is_empty(unknown))
		log_warning("unknown TLS protocol \"" SPAN_FMT "\" ignored", SPAN_ARG(unknown));
	if (chosen == 0) {
		log_warning("TLS protocols \"%s\" leave nothing this server speaks: using TLSv1.2 and newer", protocols);
		chosen = TLS_BIT_1_2 | TLS_BIT_1_3;
	}
	SSL_CTX_set_min_proto_version(ctx, (chosen & TLS_BIT_1_2) != 0 ? TLS1_2_VERSION : TLS1_3_VERSION);
	SSL_CTX_set_max_proto_version(ctx, (chosen & TLS_BIT_1_3) != 0 ? TLS1_3_VERSION : TLS1_2_VERSION);
}

bool tls_limit_ciphers(SSL_CTX *ctx, const char *base, const char *excluded)
{
	struct arena *arena = arena_new(NULL);
	const char *list = base;
	struct span rest = span_of(excluded), member;
	bool ok;

	while (span_token(&rest, " \t\r\n,:", &member))
		list = arena_printf(arena, "%s:!" SPAN_FMT, list, SPAN_ARG(member));
	ok = SSL_CTX_set_cipher_list(ctx, list) == 1;
	arena_free(arena);
	return ok;
}

bool tls_set_groups(SSL_CTX *ctx, const char *groups)
{
	struct arena *arena = arena_new(NULL);
	struct span rest = span_of(groups), member;
	const char *list = "";

	while (span_token(&rest, " \t\r\n,:", &member)) {
		char *one = arena_printf(arena, SPAN_FMT, SPAN_ARG(member));

		/* One unknown name would void the whole list: ask for each. */
		if (SSL_CTX_set1_groups_list(ctx, one) == 1)
			list = arena_printf(arena, "%s%s%s", list, *list == '\0' ? "" : ":", one);
		else
			log_warning("unknown TLS group \"%s\" ignored", one);
	}
	ERR_clear_error();
	if (*list == '\0')
		list = "X25519:prime256v1:secp384r1";
	/* The macro casts const away; it only reads. */
	bool ok = SSL_CTX_set1_groups_list(ctx, (size_t)list) == 1;
	arena_free(arena);
	return ok;
}
