/* SPDX-License-Identifier: ISC */
/* wire.c - packets of the milter protocol
 *
 * Each kind of reply is a row that says what its data are; one reader follows the row.  Strict: too few or too many
 * bytes, a string without its end, or a name that can be no header field make the reply malformed. */
#include "lib/milter/wire.h"

#include "lib/smtp/reply.h"

enum { LENGTH_BYTES = 4, REFUSAL_LINES_MAX = 32 };

/* ---- out ---- */

void milter_add_u16(struct buf *out, uint16_t value)
{
	buf_add_byte(out, (char)(value >> 8));
	buf_add_byte(out, (char)(value & 0xff));
}

void milter_add_u32(struct buf *out, uint32_t value)
{
	milter_add_u16(out, (uint16_t)(value >> 16));
	milter_add_u16(out, (uint16_t)(value & 0xffff));
}

size_t milter_packet_begin(struct buf *out, enum milter_command command)
{
	size_t start = out->len;

	milter_add_u32(out, 0);
	buf_add_byte(out, (char)command);
	return start;
}

void milter_packet_end(struct buf *out, size_t start)
{
	uint32_t length = (uint32_t)(out->len - start - LENGTH_BYTES);

	for (unsigned i = 0; i < LENGTH_BYTES; i++)
		out->ptr[start + i] = (char)(length >> (24 - 8 * i) & 0xff);
}

void milter_packet(struct buf *out, enum milter_command command)
{
	milter_packet_end(out, milter_packet_begin(out, command));
}

void milter_add_string(struct buf *out, struct span s)
{
	size_t start = out->len;

	if (!buf_add(out, s))
		return;
	for (size_t i = start; i < out->len; i++)
		if (out->ptr[i] == '\0')
			out->ptr[i] = ' ';
	buf_add_byte(out, '\0');
}

void milter_terms_add(struct buf *out, uint32_t version, uint32_t actions, uint32_t steps)
{
	size_t start = milter_packet_begin(out, MILTER_NEGOTIATE);

	milter_add_u32(out, version);
	milter_add_u32(out, actions);
	milter_add_u32(out, steps);
	milter_packet_end(out, start);
}

/* ---- in: pieces ---- */

static bool take_u32(struct span *rest, uint32_t *value)
{
	if (rest->len < LENGTH_BYTES)
		return false;
	*value = 0;
	for (unsigned i = 0; i < LENGTH_BYTES; i++)
		*value = *value << 8 | (unsigned char)rest->ptr[i];
	*rest = span_skip(*rest, LENGTH_BYTES);
	return true;
}

static bool take_string(struct span *rest, struct span *out)
{
	return span_cut(rest, '\0', out);
}

enum milter_frame milter_frame(struct span bytes, size_t most, struct milter_packet *out, uint32_t *length)
{
	struct span rest = bytes;

	if (!take_u32(&rest, length))
		return MILTER_FRAME_PARTIAL;
	if (*length == 0)
		return MILTER_FRAME_EMPTY;
	if (*length > most)
		return MILTER_FRAME_TOO_LARGE;
	if (rest.len < *length)
		return MILTER_FRAME_PARTIAL;
	out->letter = (unsigned char)rest.ptr[0];
	out->data = span_slice(rest, 1, *length - 1);
	return MILTER_FRAME_WHOLE;
}

/* ---- in: replies ---- */

enum shape {
	NOTHING,
	ADDRESS,	/* one string */
	ADDRESS_ARGS,	/* and perhaps another */
	HEADER,		/* name and value */
	INDEXED_HEADER,
	REASON,		/* text, its NUL may be missing */
	CODE,		/* an SMTP reply, its NUL may be missing */
	BYTES,
};

