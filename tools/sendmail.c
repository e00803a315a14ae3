/* SPDX-License-Identifier: ISC */
/* sendmail.c - the command that programs and people on this host send mail with
 *
 * Speaks SMTP to the suite's public submission socket, which learns the caller's uid from the kernel: so it
 * needs no privileges.  While the suite is down the message goes to the sticky maildrop folder (lib/smtp/submit.h),
 * and is sent when the suite starts.  Under the names mailq and newaliases it is the other old commands.
 * Options and exit codes are those of postfix-compat 9 and 15: nearly every failure is EX_TEMPFAIL. */
#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/base/sysexits.h"
#include "lib/conf/conf.h"
#include "lib/mime/address.h"
#include "lib/mime/field.h"
#include "lib/smtp/address.h"
#include "lib/smtp/submit.h"
#include "lib/smtp/xtext.h"

enum { STEP_TIMEOUT_S = 300, RECIPIENTS_MAX = 100000 };

enum mode { MODE_SEND, MODE_SMTP, MODE_QUEUE, MODE_ALIASES, MODE_FLUSH, MODE_DAEMON, MODE_VERIFY };

struct sendmail {
	struct arena *arena;
	const struct conf *conf;
	enum mode     mode;
	const char   *sender, *full_name, *body, *notify, *dsn_return, *envid, *config_dir, *flush_site, *flush_id;
	bool          from_header, ignore_dots, utf8;
	struct span  *recipients;
	size_t        recipient_count, recipient_room;
};

/* die - what went wrong on stderr, for the caller, and EX_TEMPFAIL: the caller keeps its mail. */
static void die(int status, const char *format, ...) PRINTF_LIKE(2, 3) NO_RETURN;
static void die(int status, const char *format, ...)
{
	va_list args;

	fputs("sendmail: fatal: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(status);
}

/* ---- options ---- */

static void set_mode(struct sendmail *m, const char *value)
{
	static const struct { char letter; enum mode mode; } modes[] = {
		{ 'm', MODE_SEND }, { 's', MODE_SMTP }, { 'p', MODE_QUEUE }, { 'i', MODE_ALIASES },
		{ 'd', MODE_DAEMON }, { 'l', MODE_DAEMON }, { 'v', MODE_VERIFY },
	};

	if (strchr("hH", value[0]) != NULL && value[0] != '\0')
		return;	/* ignored */
	for (size_t i = 0; i < COUNT_OF(modes); i++)
		if (value[0] == modes[i].letter) {
			m->mode = modes[i].mode;
			return;
		}
	die(EXIT_TEMPFAIL, "unsupported: -b%s", value);
}

/* -q: flush all; -qI ID, -qR SITE: some; -qINTERVAL: ignored. */
static void set_queue_run(struct sendmail *m, const char *value)
{
	if (ascii_is_digit(value[0]))
		return;
	m->mode = MODE_FLUSH;
	if (value[0] == 'I')
		m->flush_id = value + 1;
	else if (value[0] == 'R')
		m->flush_site = value + 1;
	else if (value[0] != '\0')
		die(EXIT_TEMPFAIL, "unsupported: -q%s", value);
}

static void set_old_option(struct sendmail *m, const char *value)
{
	if (value[0] == 'i')
		m->ignore_dots = true;	/* -oi; all other -o options are of the past */
}

static void set_new_option(struct sendmail *m, const char *value)
{
	if (strncmp(value, "smtputf8=", 9) == 0)
		m->utf8 = strcmp(value + 9, "yes") == 0;
}

static void set_option(struct sendmail *m, int letter, const char *value)
{
	switch (letter) {
	case 'B': m->body = value; break;
	case 'C': m->config_dir = value; break;
	case 'F': m->full_name = value; break;
	case 'I': m->mode = MODE_ALIASES; break;
	case 'N': m->notify = value; break;
	case 'O': set_new_option(m, value); break;
	case 'R': m->dsn_return = value; break;
	case 'V': m->envid = value; break;
	case 'b': set_mode(m, value); break;
	case 'f':
	case 'r': m->sender = value; break;
	case 'i': m->ignore_dots = true; break;
	case 'o': set_old_option(m, value); break;
	case 'q': set_queue_run(m, value); break;
	case 't': m->from_header = true; break;
	case '?': die(EXIT_TEMPFAIL, "usage: sendmail [options] [recipient ...]");
	default: break;	/* known, and without effect here */
	}
}

/* Options whose value may be missing or must be joined ("-q", "-qI", "-v"): getopt's "::". */
static void read_options(struct sendmail *m, int argc, char **argv)
{
	int letter;

	while ((letter = getopt(argc, argv, "A:B:C:F:GIL:N:O:R:UV:X:b:ce:f:h:imno:p:q::r:stvx")) != -1)
		set_option(m, letter, optarg != NULL ? optarg : "");
}

static void add_recipient(struct sendmail *m, struct span address)
{
	if (m->recipient_count == m->recipient_room) {
		size_t room = m->recipient_room * 2 + 8;
		struct span *grown = ARENA_NEW_ARRAY(m->arena, struct span, room);

		if (m->recipient_count > 0)
			memcpy(grown, m->recipients, m->recipient_count * sizeof(*grown));
		m->recipients = grown;
		m->recipient_room = room;
	}
	m->recipients[m->recipient_count++] = address;
}

/* Every mailbox of an address list. */
static void add_list(struct sendmail *m, struct span text)
{
	for (const struct mime_address *a = mime_addresses(m->arena, text, RECIPIENTS_MAX); a != NULL; a = a->next) {
		struct span local;

		if (a->kind != MIME_MAILBOX || a->mailbox.len == 0)
			continue;
		local = smtp_quote_local(m->arena, a->mailbox);
		add_recipient(m, a->domain.len == 0 ? local
		                 : arena_printf_span(m->arena, SPAN_FMT "@" SPAN_FMT, SPAN_ARG(local),
		                                     SPAN_ARG(a->domain)));
	}
}

/* ---- the message ---- */

/* stdin as wire format: every line ends in CRLF; a lone dot ends it unless -i; the "From " line of a mailbox file
 * is no part of it. */
static void read_message(struct sendmail *m, struct buf *out)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n;

	for (size_t number = 0; (n = getline(&line, &room, stdin)) > 0; number++) {
		struct span text = span_make(line, (size_t)n);

		if (span_ends(text, span_lit("\n")))
			text.len--;
		if (span_ends(text, span_lit("\r")))
			text.len--;
		if (!m->ignore_dots && span_equal(text, span_lit(".")))
			break;
		if (number == 0 && (span_starts(text, span_lit("From ")) || span_starts(text, span_lit(">From "))))
			continue;
		buf_add(out, text);
		buf_add(out, span_lit("\r\n"));
	}
	free(line);
	if (ferror(stdin))
		die(EXIT_TEMPFAIL, "read the message: %s", strerror(errno));
	if (out->overflowed)
		die(EXIT_UNAVAILABLE, "message file too big");
}

