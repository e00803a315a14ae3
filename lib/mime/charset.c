/* SPDX-License-Identifier: ISC */
/* charset.c - text of any charset as UTF-8, and folding for SEARCH
 *
 * Session processes may open no file, and iconv loads its tables from files: so the
 * common converters are opened once, before the sandbox, and kept.  They are stateful
 * and reset before each use; a process has one thread that converts. */
#include "lib/mime/charset.h"

#include <errno.h>
#include <iconv.h>
#include <locale.h>
#include <wctype.h>

#include "lib/base/buf.h"
#include "lib/mime/field.h"
#include "lib/mime/transfer.h"

static struct converter {
	const char *name;
	iconv_t     handle;
	bool        is_open;
} converters[] = {
	{ .name = "ISO-8859-2" },   { .name = "ISO-8859-3" },   { .name = "ISO-8859-4" },
	{ .name = "ISO-8859-5" },   { .name = "ISO-8859-6" },   { .name = "ISO-8859-7" },
	{ .name = "ISO-8859-8" },   { .name = "ISO-8859-9" },   { .name = "ISO-8859-10" },
	{ .name = "ISO-8859-13" },  { .name = "ISO-8859-14" },  { .name = "ISO-8859-15" },
	{ .name = "ISO-8859-16" },  { .name = "WINDOWS-1250" }, { .name = "WINDOWS-1251" },
	{ .name = "WINDOWS-1252" }, { .name = "WINDOWS-1253" }, { .name = "WINDOWS-1254" },
	{ .name = "WINDOWS-1255" }, { .name = "WINDOWS-1256" }, { .name = "WINDOWS-1257" },
	{ .name = "WINDOWS-1258" }, { .name = "KOI8-R" },       { .name = "KOI8-U" },
	{ .name = "ISO-2022-JP" },  { .name = "SHIFT_JIS" },    { .name = "EUC-JP" },
	{ .name = "EUC-KR" },       { .name = "ISO-2022-KR" },  { .name = "GB2312" },
	{ .name = "GBK" },          { .name = "GB18030" },      { .name = "BIG5" },
	{ .name = "TIS-620" },      { .name = "UTF-16" },       { .name = "UTF-7" },
};

/* Names that mail uses for charsets that go by another one. */
static const struct alias {
	const char *alias, *name;
} aliases[] = {
	{ "CP1250", "WINDOWS-1250" }, { "CP1251", "WINDOWS-1251" }, { "CP1252", "WINDOWS-1252" },
	{ "KS_C_5601-1987", "EUC-KR" }, { "CP936", "GBK" }, { "X-SJIS", "SHIFT_JIS" },
	{ "LATIN2", "ISO-8859-2" }, { "LATIN9", "ISO-8859-15" }, { "CP932", "SHIFT_JIS" },
};

static locale_t unicode_locale;

void charset_prepare(void)
{
	if (unicode_locale == (locale_t)0)
		unicode_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	for (size_t i = 0; i < COUNT_OF(converters); i++) {
		struct converter *c = &converters[i];

		if (c->is_open)
			continue;
		c->handle = iconv_open("UTF-8", c->name);
		c->is_open = c->handle != (iconv_t)-1;
	}
}

static struct converter *find_converter(struct span charset)
{
	for (size_t i = 0; i < COUNT_OF(aliases); i++)
		if (span_equal_ci(charset, span_of(aliases[i].alias)))
			charset = span_of(aliases[i].name);
	for (size_t i = 0; i < COUNT_OF(converters); i++)
		if (converters[i].is_open && span_equal_ci(charset, span_of(converters[i].name)))
			return &converters[i];
	return NULL;
}

static bool is_utf8_name(struct span charset)
{
	return span_equal_ci(charset, span_lit("UTF-8")) || span_equal_ci(charset, span_lit("UTF8")) ||
	       span_equal_ci(charset, span_lit("US-ASCII")) || span_equal_ci(charset, span_lit("ASCII"));
}

