/* SPDX-License-Identifier: ISC */
/* maildir_name.c - file names of messages: take apart, put together, order
 *
 * Trusts nothing in a name: other programs and the admin make them, too. */
#include "lib/mailbox/maildir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"

/* Letters of system flags, in the order of the bits, which is that of US-ASCII. */
static const char flag_letters[] = "DFPRST";

enum { HOST_MAX = 256 };

static int flag_of(char letter)
{
	const char *at = letter != '\0' ? strchr(flag_letters, letter) : NULL;

	return at != NULL ? (int)(at - flag_letters) : -1;
}

/* The letters of ":2,LETTERS[,TEXT]"; empty for any other suffix. */
static struct span letters_of(struct span suffix)
{
	static const struct span info = SPAN(":2,");
	struct span rest, letters;

	if (!span_starts(suffix, info))
		return (struct span){ NULL, 0 };
	rest = span_skip(suffix, info.len);
	span_cut(&rest, ',', &letters);
	return letters;
}

static void read_letters(struct maildir_name *out)
{
	struct span letters = letters_of(out->suffix);

	for (size_t i = 0; i < letters.len; i++) {
		char c = letters.ptr[i];
		int flag = flag_of(c);

		if (flag >= 0)
			out->flags |= (uint16_t)(1 << flag);
		else if (c >= 'a' && c <= 'z')
			out->keywords |= UINT64_C(1) << (c - 'a');
	}
}

static void read_sizes(struct maildir_name *out)
{
	struct span rest = out->base, field;
	bool more = span_cut(&rest, ',', &field);

	while (more) {
		unsigned long long value;

		more = span_cut(&rest, ',', &field);
		if (field.len < 3 || field.ptr[1] != '=' ||
		    !span_u64(span_skip(field, 2), INT64_MAX, &value))
			continue;
		if (field.ptr[0] == 'S')
			out->size = value;
		else if (field.ptr[0] == 'W')
			out->virtual_size = value;
	}
}

bool maildir_name_parse(struct span file, struct maildir_name *out)
{
	char standard[MAILDIR_SUFFIX_SIZE];
	size_t colon;

	if (file.len == 0 || file.len > 255 || file.ptr[0] == '.' || file.ptr[0] == ':' ||
	    memchr(file.ptr, '\0', file.len) != NULL || span_find(file, '/') != SPAN_NOT_FOUND ||
	    span_find(file, '\n') != SPAN_NOT_FOUND)
		return false;
	colon = span_find(file, ':');
	if (colon == SPAN_NOT_FOUND)
		colon = file.len;
	*out = (struct maildir_name){
		.base = span_first(file, colon), .suffix = span_skip(file, colon),
		.size = MAIL_SIZE_UNKNOWN, .virtual_size = MAIL_SIZE_UNKNOWN,
	};
	read_letters(out);
	read_sizes(out);
	maildir_suffix(out->flags, out->keywords, standard);
	out->is_canonical = span_equal(out->suffix, span_of(standard));
	return true;
}

size_t maildir_suffix(uint16_t flags, uint64_t keywords, char out[MAILDIR_SUFFIX_SIZE])
{
	size_t n = 0;

	out[n++] = ':';
	out[n++] = '2';
	out[n++] = ',';
	for (int i = 0; flag_letters[i] != '\0'; i++)
		if (flags & (1 << i))
			out[n++] = flag_letters[i];
	for (int i = 0; i < MAIL_KEYWORDS_MAX; i++)
		if (keywords & (UINT64_C(1) << i))
			out[n++] = (char)('a' + i);
	out[n] = '\0';
	return n;
}

/* Letters that mean nothing to us, in the order found. */
static void add_unknown(struct buf *out, struct span letters)
{
	for (size_t i = 0; i < letters.len; i++) {
		char c = letters.ptr[i];

		if (flag_of(c) < 0 && (c < 'a' || c > 'z'))
			buf_add_byte(out, c);
	}
}

void maildir_suffix_change(struct buf *out, struct span old, uint16_t flags, uint64_t keywords)
{
	char standard[MAILDIR_SUFFIX_SIZE];
	struct span letters = letters_of(old);

	maildir_suffix(flags, keywords, standard);
	buf_add_cstr(out, standard);
	if (letters.ptr == NULL)
		return;
	add_unknown(out, letters);
	buf_add(out, span_skip(old, (size_t)(letters.ptr - old.ptr) + letters.len));
}

/* Digits at the start of s; 0 when none or too many to be a time. */
static unsigned long long leading_number(struct span s)
{
	unsigned long long value = 0;
	size_t n = 0;

	while (n < s.len && ascii_is_digit(s.ptr[n]))
		n++;
	return span_u64(span_first(s, n), UINT64_MAX, &value) ? value : 0;
}

static unsigned long long microseconds(struct span name)
{
	struct span second = span_skip(name, span_find(name, '.'));

	return span_starts(second, span_lit(".M")) ? leading_number(span_skip(second, 2)) : 0;
}

int maildir_name_order(struct span a, struct span b)
{
	unsigned long long x = leading_number(a), y = leading_number(b);

	if (x == y) {
		x = microseconds(a);
		y = microseconds(b);
	}
	return x != y ? (x < y ? -1 : 1) : span_compare(a, b);
}

const char *maildir_host(void)
{
	static char host[HOST_MAX * 4];
	char name[HOST_MAX] = "";
	size_t n = 0;

	if (host[0] != '\0')
		return host;
	if (gethostname(name, sizeof(name) - 1) < 0 || name[0] == '\0')
		memcpy(name, "localhost", sizeof("localhost"));
	for (const char *c = name; *c != '\0'; c++)
		if (*c == '/' || *c == ':' || *c == ',')
			n += (size_t)snprintf(host + n, sizeof(host) - n, "\\%03o",
			                      (unsigned)(unsigned char)*c);
		else
			host[n++] = *c;
	host[n] = '\0';
	return host;
}

void maildir_unique(struct buf *out)
{
	static unsigned counter;
	uint64_t now = clock_wall_us();

	buf_addf(out, "%llu.M%06lluP%ldQ%u.%s", (unsigned long long)(now / CLOCK_SECOND_US),
	         (unsigned long long)(now % CLOCK_SECOND_US), (long)getpid(), ++counter, maildir_host());
}

uint64_t maildir_virtual_size(struct span data, char *last)
{
	const char *at = data.ptr, *end = data.ptr + data.len;
	uint64_t size = data.len;

	if (data.len == 0)
		return 0;
	while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		if ((at > data.ptr ? at[-1] : *last) != '\r')
			size++;
		if (++at == end)
			break;
	}
	*last = end[-1];
	return size;
}
