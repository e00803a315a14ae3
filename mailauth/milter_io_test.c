/* SPDX-License-Identifier: ISC */
/* milter_io_test.c - the calls that libmilter makes, on connections as it makes them (this program is linked with --wrap) */
#include "mailauth/milter_io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/test.h"

struct pair {
	int ours, server;
};

/* Connected by accept(), as libmilter has it. */
static int begin(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t length = sizeof(address);
	struct pair *p = malloc(sizeof(*p));
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	if (p == NULL || listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t)) < 0 ||
	    listen(listener, 1) < 0 || getsockname(listener, (struct sockaddr *)&address, &length) < 0)
		return -1;
	p->server = socket(AF_UNIX, SOCK_STREAM, 0);
	if (connect(p->server, (struct sockaddr *)&address, length) < 0)
		return -1;
	p->ours = accept(listener, NULL, NULL);
	close(listener);
	*state = p;
	return p->ours < 0 ? -1 : 0;
}

static int end(void **state)
{
	struct pair *p = *state;

	if (p->ours >= 0)
		close(p->ours);
	if (p->server >= 0)
		close(p->server);
	free(p);
	return 0;
}

static int wait_for_input(int fd, int timeout_ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN | POLLPRI };
	int n = poll(&poll_fd, 1, timeout_ms);

	assert_int_equal(n > 0 ? POLLIN : 0, poll_fd.revents & POLLIN);
	return n;
}

static void write_two(int fd, const char *a, const char *b)
{
	struct iovec parts[] = { { (void *)(uintptr_t)a, strlen(a) }, { (void *)(uintptr_t)b, strlen(b) } };

	assert_int_equal(writev(fd, parts, 2), strlen(a) + strlen(b));
}

static void packets_come_in_pieces(void **state)
{
	struct pair *p = *state;
	char head[5], rest[8];

	assert_int_equal(wait_for_input(p->ours, 1), 0);
	assert_int_equal(send(p->server, "head1rest", 9, 0), 9);
	assert_int_equal(send(p->server, "head2more", 9, 0), 9);
	for (int i = 1; i <= 2; i++) {
		assert_int_equal(wait_for_input(p->ours, 1000), 1);
		assert_int_equal(read(p->ours, head, 5), 5);
		assert_int_equal(head[4], '0' + i);
		assert_int_equal(wait_for_input(p->ours, 1000), 1);
		assert_int_equal(read(p->ours, rest, 4), 4);
		assert_memory_equal(rest, i == 1 ? "rest" : "more", 4);
	}
	assert_int_equal(wait_for_input(p->ours, 1), 0);
}

static void a_piece_may_be_all_there_is(void **state)
{
	struct pair *p = *state;
	char bytes[16];

	assert_int_equal(send(p->server, "abc", 3, 0), 3);
	assert_int_equal(read(p->ours, bytes, 16), 3);
	assert_int_equal(send(p->server, "de", 2, 0), 2);
	assert_int_equal(wait_for_input(p->ours, 1000), 1);
	assert_int_equal(read(p->ours, bytes, 1), 1);
	assert_int_equal(read(p->ours, bytes, 16), 1);
	assert_int_equal(bytes[0], 'e');
}

static void more_than_a_buffer_comes_whole(void **state)
{
	enum { BIG = 100000 };
	struct pair *p = *state;
	char *sent = malloc(BIG), *got = malloc(BIG);
	size_t n = 0;

	for (size_t i = 0; i < BIG; i++)
		sent[i] = (char)(i * 7 % 251);
	assert_int_equal(send(p->server, sent, BIG, 0), BIG);
	while (n < BIG) {
		size_t want = n % 3 == 0 ? 5 : n % 3 == 1 ? 40000 : 20000;
		ssize_t k;

		assert_int_equal(wait_for_input(p->ours, 1000), 1);
		k = read(p->ours, got + n, want < BIG - n ? want : BIG - n);
		assert_true(k > 0);
		n += (size_t)k;
	}
	assert_memory_equal(sent, got, BIG);
	free(sent);
	free(got);
}

