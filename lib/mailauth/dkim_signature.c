/* SPDX-License-Identifier: ISC */
/* dkim_signature.c - signature fields of DKIM and ARC, read strictly
 *
 * Rules kept here: RFC 6376 3.5 (the tags) and 6.1.1 (what makes a signature unusable), RFC 8301 3.1 (no SHA-1), RFC
 * 8463 3 (Ed25519), RFC 8617 4.1.2 and 4.1.3.  Values keep their case where it is not said otherwise (RFC 6376 3.2). */
#include "lib/mailauth/dkim_signature.h"

#include "lib/base/codec.h"
#include "lib/mailauth/dkim_body.h"
#include "lib/smtp/address.h"

const char *dkim_status_word(enum dkim_status status)
{
	static const char *const words[] = {
		[DKIM_NONE] = "none", [DKIM_PASS] = "pass", [DKIM_FAIL] = "fail", [DKIM_POLICY] = "policy",
		[DKIM_NEUTRAL] = "neutral", [DKIM_TEMPERROR] = "temperror", [DKIM_PERMERROR] = "permerror",
	};

	return words[status];
}

/* What the readers of tags work on. */
struct reading {
	struct arena          *arena;
	enum dkim_field_kind   kind;
	size_t                 names_max;
	struct dkim_signature *signature;
	const char            *reason;
};

static enum dkim_status refuse(struct reading *r, enum dkim_status status, const char *reason)
{
	r->reason = reason;
	return status;
}

static enum dkim_status read_version(struct reading *r, struct span value)
{
	return span_equal(value, span_lit("1")) ? DKIM_PASS : refuse(r, DKIM_NEUTRAL, "not version 1");
}

static enum dkim_status read_algorithm(struct reading *r, struct span value)
{
	if (span_equal(value, span_lit("rsa-sha256"))) {
		r->signature->algorithm = "rsa-sha256";
		r->signature->key_type = DKIM_RSA;
		return DKIM_PASS;
	}
	if (span_equal(value, span_lit("ed25519-sha256"))) {
		r->signature->algorithm = "ed25519-sha256";
		r->signature->key_type = DKIM_ED25519;
		return DKIM_PASS;
	}
	if (span_equal(value, span_lit("rsa-sha1")))
		return refuse(r, DKIM_POLICY, "signed with SHA-1");
	return refuse(r, DKIM_NEUTRAL, "unknown algorithm");
}

static enum dkim_status read_domain(struct reading *r, struct span value)
{
	r->signature->domain = value;
	if (!smtp_domain_is_valid(value, true))
		return refuse(r, DKIM_NEUTRAL, "d= is no domain");
	return DKIM_PASS;
}

static enum dkim_status read_selector(struct reading *r, struct span value)
{
	r->signature->selector = value;
	if (!smtp_domain_is_valid(value, true))
		return refuse(r, DKIM_NEUTRAL, "s= is no selector");
	return DKIM_PASS;
}

static enum dkim_status read_b(struct reading *r, struct span value)
{
	struct span text = tags_unspaced(r->arena, value);

	r->signature->b = text;
	r->signature->b_extent = tags_get(&r->signature->tags, span_lit("b"))->extent;
	if (text.len == 0 || !base64_decode(r->arena, text, &r->signature->signature))
		return refuse(r, DKIM_NEUTRAL, "b= is not base64");
	return DKIM_PASS;
}

static enum dkim_status read_body_hash(struct reading *r, struct span value)
{
	if (!base64_decode(r->arena, tags_unspaced(r->arena, value), &r->signature->body_hash) ||
	    r->signature->body_hash.len != DKIM_HASH_BYTES)
		return refuse(r, DKIM_NEUTRAL, "bh= is not base64 of a hash");
	return DKIM_PASS;
}

static bool canon_of(struct span word, enum dkim_canon *canon)
{
	*canon = span_equal(word, span_lit("relaxed")) ? DKIM_RELAXED : DKIM_SIMPLE;
	return *canon == DKIM_RELAXED || span_equal(word, span_lit("simple"));
}

static enum dkim_status read_canon(struct reading *r, struct span value)
{
	struct span header;
	bool has_body = span_cut(&value, '/', &header);

	r->signature->body_canon = DKIM_SIMPLE;	/* c=relaxed is relaxed/simple */
	if (!canon_of(header, &r->signature->header_canon) ||
	    (has_body && !canon_of(value, &r->signature->body_canon)))
		return refuse(r, DKIM_NEUTRAL, "unknown canonicalization");
	return DKIM_PASS;
}

