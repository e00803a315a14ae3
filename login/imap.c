/* SPDX-License-Identifier: ISC */
/* imap.c - IMAP until somebody has logged in (RFC 3501 6.1, 6.2; imap-scope 4.15 and 9)
 *
 * The client is hostile: a command is at most login_line_length_limit bytes with all its literals, a literal is refused
 * before it is sent, and nothing the client said comes back but a checked tag. */
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/codec.h"
#include "lib/base/log.h"
#include "lib/ipc/services.h"
#include "login/imap_command.h"
#include "login/login.h"

enum { LITERALS_MAX = 3 };

enum next { GO_ON, BAD_COMMAND, HANG_UP };

static void untagged(struct client *c, const char *text)
{
	chat_printf(&c->chat, "* %s\r\n", text);
}

static void tagged(struct client *c, struct span tag, const char *text)
{
	chat_printf(&c->chat, SPAN_FMT " %s\r\n", SPAN_ARG(tag), text);
}

static void bye(struct client *c, const char *text)
{
	chat_printf(&c->chat, "* BYE %s\r\n", text);
	(void)chat_flush(&c->chat, client_deadline(c));
}

/* ---- gathering a command ---- */

struct gathered {
	struct buf text;
	unsigned   literals;
};

static enum next read_line(struct client *c, struct span *line)
{
	switch (client_line(c, line)) {
	case CHAT_LINE:
		return GO_ON;
	case CHAT_TOO_LONG:
		untagged(c, "BAD Command line too long");
		return BAD_COMMAND;
	case CHAT_TIMEOUT:
		bye(c, "Disconnected for inactivity");
		return HANG_UP;
	case CHAT_CANCELLED:
		bye(c, client_farewell(c));
		return HANG_UP;
	case CHAT_CLOSED:
		break;
	}
	return HANG_UP;
}

static enum next read_literal(struct client *c, struct gathered *g, unsigned long long size)
{
	while (size > 0) {
		struct span bytes;

		if (client_bytes(c, &bytes) != CHAT_LINE)
			return HANG_UP;
		bytes = span_first(bytes, size);
		if (!buf_add(&g->text, bytes))
			return HANG_UP;	/* cannot be: the size was checked */
		memory_wipe((void *)(uintptr_t)bytes.ptr, bytes.len);	/* may be a password */
		chat_take(&c->chat, bytes.len);
		size -= bytes.len;
	}
	return GO_ON;
}

/* A literal that is too much: what waits for our word is never sent; what comes all the same ends the connection. */
static enum next refuse_literal(struct client *c, bool is_synchronizing)
{
	if (is_synchronizing) {
		untagged(c, "BAD [TOOBIG] Literal too long before login");
		return BAD_COMMAND;
	}
	bye(c, "Literal too long before login");
	return HANG_UP;
}

/* Append the line; then its literal, if it ends in one: *is_open says that the command goes on. */
static enum next add_line(struct client *c, struct gathered *g, struct span line, bool *is_open)
{
	unsigned long long size;
	bool is_synchronizing, is_usable;
	size_t room = g->text.limit - g->text.len;

	*is_open = false;
	is_usable = imap_is_clean(line) && buf_add(&g->text, line);
	memory_wipe((void *)(uintptr_t)line.ptr, line.len);	/* may be a password; g has it now */
	if (!is_usable) {
		untagged(c, "BAD Unusable command line");
		return BAD_COMMAND;
	}
	line = span_skip(buf_span(&g->text), g->text.len - line.len);
	if (!imap_literal(line, &size, &is_synchronizing))
		return GO_ON;
	if (++g->literals > LITERALS_MAX || size > c->login->conf->login_literal_limit || line.len + 2 + size > room)
		return refuse_literal(c, is_synchronizing);
	if (is_synchronizing)
		chat_write(&c->chat, span_lit("+ OK\r\n"));
	*is_open = true;
	buf_add_cstr(&g->text, "\r\n");
	return read_literal(c, g, size);
}

static enum next gather(struct client *c, struct gathered *g)
{
	bool is_open = true;
	enum next next = GO_ON;
	struct span line;

	while (next == GO_ON && is_open) {
		next = read_line(c, &line);
		if (next != GO_ON)
			break;
		next = add_line(c, g, line, &is_open);
	}
	return next;
}

/* ---- capabilities ---- */

static const char *capabilities(struct client *c)
{
	const char *list = "IMAP4rev1 SASL-IR LITERAL+ ID ENABLE IDLE";
	struct span rest, name;

	if (client_may_start_tls(c))
		list = arena_printf(c->per_command, "%s STARTTLS", list);
	if (!client_may_use_passwords(c))
		return arena_printf(c->per_command, "%s LOGINDISABLED", list);
	rest = ask_mechanisms(c->login);
	while (span_token(&rest, " ", &name))
		list = arena_printf(c->per_command, "%s AUTH=" SPAN_FMT, list, SPAN_ARG(name));
	return list;
}

