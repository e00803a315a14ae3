/* SPDX-License-Identifier: ISC */
/* base_test.c - codecs, checksums, clocks, reasons, log lines */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/codec.h"
#include "lib/base/crc32c.h"
#include "lib/base/log.h"
#include "lib/base/test.h"
#include "lib/base/why.h"

static void base64_knows_rfc4648_10(void **state)
{
	static const struct {
		struct span plain, coded;
	} rows[] = {
		{ SPAN(""), SPAN("") },
		{ SPAN("f"), SPAN("Zg==") },
		{ SPAN("fo"), SPAN("Zm8=") },
		{ SPAN("foo"), SPAN("Zm9v") },
		{ SPAN("foob"), SPAN("Zm9vYg==") },
		{ SPAN("\0u1\0secret"), SPAN("AHUxAHNlY3JldA==") },
		{ SPAN("\xfb\xff\xbf"), SPAN("+/+/") },
	};
	struct arena *a = arena_new(NULL);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span out;

		assert_true(span_equal(base64_encode(a, rows[i].plain), rows[i].coded));
		assert_true(base64_decode(a, rows[i].coded, &out));
		assert_true(span_equal(out, rows[i].plain));
	}
	arena_free(a);
}

static void base64_is_strict(void **state)
{
	static const struct span bad[] = { SPAN("Z"),    SPAN("Zg"),	   SPAN("Zg="),  SPAN("Zh=="),
		                           SPAN("Zm9="), SPAN("Zg==Zg=="), SPAN("===="), SPAN("Z=g="),
		                           SPAN("Zm 9"), SPAN("Zm9\n"),	   SPAN("Zm9-") };
	struct arena *a = arena_new(NULL);
	struct span out;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (base64_decode(a, bad[i], &out))
			fail_msg("accepted \"" SPAN_FMT "\"", SPAN_ARG(bad[i]));
	arena_free(a);
}

static void hex_goes_both_ways(void **state)
{
	struct arena *a = arena_new(NULL);
	struct span out;

	(void)state;
	assert_span(hex_encode(a, span_lit("\x00\xff\x1a")), "00ff1a");
	assert_true(hex_decode(a, span_lit("00FF1a"), &out));
	assert_true(span_equal(out, span_lit("\x00\xff\x1a")));
	assert_false(hex_decode(a, span_lit("abc"), &out));
	assert_false(hex_decode(a, span_lit("zz"), &out));
	arena_free(a);
}

static void crc32c_knows_rfc3720_b4(void **state)
{
	char zeros[32] = { 0 }, ones[32], rising[32];

	(void)state;
	memset(ones, 0xff, sizeof(ones));
	for (int i = 0; i < 32; i++)
		rising[i] = (char)i;
	assert_int_equal(crc32c(0, span_make(zeros, 32)), 0x8a9136aa);
	assert_int_equal(crc32c(0, span_make(ones, 32)), 0x62a8ab43);
	assert_int_equal(crc32c(0, span_make(rising, 32)), 0x46dd794e);
	assert_int_equal(crc32c(0, span_lit("123456789")), 0xe3069283);
}

static void crc32c_goes_on_at_any_cut(void **state)
{
	static const struct span text = SPAN("The quick brown fox jumps over the lazy dog");
	uint32_t whole = crc32c(0, text);

	(void)state;
	for (size_t cut = 0; cut <= text.len; cut++)
		assert_int_equal(crc32c(crc32c(0, span_first(text, cut)), span_skip(text, cut)), whole);
}

static void equal_in_constant_time_is_still_equal(void **state)
{
	(void)state;
	assert_true(memory_equal("abc", "abc", 3));
	assert_false(memory_equal("abc", "abd", 3));
	assert_true(memory_equal("", "", 0));
}

static void dates_follow_rfc5322(void **state)
{
	char text[CLOCK_RFC5322_SIZE];

	(void)state;
	setenv("TZ", "UTC0", 1);
	tzset();
	assert_string_equal(clock_rfc5322(1795470838U * CLOCK_SECOND_US, text),
	                    "Mon, 23 Nov 2026 21:53:58 +0000 (UTC)");
	setenv("TZ", "NST3:30", 1);	/* three and a half hours west */
	tzset();
	assert_string_equal(clock_rfc5322(0, text), "Wed, 31 Dec 1969 20:30:00 -0330 (NST)");
	unsetenv("TZ");
	tzset();
}

