/* SPDX-License-Identifier: ISC */
/* uidlist_text.c - lines of dovecot-uidlist (version 3) and courierimapuiddb (version 1)
 *
 * Other programs write these files and crashes damage them: a line is whole and plausible, or it is refused. */
#include "lib/mailbox/uidlist.h"

#include <string.h>

#include "lib/mailbox/maildir.h"

static bool read_u32(struct span digits, uint32_t least, uint32_t *value)
{
	unsigned long long n;

	if (!span_u64(digits, UINT32_MAX - 1, &n) || n < least)
		return false;
	*value = (uint32_t)n;
	return true;
}

static bool read_guid(struct span digits, char guid[UIDLIST_GUID_SIZE])
{
	if (digits.len != UIDLIST_GUID_SIZE - 1)
		return false;
	for (size_t i = 0; i < digits.len; i++)
		if (strchr("0123456789abcdefABCDEF", digits.ptr[i]) == NULL || digits.ptr[i] == '\0')
			return false;
	memcpy(guid, digits.ptr, digits.len);
	guid[digits.len] = '\0';
	return true;
}

static bool read_header_field(struct uidlist_header *h, struct span field)
{
	struct span value = span_skip(field, 1);

	switch (field.ptr[0]) {
	case 'V':
		return read_u32(value, 1, &h->uidvalidity);
	case 'N':
		return read_u32(value, 1, &h->next_uid);
	case 'G':
		return read_guid(value, h->guid);
	case 'P':
		h->uidl_format = value;
		return true;
	default:
		/* From the first unknown field to the last; known ones between them are passed over when printed. */
		if (h->unknown.ptr == NULL)
			h->unknown = field;
		h->unknown.len = (size_t)(field.ptr + field.len - h->unknown.ptr);
		return true;
	}
}

/* Courier: "1 UIDVALIDITY NEXTUID". */
static bool read_courier_header(struct span rest, struct uidlist_header *h)
{
	struct span validity, next;

	return span_token(&rest, " ", &validity) && span_token(&rest, " ", &next) &&
	       read_u32(validity, 1, &h->uidvalidity) && read_u32(next, 1, &h->next_uid);
}

bool uidlist_parse_header(struct span line, struct uidlist_header *out, unsigned *version)
{
	struct span token;

	*out = (struct uidlist_header){ .next_uid = 1 };
	if (!span_token(&line, " ", &token) || token.len != 1)
		return false;
	*version = (unsigned)(unsigned char)token.ptr[0] - '0';
	if (*version == 1)
		return read_courier_header(line, out);
	if (*version != 3)
		return false;
	while (span_token(&line, " ", &token))
		if (!read_header_field(out, token))
			return false;
	return out->uidvalidity != 0;
}

static bool read_record_field(struct uidlist_record *r, struct span field)
{
	struct span value = span_skip(field, 1);
	unsigned long long n;

	switch (field.ptr[0]) {
	case 'S':
	case 'W':
		if (!span_u64(value, INT64_MAX, &n))
			return false;
		*(field.ptr[0] == 'S' ? &r->size : &r->virtual_size) = n;
		return true;
	case 'P':
		r->uidl = value;
		return true;
	case 'O':
		return read_u32(value, 0, &r->pop3_order);
	default:
		return field.ptr[0] >= 'A' && field.ptr[0] <= 'Z';
	}
}

static bool read_record_fields(struct uidlist_record *r, struct span *rest)
{
	const char *first = NULL, *end = NULL;

	while (rest->len > 0 && rest->ptr[0] != ':') {
		struct span field;

		if (!span_cut(rest, ' ', &field) || field.len == 0 || !read_record_field(r, field))
			return false;
		first = first != NULL ? first : field.ptr;
		end = field.ptr + field.len;
	}
	if (first != NULL)
		r->fields = span_make(first, (size_t)(end - first));
	return rest->len > 0;
}

bool uidlist_parse_record(struct span line, unsigned version, struct uidlist_record *out)
{
	struct maildir_name name;
	struct span uid;

	*out = (struct uidlist_record){ .size = MAIL_SIZE_UNKNOWN, .virtual_size = MAIL_SIZE_UNKNOWN };
	if (!span_cut(&line, ' ', &uid) || !read_u32(uid, 1, &out->uid))
		return false;
	if (version == 3) {
		if (!read_record_fields(out, &line))
			return false;
		line = span_skip(line, 1);
	}
	out->base = line;
	return maildir_name_parse(line, &name) && name.suffix.len == 0;
}

void uidlist_print_header(struct buf *out, const struct uidlist_header *h)
{
	struct span unknown = h->unknown, field;

	buf_addf(out, "3 V%u N%u", h->uidvalidity, h->next_uid);
	if (h->guid[0] != '\0')
		buf_addf(out, " G%s", h->guid);
	if (h->uidl_format.len > 0)
		buf_addf(out, " P" SPAN_FMT, SPAN_ARG(h->uidl_format));
	while (span_token(&unknown, " ", &field))
		if (strchr("VNGP", field.ptr[0]) == NULL || field.ptr[0] == '\0')
			buf_addf(out, " " SPAN_FMT, SPAN_ARG(field));
	buf_add_byte(out, '\n');
}

void uidlist_print_record(struct buf *out, const struct uidlist_record *r)
{
	buf_addf(out, "%u ", r->uid);
	if (r->fields.len > 0) {
		buf_add(out, r->fields);
		buf_add_byte(out, ' ');
	}
	buf_add_byte(out, ':');
	buf_add(out, r->base);
	buf_add_byte(out, '\n');
}
