/* SPDX-License-Identifier: ISC */
/* pop3.c - POP3 until somebody has logged in (RFC 1939 4 and 7, RFC 2449, RFC 2595 4, RFC 5034, RFC 6856)
 *
 * USER is always answered alike, known or not; the session process sends the +OK of PASS or AUTH. */
#include <string.h>

#include "lib/base/codec.h"
#include "lib/base/log.h"
#include "lib/ipc/services.h"
#include "login/login.h"

enum next { GO_ON, BAD_COMMAND, HANG_UP };

enum { USER_MAX = 512 };

static void ok(struct client *c, const char *text)
{
	chat_printf(&c->chat, "+OK %s\r\n", text);
}

static enum next error(struct client *c, const char *text)
{
	chat_printf(&c->chat, "-ERR %s\r\n", text);
	return BAD_COMMAND;
}

static void bye(struct client *c, const char *text)
{
	chat_printf(&c->chat, "-ERR %s\r\n", text);
	(void)chat_flush(&c->chat, client_deadline(c));
}

static enum next read_line(struct client *c, struct span *line)
{
	switch (client_line(c, line)) {
	case CHAT_LINE:
		return GO_ON;
	case CHAT_TOO_LONG:
		return error(c, "Command line too long.");
	case CHAT_TIMEOUT:
		bye(c, "Disconnected for inactivity.");
		return HANG_UP;
	case CHAT_CANCELLED:
		bye(c, client_farewell(c));
		return HANG_UP;
	case CHAT_CLOSED:
		break;
	}
	return HANG_UP;
}

static void greet(struct client *c)
{
	ok(c, c->login->conf->login_greeting);
}

static void refuse(struct client *c, const char *text)
{
	bye(c, arena_printf(c->per_command, "[SYS/TEMP] %s", text));
}

/* The session process may have put a response code in front already. */
static void not_taken(struct client *c, struct span reason)
{
	chat_printf(&c->chat, "-ERR %s" SPAN_FMT "\r\n",
	            span_starts(reason, span_lit("[")) ? "" : "[SYS/TEMP] ", SPAN_ARG(reason));
}

/* ---- commands ---- */

static enum next do_capa(struct client *c, struct span argument)
{
	(void)argument;
	ok(c, "");
	chat_write(&c->chat, span_lit("TOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\nUTF8 USER\r\n"));
	if (client_may_start_tls(c))
		chat_write(&c->chat, span_lit("STLS\r\n"));
	if (client_may_use_passwords(c))
		chat_printf(&c->chat, "USER\r\nSASL " SPAN_FMT "\r\n", SPAN_ARG(ask_mechanisms(c->login)));
	chat_write(&c->chat, span_lit(".\r\n"));
	return GO_ON;
}

/* RFC 6856 2: messages are always sent as they are stored, so that UTF-8 is what the client gets. */
static enum next do_utf8(struct client *c, struct span argument)
{
	if (!span_is_empty(argument))
		return error(c, "UTF8 takes no argument.");
	ok(c, "UTF8 enabled");
	return GO_ON;
}

static enum next do_quit(struct client *c, struct span argument)
{
	(void)argument;
	ok(c, "Logging out");
	(void)chat_flush(&c->chat, client_deadline(c));
	return HANG_UP;
}

/* RFC 2595 4.  What was sent ahead in the clear must not be taken for the TLS client's (CVE-2011-0411). */
static enum next do_stls(struct client *c, struct span argument)
{
	(void)argument;
	if (!client_may_start_tls(c))
		return error(c, c->is_tls ? "TLS is already active." : "TLS is not available.");
	if (chat_discard_input(&c->chat) != 0)
		return error(c, "No command may follow STLS before TLS.");
	ok(c, "Begin TLS negotiation now.");
	c->pop3_user = (struct span){ 0 };
	return client_start_tls(c) ? GO_ON : HANG_UP;
}

static enum next refuse_plaintext(struct client *c)
{
	return error(c, "[AUTH] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.");
}

static enum next after_auth(struct client *c, enum auth_status status)
{
	switch (status) {
	case AUTH_OK:
		return HANG_UP;	/* of this conversation: the session begins */
	case AUTH_FAILED:
		(void)error(c, "[AUTH] Authentication failed.");
		break;
	case AUTH_UNKNOWN_MECHANISM:
		return error(c, "Unsupported authentication mechanism.");
	case AUTH_BAD:
		return error(c, "Invalid authentication data.");
	case AUTH_CONTINUE:
	case AUTH_UNAVAILABLE:
		(void)error(c, "[SYS/TEMP] Temporary authentication failure.");
		break;
	}
	if (ask_failed(c))
		return GO_ON;
	(void)chat_flush(&c->chat, client_deadline(c));
	return HANG_UP;
}

