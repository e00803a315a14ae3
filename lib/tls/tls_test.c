/* SPDX-License-Identifier: ISC */
/* tls_test.c - handshakes in one process, server and client as tasks over a socket pair */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "lib/base/log.h"
#include "lib/task/task.h"
#include "lib/tls/tls_private.h"

enum { HANDSHAKE_S = 60 };

/* ---- a certificate authority for a minute ---- */

struct identity {
	EVP_PKEY       *pkey;
	X509           *certificate;
	char            path[64];	/* PEM: certificate, then key */
	struct tls_key *keys[1];
};

static EVP_PKEY *make_key(const char *type)
{
	if (strcmp(type, "RSA") == 0)
		return EVP_PKEY_Q_keygen(tls_library(), NULL, "RSA", (size_t)2048);
	if (strcmp(type, "EC") == 0)
		return EVP_PKEY_Q_keygen(tls_library(), NULL, "EC", "P-256");
	return EVP_PKEY_Q_keygen(tls_library(), NULL, type);
}

static void add_alt_name(X509 *certificate, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, value);

	assert_non_null(extension);
	assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

static X509 *self_sign(EVP_PKEY *pkey)
{
	X509 *x = X509_new_ex(tls_library(), NULL);
	X509_NAME *name = X509_get_subject_name(x);
	const EVP_MD *digest = EVP_PKEY_is_a(pkey, "ED25519") ? NULL : EVP_sha256();

	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"mail.example.test", -1, -1, 0);
	X509_set_issuer_name(x, name);
	X509_set_pubkey(x, pkey);
	add_alt_name(x, "DNS:mail.example.test");
	assert_true(X509_sign(x, pkey, digest) > 0);
	return x;
}

static void keep_key(struct tls_key *key, void *arg)
{
	((struct identity *)arg)->keys[0] = key;
}

static void load_key(struct identity *id)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct why why;
	char *text;
	long length;

	assert_int_equal(PEM_write_bio_PrivateKey(bio, id->pkey, NULL, NULL, 0, NULL, NULL), 1);
	length = BIO_get_mem_data(bio, &text);
	assert_int_equal(tls_key_load(span_make(text, (size_t)length), keep_key, id, &why), 1);
	BIO_free(bio);
}

static void identity_make(struct identity *id, const char *type)
{
	FILE *file;
	int fd;

	*id = (struct identity){ .pkey = make_key(type), .path = "/tmp/tls_test.XXXXXX" };
	id->certificate = self_sign(id->pkey);
	fd = mkstemp(id->path);
	assert_true(fd >= 0);
	file = fdopen(fd, "w");
	PEM_write_X509(file, id->certificate);
	PEM_write_PrivateKey(file, id->pkey, NULL, NULL, 0, NULL, NULL);
	fclose(file);
	load_key(id);
}

static void identity_free(struct identity *id)
{
	unlink(id->path);
	tls_key_free(id->keys[0]);
	X509_free(id->certificate);
	EVP_PKEY_free(id->pkey);
}

/* ---- a server and a client ---- */

struct pair {
	struct identity              id;
	struct tls_signer           *local;
	struct tls_signer            signer;	/* what the server uses: local, perhaps with a twist */
	struct tls_server_settings   server;
	struct tls_client_settings   client;
	struct tls_client_policy     policy;
	struct tls_context          *server_ctx, *client_ctx;
	int                          fds[2];
	struct stream                server_stream, client_stream;
	enum outcome                 server_outcome, client_outcome;
	struct why                   server_why, client_why;
	struct tls_facts             server_facts, client_facts;
	struct span                  payload;
	size_t                       received;
	bool                         ended_cleanly;
	char                         echoed[16];
};