static bool is_latin1_name(struct span charset)
{
	return span_equal_ci(charset, span_lit("ISO-8859-1")) ||
	       span_equal_ci(charset, span_lit("LATIN1"));
}

bool charset_is_known(struct span charset)
{
	return is_utf8_name(charset) || is_latin1_name(charset) || find_converter(charset) != NULL;
}

/* take_utf8 - the code point that starts s, with its length; 0xFFFD and 1 when it is not valid (RFC 3629 4). */
static unsigned take_utf8(struct span s, size_t *length)
{
	static const unsigned least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char first = (unsigned char)s.ptr[0];
	size_t n = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
	unsigned code = n == 1 ? first : first & (0x7fU >> n);

	*length = 1;
	if ((first >= 0x80 && first < 0xc2) || first > 0xf4 || n > s.len)
		return 0xfffd;
	for (size_t i = 1; i < n; i++) {
		unsigned char byte = (unsigned char)s.ptr[i];

		if ((byte & 0xc0) != 0x80)
			return 0xfffd;
		code = code << 6 | (byte & 0x3f);
	}
	if (n > 1 && (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)))
		return 0xfffd;
	*length = n;
	return code;
}

static size_t put_utf8(char *out, unsigned code)
{
	unsigned char lead[5] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

	for (size_t i = n; i-- > 1; code >>= 6)
		out[i] = (char)(unsigned char)(0x80 | (code & 0x3f));
	out[0] = (char)(unsigned char)(n == 1 ? code : (lead[n] | code));
	return n;
}

static bool is_valid_utf8(struct span s)
{
	size_t length;

	for (; s.len != 0; s = span_skip(s, length))
		if (take_utf8(s, &length) == 0xfffd && length == 1)
			return false;
	return true;
}

/* repair - UTF-8 with each bad byte replaced. */
static struct span repair(struct arena *a, struct span text)
{
	char *out;
	size_t n = 0, length;

	if (is_valid_utf8(text))
		return text;
	out = arena_alloc(a, 3 * text.len);
	for (; text.len != 0; text = span_skip(text, length))
		n += put_utf8(out + n, take_utf8(text, &length));
	return (struct span){ out, n };
}

static struct span from_latin1(struct arena *a, struct span text)
{
	char *out = arena_alloc(a, 2 * text.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++)
		n += put_utf8(out + n, (unsigned char)text.ptr[i]);
	return (struct span){ out, n };
}

/* convert - by iconv; a byte it cannot read becomes U+FFFD.  4 bytes of UTF-8 for each byte are enough. */
static struct span convert(struct arena *a, iconv_t handle, struct span text)
{
	size_t room = 4 * text.len + 16, left = text.len, total = room;
	char *out = arena_alloc(a, room), *to = out;
	char *from = arena_cstr(a, text);

	iconv(handle, NULL, NULL, NULL, NULL);
	while (left != 0 && room > 8) {
		if (iconv(handle, &from, &left, &to, &room) != (size_t)-1 || errno == E2BIG)
			break;
		if (left == 0)
			break;
		size_t n = put_utf8(to, 0xfffd);

		to += n;
		room -= n;
		from++;
		left--;
	}
	return (struct span){ out, total - room };
}

bool charset_to_utf8(struct arena *a, struct span charset, struct span text, struct span *out)
{
	struct converter *c;

	if (is_latin1_name(charset)) {
		*out = from_latin1(a, text);
		return true;
	}
	c = is_utf8_name(charset) ? NULL : find_converter(charset);
	*out = c != NULL ? convert(a, c->handle, text) : repair(a, text);
	return c != NULL || is_utf8_name(charset);
}

static unsigned fold_code(unsigned code)
{
	if (code < 0x80)
		return (unsigned)(unsigned char)ascii_lower((char)code);
	if (unicode_locale == (locale_t)0)
		return code;
	return (unsigned)towlower_l(towupper_l((wint_t)code, unicode_locale), unicode_locale);
}

struct span charset_fold(struct arena *a, struct span utf8)
{
	char *out = arena_alloc(a, 3 * utf8.len + 1);
	size_t n = 0, length;

