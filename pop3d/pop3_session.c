/* SPDX-License-Identifier: ISC */
/* pop3_session.c - the transaction state of POP3 (RFC 1939 5 to 7, RFC 2449)
 *
 * A blocking process that is already the user and can open nothing but that user's Maildir.  It works on a snapshot of
 * INBOX taken at login; DELE only marks, QUIT deletes, a lost connection deletes nothing.  Builds no
 * index: a session that fetches and deletes all leaves nothing behind. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "pop3d/pop3d.h"

#define LOCK_NAME "postern-pop3.lock"

/* The message number in text; 0 and a reply when there is none. */
static uint32_t message_number(struct pop3 *p, struct span text)
{
	unsigned long long n;

	if (!span_u64(text, UINT32_MAX, &n)) {
		pop3_reply(p, "-ERR Not a message number.");
		p->bad_commands++;
		return 0;
	}
	if (n == 0 || n > p->count) {
		pop3_reply(p, "-ERR There is no message with that number.");
		return 0;
	}
	if (p->messages[n - 1].is_deleted) {
		pop3_reply(p, "-ERR Message is deleted.");
		return 0;
	}
	return (uint32_t)n;
}

static uint64_t size_of(struct pop3 *p, uint32_t n)
{
	uint64_t size;

	return mailbox_size(p->mailbox, p->messages[n - 1].seq, &size) == MAIL_OK ? size : 0;
}

static void totals(struct pop3 *p, uint32_t *count, uint64_t *size)
{
	*count = 0;
	*size = 0;
	for (uint32_t n = 1; n <= p->count; n++)
		if (!p->messages[n - 1].is_deleted) {
			(*count)++;
			*size += size_of(p, n);
		}
}

/* ---- commands: each replies ---- */

static void do_capa(struct pop3 *p, struct span arguments)
{
	(void)arguments;
	pop3_reply(p, "+OK Capability list follows");
	pop3_reply(p, "TOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\nUSER\r\nUTF8 USER\r\nEXPIRE NEVER\r\n"
	              "IMPLEMENTATION Postern\r\n.");
}

static void do_stat(struct pop3 *p, struct span arguments)
{
	uint32_t count;
	uint64_t size;

	(void)arguments;
	totals(p, &count, &size);
	pop3_reply(p, "+OK %u %llu", count, (unsigned long long)size);
}

static void do_list(struct pop3 *p, struct span arguments)
{
	uint32_t count, n;
	uint64_t size;

	if (arguments.len > 0) {
		n = message_number(p, arguments);
		if (n != 0)
			pop3_reply(p, "+OK %u %llu", n, (unsigned long long)size_of(p, n));
		return;
	}
	totals(p, &count, &size);
	pop3_reply(p, "+OK %u messages (%llu octets)", count, (unsigned long long)size);
	for (n = 1; n <= p->count; n++)
		if (!p->messages[n - 1].is_deleted)
			pop3_reply(p, "%u %llu", n, (unsigned long long)size_of(p, n));
	pop3_write(p, span_lit(".\r\n"));
}

static void do_uidl(struct pop3 *p, struct span arguments)
{
	uint32_t n;

	if (arguments.len > 0) {
		n = message_number(p, arguments);
		if (n != 0)
			pop3_reply(p, "+OK %u " SPAN_FMT, n, SPAN_ARG(pop3_uidl(p, n)));
		return;
	}
	pop3_reply(p, "+OK");
	for (n = 1; n <= p->count; n++)
		if (!p->messages[n - 1].is_deleted)
			pop3_reply(p, "%u " SPAN_FMT, n, SPAN_ARG(pop3_uidl(p, n)));
	pop3_write(p, span_lit(".\r\n"));
}

/* RETR and TOP: the message, or why not. */
static bool send_message(struct pop3 *p, uint32_t n, uint64_t body_lines)
{
	struct message_reader reader;
	enum mail_result result = mailbox_read(p->mailbox, p->messages[n - 1].seq, &reader);

	if (result != MAIL_OK) {
		pop3_reply(p, "-ERR %s%s", result == MAIL_GONE ? "" : "[SYS/TEMP] ", mail_result_text(result));
		return false;
	}
	pop3_reply(p, "+OK %llu octets", (unsigned long long)reader.size);
	p->retrieved_bytes += reader.size;
	pop3_send_message(p, &reader, body_lines);
	reader_close(&reader);
	return true;
}

static void do_retr(struct pop3 *p, struct span arguments)
{
	uint32_t n = message_number(p, arguments);

	if (n == 0 || !send_message(p, n, UINT64_MAX))
		return;
	p->messages[n - 1].is_retrieved = true;
	p->retrieved++;
}