static void server_task(void *arg)
{
	struct pair *p = arg;
	char chunk[4096];
	ssize_t n = -1;

	p->server_outcome = tls_server_start(p->server_ctx, &p->server_stream, clock_in_s(HANDSHAKE_S), &p->server_why);
	if (p->server_outcome == DONE) {
		tls_describe(&p->server_stream, &p->server_facts);
		if (stream_write(&p->server_stream, "hello", 5, CLOCK_NEVER) == 5)
			while ((n = stream_read(&p->server_stream, chunk, sizeof(chunk), CLOCK_NEVER)) > 0)
				p->received += (size_t)n;
		p->ended_cleanly = n == 0;
	}
	stream_close(&p->server_stream);
}

static void client_task(void *arg)
{
	struct pair *p = arg;

	p->client_outcome = tls_client_start(p->client_ctx, &p->client_stream, &p->policy, clock_in_s(HANDSHAKE_S),
	                                     &p->client_why);
	if (p->client_outcome == DONE) {
		if (stream_wait_readable(&p->client_stream, CLOCK_NEVER) == 0)
			(void)stream_read(&p->client_stream, p->echoed, sizeof(p->echoed) - 1, CLOCK_NEVER);
		tls_describe(&p->client_stream, &p->client_facts);
		(void)stream_write(&p->client_stream, p->payload.ptr, p->payload.len, CLOCK_NEVER);
	}
	stream_close(&p->client_stream);
}

static void both_tasks(void *arg)
{
	assert_non_null(task_spawn(server_task, arg, "server"));
	assert_non_null(task_spawn(client_task, arg, "client"));
}

static void pair_make(struct pair *p, const char *key_type)
{
	*p = (struct pair){ .policy = { .level = TLS_MAY }, .payload = SPAN("the payload") };
	identity_make(&p->id, key_type);
	p->local = tls_signer_local(p->id.keys, 1);
	p->signer = *p->local;
	p->server = (struct tls_server_settings){ .name = "test", .chain_files = p->id.path };
}

static void pair_run(struct pair *p)
{
	struct why why = { 0 };

	p->server_ctx = tls_server_new(&p->server, &p->signer, &why);
	if (p->server_ctx == NULL)
		fail_msg("server context: %s", why.text);
	p->client_ctx = tls_client_new(&p->client, &why);
	if (p->client_ctx == NULL)
		fail_msg("client context: %s", why.text);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, p->fds), 0);
	stream_plain(&p->server_stream, p->fds[0]);
	stream_plain(&p->client_stream, p->fds[1]);
	task_main(both_tasks, p);
}

static void pair_free(struct pair *p)
{
	tls_context_free(p->server_ctx);
	tls_context_free(p->client_ctx);
	tls_signer_local_free(p->local);
	identity_free(&p->id);
}

static void expect_done(const struct pair *p)
{
	if (p->server_outcome != DONE)
		fail_msg("server: %s (client: %s)", p->server_why.text, p->client_why.text);
	if (p->client_outcome != DONE)
		fail_msg("client: %s", p->client_why.text);
	assert_string_equal(p->echoed, "hello");
	assert_int_equal(p->received, p->payload.len);
	assert_true(p->ended_cleanly);
}

/* ---- the tests ---- */

static void check_handshake(const char *key_type, const char *protocols, const char *version, const char *signature)
{
	struct pair p;

	pair_make(&p, key_type);
	p.server.protocols = protocols;
	pair_run(&p);
	expect_done(&p);
	assert_string_equal(p.server_facts.protocol, version);
	assert_string_equal(p.client_facts.protocol, version);
	if (strstr(p.client_facts.signature, signature) == NULL)
		fail_msg("signature is %s, not %s", p.client_facts.signature, signature);
	assert_string_equal(p.server_facts.signature, p.client_facts.signature);
	pair_free(&p);
}

#define HANDSHAKE_TEST(name, key, protocols, version, signature)   \
	static void name(void **state)                             \
	{                                                          \
		(void)state;                                       \
		check_handshake(key, protocols, version, signature); \
	}

