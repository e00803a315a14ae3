/* SPDX-License-Identifier: ISC */
/* arc_chain.c - the ARC sets of a message
 *
 * Rules kept here: RFC 8617 4.1 (the fields), 4.2 (instances), 5.2 steps 1 to 3 (structure).  The first fault found is
 * the reason given; sets are still collected behind it, since who seals a broken chain must know the highest instance. */
#include "lib/mailauth/arc_chain.h"

enum { FIELDS_OF_SET = 3, INSTANCE_DIGITS = 2 };

const char *arc_status_word(enum arc_status status)
{
	static const char *const words[] = {
		[ARC_NONE] = "none", [ARC_PASS] = "pass", [ARC_FAIL] = "fail", [ARC_TEMPERROR] = "temperror",
	};

	return words[status];
}

struct reading {
	struct arena     *arena;
	struct arc_chain *chain;
	size_t            sets_max, names_max;
	size_t            fields;	/* seen so far */
};

static void fault(struct reading *r, const char *reason)
{
	if (r->chain->status != ARC_FAIL)
		r->chain->reason = reason;
	r->chain->status = ARC_FAIL;
}

static bool instance_of(const struct reading *r, struct span text, size_t *instance)
{
	unsigned long long number;

	if (text.len > INSTANCE_DIGITS || !span_u64(text, r->sets_max, &number) || number == 0)
		return false;
	*instance = (size_t)number;
	return true;
}

/* set_of - the set of that instance, new when it has none. */
static struct arc_set *set_of(struct reading *r, size_t instance)
{
	struct arc_set **set = &r->chain->set[instance - 1];

	if (*set == NULL)
		*set = ARENA_NEW(r->arena, struct arc_set);
	if (instance > r->chain->count)
		r->chain->count = instance;
	return *set;
}

/* take_instance - "i=N;" at the start of *value, with comments where RFC 8617 4.2.1 has CFWS. */
static bool take_instance(const struct reading *r, struct span *value, size_t *instance)
{
	struct span digits;

	mime_skip_space(value, NULL);
	if (!span_starts_ci(*value, span_lit("i")))
		return false;
	*value = span_skip(*value, 1);
	mime_skip_space(value, NULL);
	if (!span_starts(*value, span_lit("=")))
		return false;
	*value = span_skip(*value, 1);
	mime_skip_space(value, NULL);
	digits = mime_take(value, ascii_is_digit);
	mime_skip_space(value, NULL);
	if (!instance_of(r, digits, instance) || !span_starts(*value, span_lit(";")))
		return false;
	*value = span_skip(*value, 1);
	return true;
}

static void read_results(struct reading *r, const struct mime_field *field)
{
	struct span value = field->value;
	struct arc_set *set;
	size_t instance;

	if (!take_instance(r, &value, &instance)) {
		fault(r, "ARC-Authentication-Results has no instance");
		return;
	}
	set = set_of(r, instance);
	if (set->results_field != NULL)
		fault(r, "an instance has two ARC-Authentication-Results");
	set->results_field = field;
	set->results = span_trim(value);
}

static void read_signature(struct reading *r, enum dkim_field_kind kind, const struct mime_field *field)
{
	struct arc_signature read = { .reason = "" };
	struct arc_signature *place;
	struct span value;
	size_t instance;

	read.status = dkim_signature_read(r->arena, kind, field, r->names_max, &read.signature, &read.reason);
	if (!tags_value(&read.signature.tags, span_lit("i"), &value) || !instance_of(r, value, &instance)) {
		fault(r, kind == ARC_SEAL ? "ARC-Seal has no instance" : "ARC-Message-Signature has no instance");
		return;
	}
	place = kind == ARC_SEAL ? &set_of(r, instance)->seal : &set_of(r, instance)->message;
	if (place->signature.field != NULL)
		fault(r, kind == ARC_SEAL ? "an instance has two ARC-Seals"
		                          : "an instance has two ARC-Message-Signatures");
	*place = read;
}

static enum arc_status cv_of(const struct dkim_signature *seal)
{
	static const enum arc_status known[] = { ARC_NONE, ARC_PASS, ARC_FAIL };
	struct span value;

	if (tags_value(&seal->tags, span_lit("cv"), &value))
		for (size_t i = 0; i < COUNT_OF(known); i++)
			if (span_equal(value, span_of(arc_status_word(known[i]))))
				return known[i];
	return ARC_TEMPERROR;
}

/* read_field - false: the field is none of ARC's. */
static bool read_field(struct reading *r, const struct mime_field *field)
{
	static const struct span prefix = SPAN("ARC-");
	struct span rest = span_skip(field->name, prefix.len);

	if (!span_starts_ci(field->name, prefix))
		return false;
	if (span_equal_ci(rest, span_lit("Authentication-Results")))
		read_results(r, field);
	else if (span_equal_ci(rest, span_lit("Message-Signature")))
		read_signature(r, ARC_MESSAGE_SIGNATURE, field);
	else if (span_equal_ci(rest, span_lit("Seal")))
		read_signature(r, ARC_SEAL, field);
	else
		return false;
	return true;
}

/* check_set - RFC 8617 5.2 step 3. */
static void check_set(struct reading *r, size_t instance)
{
	struct arc_set *set = r->chain->set[instance - 1];

	if (set == NULL || set->results_field == NULL || set->message.signature.field == NULL ||
	    set->seal.signature.field == NULL) {
		fault(r, "a set is not complete");
		return;
	}
	set->cv = cv_of(&set->seal.signature);
	if (set->cv != (instance == 1 ? ARC_NONE : ARC_PASS))
		fault(r, set->cv == ARC_FAIL ? "a seal says that the chain fails" : "a seal has the wrong cv=");
	if (set->seal.status != DKIM_PASS)
		fault(r, set->seal.reason);
}

/* check_newest - step 2, and step 4 as far as it needs no key. */
static void check_newest(struct reading *r)
{
	const struct arc_set *set = r->chain->count != 0 ? r->chain->set[r->chain->count - 1] : NULL;

	if (set == NULL)
		return;
	if (set->seal.signature.field != NULL && cv_of(&set->seal.signature) == ARC_FAIL) {
		r->chain->is_closed = true;
		fault(r, "the newest seal says that the chain fails");
	}
	if (set->message.signature.field != NULL && set->message.status != DKIM_PASS)
		fault(r, set->message.reason);
}

struct arc_chain arc_chain_read(struct arena *arena, struct mail_header header, size_t sets_max, size_t names_max)
{
	struct arc_chain chain = { .status = ARC_NONE, .reason = "" };
	struct reading r = { .arena = arena, .chain = &chain, .names_max = names_max,
	                     .sets_max = sets_max < ARC_INSTANCES_MAX ? sets_max : ARC_INSTANCES_MAX };

	chain.set = ARENA_NEW_ARRAY(arena, struct arc_set *, r.sets_max);
	for (size_t i = 0; i < header.count; i++) {
		if (!read_field(&r, &header.field[i]))
			continue;
		if (++r.fields > FIELDS_OF_SET * r.sets_max) {
			fault(&r, "too many ARC fields");
			break;
		}
	}
	if (r.fields == 0)
		return chain;
	check_newest(&r);
	for (size_t instance = 1; instance <= chain.count; instance++)
		check_set(&r, instance);
	if (chain.status != ARC_FAIL)
		chain.status = ARC_PASS;
	return chain;
}