static void greet(struct client *c)
{
	chat_printf(&c->chat, "* OK [CAPABILITY %s] %s\r\n", capabilities(c), c->login->conf->login_greeting);
}

static void refuse(struct client *c, const char *text)
{
	bye(c, text);
}

/* The session process may have put a response code in front already. */
static void not_taken(struct client *c, struct span reason)
{
	chat_printf(&c->chat, SPAN_FMT " NO %s" SPAN_FMT "\r\n", SPAN_ARG(c->tag),
	            span_starts(reason, span_lit("[")) ? "" : "[UNAVAILABLE] ", SPAN_ARG(reason));
}

/* ---- commands ---- */

static enum next do_capability(struct client *c, const struct imap_command *command)
{
	chat_printf(&c->chat, "* CAPABILITY %s\r\n", capabilities(c));
	tagged(c, command->tag, "OK Capability completed.");
	return GO_ON;
}

static enum next do_noop(struct client *c, const struct imap_command *command)
{
	tagged(c, command->tag, "OK NOOP completed.");
	return GO_ON;
}

/* RFC 2971: what the client says of itself is not needed. */
static enum next do_id(struct client *c, const struct imap_command *command)
{
	untagged(c, "ID (\"name\" \"Postern\")");
	tagged(c, command->tag, "OK ID completed.");
	return GO_ON;
}

static enum next do_logout(struct client *c, const struct imap_command *command)
{
	untagged(c, "BYE Logging out");
	tagged(c, command->tag, "OK Logout completed.");
	(void)chat_flush(&c->chat, client_deadline(c));
	return HANG_UP;
}

/* RFC 3501 6.2.1.  Commands sent ahead in the clear would be taken for the TLS client's: refused (CVE-2011-0411). */
static enum next do_starttls(struct client *c, const struct imap_command *command)
{
	if (!client_may_start_tls(c)) {
		tagged(c, command->tag, c->is_tls ? "BAD TLS is already active." : "BAD TLS is not available.");
		return BAD_COMMAND;
	}
	if (chat_discard_input(&c->chat) != 0) {
		tagged(c, command->tag, "BAD No command may follow STARTTLS before TLS.");
		return BAD_COMMAND;
	}
	tagged(c, command->tag, "OK Begin TLS negotiation now.");
	return client_start_tls(c) ? GO_ON : HANG_UP;
}

static enum next refuse_plaintext(struct client *c, struct span tag)
{
	tagged(c, tag, "NO [PRIVACYREQUIRED] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.");
	return BAD_COMMAND;
}

/* What auth said, as an answer. */
static enum next after_auth(struct client *c, struct span tag, enum auth_status status)
{
	switch (status) {
	case AUTH_OK:
		c->tag = arena_dup(c->arena, tag);
		return HANG_UP;	/* of this conversation: the session begins */
	case AUTH_FAILED:
		tagged(c, tag, "NO [AUTHENTICATIONFAILED] Authentication failed.");
		break;
	case AUTH_UNKNOWN_MECHANISM:
		tagged(c, tag, "NO Unsupported authentication mechanism.");
		return BAD_COMMAND;
	case AUTH_BAD:
		tagged(c, tag, "BAD Invalid authentication data.");
		return BAD_COMMAND;
	case AUTH_CONTINUE:
	case AUTH_UNAVAILABLE:
		tagged(c, tag, "NO [UNAVAILABLE] Temporary authentication failure.");
		break;
	}
	if (ask_failed(c))
		return GO_ON;
	bye(c, "Too many failed logins");
	return HANG_UP;
}

static enum next do_login(struct client *c, const struct imap_command *command)
{
	struct span rest = command->arguments, user, password;
	enum auth_status status;

	if (!client_may_use_passwords(c))
		return refuse_plaintext(c, command->tag);
	if (!imap_astring(c->per_command, &rest, &user) || !imap_astring(c->per_command, &rest, &password) ||
	    !span_is_empty(rest) || span_is_empty(user)) {
		tagged(c, command->tag, "BAD LOGIN needs a user name and a password.");
		return BAD_COMMAND;
	}
	status = ask_password(c, user, password);
	memory_wipe((void *)(uintptr_t)password.ptr, password.len);
	return after_auth(c, command->tag, status);
}

/* One line of the client inside AUTHENTICATE, decoded; AUTH_BAD for "*" (RFC 3501 6.2.2) and for bad base64. */
static enum next read_response(struct client *c, struct span challenge, struct span *response, bool *is_bad)
{
	struct span line;
	enum next next;

	chat_printf(&c->chat, "+ " SPAN_FMT "\r\n", SPAN_ARG(base64_encode(c->per_command, challenge)));
	next = read_line(c, &line);
	*is_bad = next == BAD_COMMAND || (next == GO_ON && !base64_decode(c->per_command, line, response));
	if (next == GO_ON && line.len != 0)
		memory_wipe((void *)(uintptr_t)line.ptr, line.len);
	return next == HANG_UP ? HANG_UP : GO_ON;
}