HANDSHAKE_TEST(test_ec_tls12, "EC", "TLSv1.2", "TLSv1.2", "ECDSA")
HANDSHAKE_TEST(test_ec_tls13, "EC", ">=TLSv1.3", "TLSv1.3", "ECDSA")
HANDSHAKE_TEST(test_rsa_tls12, "RSA", "TLSv1.2", "TLSv1.2", "RSA")
HANDSHAKE_TEST(test_rsa_tls13, "RSA", ">=TLSv1.3", "TLSv1.3", "RSA-PSS (2048 bits)")
HANDSHAKE_TEST(test_ed25519_tls12, "ED25519", "TLSv1.2", "TLSv1.2", "ED25519")
HANDSHAKE_TEST(test_ed25519_tls13, "ED25519", ">=TLSv1.3", "TLSv1.3", "ED25519")

static void test_large_payload(void **state)
{
	static char bytes[1024 * 1024];
	struct pair p;

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	pair_make(&p, "EC");
	p.payload = span_make(bytes, sizeof(bytes));
	pair_run(&p);
	expect_done(&p);
	pair_free(&p);
}

/* A signer that lets other tasks run, which leave errors of theirs in libssl's queue. */
static struct tls_signer *slow_to;

static void leave_errors(void *arg)
{
	(void)arg;
	ERR_raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH);
}

static enum outcome slow_sign(void *user, const struct tls_sign_request *request, struct arena *arena,
                              struct span *signature, struct why *why)
{
	assert_non_null(task_spawn(leave_errors, NULL, "noise"));
	for (int i = 0; i < 3; i++)
		task_yield();
	assert_int_equal(task_sleep_us(1000), 0);
	return slow_to->sign(user, request, arena, signature, why);
}

static void test_signing_suspends(void **state)
{
	struct pair p;

	(void)state;
	pair_make(&p, "EC");
	slow_to = p.local;
	p.signer.sign = slow_sign;
	pair_run(&p);
	expect_done(&p);
	pair_free(&p);
}

static enum outcome no_sign(void *user, const struct tls_sign_request *request, struct arena *arena,
                            struct span *signature, struct why *why)
{
	(void)user;
	(void)request;
	(void)arena;
	(void)signature;
	return why_set(why, DEFER, "4.7.0", "the key holder is away");
}

static void test_no_signature_ends_the_handshake(void **state)
{
	struct pair p;

	(void)state;
	pair_make(&p, "EC");
	p.signer.sign = no_sign;
	pair_run(&p);
	assert_int_equal(p.server_outcome, DEFER);
	assert_int_equal(p.client_outcome, DEFER);
	assert_true(p.server_why.text[0] != '\0');
	pair_free(&p);
}

static void check_policy(enum tls_level level, const char *name, bool with_ca, bool expected, bool verified)
{
	const char *const match[] = { name, NULL };
	struct pair p;

	pair_make(&p, "EC");
	p.policy.level = level;
	p.policy.match = name != NULL ? match : NULL;
	p.client.ca_file = with_ca ? p.id.path : NULL;
	pair_run(&p);
	if ((p.client_outcome == DONE) != expected)
		fail_msg("level %d, name %s, CA %d: outcome %d (%s)", (int)level, name, with_ca, (int)p.client_outcome,
		         p.client_why.text);
	assert_int_equal(p.client_facts.is_verified, verified);
	pair_free(&p);
}

static void test_client_policies(void **state)
{
	(void)state;
	check_policy(TLS_MAY, NULL, false, true, false);
	check_policy(TLS_ENCRYPT, "other.example.test", true, true, false);
	check_policy(TLS_VERIFY, "mail.example.test", true, true, true);
	check_policy(TLS_VERIFY, ".example.test", true, true, true);
	check_policy(TLS_VERIFY, "other.example.test", true, false, false);
	check_policy(TLS_SECURE, "mail.example.test", false, false, false);
	check_policy(TLS_SECURE, NULL, true, false, false);
}

