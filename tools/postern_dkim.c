/* SPDX-License-Identifier: ISC */
/* postern_dkim.c - postern dkim keygen|show|rotate: private keys that sign mail (mailauth/rotation.h) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/sysexits.h"
#include "lib/sandbox/sandbox.h"
#include "lib/smtp/idn.h"
#include "tools/dkim_tool.h"

enum { RSA_BITS = 2048, RSA_BITS_MOST = 16384 };

static const struct subcommand {
	const char *name;
	int       (*run)(struct dkim_tool *t);
	bool        needs_domain, makes_keys;
} subcommands[] = {
	{ "keygen", dkim_keygen, true,  true },
	{ "show",   dkim_show,   false, false },
	{ "rotate", dkim_rotate, true,  true },
};

static int usage(void)
{
	fputs("usage: postern dkim keygen [--selector NAME] [--rsa-bits N] [--no-rsa] [--no-ed25519] DOMAIN\n"
	      "       postern dkim show [DOMAIN]\n"
	      "       postern dkim rotate DOMAIN\n", stderr);
	return EXIT_USAGE;
}

/* take_domain - as the DNS knows it. */
static bool take_domain(struct dkim_tool *t, const char *text)
{
	struct span domain = span_of(text);

	if (domain.len > 1 && text[domain.len - 1] == '.')
		domain.len--;
	t->domain = arena_lower(t->arena, idn_to_ascii(t->arena, domain));
	if (dkim_keydir_is_domain(t->domain))
		return true;
	log_error("\"%s\" is no domain", text);
	return false;
}

static bool take_bits(struct dkim_tool *t, const char *text)
{
	unsigned long long bits;
	unsigned least = t->dir.limits.rsa_bits_min;

	if (!span_u64(span_of(text), RSA_BITS_MOST, &bits) || bits < least) {
		log_error("\"%s\" bits: an RSA key has %u to %d of them; 2048 is usual", text, least, RSA_BITS_MOST);
		return false;
	}
	if (bits > (unsigned long long)t->conf->dkim_key_bits_max)
		log_warning("many receivers do not check RSA keys of more than %lld bits", t->conf->dkim_key_bits_max);
	t->rsa_bits = (unsigned)bits;
	return true;
}

/* take_option - at argv[*i], which is moved on where it has a value.  False: it is none. */
static bool take_option(struct dkim_tool *t, char **argv, int argc, int *i)
{
	bool has_value = *i + 1 < argc;

	if (strcmp(argv[*i], "--no-rsa") == 0)
		t->without_rsa = true;
	else if (strcmp(argv[*i], "--no-ed25519") == 0)
		t->without_ed25519 = true;
	else if (strcmp(argv[*i], "--selector") == 0 && has_value)
		t->selector = span_of(argv[++*i]);
	else if (strcmp(argv[*i], "--rsa-bits") == 0 && has_value)
		t->rsa_bits_text = argv[++*i];
	else
		return false;
	return true;
}

static bool find_owner(struct dkim_tool *t)
{
	t->owner.is_set = geteuid() == 0;
	if (!t->owner.is_set || sandbox_user(t->conf->filter_owner, &t->owner.uid, &t->owner.gid))
		return true;
	log_error("parameter filter_owner: unknown user %s", t->conf->filter_owner);
	return false;
}

static int run(struct dkim_tool *t, const struct subcommand *subcommand, int argc, char **argv)
{
	const char *domain = NULL;

	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-' && subcommand->run == dkim_keygen) {
			if (!take_option(t, argv, argc, &i))
				return usage();
		} else if (argv[i][0] != '-' && domain == NULL) {
			domain = argv[i];
		} else {
			return usage();
		}
	}
	if ((domain == NULL && subcommand->needs_domain) || (t->without_rsa && t->without_ed25519))
		return usage();
	if ((domain != NULL && !take_domain(t, domain)) || (t->rsa_bits_text != NULL && !take_bits(t, t->rsa_bits_text)) ||
	    (subcommand->makes_keys && !find_owner(t)))
		return EXIT_FAILURE;
	return subcommand->run(t);
}

int postern_dkim(struct postern *p, int argc, char **argv)
{
	struct dkim_tool t = {
		.conf = p->conf, .arena = p->arena, .rsa_bits = RSA_BITS,
		.dir = {
			.path = p->conf->dkim_key_directory,
			.state_path = arena_printf(p->arena, "%s/mailauth/dkim", p->conf->data_directory),
			.limits = DKIM_KEYDIR_STANDARD_LIMITS,
		},
	};

	t.dir.limits.rsa_bits_min = (unsigned)p->conf->dkim_key_bits_min;
	for (size_t i = 0; argc > 0 && i < COUNT_OF(subcommands); i++)
		if (strcmp(subcommands[i].name, argv[0]) == 0)
			return run(&t, &subcommands[i], argc, argv);
	return usage();
}