static const struct row {
	enum milter_reply_kind kind;
	enum shape  shape;
	const char *name;
} rows[] = {
	{ MILTER_ADD_RCPT, ADDRESS, "SMFIR_ADDRCPT" },
	{ MILTER_DELETE_RCPT, ADDRESS, "SMFIR_DELRCPT" },
	{ MILTER_ADD_RCPT_PAR, ADDRESS_ARGS, "SMFIR_ADDRCPT_PAR" },
	{ MILTER_SHUTDOWN, NOTHING, "SMFIR_SHUTDOWN" },
	{ MILTER_ACCEPT, NOTHING, "SMFIR_ACCEPT" },
	{ MILTER_REPLACE_BODY, BYTES, "SMFIR_REPLBODY" },
	{ MILTER_CONTINUE, NOTHING, "SMFIR_CONTINUE" },
	{ MILTER_DISCARD, NOTHING, "SMFIR_DISCARD" },
	{ MILTER_CHANGE_FROM, ADDRESS_ARGS, "SMFIR_CHGFROM" },
	{ MILTER_CONN_FAIL, NOTHING, "SMFIR_CONN_FAIL" },
	{ MILTER_ADD_HEADER, HEADER, "SMFIR_ADDHEADER" },
	{ MILTER_INSERT_HEADER, INDEXED_HEADER, "SMFIR_INSHEADER" },
	{ MILTER_SET_MACROS, BYTES, "SMFIR_SETSYMLIST" },	/* only within a negotiation: refused elsewhere */
	{ MILTER_CHANGE_HEADER, INDEXED_HEADER, "SMFIR_CHGHEADER" },
	{ MILTER_PROGRESS, NOTHING, "SMFIR_PROGRESS" },
	{ MILTER_QUARANTINE, REASON, "SMFIR_QUARANTINE" },
	{ MILTER_REJECT, NOTHING, "SMFIR_REJECT" },
	{ MILTER_SKIP, NOTHING, "SMFIR_SKIP" },
	{ MILTER_TEMPFAIL, NOTHING, "SMFIR_TEMPFAIL" },
	{ MILTER_REPLY_CODE, CODE, "SMFIR_REPLYCODE" },
};

static const struct row *find_row(unsigned letter)
{
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if ((unsigned)rows[i].kind == letter)
			return &rows[i];
	return NULL;
}

/* RFC 5322 2.2: printable, no blank, no colon. */
static bool is_field_name(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.ptr[i] <= ' ' || name.ptr[i] == ':' || name.ptr[i] == 0x7f)
			return false;
	return name.len > 0;
}

static bool take_header(struct span *rest, struct milter_reply *out)
{
	return take_string(rest, &out->name) && is_field_name(out->name) && take_string(rest, &out->value);
}

static bool take_args(struct span *rest, struct milter_reply *out)
{
	return rest->len == 0 || take_string(rest, &out->value);
}

/* Text up to a NUL that may stand at its very end only. */
static struct span take_text(struct span *rest)
{
	struct span text = *rest;

	if (span_ends(text, span_make("", 1)))
		text.len--;
	*rest = span_skip(*rest, rest->len);
	return text;
}

/* A line of a reply: Sendmail takes it for a format, so '%' is doubled; a single one means nothing. */
static struct span unformat(struct arena *arena, struct span text)
{
	char *out = arena_alloc(arena, text.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '%' && ++i == text.len)
			break;
		out[n++] = text.ptr[i];
	}
	return span_make(out, n);
}

/* The code that each line begins with; an enhanced code behind it must be of its class. */
static bool check_line(struct span line, bool is_last, unsigned *code)
{
	struct smtp_reply_line parsed;

	if (!smtp_reply_line_parse(line, &parsed) || parsed.code < 400 || parsed.is_last != is_last ||
	    (*code != 0 && *code != parsed.code))
		return false;
	*code = parsed.code;
	return parsed.dsn.len > 0 || smtp_dsn_parse(parsed.text) == 0;
}

static bool read_refusal(struct arena *arena, struct span text, struct milter_refusal *out)
{
	struct span *lines = ARENA_NEW_ARRAY(arena, struct span, REFUSAL_LINES_MAX), line;
	bool more = true;

	*out = (struct milter_refusal){ .lines = lines };
	if (span_find(text, '\0') != SPAN_NOT_FOUND)
		return false;
	if (span_ends(text, span_lit("\n")))
		text.len--;
	while (more) {
		more = span_cut(&text, '\n', &line);
		if (span_ends(line, span_lit("\r")))
			line.len--;
		if (out->count == REFUSAL_LINES_MAX || !check_line(line, !more, &out->code))
			return false;
		lines[out->count++] = unformat(arena, span_skip(line, 4));
	}
	return true;
}

