/* SPDX-License-Identifier: ISC */
/* check_arc.c - mailauth_check arc: the chain of the message on standard input; arc-seal: the message, with one set more
 *
 * arc prints one line: the status, and behind it what else is known. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/log.h"
#include "lib/mailauth/arc_seal.h"
#include "mailauth/check_mail.h"

static struct arc_verifier *start(struct check *c, const struct check_mail *mail)
{
	struct arc_verify_settings settings = ARC_VERIFY_STANDARD_SETTINGS;

	settings.wants_oldest_pass = true;
	return arc_verify_start(c->arena, mail->crypto, &settings, mail->header, mail->index, mail->body, &c->lookup);
}

int check_arc(struct check *c, char **args)
{
	struct arc_verifier *verifier;
	struct arc_result result;
	struct check_mail mail;

	(void)args;
	check_mail_read(c, &mail);
	verifier = start(c, &mail);
	check_mail_hash(&mail);
	result = arc_verify_end(verifier);
	printf("%s sets=%zu oldest-pass=%zu sealers=", arc_status_word(result.status), result.count,
	       result.oldest_pass);
	for (size_t i = 0; i < result.count; i++)
		printf("%s" SPAN_FMT, i == 0 ? "" : ",", SPAN_ARG(result.sealers[i]));
	printf(" %s\n", result.reason);
	arena_reset(c->arena);
	dkim_crypto_free(mail.crypto);
	return EXIT_SUCCESS;
}

int check_arc_seal(struct check *c, char **args)
{
	struct arc_seal_settings settings = ARC_SEAL_STANDARD_SETTINGS;
	struct dkim_signing_key key = check_signing_key(args[0]);
	struct arc_verifier *verifier;
	struct arc_sealer *sealer;
	struct arc_fields fields;
	struct arc_result result;
	struct check_mail mail;

	settings.key = &key;
	settings.domain = span_of(args[1]);
	settings.selector = span_of(args[2]);
	settings.header_canon = check_canon(args[3][0]);
	settings.body_canon = check_canon(args[3][0] != '\0' ? args[3][1] : '\0');
	settings.now_s = check_time(args[4]);
	check_mail_read(c, &mail);
	verifier = start(c, &mail);
	sealer = arc_seal_start(c->arena, mail.crypto, &settings, mail.index, mail.body);
	check_mail_hash(&mail);
	result = arc_verify_end(verifier);
	if (arc_may_seal(&result)) {
		if (sealer == NULL || !arc_seal_end(sealer, &result, span_of(args[5]), &fields))
			log_fatal("cannot seal");
		check_print_field(&fields.seal);
		check_print_field(&fields.message);
		check_print_field(&fields.results);
	}
	fwrite(mail.message.ptr, 1, mail.message.len, stdout);
	arena_reset(c->arena);
	dkim_crypto_free(mail.crypto);
	dkim_signing_key_free(&key);
	return EXIT_SUCCESS;
}