static enum next do_user(struct client *c, struct span argument)
{
	if (!client_may_use_passwords(c))
		return refuse_plaintext(c);
	if (span_is_empty(argument) || argument.len > USER_MAX)
		return error(c, "USER needs a name.");
	c->pop3_user = arena_dup(c->arena, argument);
	ok(c, "");
	return GO_ON;
}

/* All behind the blank is the password, blanks included (RFC 1939 7). */
static enum next do_pass(struct client *c, struct span argument)
{
	struct span user = c->pop3_user;

	if (!client_may_use_passwords(c))
		return refuse_plaintext(c);
	if (span_is_empty(user))
		return error(c, "No username given.");
	c->pop3_user = (struct span){ 0 };
	return after_auth(c, ask_password(c, user, argument));
}

static enum next list_mechanisms(struct client *c)
{
	struct span rest = ask_mechanisms(c->login), name;

	ok(c, "");
	while (span_token(&rest, " ", &name))
		chat_printf(&c->chat, SPAN_FMT "\r\n", SPAN_ARG(name));
	chat_write(&c->chat, span_lit(".\r\n"));
	return GO_ON;
}

static enum next read_response(struct client *c, struct span challenge, struct span *response, bool *is_bad)
{
	struct span line;
	enum next next;

	chat_printf(&c->chat, "+ " SPAN_FMT "\r\n", SPAN_ARG(base64_encode(c->per_command, challenge)));
	next = read_line(c, &line);
	/* "*" gives up (RFC 5034 4) and is no base64 either. */
	*is_bad = next == GO_ON && !base64_decode(c->per_command, line, response);
	if (next == GO_ON)
		memory_wipe((void *)(uintptr_t)line.ptr, line.len);
	return next;
}

static enum next do_auth(struct client *c, struct span argument)
{
	struct span rest = argument, mechanism, response = { 0 }, challenge;
	uint64_t conversation = 0;
	enum auth_status status;
	bool has_response, is_bad = false;
	enum next next;

	if (!client_may_use_passwords(c))
		return refuse_plaintext(c);
	if (span_is_empty(argument))
		return list_mechanisms(c);
	span_cut(&rest, ' ', &mechanism);
	mechanism = arena_dup(c->per_command, mechanism);
	has_response = !span_is_empty(rest);
	if (has_response && !span_equal(rest, span_lit("=")) && !base64_decode(c->per_command, rest, &response))
		return after_auth(c, AUTH_BAD);
	while ((status = ask_step(c, mechanism, has_response, response, &conversation, &challenge)) == AUTH_CONTINUE) {
		next = read_response(c, challenge, &response, &is_bad);
		if (next != GO_ON)
			return next;
		if (is_bad)
			return after_auth(c, AUTH_BAD);
		has_response = true;
	}
	return after_auth(c, status);
}

static const struct verb {
	struct span name;
	enum next (*obey)(struct client *c, struct span argument);
	const char *dialogue;	/* the conversation in tests/login that proves it */
} verbs[] = {
	{ SPAN("USER"), do_user, "pop3-pass" },
	{ SPAN("PASS"), do_pass, "pop3-pass" },
	{ SPAN("AUTH"), do_auth, "pop3-auth" },
	{ SPAN("CAPA"), do_capa, "pop3-start" },
	{ SPAN("STLS"), do_stls, "pop3-stls" },
	{ SPAN("QUIT"), do_quit, "pop3-start" },
	{ SPAN("UTF8"), do_utf8, "pop3-start" },
};

static const char *dialogue(size_t number, struct span *command)
{
	if (number >= COUNT_OF(verbs))
		return NULL;
	*command = verbs[number].name;
	return verbs[number].dialogue;
}

static enum next obey(struct client *c, struct span line)
{
	struct span argument = line, name;

	span_cut(&argument, ' ', &name);
	for (size_t i = 0; i < COUNT_OF(verbs); i++) {
		if (span_equal_ci(name, verbs[i].name))
			return verbs[i].obey(c, argument);
	}
	return error(c, "Unknown command.");
}

static enum next one_command(struct client *c)
{
	struct span line;
	enum next next = read_line(c, &line);

	if (next != GO_ON)
		return next;
	if (memchr(line.ptr, '\0', line.len) != NULL)
		return error(c, "NUL in command.");
	line = arena_dup(c->per_command, line);
	next = obey(c, line);
	memory_wipe((void *)(uintptr_t)line.ptr, line.len);
	return next;
}

static void converse(struct client *c)
{
	enum next next = GO_ON;

	while (next != HANG_UP) {
		arena_reset(c->per_command);
		next = one_command(c);
		if (next == GO_ON)
			c->bad_commands = 0;
		if (next == BAD_COMMAND && !client_note_bad(c)) {
			(void)chat_flush(&c->chat, client_deadline(c));
			next = HANG_UP;
		}
	}
}

const struct front front_pop3 = {
	.protocol = "pop3",
	.session_service = SERVICE_POP3D,
	.greet = greet,
	.converse = converse,
	.refuse = refuse,
	.not_taken = not_taken,
	.dialogue = dialogue,
};