static void check_dane(bool good)
{
	unsigned char id[TLS_KEY_ID_SIZE];
	struct pair p;
	struct tls_tlsa record = { .usage = 3, .selector = 1, .matching = 1, .data = span_make(id, sizeof(id)) };

	pair_make(&p, "EC");
	assert_true(tls_public_id(p.id.pkey, id));
	if (!good)
		id[0] ^= 1;
	p.policy = (struct tls_client_policy){
		.level = TLS_DANE, .server_name = "mail.example.test", .tlsa = &record, .tlsa_count = 1
	};
	pair_run(&p);
	assert_int_equal(p.client_outcome, good ? DONE : DEFER);
	assert_int_equal(p.client_facts.is_verified, good);
	if (good)
		assert_string_equal(p.server_facts.server_name, "mail.example.test");
	pair_free(&p);
}

static void test_dane_record_that_matches(void **state)
{
	(void)state;
	check_dane(true);
}

static void test_dane_record_that_does_not(void **state)
{
	(void)state;
	check_dane(false);
}

static void test_protocol_lists(void **state)
{
	static const struct {
		const char *text;
		unsigned    bits;
		const char *unknown;
	} rows[] = {
		{ "", 3, "" },
		{ ">=TLSv1", 3, "" },
		{ ">=TLSv1.2", 3, "" },
		{ ">=TLSv1.3", TLS_BIT_1_3, "" },
		{ "<=TLSv1.2", TLS_BIT_1_2, "" },
		{ ">=TLSv1.2, <=TLSv1.2", TLS_BIT_1_2, "" },
		{ "!SSLv2, !SSLv3", 3, "" },
		{ "!SSLv2,!SSLv3,!TLSv1,!TLSv1.1,!TLSv1.3", TLS_BIT_1_2, "" },
		{ "TLSv1.2", TLS_BIT_1_2, "" },
		{ "TLSv1.2 TLSv1.3", 3, "" },
		{ "TLSv1, TLSv1.1", 0, "" },
		{ "!SSLv4 TLSv1.3", TLS_BIT_1_3, "!SSLv4" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span unknown;
		unsigned bits = tls_protocols_parse(rows[i].text, &unknown);

		if (bits != rows[i].bits || !span_equal(unknown, span_of(rows[i].unknown)))
			fail_msg("\"%s\": %u, unknown " SPAN_FMT, rows[i].text, bits, SPAN_ARG(unknown));
	}
}

static struct span tls13_input(struct arena *arena, const char *context, size_t hash_length)
{
	size_t length = strlen(context) + 1;
	char *input = arena_alloc(arena, 64 + length + hash_length);

	memset(input, ' ', 64);
	memcpy(input + 64, context, length);
	return span_make(input, 64 + length + hash_length);
}

static void test_signs_handshakes_only(void **state)
{
	static const char server[] = "TLS 1.3, server CertificateVerify";
	static const char client[] = "TLS 1.3, client CertificateVerify";
	struct arena *arena = arena_new(NULL);
	char tls12[64 + 4 + 65] = "random";
	struct identity id;
	struct span signature;
	struct why why;

	(void)state;
	identity_make(&id, "EC");
	tls12[64] = 3;
	tls12[66] = 23;
	tls12[67] = 65;
	const struct {
		struct span  input, digest;
		enum outcome outcome;
	} rows[] = {
		{ tls13_input(arena, server, 32), SPAN("SHA256"), DONE },
		{ tls13_input(arena, server, 48), SPAN("SHA2-384"), DONE },
		{ span_make(tls12, sizeof(tls12)), SPAN("SHA256"), DONE },
		{ tls13_input(arena, client, 32), SPAN("SHA256"), REFUSE },
		{ tls13_input(arena, server, 33), SPAN("SHA256"), REFUSE },
		{ tls13_input(arena, server, 32), SPAN("SHA1"), REFUSE },
		{ tls13_input(arena, server, 32), SPAN(""), REFUSE },
		{ span_make(tls12, sizeof(tls12) - 1), SPAN("SHA256"), REFUSE },
		{ span_make(tls12, 64), SPAN("SHA256"), REFUSE },
		{ SPAN("From: anybody"), SPAN("SHA256"), REFUSE },
		{ SPAN(""), SPAN("SHA256"), REFUSE },
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct tls_sign_request request = { .digest = rows[i].digest, .input = rows[i].input };
		enum outcome outcome = tls_key_sign(id.keys[0], &request, arena, &signature, &why);

		if (outcome != rows[i].outcome)
			fail_msg("row %zu: %d (%s)", i, (int)outcome, why.text);
	}
	identity_free(&id);
	arena_free(arena);
}

static void test_pkcs1_is_not_for_tls13(void **state)
{
	struct arena *arena = arena_new(NULL);
	struct identity id;
	struct span signature;
	struct why why;
	struct tls_sign_request request = {
		.digest = SPAN("SHA256"), .padding = 1,
		.input = tls13_input(arena, "TLS 1.3, server CertificateVerify", 32),
	};

	(void)state;
	identity_make(&id, "RSA");
	assert_int_equal(tls_key_sign(id.keys[0], &request, arena, &signature, &why), REFUSE);
	request.padding = 6;
	assert_int_equal(tls_key_sign(id.keys[0], &request, arena, &signature, &why), DONE);
	request.padding = 3;	/* no padding: a raw RSA operation */
	assert_int_equal(tls_key_sign(id.keys[0], &request, arena, &signature, &why), REFUSE);
	identity_free(&id);
	arena_free(arena);
}

static void test_log_line_and_received(void **state)
{
	struct arena *arena = arena_new(NULL);
	struct tls_facts facts = {
		.protocol = "TLSv1.3", .cipher = "TLS_AES_256_GCM_SHA384", .bits_used = 256, .bits_total = 256,
		.key_exchange = "X25519", .signature = "RSA-PSS (2048 bits)", .digest = "SHA256",
	};

	(void)state;
	assert_string_equal(tls_log_line(arena, &facts, "from", "host[192.0.2.1]"),
	                    "Anonymous TLS connection established from host[192.0.2.1]: TLSv1.3 with cipher "
	                    "TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 server-signature "
	                    "RSA-PSS (2048 bits) server-digest SHA256");
	assert_string_equal(tls_received(arena, &facts),
	                    "(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\r\n\t "
	                    "key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256)\r\n\t"
	                    "(No client certificate requested)");
	facts.has_peer_certificate = true;
	strcpy(facts.peer_name, "a)\"\\\r\nX: y");
	assert_null(strstr(tls_received(arena, &facts), "\r\nX"));
	arena_free(arena);
}

static void test_missing_certificate_file(void **state)
{
	struct tls_server_settings settings = { .chain_files = "/nonexistent/cert.pem" };
	struct tls_signer signer = { 0 };
	struct why why;

	(void)state;
	assert_null(tls_server_new(&settings, &signer, &why));
	assert_non_null(strstr(why.text, "/nonexistent/cert.pem"));
}

static void test_levels(void **state)
{
	enum tls_level level;

	(void)state;
	assert_true(tls_level_parse("secure", &level));
	assert_int_equal(level, TLS_SECURE);
	assert_true(tls_level_parse("May", &level));
	assert_int_equal(level, TLS_MAY);
	assert_false(tls_level_parse("sometimes", &level));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ec_tls12),
		cmocka_unit_test(test_ec_tls13),
		cmocka_unit_test(test_rsa_tls12),
		cmocka_unit_test(test_rsa_tls13),
		cmocka_unit_test(test_ed25519_tls12),
		cmocka_unit_test(test_ed25519_tls13),
		cmocka_unit_test(test_large_payload),
		cmocka_unit_test(test_signing_suspends),
		cmocka_unit_test(test_no_signature_ends_the_handshake),
		cmocka_unit_test(test_client_policies),
		cmocka_unit_test(test_dane_record_that_matches),
		cmocka_unit_test(test_dane_record_that_does_not),
		cmocka_unit_test(test_protocol_lists),
		cmocka_unit_test(test_signs_handshakes_only),
		cmocka_unit_test(test_pkcs1_is_not_for_tls13),
		cmocka_unit_test(test_log_line_and_received),
		cmocka_unit_test(test_missing_certificate_file),
		cmocka_unit_test(test_levels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