	for (; utf8.len != 0; utf8 = span_skip(utf8, length)) {
		unsigned code = take_utf8(utf8, &length);

		if (code < 0x80 && ascii_is_space((char)code)) {
			if (n == 0 || out[n - 1] != ' ')
				out[n++] = ' ';
			continue;
		}
		n += put_utf8(out + n, fold_code(code));
	}
	return (struct span){ out, n };
}

/* ---- RFC 2047 ---- */

enum { WORD_MAX = 2048 };	/* RFC 2047 2 allows 75; people send longer ones */

/* take_word - an encoded-word that starts *rest, decoded; false when none is there. */
static bool take_word(struct arena *a, struct span *rest, struct span *out)
{
	struct span charset, encoding, text, language;
	struct span s = span_first(*rest, WORD_MAX);
	size_t end;

	if (!span_starts(s, span_lit("=?")))
		return false;
	s = span_skip(s, 2);
	if (!span_cut(&s, '?', &charset) || !span_cut(&s, '?', &encoding) || encoding.len != 1)
		return false;
	end = span_search(s, span_lit("?="));
	if (end == SPAN_NOT_FOUND)
		return false;
	text = span_first(s, end);
	if (ascii_lower(encoding.ptr[0]) == 'b')
		text = mime_decode_base64(a, text);
	else if (ascii_lower(encoding.ptr[0]) == 'q')
		text = mime_decode_qp(a, text, true);
	else
		return false;
	language = charset;	/* RFC 2231 5: charset*language */
	span_cut(&language, '*', &charset);
	(void)charset_to_utf8(a, charset, text, out);
	*rest = span_skip(*rest, (size_t)(s.ptr - rest->ptr) + end + 2);
	return true;
}

static bool is_space_only(const char *from, const char *to)
{
	while (from < to && ascii_is_space(*from))
		from++;
	return from == to;
}

static struct span raw_to_utf8(struct arena *a, struct span text)
{
	return is_valid_utf8(text) ? text : from_latin1(a, text);
}

static void append(struct buf *out, struct arena *a, const char *from, const char *to)
{
	buf_add(out, raw_to_utf8(a, (struct span){ from, (size_t)(to - from) }));
}

static void free_buf(void *object)
{
	buf_free(object);
}

struct span mime_decode_words(struct arena *a, struct span value)
{
	struct span rest = mime_unfold(a, value), word;
	const char *plain = rest.ptr;	/* start of what is not written yet */
	bool after_word = false;
	struct buf *out;

	if (span_search(rest, span_lit("=?")) == SPAN_NOT_FOUND)
		return raw_to_utf8(a, rest);
	out = ARENA_NEW(a, struct buf);
	buf_init(out, BUF_NO_LIMIT);
	arena_on_reset(a, free_buf, out);
	while (rest.len != 0) {
		const char *start = rest.ptr;

		if (!take_word(a, &rest, &word)) {
			rest = span_skip(rest, 1);
			continue;
		}
		if (!after_word || !is_space_only(plain, start))
			append(out, a, plain, start);
		buf_add(out, word);
		plain = rest.ptr;
		after_word = true;
	}
	append(out, a, plain, rest.ptr);
	return buf_span(out);
}

struct span mime_decode_extended(struct arena *a, struct span value)
{
	struct span charset, language, out, rest = value;
	char *bytes;
	size_t n = 0;

	if (!span_cut(&rest, '\'', &charset) || !span_cut(&rest, '\'', &language))
		return raw_to_utf8(a, value);
	bytes = arena_alloc(a, rest.len + 1);
	for (size_t i = 0; i < rest.len; i++) {
		unsigned long long byte;

		if (rest.ptr[i] == '%' && rest.len - i > 2 &&
		    span_hex_u64(span_slice(rest, i + 1, 2), &byte)) {
			bytes[n++] = (char)(unsigned char)byte;
			i += 2;
		} else {
			bytes[n++] = rest.ptr[i];
		}
	}
	(void)charset_to_utf8(a, charset, (struct span){ bytes, n }, &out);
	return out;
}