static bool is_field_name_byte(char c)
{
	return c > ' ' && c != ':' && c != 0x7f;
}

static enum dkim_status read_names(struct reading *r, struct span value)
{
	struct dkim_signature *s = r->signature;
	struct span rest = value, name;
	size_t count = 0;

	while (tags_item(&rest, ':', &name) && count <= r->names_max)
		count++;
	if (count > r->names_max)
		return refuse(r, DKIM_POLICY, "h= has too many names");
	s->names = ARENA_NEW_ARRAY(r->arena, struct span, count);
	for (rest = value; tags_item(&rest, ':', &name);) {
		if (name.len == 0 || !span_all(name, is_field_name_byte))
			return refuse(r, DKIM_NEUTRAL, "h= is no list of names");
		s->names[s->name_count++] = name;
	}
	if (dkim_signature_signs(s, span_lit("From")) == 0)
		return refuse(r, DKIM_PERMERROR, "From is not signed");
	/* RFC 8617 4.1.2: seals come and go without a message signature being asked. */
	if (r->kind == ARC_MESSAGE_SIGNATURE && dkim_signature_signs(s, span_lit("ARC-Seal")) != 0)
		return refuse(r, DKIM_PERMERROR, "h= has ARC-Seal");
	return DKIM_PASS;
}

/* read_identity - i= must be in d= or below it (RFC 6376 6.1.1). */
static enum dkim_status read_identity(struct reading *r, struct span value)
{
	struct span identity = tags_unspaced(r->arena, value), domain = r->signature->domain, own;
	size_t at = span_rfind(identity, '@');

	r->signature->identity = identity;
	if (at == SPAN_NOT_FOUND)
		return refuse(r, DKIM_NEUTRAL, "i= is no identity");
	own = span_skip(identity, at + 1);
	if (!span_ends_ci(own, domain) || (own.len != domain.len && own.ptr[own.len - domain.len - 1] != '.'))
		return refuse(r, DKIM_PERMERROR, "i= is not in d=");
	return DKIM_PASS;
}

static enum dkim_status read_length(struct reading *r, struct span value)
{
	unsigned long long length;

	if (!span_u64(value, DKIM_WHOLE_BODY - 1, &length))
		return refuse(r, DKIM_NEUTRAL, "l= is no length");
	r->signature->length = length;
	return DKIM_PASS;
}

static enum dkim_status read_methods(struct reading *r, struct span value)
{
	return tags_has_item(value, ':', span_lit("dns/txt"))
	       ? DKIM_PASS : refuse(r, DKIM_PERMERROR, "q= has no method we know");
}

static enum dkim_status read_timestamp(struct reading *r, struct span value)
{
	unsigned long long time;

	if (!span_u64(value, UINT64_MAX, &time))
		return refuse(r, DKIM_NEUTRAL, "t= is no time");
	r->signature->has_timestamp = true;
	r->signature->timestamp_s = time;
	return DKIM_PASS;
}

static enum dkim_status read_expiry(struct reading *r, struct span value)
{
	unsigned long long time;

	if (!span_u64(value, UINT64_MAX, &time))
		return refuse(r, DKIM_NEUTRAL, "x= is no time");
	r->signature->has_expiry = true;
	r->signature->expiry_s = time;
	if (r->signature->has_timestamp && time <= r->signature->timestamp_s)
		return refuse(r, DKIM_NEUTRAL, "x= is not later than t=");
	return DKIM_PASS;
}

/* read_nothing - a tag that this kind of field must not have. */
static enum dkim_status read_nothing(struct reading *r, struct span value)
{
	(void)value;
	return refuse(r, DKIM_PERMERROR, "a seal with h=");
}

#define IN(kind) (1U << (kind))
enum {
	DKIM = IN(DKIM_SIGNATURE), MESSAGE = DKIM | IN(ARC_MESSAGE_SIGNATURE), SEAL = IN(ARC_SEAL),
	ALL = MESSAGE | SEAL,
};