static bool is_one_of(struct span name, const char *const *names)
{
	for (; *names != NULL; names++)
		if (span_equal_ci(name, span_of(*names)))
			return true;
	return false;
}

/* -t: recipients from the header; when there are Resent- fields, from those alone (RFC 5322 3.6.6). */
static void recipients_from_header(struct sendmail *m, struct span header)
{
	static const char *const plain[] = { "To", "Cc", "Bcc", NULL };
	static const char *const resent[] = { "Resent-To", "Resent-Cc", "Resent-Bcc", NULL };
	bool is_resent = false;
	struct mime_field field;

	for (struct span rest = header; mime_field_next(&rest, &field);)
		is_resent |= is_one_of(field.name, resent);
	for (struct span rest = header; mime_field_next(&rest, &field);)
		if (is_one_of(field.name, is_resent ? resent : plain))
			add_list(m, field.value);
}

/* The header again: without Bcc, and with a From that -F names. */
static struct span finish_content(struct sendmail *m, struct span message, struct buf *out)
{
	static const char *const hidden[] = { "Bcc", "Resent-Bcc", NULL };
	struct span header = span_first(message, mime_header_end(message)), rest = header, unused;
	struct mime_field field;

	if (m->full_name != NULL && m->full_name[0] != '\0' && !mime_field_find(header, span_lit("From"), &unused)) {
		buf_add_cstr(out, "From: \"");
		for (const char *p = m->full_name; *p != '\0'; p++)
			if (*p != '"' && *p != '\\' && (unsigned char)*p >= ' ')
				buf_add_byte(out, *p);
		buf_addf(out, "\" <%s%s%s>\r\n", m->sender, strchr(m->sender, '@') == NULL ? "@" : "",
		         strchr(m->sender, '@') == NULL ? m->conf->myorigin : "");
	}
	while (mime_field_next(&rest, &field))
		if (!is_one_of(field.name, hidden))
			buf_add(out, field.raw);
	buf_add(out, span_skip(message, (size_t)(rest.ptr - message.ptr)));
	return buf_span(out);
}