static bool read_data(struct arena *arena, enum shape shape, struct span *rest, struct milter_reply *out)
{
	switch (shape) {
	case NOTHING:
		return true;
	case ADDRESS:
		return take_string(rest, &out->name);
	case ADDRESS_ARGS:
		return take_string(rest, &out->name) && take_args(rest, out);
	case HEADER:
		return take_header(rest, out);
	case INDEXED_HEADER:
		return take_u32(rest, &out->index) && take_header(rest, out);
	case REASON:
		out->value = take_text(rest);
		return true;
	case CODE:
		return read_refusal(arena, take_text(rest), &out->refusal);
	case BYTES:
		out->value = *rest;
		*rest = span_skip(*rest, rest->len);
		return true;
	}
	return false;
}

bool milter_reply_decode(struct arena *arena, const struct milter_packet *packet, struct milter_reply *out,
                         const char **error)
{
	const struct row *row = find_row(packet->letter);
	struct span rest = packet->data;

	*out = (struct milter_reply){ .name = span_lit(""), .value = span_lit("") };
	if (row == NULL) {
		*error = arena_printf(arena, "unknown reply 0x%02x", packet->letter);
		return false;
	}
	out->kind = row->kind;
	if (!read_data(arena, row->shape, &rest, out)) {
		*error = arena_printf(arena, "malformed reply %s: \"" SPAN_FMT "\"", row->name,
		                      SPAN_ARG(span_first(packet->data, 100)));
		return false;
	}
	if (rest.len > 0) {
		*error = arena_printf(arena, "reply %s was followed by %zu data bytes", row->name, rest.len);
		return false;
	}
	return true;
}

bool milter_terms_decode(struct span data, struct milter_terms *out, const char **error)
{
	*out = (struct milter_terms){ .version = 0 };
	*error = "malformed negotiation";
	if (!take_u32(&data, &out->version) || !take_u32(&data, &out->actions) || !take_u32(&data, &out->steps))
		return false;
	while (data.len > 0) {
		struct span names;
		uint32_t stage;

		if (!take_u32(&data, &stage) || !take_string(&data, &names))
			return false;
		if (stage >= MILTER_STAGES_NEGOTIATED)
			continue;	/* of a later version */
		out->has_macros[stage] = true;
		out->macros[stage] = names;
	}
	return true;
}

/* ---- names ---- */

const char *milter_reply_name(unsigned letter)
{
	const struct row *row = find_row(letter);

	return row != NULL ? row->name : "unknown";
}

const char *milter_command_name(unsigned letter)
{
	static const struct {
		enum milter_command command;
		const char *name;
	} names[] = {
		{ MILTER_ABORT, "SMFIC_ABORT" }, { MILTER_BODY, "SMFIC_BODY" }, { MILTER_CONNECT, "SMFIC_CONNECT" },
		{ MILTER_MACRO, "SMFIC_MACRO" }, { MILTER_EOM, "SMFIC_BODYEOB" }, { MILTER_HELO, "SMFIC_HELO" },
		{ MILTER_QUIT_NC, "SMFIC_QUIT_NC" }, { MILTER_HEADER, "SMFIC_HEADER" }, { MILTER_MAIL, "SMFIC_MAIL" },
		{ MILTER_EOH, "SMFIC_EOH" }, { MILTER_NEGOTIATE, "SMFIC_OPTNEG" }, { MILTER_QUIT, "SMFIC_QUIT" },
		{ MILTER_RCPT, "SMFIC_RCPT" }, { MILTER_DATA, "SMFIC_DATA" }, { MILTER_UNKNOWN, "SMFIC_UNKNOWN" },
	};

	for (size_t i = 0; i < COUNT_OF(names); i++)
		if ((unsigned)names[i].command == letter)
			return names[i].name;
	return "unknown";
}