static void do_top(struct pop3 *p, struct span arguments)
{
	struct span number, lines = arguments;
	unsigned long long count;
	uint32_t n;

	if (!span_token(&lines, " ", &number) || !span_u64(span_trim(lines), UINT64_MAX - 1, &count)) {
		pop3_reply(p, "-ERR TOP takes a message number and a number of lines.");
		p->bad_commands++;
		return;
	}
	n = message_number(p, number);
	if (n != 0)
		(void)send_message(p, n, count);
}

static void do_dele(struct pop3 *p, struct span arguments)
{
	uint32_t n = message_number(p, arguments);

	if (n == 0)
		return;
	p->messages[n - 1].is_deleted = true;
	pop3_reply(p, "+OK Marked to be deleted.");
}

static void do_rset(struct pop3 *p, struct span arguments)
{
	(void)arguments;
	for (uint32_t n = 1; n <= p->count; n++)
		p->messages[n - 1].is_deleted = false;
	pop3_reply(p, "+OK");
}

static void do_noop(struct pop3 *p, struct span arguments)
{
	(void)arguments;
	pop3_reply(p, "+OK");
}

static void refuse(struct pop3 *p, struct span arguments)
{
	(void)arguments;
	p->bad_commands++;
	pop3_reply(p, "-ERR Not possible after login.");
}

static const struct {
	struct span name;
	void (*obey)(struct pop3 *p, struct span arguments);
	const char *dialogue;	/* the conversation in tests/pop3d that proves it */
} commands[] = {
	{ SPAN("CAPA"), do_capa, "session" },	/* RFC 2449 5 */
	{ SPAN("DELE"), do_dele, "delete" },
	{ SPAN("LIST"), do_list, "list" },
	{ SPAN("NOOP"), do_noop, "session" },
	{ SPAN("RETR"), do_retr, "retrieve" },
	{ SPAN("RSET"), do_rset, "delete" },
	{ SPAN("STAT"), do_stat, "list" },
	{ SPAN("TOP"), do_top, "retrieve" },
	{ SPAN("UIDL"), do_uidl, "uidl" },
	{ SPAN("APOP"), refuse, "login" },
	{ SPAN("AUTH"), refuse, "login" },	/* RFC 5034 4 */
	{ SPAN("PASS"), refuse, "login" },
	{ SPAN("STLS"), refuse, "login" },	/* RFC 2595 4 */
	{ SPAN("USER"), refuse, "login" },
	{ SPAN("UTF8"), refuse, "login" },	/* RFC 6856 2: before login only */
};

const char *pop3_dialogue(size_t number, struct span *command)
{
	if (number >= COUNT_OF(commands))
		return NULL;
	*command = commands[number].name;
	return commands[number].dialogue;
}

/* ---- UPDATE state ---- */

/* Numbers in the view of messages for which pick() holds. */
static size_t pick_messages(const struct pop3 *p, bool (*pick)(const struct pop3_message *m), uint32_t *seqs)
{
	size_t count = 0;

	for (uint32_t i = 0; i < p->count; i++)
		if (pick(&p->messages[i]))
			seqs[count++] = p->messages[i].seq;
	return count;
}

static bool is_deleted(const struct pop3_message *m)
{
	return m->is_deleted;
}

static bool is_read_and_kept(const struct pop3_message *m)
{
	return m->is_retrieved && !m->is_deleted;
}

static void mark_seen(struct pop3 *p)
{
	uint32_t *seqs = ARENA_NEW_ARRAY(p->arena, uint32_t, (size_t)p->count + 1);
	size_t count = p->conf->pop3_no_flag_updates ? 0 : pick_messages(p, is_read_and_kept, seqs);

	if (count > 0 &&
	    mailbox_store(p->mailbox, seqs, count, FLAGS_ADD, MAIL_SEEN, 0, NULL) != MAIL_OK)
		log_warning("cannot mark messages as seen: %s", strerror(errno));
}

static void quit(struct pop3 *p)
{
	uint32_t *seqs = ARENA_NEW_ARRAY(p->arena, uint32_t, (size_t)p->count + 1);
	enum mail_result result;

	p->deleted = pick_messages(p, is_deleted, seqs);
	result = p->deleted > 0 ? mailbox_expunge(p->mailbox, seqs, p->deleted) : MAIL_OK;
	if (result == MAIL_OK)
		pop3_reply(p, p->deleted > 0 ? "+OK Bye, messages deleted." : "+OK Bye.");
	else
		pop3_reply(p, "-ERR [SYS/TEMP] Some messages are not deleted: %s", mail_result_text(result));
}

/* ---- the conversation ---- */

