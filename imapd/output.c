/* SPDX-License-Identifier: ISC */
/* output.c - what a session says: buffered, written once a batch of commands
 *
 * The buffer is flushed when the session would wait for input and when it holds much; so
 * replies to pipelined commands leave together, and memory stays bounded by the client's reading. */
#include "imapd/imapd.h"

#include <time.h>

#include "lib/base/fs.h"
#include "lib/mailbox/mutf7.h"
#include "lib/mime/date.h"
#include "lib/mime/structure.h"

enum { FLUSH_BYTES = 65536 };

bool imap_flush(struct imap *s)
{
	if (s->out.len != 0 && !s->ended_by_client &&
	    fs_write_all(s->fd, s->out.ptr, s->out.len) < 0) {
		s->ended_by_client = s->ended = true;
		s->report.end = "connection lost";
	}
	s->report.out_bytes += s->out.len;
	buf_clear(&s->out);
	return !s->ended_by_client;
}

void imap_room(struct imap *s)
{
	if (s->out.len >= FLUSH_BYTES)
		(void)imap_flush(s);
}

void imap_write(struct imap *s, const char *text)
{
	buf_add_cstr(&s->out, text);
}

void imap_writef(struct imap *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buf_vaddf(&s->out, format, args);
	va_end(args);
}

void imap_write_number(struct imap *s, uint64_t number)
{
	char digits[24];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number != 0);
	buf_add(&s->out, (struct span){ digits + at, sizeof(digits) - at });
}

void imap_write_mailbox(struct imap *s, struct span name)
{
	struct buf wire;

	buf_init(&wire, BUF_NO_LIMIT);
	if (!mutf7_encode(&wire, name)) {
		buf_clear(&wire);
		buf_add(&wire, name);
	}
	imap_add_string(&s->out, buf_span(&wire));
	buf_free(&wire);
}

static const struct {
	uint16_t    flag;
	struct span name;
} flag_names[] = {
	{ MAIL_ANSWERED, SPAN("\\Answered") }, { MAIL_FLAGGED, SPAN("\\Flagged") },
	{ MAIL_DELETED, SPAN("\\Deleted") },   { MAIL_SEEN, SPAN("\\Seen") },
	{ MAIL_DRAFT, SPAN("\\Draft") },       { MAIL_RECENT, SPAN("\\Recent") },
};

static void add_word(struct buf *out, struct span word)
{
	if (out->ptr[out->len - 1] != '(')
		buf_add_byte(out, ' ');
	buf_add(out, word);
}

static void add_keywords(struct imap *s, uint64_t keywords)
{
	for (unsigned n = 0; keywords != 0 && n < MAIL_KEYWORDS_MAX; n++, keywords >>= 1) {
		struct span name = mailbox_keyword(s->box, n);

		if ((keywords & 1) != 0 && name.len != 0)
			add_word(&s->out, name);
	}
}

void imap_write_flags(struct imap *s, const struct message *message)
{
	buf_add_byte(&s->out, '(');
	for (size_t i = 0; i < COUNT_OF(flag_names); i++)
		if ((message->flags & flag_names[i].flag) != 0)
			add_word(&s->out, flag_names[i].name);
	add_keywords(s, message->keywords);
	buf_add_byte(&s->out, ')');
}

static void write_all_flags(struct imap *s)
{
	buf_add_byte(&s->out, '(');
	for (size_t i = 0; i + 1 < COUNT_OF(flag_names); i++)
		add_word(&s->out, flag_names[i].name);
	add_keywords(s, UINT64_MAX);
}

void imap_write_flag_lists(struct imap *s)
{
	imap_write(s, "* FLAGS ");
	write_all_flags(s);
	imap_write(s, ")\r\n* OK [PERMANENTFLAGS ");
	if (mailbox_is_read_only(s->box)) {
		imap_write(s, "()] No change is kept\r\n");
		return;
	}
	write_all_flags(s);
	imap_write(s, mailbox_has_keyword_room(s->box) ? " \\*)] Limited\r\n" : ")] Limited\r\n");
}

void imap_write_date(struct imap *s, int64_t time_s)
{
	struct mime_date date;
	struct tm local;
	time_t when = (time_t)time_s;
	int zone = 0;

	if (localtime_r(&when, &local) != NULL)
		zone = (int)(local.tm_gmtoff / 60);
	mime_date_of(time_s, zone, &date);
	imap_writef(s, "\"%2d-%s-%04d %02d:%02d:%02d %c%02d%02d\"", date.day, mime_month_name(date.month),
	            date.year, date.hour, date.minute, date.second, zone < 0 ? '-' : '+',
	            (zone < 0 ? -zone : zone) / 60, (zone < 0 ? -zone : zone) % 60);
}

void imap_write_set(struct imap *s, const uint32_t *numbers, size_t count)
{
	for (size_t i = 0; i < count;) {
		size_t last = i;

		while (last + 1 < count && numbers[last + 1] == numbers[last] + 1)
			last++;
		if (i != 0)
			imap_write(s, ",");
		imap_write_number(s, numbers[i]);
		if (last != i) {
			imap_write(s, ":");
			imap_write_number(s, numbers[last]);
		}
		i = last + 1;
	}
}

static void reply(struct imap *s, const char *status, const char *format, va_list args) PRINTF_LIKE(3, 0);
static void reply(struct imap *s, const char *status, const char *format, va_list args)
{
	buf_add(&s->out, s->tag);
	imap_write(s, status);
	buf_vaddf(&s->out, format, args);
	imap_write(s, "\r\n");
}

void imap_ok(struct imap *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	reply(s, " OK ", format, args);
	va_end(args);
	s->bad_commands = 0;
}

void imap_no(struct imap *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	reply(s, " NO ", format, args);
	va_end(args);
	s->bad_commands = 0;
}

void imap_bad(struct imap *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	reply(s, " BAD ", format, args);
	va_end(args);
	if (++s->bad_commands >= s->settings->bad_command_limit) {
		s->report.end = "too many bad commands";
		imap_write(s, "* BYE too many bad commands\r\n");
		s->ended = true;
	}
}

void imap_result(struct imap *s, enum mail_result result, const char *done)
{
	const char *code = mail_result_code(result);

	if (result == MAIL_OK)
		imap_ok(s, "%s", done);
	else if (*code != '\0')
		imap_no(s, "[%s] %s", code, mail_result_text(result));
	else
		imap_no(s, "%s", mail_result_text(result));
}

void imap_result_target(struct imap *s, enum mail_result result)
{
	if (result == MAIL_NONEXISTENT)
		imap_no(s, "[TRYCREATE] %s", mail_result_text(result));
	else
		imap_result(s, result, "");
}