static bool initial_response(struct client *c, struct span rest, bool *has_response, struct span *response)
{
	*has_response = !span_is_empty(rest);
	*response = (struct span){ 0 };
	if (!*has_response || span_equal(rest, span_lit(" =")))	/* RFC 4959 3: "=" is an empty one */
		return true;
	return base64_decode(c->per_command, span_skip(rest, 1), response);
}

static enum next do_authenticate(struct client *c, const struct imap_command *command)
{
	struct span rest = command->arguments, mechanism, response, challenge;
	uint64_t conversation = 0;
	bool has_response, is_bad = false;
	enum auth_status status;

	if (!client_may_use_passwords(c))
		return refuse_plaintext(c, command->tag);
	if (!imap_astring(c->per_command, &rest, &mechanism) ||
	    !initial_response(c, rest, &has_response, &response))
		return after_auth(c, command->tag, AUTH_BAD);
	while ((status = ask_step(c, mechanism, has_response, response, &conversation, &challenge)) == AUTH_CONTINUE) {
		if (read_response(c, challenge, &response, &is_bad) == HANG_UP)
			return HANG_UP;
		if (is_bad)
			return after_auth(c, command->tag, AUTH_BAD);
		has_response = true;
	}
	return after_auth(c, command->tag, status);
}

static const struct verb {
	struct span name;
	enum next (*obey)(struct client *c, const struct imap_command *command);
	bool takes_arguments;
	const char *dialogue;	/* the conversation in tests/login that proves it */
} verbs[] = {
	{ SPAN("CAPABILITY"), do_capability, false, "imap-start" },
	{ SPAN("NOOP"), do_noop, false, "imap-start" },
	{ SPAN("LOGOUT"), do_logout, false, "imap-start" },
	{ SPAN("ID"), do_id, true, "imap-start" },
	{ SPAN("STARTTLS"), do_starttls, false, "imap-starttls" },
	{ SPAN("LOGIN"), do_login, true, "imap-login" },
	{ SPAN("AUTHENTICATE"), do_authenticate, true, "imap-authenticate" },
};

static const char *dialogue(size_t number, struct span *command)
{
	if (number >= COUNT_OF(verbs))
		return NULL;
	*command = verbs[number].name;
	return verbs[number].dialogue;
}

static enum next obey(struct client *c, const struct imap_command *command)
{
	for (size_t i = 0; i < COUNT_OF(verbs); i++) {
		if (!span_equal_ci(command->name, verbs[i].name))
			continue;
		if (verbs[i].takes_arguments == !span_is_empty(command->arguments))
			return verbs[i].obey(c, command);
		tagged(c, command->tag, "BAD Wrong number of arguments.");
		return BAD_COMMAND;
	}
	tagged(c, command->tag, "BAD Unknown command, or not allowed before login.");
	return BAD_COMMAND;
}

/* Browsers and mail programs at the wrong port: RFC 3501 has no such tags. */
static bool is_other_protocol(struct span text)
{
	static const struct span words[] = {
		SPAN("GET "), SPAN("POST "), SPAN("HEAD "), SPAN("PUT "), SPAN("CONNECT "), SPAN("OPTIONS "), SPAN("EHLO "),
		SPAN("HELO "),
	};

	for (size_t i = 0; i < COUNT_OF(words); i++) {
		if (span_starts(text, words[i]))
			return true;
	}
	return false;
}

static enum next one_command(struct client *c, struct gathered *g, bool is_first)
{
	struct imap_command command;
	enum next next = gather(c, g);

	if (next != GO_ON || span_is_empty(buf_span(&g->text)))
		return next;
	if (is_first && is_other_protocol(buf_span(&g->text)))
		return HANG_UP;
	if (imap_command_parse(buf_span(&g->text), &command))
		return obey(c, &command);
	if (span_is_empty(command.tag))
		untagged(c, "BAD Invalid tag");
	else
		tagged(c, command.tag, "BAD Missing command");
	return BAD_COMMAND;
}

static void converse(struct client *c)
{
	enum next next = GO_ON;

	for (bool is_first = true; next != HANG_UP; is_first = false) {
		struct gathered g = { 0 };

		arena_reset(c->per_command);
		buf_init(&g.text, c->login->conf->login_line_length_limit);
		next = one_command(c, &g, is_first);
		if (g.text.ptr != NULL)
			memory_wipe(g.text.ptr, g.text.cap);
		buf_free(&g.text);
		if (next == GO_ON)
			c->bad_commands = 0;
		if (next != BAD_COMMAND || client_note_bad(c))
			continue;
		bye(c, "Too many invalid commands");
		next = HANG_UP;
	}
}

const struct front front_imap = {
	.protocol = "imap",
	.session_service = SERVICE_IMAPD,
	.greet = greet,
	.converse = converse,
	.refuse = refuse,
	.not_taken = not_taken,
	.dialogue = dialogue,
};