static void obey(struct pop3 *p, struct span line)
{
	struct span verb, rest = line;
	unsigned bad = p->bad_commands;

	span_cut(&rest, ' ', &verb);
	for (size_t i = 0; i < COUNT_OF(commands); i++)
		if (span_equal_ci(commands[i].name, verb)) {
			commands[i].obey(p, span_trim(rest));
			if (bad == p->bad_commands)
				p->bad_commands = 0;
			return;
		}
	p->bad_commands++;
	pop3_reply(p, "-ERR Unknown command.");
}

/* Until QUIT or the end; says how it ended. */
static const char *converse(struct pop3 *p)
{
	struct span line;

	for (;;) {
		if (p->bad_commands > (unsigned long long)p->conf->pop3d_bad_command_limit) {
			pop3_reply(p, "-ERR Too many bad commands.");
			return "too many bad commands";
		}
		switch (pop3_line(p, &line)) {
		case POP3_LINE:
			if (span_equal_ci(line, span_lit("QUIT"))) {
				quit(p);
				return "quit";
			}
			obey(p, line);
			break;
		case POP3_TOO_LONG:
			p->bad_commands++;
			pop3_reply(p, "-ERR Line too long.");
			break;
		case POP3_TIMEOUT:
			pop3_reply(p, "-ERR [SYS/TEMP] Silent for too long.");
			return "timeout";
		case POP3_CLOSED:
			if (p->is_stopping == NULL || !p->is_stopping())
				return "connection lost";
			pop3_reply(p, "-ERR [SYS/TEMP] Server shutting down.");
			return "server shutting down";
		}
	}
}

static int by_order(const void *a, const void *b)
{
	const struct pop3_message *x = a, *y = b;

	if (x->order != y->order && x->order != 0 && y->order != 0)
		return x->order < y->order ? -1 : 1;
	if ((x->order == 0) != (y->order == 0))
		return x->order != 0 ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static void take_snapshot(struct pop3 *p)
{
	struct span ignored;

	p->count = mailbox_count(p->mailbox);
	p->messages = ARENA_NEW_ARRAY(p->arena, struct pop3_message, (size_t)p->count + 1);
	for (uint32_t i = 0; i < p->count; i++) {
		p->messages[i].seq = i + 1;
		mailbox_pop3_record(p->mailbox, i + 1, &ignored, &p->messages[i].order);
	}
	qsort(p->messages, p->count, sizeof(*p->messages), by_order);
}

/* The one session of this user, where so configured: a kernel lock that ends with us. */
static bool lock_session(const struct pop3 *p)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd;

	if (!p->conf->pop3_lock_session)
		return true;
	fd = fs_open_at(mailstore_root(p->store), LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	return fd >= 0 && fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

static bool open_mail(struct pop3 *p, const char *path)
{
	enum mail_result result;

	p->store = mailstore_open(path, true);
	if (p->store == NULL) {
		log_error("cannot open %s: %s", path, strerror(errno));
		pop3_reply(p, "-ERR [SYS/TEMP] The mailbox cannot be opened now.");
		return false;
	}
	if (!lock_session(p)) {
		pop3_reply(p, "-ERR [IN-USE] Another session has this mailbox.");
		return false;
	}
	result = mailbox_open(p->store, span_lit("INBOX"), MAILBOX_NO_INDEX, &p->mailbox);
	if (result != MAIL_OK) {
		log_error("cannot open INBOX in %s: %s", path, strerror(errno));
		pop3_reply(p, "-ERR [SYS/TEMP] %s", mail_result_text(result));
		return false;
	}
	return true;
}

void pop3_session(const struct conf *conf, const struct session_request *r, const char *path,
                  bool (*is_stopping)(void))
{
	struct pop3 p = { .conf = conf, .arena = arena_new(NULL), .fd = r->client, .is_stopping = is_stopping };
	const char *end = "no mailbox";

	buf_init(&p.in, BUF_NO_LIMIT);
	buf_init(&p.out, BUF_NO_LIMIT);
	buf_add(&p.in, r->input);
	if (open_mail(&p, path)) {
		take_snapshot(&p);
		pop3_reply(&p, "+OK Logged in.");
		end = converse(&p);
		mark_seen(&p);
	}
	mailbox_close(p.mailbox);
	mailstore_close(p.store);
	pop3_flush(&p);
	log_note("user=<" SPAN_FMT ">, rip=" SPAN_FMT ", disconnected: %s, retr=%llu/%llu, del=%llu/%u",
	         SPAN_ARG(r->user), SPAN_ARG(r->remote_address), end, (unsigned long long)p.retrieved,
	         (unsigned long long)p.retrieved_bytes, (unsigned long long)p.deleted, p.count);
	close(p.fd);
	buf_free(&p.in);
	buf_free(&p.out);
	arena_free(p.arena);
}
