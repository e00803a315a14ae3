/* SPDX-License-Identifier: ISC */
/* fuzz_smtp_command.c - a whole session from hostile bytes, with scripted services behind it
 *
 * Every line we answer is a reply (RFC 5321 4.2), and the session leaves nothing behind. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/smtp/reply.h"
#include "lib/task/task.h"
#include "smtpd/fake_backend.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
	struct span input;
	int         client, server;
};

static struct smtpd_server *server;
static struct fake_backend fake;

/* Parameters alone matter here; the file is empty and gone at once. */
static void set_up(void)
{
	static const struct conf_override settings[] = {
		{ "compatibility_level", "3.6" }, { "myhostname", "mx.example.test" }, { "mynetworks", "192.0.2.0/24" },
		{ "smtpd_error_sleep_time", "0" }, { "smtpd_peername_lookup", "no" }, { "smtpd_timeout", "5" },
		{ "smtpd_sasl_auth_enable", "yes" }, { "alias_maps", "" }, { "local_recipient_maps", "" },
	};
	char dir[] = "/tmp/fuzz_smtp.XXXXXX";
	struct arena *arena = arena_new(NULL);
	const struct conf *conf;
	const char *error = NULL, *file;

	if (mkdtemp(dir) == NULL)
		abort();
	file = arena_printf(arena, "%s/main.cf", dir);
	close(open(file, O_WRONLY | O_CREAT, 0600));
	conf = conf_load(arena, dir, settings, COUNT_OF(settings), &error);
	unlink(file);
	rmdir(dir);
	if (conf == NULL)
		abort();
	log_open("fuzz", LOG_TO_FD, open("/dev/null", O_WRONLY | O_CLOEXEC));
	fake_backend_init(&fake);
	server = smtpd_server_new(conf, "smtp", false, NULL);
	server->backend = (struct smtpd_backend){ fake_backend_call, fake_backend_connect, &fake };
}

static void serve(void *arg)
{
	struct run *r = arg;

	smtpd_talk(server, r->server);
}

/* Binary SASL challenges apart, what comes back is lines that are replies. */
static void check_replies(struct span text)
{
	struct span line;
	struct smtp_reply_line reply;

	while (span_cut(&text, '\n', &line))
		if (!span_ends(line, span_lit("\r")) || !smtp_reply_line_parse(span_first(line, line.len - 1), &reply))
			abort();
}

static void attack(void *arg)
{
	struct run *r = arg;
	struct buf answer;
	ssize_t n;

	buf_init(&answer, BUF_NO_LIMIT);
	if (task_spawn(serve, r, "server") == NULL)
		abort();
	if (task_write(r->client, r->input.ptr, r->input.len, clock_in_s(5)) >= 0)
		shutdown(r->client, SHUT_WR);
	do {
		char *room = buf_reserve(&answer, 4096);

		n = room == NULL ? -1 : task_read(r->client, room, 4096, clock_in_s(10));
		if (n > 0)
			buf_commit(&answer, (size_t)n);
	} while (n > 0);
	check_replies(buf_span(&answer));
	buf_free(&answer);
	task_close(r->client);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run r = { .input = span_make(data, size) };
	int pair[2];

	if (server == NULL)
		set_up();
	if (size > 100000 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		return 0;
	r.client = pair[0];
	r.server = pair[1];
	task_main(attack, &r);
	buf_clear(&fake.milters.seen);
	if (server->session_count != 0 || !list_is_empty(&server->idle))
		abort();
	return 0;
}