/* In the order they are read: d= and b= first, because reports name them; i= and x= behind what they are compared with. */
static const struct tag_row {
	struct span      name;
	unsigned         kinds;		/* read in these */
	unsigned         required_in;
	const char      *missing;
	enum dkim_status (*read)(struct reading *r, struct span value);
} tag_rows[] = {
	{ SPAN("d"),  ALL,     ALL,     "d= is missing",  read_domain },
	{ SPAN("s"),  ALL,     ALL,     "s= is missing",  read_selector },
	{ SPAN("b"),  ALL,     ALL,     "b= is missing",  read_b },
	{ SPAN("v"),  DKIM,    DKIM,    "v= is missing",  read_version },
	{ SPAN("a"),  ALL,     ALL,     "a= is missing",  read_algorithm },
	{ SPAN("bh"), MESSAGE, MESSAGE, "bh= is missing", read_body_hash },
	{ SPAN("h"),  MESSAGE, MESSAGE, "h= is missing",  read_names },
	{ SPAN("h"),  SEAL,    0,       NULL,             read_nothing },
	{ SPAN("c"),  MESSAGE, 0,       NULL,             read_canon },
	{ SPAN("i"),  DKIM,    0,       NULL,             read_identity },
	{ SPAN("l"),  MESSAGE, 0,       NULL,             read_length },
	{ SPAN("q"),  MESSAGE, 0,       NULL,             read_methods },
	{ SPAN("t"),  ALL,     0,       NULL,             read_timestamp },
	{ SPAN("x"),  DKIM,    0,       NULL,             read_expiry },
};

static enum dkim_status read_tag(struct reading *r, const struct tag_row *row)
{
	struct span value;

	if ((row->kinds & IN(r->kind)) == 0)
		return DKIM_PASS;
	if (tags_value(&r->signature->tags, row->name, &value))
		return row->read(r, value);
	return (row->required_in & IN(r->kind)) != 0 ? refuse(r, DKIM_PERMERROR, row->missing) : DKIM_PASS;
}

enum dkim_status dkim_signature_read(struct arena *arena, enum dkim_field_kind kind, const struct mime_field *field,
                                     size_t names_max, struct dkim_signature *signature, const char **reason)
{
	struct reading r = { .arena = arena, .kind = kind, .names_max = names_max, .signature = signature };
	enum dkim_status status = DKIM_PASS;

	*signature = (struct dkim_signature){ .field = field, .length = DKIM_WHOLE_BODY };
	/* A seal is always relaxed (RFC 8617 5.1.1).  For the message signature without c= that RFC has no word of its own;
	 * its sealers and the ARC test suite mean relaxed/relaxed, where DKIM means simple/simple. */
	if (kind != DKIM_SIGNATURE)
		signature->header_canon = signature->body_canon = DKIM_RELAXED;
	if (!tags_parse(arena, field->value, DKIM_TAGS_MAX, &signature->tags, reason))
		return DKIM_NEUTRAL;
	for (size_t i = 0; i < COUNT_OF(tag_rows); i++) {
		enum dkim_status here = read_tag(&r, &tag_rows[i]);

		if (status == DKIM_PASS && here != DKIM_PASS) {
			status = here;
			*reason = r.reason;
		}
	}
	if (kind == DKIM_SIGNATURE && signature->identity.len == 0 && signature->domain.len != 0)
		signature->identity = arena_printf_span(arena, "@" SPAN_FMT, SPAN_ARG(signature->domain));
	return status;
}

size_t dkim_signature_signs(const struct dkim_signature *signature, struct span name)
{
	size_t count = 0;

	for (size_t i = 0; i < signature->name_count; i++)
		count += span_equal_ci(signature->names[i], name);
	return count;
}

void dkim_header_hash(const struct dkim_crypto *crypto, struct header_index *index,
                      const struct dkim_signature *signature, unsigned char out[DKIM_HASH_BYTES])
{
	const struct mime_field *field;
	struct buf text;

	buf_init(&text, BUF_NO_LIMIT);
	header_index_restart(index);
	for (size_t i = 0; i < signature->name_count; i++) {
		field = header_index_take(index, signature->names[i]);
		if (field == signature->field && field != NULL)	/* it never covers itself that way (RFC 6376 3.5) */
			field = header_index_take(index, signature->names[i]);
		if (field != NULL)	/* a name without a field signs that there is none (RFC 6376 5.4.2) */
			dkim_canon_field(&text, signature->header_canon, field);
	}
	dkim_canon_signature(&text, signature->header_canon, signature->field, signature->b_extent);
	dkim_hash(crypto, buf_span(&text), out);
	buf_free(&text);
}
