/* SPDX-License-Identifier: ISC */
/* fuzz_auth_results.c - what is written is read back; a field that any of several readers takes for ours is ours */
#include <stdint.h>
#include <stdlib.h>

#include "lib/mailauth/auth_results.h"
#include "lib/mailauth/text.h"
#include "lib/mime/field.h"

static const struct auth_results_limits limits = AUTH_RESULTS_STANDARD_LIMITS;
static const struct span own = SPAN("mx.example.org");

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* ---- readers of little care: each gives the authserv-id it would see ---- */

static bool is_blank(char c)
{
	return c == ' ' || (unsigned char)c < ' ';
}

static struct span first_word(struct span value)
{
	struct span head;
	size_t n = 0;

	span_cut(&value, ';', &head);
	while (head.len > 0 && is_blank(head.ptr[0]))
		head = span_skip(head, 1);
	while (n < head.len && !is_blank(head.ptr[n]))
		n++;
	head = span_first(head, n);
	if (head.len >= 2 && head.ptr[0] == '"' && head.ptr[head.len - 1] == '"')
		head = span_slice(head, 1, head.len - 2);
	return head;
}

static struct span up_to_nul(struct span value)
{
	size_t end = span_find(value, '\0');

	return first_word(span_first(value, end == SPAN_NOT_FOUND ? value.len : end));
}

/* behind_comments - comments end at the first ')', and only stand in front. */
static struct span behind_comments(struct span value)
{
	value = span_trim_start(value);
	while (span_starts(value, span_lit("("))) {
		size_t end = span_find(value, ')');

		value = span_trim_start(span_skip(value, end == SPAN_NOT_FOUND ? 1 : end + 1));
	}
	return first_word(value);
}

static struct span up_to_comment(struct span value)
{
	size_t start = span_find(value, '(');

	return first_word(span_first(value, start == SPAN_NOT_FOUND ? value.len : start));
}

static void check_readers(struct arena *arena, struct span value)
{
	static struct span (*const readers[])(struct span value) = { first_word, up_to_nul, behind_comments,
		                                                     up_to_comment };
	bool is_ours = auth_results_is_ours(value, &own, 1);
	struct auth_results results;

	for (size_t i = 0; i < COUNT_OF(readers); i++)
		require(is_ours || !span_equal_ci(readers[i](value), own));
	if (!auth_results_parse(arena, value, &limits, &results))
		return;
	require(is_ours || !span_equal_ci(results.authserv_id, own));
	require(results.count <= limits.most_results);
	for (size_t i = 0; i < results.count; i++) {
		require(results.results[i].method.len > 0 && results.results[i].result.len > 0);
		require(results.results[i].count <= limits.most_properties);
	}
}

/* ---- writing ---- */

static void check_lines(struct span field)
{
	struct span line;

	while (field.len > 0) {
		span_cut(&field, '\n', &line);
		require(line.len > 0 && line.len <= 998 && !span_all(line, is_blank));
	}
}

static void check_writing(struct arena *arena, struct span reason, struct span remark, struct span value)
{
	static const struct auth_results_form form = { .line_end = SPAN("\n"), .instance = 7, .may_utf8 = true };
	struct auth_results_writer w;
	struct auth_results results;
	struct mime_field field;
	struct span rest, read;
	struct buf out;

	buf_init(&out, 65536);
	auth_results_begin(&w, arena, &out, &form, own);
	for (int i = 0; i < 2; i++) {
		auth_results_result(&w, "test", span_lit("pass"));
		auth_results_reason(&w, reason);
		auth_results_remark(&w, remark);
		auth_results_property(&w, "smtp.mailfrom", value);
		auth_results_property(&w, "policy.end", span_lit("here"));
	}
	auth_results_end(&w);
	rest = buf_span(&out);
	check_lines(rest);
	require(mime_field_next(&rest, &field) && rest.len == 0);
	require(auth_results_parse_arc(arena, field.value, &limits, &results));
	require(results.is_whole && results.count == 2 && results.instance == 7);
	require(span_equal(results.authserv_id, own));
	require(auth_results_is_ours(field.value, &own, 1));
	read = auth_property_find(&results.results[1], span_lit("smtp.mailfrom"));
	require(span_equal(read, value.len <= 512 ? text_header(arena, value, true) : span_lit("")));
	require(span_equal(auth_property_find(&results.results[0], span_lit("policy.end")), span_lit("here")));
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(NULL);
	struct span value = span_make(data, size), rest = value, reason, remark;

	check_readers(arena, value);
	span_cut(&rest, '\n', &reason);
	span_cut(&rest, '\n', &remark);
	check_writing(arena, reason, remark, rest);
	arena_free(arena);
	return 0;
}
