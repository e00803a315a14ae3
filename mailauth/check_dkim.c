/* SPDX-License-Identifier: ISC */
/* check_dkim.c - mailauth_check dkim: the signatures of the message on standard input; dkim-sign: the message, signed
 *
 * dkim prints a line a signature, from the top: status, d=, s= and what else is known; "none" when there is none. */
#include "mailauth/check_mail.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/base/codec.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/mailauth/dkim_sign.h"
#include "lib/mailauth/dkim_verify.h"

enum { KEYS_MAX = 100, HASHES_MAX = 20, KEY_FILE_MAX_BYTES = 65536 };

uint64_t check_time(const char *text)
{
	unsigned long long now;

	if (!span_u64(span_of(text), UINT64_MAX, &now))
		log_fatal("no time: %s", text);
	return now != 0 ? now : clock_wall_us() / CLOCK_SECOND_US;
}

void check_mail_read(struct check *c, struct check_mail *mail)
{
	mail->message = mail->content = check_input(c);
	mail->header = mail_header_parse(c->arena, &mail->content);
	mail->index = header_index_new(c->arena, mail->header);
	mail->crypto = dkim_crypto_new(KEYS_MAX);
	mail->body = dkim_body_new(c->arena, mail->crypto, HASHES_MAX);
}

void check_mail_hash(struct check_mail *mail)
{
	dkim_body_add(mail->body, mail->content);
	dkim_body_end(mail->body);
}

struct dkim_signing_key check_signing_key(const char *path)
{
	struct dkim_signing_key key;
	struct buf pem;
	struct why why;

	buf_init(&pem, KEY_FILE_MAX_BYTES);
	if (fs_read_file(AT_FDCWD, path, &pem) < 0)
		log_fatal("%s: cannot be read", path);
	if (dkim_signing_key_read(buf_span(&pem), 0, &key, &why) != DONE)
		log_fatal("%s: %s", path, why.text);
	memory_wipe(pem.ptr, pem.len);
	buf_free(&pem);
	return key;
}

enum dkim_canon check_canon(char letter)
{
	return letter == 'r' ? DKIM_RELAXED : DKIM_SIMPLE;
}

void check_print_field(const struct mail_field *field)
{
	printf(SPAN_FMT ":" SPAN_FMT "\r\n", SPAN_ARG(field->name), SPAN_ARG(field->value));
}

static void print_result(const struct dkim_result *r)
{
	printf("%s d=" SPAN_FMT " s=" SPAN_FMT " i=" SPAN_FMT " a=%s b=" SPAN_FMT " bits=%u%s%s %s\n",
	       dkim_status_word(r->status), SPAN_ARG(r->domain), SPAN_ARG(r->selector), SPAN_ARG(r->identity),
	       r->algorithm, SPAN_ARG(r->b), r->key_bits, r->is_testing ? " testing" : "",
	       r->has_unsigned_body ? " partial" : "", r->reason);
}

int check_dkim(struct check *c, char **args)
{
	struct dkim_verify_settings settings = DKIM_VERIFY_STANDARD_SETTINGS;
	struct dkim_verifier *verifier;
	struct dkim_results results;
	struct check_mail mail;

	settings.now_s = check_time(args[0]);
	if (strcmp(args[1], "any") == 0)
		settings.length_rule = DKIM_LENGTH_ANY;
	check_mail_read(c, &mail);
	verifier = dkim_verify_start(c->arena, mail.crypto, &settings, mail.header, mail.index, mail.body, &c->lookup);
	check_mail_hash(&mail);
	results = dkim_verify_end(verifier);
	for (size_t i = 0; i < results.count; i++)
		print_result(&results.item[i]);
	if (results.count == 0)
		printf("none\n");
	printf("# %zu From, %zu skipped\n", results.from_count, results.skipped);
	arena_reset(c->arena);
	dkim_crypto_free(mail.crypto);
	return EXIT_SUCCESS;
}

int check_dkim_sign(struct check *c, char **args)
{
	struct dkim_sign_settings settings = DKIM_SIGN_STANDARD_SETTINGS;
	struct dkim_signing_key key = check_signing_key(args[0]);
	struct dkim_signer *signer;
	struct mail_field field;
	struct check_mail mail;

	settings.key = &key;
	settings.domain = span_of(args[1]);
	settings.selector = span_of(args[2]);
	settings.header_canon = check_canon(args[3][0]);
	settings.body_canon = check_canon(args[3][0] != '\0' ? args[3][1] : '\0');
	settings.identity = span_of(args[4]);
	settings.now_s = check_time(args[5]);
	settings.lifetime_s = 86400;
	check_mail_read(c, &mail);
	signer = dkim_sign_start(c->arena, mail.crypto, &settings, mail.index, mail.body);
	check_mail_hash(&mail);
	if (signer == NULL || !dkim_sign_end(signer, &field))
		log_fatal("cannot sign");
	check_print_field(&field);
	fwrite(mail.message.ptr, 1, mail.message.len, stdout);
	arena_reset(c->arena);
	dkim_crypto_free(mail.crypto);
	dkim_signing_key_free(&key);
	return EXIT_SUCCESS;
}