static void an_answer_goes_out_at_once_when_its_writer_waits(void **state)
{
	struct pollfd writable = { .events = POLLOUT };
	struct pair *p = *state;
	char bytes[64];

	writable.fd = p->ours;
	assert_int_equal(poll(&writable, 1, 1000), 1);
	assert_int_equal(writable.revents, POLLOUT);
	write_two(p->ours, "field", "-one ");
	write_two(p->ours, "over", "");
	assert_int_equal(recv(p->server, bytes, sizeof(bytes), MSG_DONTWAIT), -1);
	assert_int_equal(wait_for_input(p->ours, 1), 0);
	assert_int_equal(recv(p->server, bytes, sizeof(bytes), MSG_DONTWAIT), 14);
	assert_memory_equal(bytes, "field-one over", 14);
}

static void a_large_answer_keeps_its_order(void **state)
{
	struct pair *p = *state;
	char *large = malloc(10001), got[10010];

	memset(large, 'x', 10000);
	large[10000] = '\0';
	write_two(p->ours, "begin", "");
	write_two(p->ours, large, "");
	write_two(p->ours, "", "end");
	assert_int_equal(wait_for_input(p->ours, 1), 0);
	assert_int_equal(recv(p->server, got, sizeof(got), MSG_WAITALL | MSG_DONTWAIT), 10008);
	assert_memory_equal(got, "beginx", 6);
	assert_memory_equal(got + 10004, "xend", 4);
	free(large);
}

static void what_was_written_is_sent_before_the_end(void **state)
{
	struct pair *p = *state;
	char bytes[8];

	write_two(p->ours, "by", "e");
	assert_int_equal(close(p->ours), 0);
	p->ours = -1;
	assert_int_equal(recv(p->server, bytes, sizeof(bytes), 0), 3);
	assert_int_equal(recv(p->server, bytes, sizeof(bytes), 0), 0);
}

static void a_server_that_left_is_noticed(void **state)
{
	struct iovec part = { (void *)(uintptr_t)"x", 1 };
	struct pair *p = *state;
	char bytes[8];

	assert_int_equal(send(p->server, "last", 4, 0), 4);
	close(p->server);
	p->server = -1;
	assert_int_equal(wait_for_input(p->ours, 1000), 1);
	assert_int_equal(read(p->ours, bytes, 8), 4);
	write_two(p->ours, "answer", "");
	assert_int_equal(wait_for_input(p->ours, 1000), 1);
	assert_int_equal(read(p->ours, bytes, 8), 0);
	assert_int_equal(writev(p->ours, &part, 1), -1);
	assert_int_equal(errno, EPIPE);
}

static void other_descriptors_are_as_ever(UNUSED void **state)
{
	struct iovec part = { (void *)(uintptr_t)"direct", 6 };
	char bytes[8];
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(wait_for_input(ends[0], 0), 0);
	assert_int_equal(writev(ends[1], &part, 1), 6);
	assert_int_equal(wait_for_input(ends[0], 0), 1);
	assert_int_equal(read(ends[0], bytes, 8), 6);
	assert_int_equal(close(ends[0]), 0);
	assert_int_equal(close(ends[1]), 0);
	assert_int_equal(close(ends[1]), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(packets_come_in_pieces, begin, end),
		cmocka_unit_test_setup_teardown(a_piece_may_be_all_there_is, begin, end),
		cmocka_unit_test_setup_teardown(more_than_a_buffer_comes_whole, begin, end),
		cmocka_unit_test_setup_teardown(an_answer_goes_out_at_once_when_its_writer_waits, begin, end),
		cmocka_unit_test_setup_teardown(a_large_answer_keeps_its_order, begin, end),
		cmocka_unit_test_setup_teardown(what_was_written_is_sent_before_the_end, begin, end),
		cmocka_unit_test_setup_teardown(a_server_that_left_is_noticed, begin, end),
		cmocka_unit_test(other_descriptors_are_as_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
