/* SPDX-License-Identifier: ISC */
/* dmarc_read.c - an aggregate report as somebody mailed it to us
 *
 * The mail comes from anybody.  What its parts are called decides only which are looked at; what they are, their first
 * bytes. */
#include "lib/mailauth/dmarc_read.h"

#include "lib/base/arena.h"
#include "lib/mime/field.h"
#include "lib/mime/part.h"
#include "lib/mime/transfer.h"

enum { DEPTH_MAX = 10, PARTS_MAX = 100, TRIES_MAX = 5 };

struct reading {
	struct dmarc_xml *xml;
	struct why       *why;
};

static bool feed(void *user, struct span piece)
{
	struct reading *r = user;

	return dmarc_xml_feed(r->xml, piece, r->why) == DONE;
}

static enum outcome read_once(struct span packed, const struct dmarc_read_limits *limits,
                              const struct dmarc_xml_taker *taker, struct why *why)
{
	struct reading r = { dmarc_xml_new(&limits->xml, taker), why };
	enum outcome outcome = dmarc_unpack(packed, &limits->unpack, feed, &r, why);

	if (outcome == DONE)
		outcome = dmarc_xml_end(r.xml, why);
	dmarc_xml_free(r.xml);
	return outcome;
}

static bool any_head(void *user, const struct dmarc_feedback *head, struct why *why)
{
	(void)user;
	(void)head;
	(void)why;
	return true;
}

static bool any_row(void *user, const struct dmarc_row *row, struct why *why)
{
	(void)user;
	(void)row;
	(void)why;
	return true;
}

enum outcome dmarc_read_report(struct span packed, const struct dmarc_read_limits *limits,
                               const struct dmarc_xml_taker *taker, struct why *why)
{
	static const struct dmarc_xml_taker nobody = { any_head, any_row, NULL };
	enum outcome outcome = read_once(packed, limits, &nobody, why);

	return outcome == DONE ? read_once(packed, limits, taker, why) : outcome;
}

/* may_be_report - by the part's type: compressed data, XML, or bytes of no type. */
static bool may_be_report(const struct mime_part *part)
{
	static const struct span types[] = {
		SPAN("gzip"), SPAN("x-gzip"), SPAN("gzip-compressed"), SPAN("x-gzip-compressed"), SPAN("zip"),
		SPAN("x-zip"), SPAN("x-zip-compressed"), SPAN("xml"), SPAN("octet-stream"),
	};

	if (part->is_multipart || part->is_message)
		return false;
	for (size_t i = 0; i < COUNT_OF(types); i++)
		if (span_equal_ci(part->type.subtype, types[i]))
			return true;
	return false;
}

/* after - the part behind this one in the order of the text. */
static const struct mime_part *after(const struct mime_part *part)
{
	if (part->first != NULL)
		return part->first;
	while (part != NULL && part->next == NULL)
		part = part->parent;
	return part != NULL ? part->next : NULL;
}

enum outcome dmarc_read_mail(struct span message, const struct dmarc_read_limits *limits,
                             const struct dmarc_xml_taker *taker, struct why *why)
{
	static const struct mime_limits mime_limits = { .depth = DEPTH_MAX, .parts = PARTS_MAX };
	struct arena *arena = arena_new(NULL);
	enum outcome outcome = why_set(why, REFUSE, "", "there is no report in the mail");
	size_t tries = 0;

	for (const struct mime_part *part = mime_parse(arena, message, &mime_limits);
	     part != NULL && outcome == REFUSE && tries < TRIES_MAX; part = after(part)) {
		struct span content;

		if (!may_be_report(part))
			continue;
		content = mime_decode_transfer(arena, mime_first_token(part->encoding), part->body);
		if (dmarc_container_of(content) == DMARC_CONTAINER_NONE)
			continue;
		tries++;
		outcome = dmarc_read_report(content, limits, taker, why);
	}
	arena_free(arena);
	return outcome;
}
