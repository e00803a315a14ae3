/* SPDX-License-Identifier: ISC */
/* dmarc_summary.c - totals of received reports as a table for people
 *
 * Names of reporters come from strangers: what is not printable is shown as '?'. */
#include <stdlib.h>

#include "lib/base/hash.h"
#include "lib/mailauth/dmarc_store.h"
#include "lib/mailauth/dmarc_totals.h"
#include "lib/mime/date.h"
#include "lib/smtp/address.h"

enum { DAY_S = 86400 };

struct line {
	struct span       org, source;
	struct dmarc_sums sums;
};

struct summary {
	struct arena     *arena;
	struct hash      *lines;
	struct dmarc_sums all;
};

static void add_sums(struct dmarc_sums *to, const struct dmarc_sums *sums)
{
	to->messages += sums->messages;
	to->aligned += sums->aligned;
	to->dkim_aligned += sums->dkim_aligned;
	to->spf_aligned += sums->spf_aligned;
	for (size_t i = 0; i < COUNT_OF(to->disposed); i++)
		to->disposed[i] += sums->disposed[i];
}

static void add_entry(void *user, int64_t day, struct span org, struct span source, const struct dmarc_sums *sums)
{
	struct summary *s = user;
	struct line *line;
	struct buf key;

	(void)day;
	buf_init(&key, BUF_NO_LIMIT);
	buf_add(&key, org);
	buf_add_byte(&key, '\0');
	buf_add(&key, source);
	line = hash_get(s->lines, buf_span(&key));
	if (line == NULL) {
		line = ARENA_NEW(s->arena, struct line);
		line->org = arena_dup(s->arena, org);
		line->source = arena_dup(s->arena, source);
		hash_put(s->lines, buf_span(&key), line);
	}
	add_sums(&line->sums, sums);
	add_sums(&s->all, sums);
	buf_free(&key);
}

static int compare(const void *a, const void *b)
{
	const struct line *x = *(struct line *const *)a, *y = *(struct line *const *)b;
	int order;

	if (x->sums.messages != y->sums.messages)
		return x->sums.messages < y->sums.messages ? 1 : -1;
	order = span_compare(x->source, y->source);
	return order != 0 ? order : span_compare(x->org, y->org);
}

static struct line **sorted(struct summary *s)
{
	struct line **lines = ARENA_NEW_ARRAY(s->arena, struct line *, hash_count(s->lines) + 1);
	struct span key;
	size_t n = 0;
	void *line;

	for (size_t at = 0; hash_next(s->lines, &at, &key, &line);)
		lines[n++] = line;
	qsort(lines, n, sizeof(*lines), compare);
	return lines;
}

static void print_sums(struct buf *out, const struct dmarc_sums *sums)
{
	buf_addf(out, "%10llu %10llu %10llu %10llu %10llu %10llu", (unsigned long long)sums->messages,
	         (unsigned long long)sums->aligned, (unsigned long long)(sums->messages - sums->aligned),
	         (unsigned long long)sums->disposed[DMARC_POLICY_NONE],
	         (unsigned long long)sums->disposed[DMARC_POLICY_QUARANTINE],
	         (unsigned long long)sums->disposed[DMARC_POLICY_REJECT]);
}

static void print_text(struct buf *out, struct span text)
{
	bool utf8 = smtp_utf8_is_valid(text);

	for (size_t i = 0; i < text.len; i++) {
		unsigned char byte = (unsigned char)text.ptr[i];
		/* The controls from U+0080 to U+009F are c2 80 to c2 9f. */
		bool is_c1 = byte == 0xc2 && i + 1 < text.len && (unsigned char)text.ptr[i + 1] < 0xa0;

		if (is_c1)
			i++;
		buf_add_byte(out, ascii_is_print((char)byte) || (utf8 && byte >= 0x80 && !is_c1) ? (char)byte : '?');
	}
}

static void print_day(struct buf *out, int64_t day)
{
	struct mime_date date;

	mime_date_of(day * DAY_S, 0, &date);
	buf_addf(out, "%04d-%02d-%02d", date.year, date.month, date.day);
}

void dmarc_totals_summary(struct dmarc_totals *totals, struct span domain, int64_t from, int64_t to,
                          size_t most_lines, struct buf *out)
{
	struct summary s = { .arena = arena_new(NULL), .lines = hash_new() };
	struct line **lines;
	size_t count;

	dmarc_totals_each(totals, domain, from, to, add_entry, &s);
	count = hash_count(s.lines);
	lines = sorted(&s);
	buf_addf(out, "DMARC reports on " SPAN_FMT ", ", SPAN_ARG(domain));
	print_day(out, from);
	buf_add_cstr(out, " to ");
	print_day(out, to);
	buf_add_cstr(out, "\n"
	             "  messages    aligned     failed       none quarantine     reject  source (reported by)\n");
	for (size_t i = 0; i < count && i < most_lines; i++) {
		print_sums(out, &lines[i]->sums);
		buf_addf(out, "  " SPAN_FMT " (", SPAN_ARG(lines[i]->source));
		print_text(out, lines[i]->org);
		buf_add_cstr(out, ")\n");
	}
	print_sums(out, &s.all);
	buf_addf(out, "  %zu in all%s\n", count,
	         count > most_lines ? ", of which those with most messages are shown" : "");
	hash_free(s.lines, NULL);
	arena_free(s.arena);
}
