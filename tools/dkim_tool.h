/* SPDX-License-Identifier: ISC */
/* dkim_tool.h - what the files of "postern dkim" share */
#ifndef TOOLS_DKIM_TOOL_H
#define TOOLS_DKIM_TOOL_H

#include "lib/mailauth/dkim_keyset.h"
#include "lib/mailauth/dkim_published.h"
#include "tools/postern.h"

struct dkim_tool {
	const struct conf *conf;
	struct arena      *arena;
	struct dkim_keydir dir;
	struct dkim_owner  owner;
	struct span        domain;	/* A-labels in lower case; empty: all */
	/* options of keygen */
	struct span        selector;	/* empty: one of today */
	const char        *rsa_bits_text;	/* NULL: as usual */
	unsigned           rsa_bits;
	bool               without_rsa, without_ed25519;
};

/* ---- dkim_make.c ---- */

/* dkim_keygen, dkim_rotate - the subcommands; give the exit status. */
int dkim_keygen(struct dkim_tool *t);
int dkim_rotate(struct dkim_tool *t);

/* ---- dkim_show.c ---- */

/* dkim_show - the subcommand; gives the exit status. */
int dkim_show(struct dkim_tool *t);

/* ---- dkim_text.c: what an admin reads ---- */

/* dkim_print_zone - the record as lines of a zone file. */
void dkim_print_zone(struct dkim_tool *t, struct span domain, const struct dkim_stored_key *key);
/* dkim_print_form - the same as name and value, for a provider's web form. */
void dkim_print_form(struct dkim_tool *t, const char *indent, struct span domain, const struct dkim_stored_key *key);
/* dkim_type_text - "RSA 2048 bits", "Ed25519". */
const char *dkim_type_text(struct dkim_tool *t, const struct dkim_signing_key *key);
/* dkim_path_text - of a key's file. */
const char *dkim_path_text(struct dkim_tool *t, struct span domain, const struct dkim_stored_key *key);
/* dkim_span_text - so many seconds in words: "14 days", "5 minutes". */
const char *dkim_span_text(struct dkim_tool *t, unsigned long long seconds);

/* ---- dkim_servers.c: the DNS, through the resolver of the running suite ---- */

struct dkim_servers;

/* dkim_servers_open - NULL with errno when the suite does not run, or we may not ask it. */
struct dkim_servers *dkim_servers_open(struct dkim_tool *t);
/* dkim_servers_look - dkim_published_look; result lives in the tool's arena.  Blocks. */
void dkim_servers_look(struct dkim_servers *s, struct span domain, const struct dkim_stored_key *key,
                       struct dkim_published *result);
void dkim_servers_close(struct dkim_servers *s);

#endif