/* ---- the envelope ---- */

static const char *default_sender(struct sendmail *m)
{
	const struct passwd *user = getpwuid(getuid());

	if (user != NULL)
		return arena_printf(m->arena, "%s", user->pw_name);
	return arena_printf(m->arena, "uid%lu", (unsigned long)getuid());
}

/* "<address>" is an address, too; "<>" the null sender. */
static const char *without_brackets(struct arena *arena, const char *text)
{
	struct span s = span_of(text);

	if (!span_starts(s, span_lit("<")) || !span_ends(s, span_lit(">")))
		return text;
	return arena_cstr(arena, span_slice(s, 1, s.len - 2));
}

static void check_clean(const char *what, const char *text)
{
	for (const char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			die(EXIT_TEMPFAIL, "%s holds a control character", what);
}

static struct span mail_line(struct sendmail *m)
{
	struct buf line;
	struct span out;

	buf_init(&line, BUF_NO_LIMIT);
	buf_addf(&line, "MAIL FROM:<%s>", m->sender);
	if (m->body != NULL)
		buf_addf(&line, " BODY=%s", m->body);
	if (m->utf8)
		buf_add_cstr(&line, " SMTPUTF8");
	if (m->dsn_return != NULL)
		buf_addf(&line, " RET=%s", m->dsn_return);
	if (m->envid != NULL)
		buf_addf(&line, " ENVID=" SPAN_FMT, SPAN_ARG(xtext_encode(m->arena, span_of(m->envid))));
	out = arena_dup(m->arena, buf_span(&line));
	buf_free(&line);
	return out;
}

static struct span rcpt_line(struct sendmail *m, struct span address)
{
	if (m->notify != NULL)
		return arena_printf_span(m->arena, "RCPT TO:<" SPAN_FMT "> NOTIFY=%s", SPAN_ARG(address), m->notify);
	return arena_printf_span(m->arena, "RCPT TO:<" SPAN_FMT ">", SPAN_ARG(address));
}

static struct submission make_submission(struct sendmail *m, struct span content)
{
	struct submission s = { .content = content };

	m->utf8 |= smtp_has_8bit(span_of(m->sender));
	for (size_t i = 0; i < m->recipient_count; i++)
		m->utf8 |= smtp_has_8bit(m->recipients[i]);
	s.mail = mail_line(m);
	s.rcpts = ARENA_NEW_ARRAY(m->arena, struct span, m->recipient_count);
	s.rcpt_count = m->recipient_count;
	for (size_t i = 0; i < m->recipient_count; i++)
		s.rcpts[i] = rcpt_line(m, m->recipients[i]);
	return s;
}

/* ---- what it does ---- */

static const char *socket_path(const struct sendmail *m)
{
	return arena_printf(m->arena, "%s/public/pickup", m->conf->queue_directory);
}

static int send_message(struct sendmail *m, char **addresses)
{
	unsigned long long limit = m->conf->message_size_limit;
	struct buf message, content;
	struct submission s;
	struct why why, drop;

	if (m->sender == NULL)
		m->sender = default_sender(m);
	check_clean("the sender", m->sender);
	m->sender = without_brackets(m->arena, m->sender);
	buf_init(&message, limit == 0 ? BUF_NO_LIMIT : (size_t)limit);
	buf_init(&content, BUF_NO_LIMIT);
	read_message(m, &message);
	for (; *addresses != NULL; addresses++) {
		check_clean("a recipient", *addresses);
		add_list(m, span_of(*addresses));
	}
	if (m->from_header)
		recipients_from_header(m, span_first(buf_span(&message), mime_header_end(buf_span(&message))));
	if (m->recipient_count == 0)
		die(EXIT_TEMPFAIL, m->from_header ? "No recipient addresses found in message header"
		                                  : "Recipient addresses must be specified on the command line or via the -t option");
	s = make_submission(m, finish_content(m, buf_span(&message), &content));
	switch (submit_message(socket_path(m), &s, STEP_TIMEOUT_S, &why)) {
	case DONE:
		return 0;
	case REFUSE:
		die(EXIT_UNAVAILABLE, "%s", why.text);
	case DEFER:
		break;
	}
	if (maildrop_write(arena_printf(m->arena, "%s/maildrop", m->conf->queue_directory), &s, &drop) == DONE) {
		fprintf(stderr, "sendmail: warning: %s; the message is sent when the mail system runs\n", why.text);
		return 0;
	}
	die(EXIT_TEMPFAIL, "%s; %s", why.text, drop.text);
}

/* Bytes from one side to the other; false at the end. */
static bool relay(int from, int to)
{
	char bytes[8192];
	ssize_t n = read(from, bytes, sizeof(bytes));

	return n > 0 && fs_write_all(to, bytes, (size_t)n) == 0;
}

/* -bs: SMTP on stdin and stdout, spoken by the suite's own server. */
static int stand_alone(struct sendmail *m)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct pollfd fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .events = POLLIN } };
	const char *path = socket_path(m);

	fds[1].fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fds[1].fd < 0 || strlen(path) >= sizeof(address.sun_path))
		die(EXIT_TEMPFAIL, "no socket for %s", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (connect(fds[1].fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		die(EXIT_TEMPFAIL, "connect to %s: %s", path, strerror(errno));
	while (poll(fds, 2, -1) > 0) {
		if (fds[1].revents != 0 && !relay(fds[1].fd, STDOUT_FILENO))
			return 0;
		if (fds[0].revents != 0 && !relay(STDIN_FILENO, fds[1].fd)) {
			shutdown(fds[1].fd, SHUT_WR);
			fds[0].fd = -1;
		}
	}
	return EXIT_TEMPFAIL;
}

static void run(const struct sendmail *m, const char *name, const char *option, const char *value) NO_RETURN;
static void run(const struct sendmail *m, const char *name, const char *option, const char *value)
{
	const char *command = arena_printf(m->arena, "%s/%s", m->conf->command_directory, name);

	execl(command, name, option, value, (char *)NULL);
	die(EXIT_UNAVAILABLE, "run %s: %s", command, strerror(errno));
}

static int obey(struct sendmail *m, char **addresses)
{
	switch (m->mode) {
	case MODE_SEND:
		return send_message(m, addresses);
	case MODE_SMTP:
		return stand_alone(m);
	case MODE_QUEUE:
		run(m, "postqueue", "-p", NULL);
	case MODE_ALIASES:
		run(m, "newaliases", NULL, NULL);
	case MODE_FLUSH:
		if (m->flush_id != NULL)
			run(m, "postqueue", "-i", m->flush_id[0] != '\0' ? m->flush_id : *addresses);
		if (m->flush_site != NULL)
			run(m, "postqueue", "-s", m->flush_site[0] != '\0' ? m->flush_site : *addresses);
		run(m, "postqueue", "-f", NULL);
	case MODE_DAEMON:
		run(m, "postern", "start", NULL);
	case MODE_VERIFY:
		break;
	}
	die(EXIT_TEMPFAIL, "-bv is not supported: the verification report would be a lie");
}

static void mode_from_name(struct sendmail *m, const char *name)
{
	const char *slash = strrchr(name, '/');

	name = slash != NULL ? slash + 1 : name;
	if (strcmp(name, "mailq") == 0)
		m->mode = MODE_QUEUE;
	else if (strcmp(name, "newaliases") == 0)
		m->mode = MODE_ALIASES;
}

int main(int argc, char **argv)
{
	struct sendmail m = { .arena = arena_new(NULL), .config_dir = getenv("MAIL_CONFIG"), .full_name = getenv("NAME") };
	const char *error = NULL;

	if (m.config_dir == NULL)
		m.config_dir = CONFIG_DIR;
	mode_from_name(&m, argv[0]);
	read_options(&m, argc, argv);
	m.conf = conf_load(m.arena, m.config_dir, NULL, 0, &error);
	if (m.conf == NULL)
		die(EXIT_TEMPFAIL, "%s", error);
	if (setenv("MAIL_CONFIG", m.config_dir, 1) < 0)	/* for what we run */
		die(EXIT_TEMPFAIL, "%s", strerror(errno));
	return obey(&m, argv + optind);
}