static void delays_have_two_digits(void **state)
{
	static const struct {
		uint64_t    us;
		const char *text;
	} rows[] = {
		{ 0, "0" },         { 4999, "0" },     { 5000, "0.01" },   { 50000, "0.05" },   { 123456, "0.12" },
		{ 996000, "1" },    { 1000000, "1" },  { 1260000, "1.3" }, { 9960000, "10" },   { 12600000, "13" },
		{ 300000000, "300" },
	};
	char text[CLOCK_DELAY_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_string_equal(clock_delay(7, 7 + rows[i].us, text), rows[i].text);
	assert_string_equal(clock_delay(2000000, 1000000, text), "0");
}

static void deadlines_saturate(void **state)
{
	(void)state;
	assert_true(clock_in_s(UINT64_MAX) == CLOCK_NEVER);
	assert_true(clock_in_ms(UINT64_MAX) == CLOCK_NEVER);
	assert_true(clock_in_s(10) > clock_now_us());
}

static void reasons_carry_code_text_and_errno(void **state)
{
	struct why why;

	(void)state;
	assert_int_equal(why_set(&why, REFUSE, "5.3.4", "%d bytes", 7), REFUSE);
	assert_string_equal(why.dsn, "5.3.4");
	assert_string_equal(why.text, "7 bytes");
	errno = ENOSPC;
	assert_int_equal(why_errno(&why, DEFER, "4.3.1", "write %s", "x"), DEFER);
	assert_string_equal(why.text, "write x: No space left on device");
	assert_int_equal(errno, ENOSPC);
}

static void long_reasons_are_cut_not_overrun(void **state)
{
	struct why why;
	char longer[2 * WHY_TEXT_MAX];

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	errno = EIO;
	(void)why_errno(&why, DEFER, "4.3.0", "%s", longer);
	assert_int_equal(strlen(why.text), WHY_TEXT_MAX - 1);
}

/* logged - what one note comes out as, behind "ident[pid]: ". */
static void logged(const char *text, char *out, size_t size)
{
	int ends[2];
	char line[4096], *start;
	ssize_t n;

	assert_int_equal(pipe(ends), 0);
	log_open("postfix/test", LOG_TO_FD, ends[1]);
	log_note("%s", text);
	n = read(ends[0], line, sizeof(line) - 1);
	log_open("test", LOG_TO_STDERR, -1);
	close(ends[0]);
	close(ends[1]);
	assert_true(n > 0);
	line[n] = '\0';
	start = strstr(line, "]: ");
	assert_non_null(start);
	assert_non_null(strstr(line, " postfix/test["));
	snprintf(out, size, "%s", start + 3);
}

static void log_lines_are_escaped(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "plain <a@b>", "plain <a@b>\n" },
		{ "two\r\nlines", "two\\015\\012lines\n" },
		{ "bell\a del\x7f", "bell\\007 del\\177\n" },
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f\n" },	/* UTF-8 stays */
		{ "cut \xc3", "cut \\303\n" },
		{ "c1 \xc2\x85", "c1 \\302\\205\n" },
		{ "latin \xfc", "latin \\374\n" },
	};
	char out[4096];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		logged(rows[i].in, out, sizeof(out));
		assert_string_equal(out, rows[i].out);
	}
}

static void log_lines_are_bounded(void **state)
{
	char longer[3 * LOG_LINE_MAX], out[4096];

	(void)state;
	memset(longer, '\a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	logged(longer, out, sizeof(out));
	assert_true(strlen(out) < LOG_LINE_MAX + 600);
}

static void a_full_log_drops_counts_and_tells(void **state)
{
	int ends[2], lines = 0;
	static char text[1 << 20];
	ssize_t n;

	(void)state;
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	log_open("postfix/test", LOG_TO_FD, ends[1]);
	for (int i = 0; i < 5000; i++)	/* far more than a pipe holds: must not wait */
		log_note("line %d of many", i);
	while ((n = read(ends[0], text, sizeof(text) - 1)) > 0)
		lines++;
	log_note("room again");
	n = read(ends[0], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_non_null(strstr(text, "log lines were dropped"));
	assert_non_null(strstr(text, "room again"));
	log_open("test", LOG_TO_STDERR, -1);
	close(ends[0]);
	close(ends[1]);
}

static void lines_for_postlogd_wait_for_room(void **state)
{
	enum { LINES = 1000 };
	int ends[2], got = 0;
	char bytes[LOG_DATAGRAM_MAX + 1];
	bool is_done;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends), 0);
	log_open("postfix/test", LOG_TO_SOCKET, ends[0]);
	log_set_deferred(true);
	for (int i = 0; i < LINES; i++)	/* many more datagrams than the kernel queues */
		log_note("line %d %0*d", i, 100, 0);
	do {
		ssize_t n;

		is_done = log_flush();
		while ((n = recv(ends[1], bytes, sizeof(bytes), 0)) > 0) {
			assert_true(n <= LOG_DATAGRAM_MAX);
			assert_int_equal(bytes[n - 1], '\n');
			for (ssize_t i = 0; i < n; i++)
				got += bytes[i] == '\n';
		}
	} while (!is_done);
	assert_int_equal(got, LINES);
	log_set_deferred(false);
	log_open("test", LOG_TO_STDERR, -1);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(delays_have_two_digits),
		cmocka_unit_test(base64_knows_rfc4648_10),
		cmocka_unit_test(base64_is_strict),
		cmocka_unit_test(hex_goes_both_ways),
		cmocka_unit_test(crc32c_knows_rfc3720_b4),
		cmocka_unit_test(crc32c_goes_on_at_any_cut),
		cmocka_unit_test(equal_in_constant_time_is_still_equal),
		cmocka_unit_test(dates_follow_rfc5322),
		cmocka_unit_test(deadlines_saturate),
		cmocka_unit_test(reasons_carry_code_text_and_errno),
		cmocka_unit_test(long_reasons_are_cut_not_overrun),
		cmocka_unit_test(log_lines_are_escaped),
		cmocka_unit_test(log_lines_are_bounded),
		cmocka_unit_test(a_full_log_drops_counts_and_tells),
		cmocka_unit_test(lines_for_postlogd_wait_for_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
