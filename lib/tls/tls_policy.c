/* SPDX-License-Identifier: ISC */
/* tls_policy.c - what a client demands of a server's certificate: names, trust, TLSA records (RFC 6125, 7672) */
#include "lib/tls/tls_private.h"

#include <string.h>

#include <openssl/x509v3.h>

enum { USAGE_DANE_TA = 2, USAGE_DANE_EE = 3 };	/* RFC 7218 2.1 */

bool tls_level_parse(const char *text, enum tls_level *level)
{
	static const struct {
		const char    *name;
		enum tls_level level;
	} rows[] = {
		{ "none", TLS_NONE },     { "may", TLS_MAY },       { "encrypt", TLS_ENCRYPT }, { "dane", TLS_DANE },
		{ "dane-only", TLS_DANE }, { "verify", TLS_VERIFY }, { "secure", TLS_SECURE },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (strcasecmp(text, rows[i].name) == 0) {
			*level = rows[i].level;
			return true;
		}
	}
	return false;
}

static bool demands_name(const struct tls_client_policy *policy)
{
	return policy->level == TLS_VERIFY || policy->level == TLS_SECURE;
}

static bool add_names(SSL *ssl, const struct tls_client_policy *policy)
{
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	for (const char *const *name = policy->match; name != NULL && *name != NULL; name++) {
		if (SSL_add1_host(ssl, *name) != 1)
			return false;
	}
	return true;
}

/* RFC 7672 3.1.1: a DANE-EE record binds by the key alone, names are not looked at.  Unusable records are
 * skipped; it takes at least one good one. */
static bool add_tlsa(SSL *ssl, const struct tls_client_policy *policy)
{
	size_t usable = 0;

	if (policy->server_name == NULL || SSL_dane_enable(ssl, policy->server_name) <= 0)
		return false;
	(void)SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
	for (size_t i = 0; i < policy->tlsa_count; i++) {
		const struct tls_tlsa *r = &policy->tlsa[i];

		/* PKIX-TA and PKIX-EE are not for SMTP (RFC 7672 3.1.3). */
		if (r->usage != USAGE_DANE_TA && r->usage != USAGE_DANE_EE)
			continue;
		usable += SSL_dane_tlsa_add(ssl, r->usage, r->selector, r->matching,
		                            (const unsigned char *)r->data.ptr, r->data.len) > 0;
	}
	return usable > 0;
}

bool tls_policy_apply(SSL *ssl, const struct tls_client_policy *policy, struct why *why)
{
	bool ok = true;

	if (policy->server_name != NULL)	/* the macro casts const away; it only reads */
		ok = SSL_set_tlsext_host_name(ssl, (size_t)policy->server_name) == 1;
	if (ok && policy->level == TLS_DANE)
		ok = add_tlsa(ssl, policy);
	else if (ok)
		ok = add_names(ssl, policy);
	if (!ok)
		tls_why(why, "the TLS policy cannot be applied");
	return ok;
}

static enum outcome not_verified(struct why *why, const char *reason)
{
	return why_set(why, DEFER, "4.7.5", "Server certificate not %s", reason);
}

enum outcome tls_policy_check(SSL *ssl, const struct tls_client_policy *policy, struct why *why)
{
	long result = SSL_get_verify_result(ssl);

	if (policy->level == TLS_DANE && SSL_get0_dane_authority(ssl, NULL, NULL) < 0)
		return not_verified(why, "trusted: no TLSA record matches");
	if (!demands_name(policy))
		return DONE;
	if (policy->match == NULL || *policy->match == NULL)
		return not_verified(why, "verified: no name to match");
	if (SSL_get0_peer_certificate(ssl) == NULL)
		return not_verified(why, "verified: none was sent");
	if (result == X509_V_ERR_HOSTNAME_MISMATCH)
		return not_verified(why, "verified: the name does not match");
	if (result != X509_V_OK)
		return why_set(why, DEFER, "4.7.5", "Server certificate not trusted: %s",
		               X509_verify_cert_error_string(result));
	return DONE;
}
