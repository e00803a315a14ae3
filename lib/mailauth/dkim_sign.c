/* SPDX-License-Identifier: ISC */
/* dkim_sign.c - DKIM signatures for a message (RFC 6376 5.5, 3.5; RFC 8463 3) */
#include "lib/mailauth/dkim_sign.h"

#include <inttypes.h>

#include "lib/base/codec.h"

struct dkim_signer {
	struct arena             *arena;
	const struct dkim_crypto *crypto;
	struct dkim_sign_settings settings;
	struct header_index      *index;
	struct dkim_body         *body;
	size_t                    body_hash;
};

struct dkim_signer *dkim_sign_start(struct arena *arena, const struct dkim_crypto *crypto,
                                    const struct dkim_sign_settings *settings, struct header_index *index,
                                    struct dkim_body *body)
{
	struct dkim_signer *signer = ARENA_NEW(arena, struct dkim_signer);

	*signer = (struct dkim_signer){ .arena = arena, .crypto = crypto, .settings = *settings, .index = index,
	                                .body = body };
	return dkim_body_want(body, settings->body_canon, DKIM_WHOLE_BODY, &signer->body_hash) ? signer : NULL;
}

/* quoted - as dkim-quoted-printable (RFC 6376 2.11). */
static struct span quoted(struct arena *arena, struct span text)
{
	char *out = arena_alloc(arena, 3 * text.len + 1);
	static const char digits[] = "0123456789ABCDEF";
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c > ' ' && c != ';' && c != '=' && c != 0x7f) {	/* UTF-8 stands as it is (RFC 8616 3) */
			out[n++] = text.ptr[i];
			continue;
		}
		out[n++] = '=';
		out[n++] = digits[c >> 4];
		out[n++] = digits[c & 15];
	}
	return span_make(out, n);
}

static void add_tags(const struct dkim_signer *signer, struct composer *c)
{
	const struct dkim_sign_settings *s = &signer->settings;
	struct span identity = quoted(signer->arena, s->identity);

	composer_word(c, span_lit("v=1;"));
	composer_wordf(c, "a=%s;", dkim_signing_key_algorithm(s->key));
	composer_wordf(c, "c=%s/%s;", dkim_canon_name(s->header_canon), dkim_canon_name(s->body_canon));
	composer_wordf(c, "d=" SPAN_FMT ";", SPAN_ARG(s->domain));
	composer_wordf(c, "s=" SPAN_FMT ";", SPAN_ARG(s->selector));
	if (identity.len != 0)
		composer_wordf(c, "i=" SPAN_FMT ";", SPAN_ARG(identity));
	if (s->now_s != 0)
		composer_wordf(c, "t=%" PRIu64 ";", s->now_s);
	if (s->lifetime_s != 0)
		composer_wordf(c, "x=%" PRIu64 ";", s->now_s + s->lifetime_s);
}

bool dkim_sign_end(struct dkim_signer *signer, struct mail_field *field)
{
	const struct dkim_sign_settings *s = &signer->settings;
	struct span body_hash = base64_encode(signer->arena, dkim_body_hash(signer->body, signer->body_hash));
	struct name_list names = dkim_choose_names(signer->arena, signer->index, s->signed_names,
	                                           s->oversigned_names);
	struct composer c;
	bool ok;

	composer_start(&c, span_lit("DKIM-Signature"));
	add_tags(signer, &c);
	composer_names(&c, &names);
	composer_wordf(&c, "bh=" SPAN_FMT ";", SPAN_ARG(body_hash));
	ok = composer_sign_message(&c, signer->crypto, signer->arena, s->key, signer->index, &names,
	                           s->header_canon);
	*field = composer_result(&c, signer->arena, s->fold);
	composer_free(&c);
	return ok;
}
