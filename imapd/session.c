/* SPDX-License-Identifier: ISC */
/* session.c - one IMAP session, from the OK of the login to the end
 *
 * Runs as the mail's owner, confined to the mail.  Talks to: the client (hostile), through a
 * plain descriptor (login keeps the TLS).  Plain blocking code: it reads a command, obeys, and flushes when
 * the next read would wait.
 *
 * Rules kept here: RFC 3501 3 (states), 5.5 (order), 7.1 (tagged replies); states come
 * before arguments.  The commands are in commands.c and one file per larger one. */
#include "imapd/imapd.h"

static const struct imap_command *find_command(struct span name)
{
	for (size_t i = 0; i < imap_command_count; i++)
		if (span_equal_ci(name, imap_commands[i].name))
			return &imap_commands[i];
	return NULL;
}

static bool is_tag_byte(char c)
{
	return ascii_is_print(c) && strchr(" (){%*\"\\+", c) == NULL;
}

/* run - one command whose state fits; a handler that could not parse leaves the BAD to us. */
static void run(struct imap *s, const struct imap_command *command, struct imap_parse *p)
{
	enum imap_state state = s->box != NULL ? SELECTED : AUTHENTICATED;

	if ((command->states & state) == 0) {
		imap_bad(s, "%s is not possible %s", command->name.ptr,
		         state == SELECTED ? "now" : "without a selected folder");
		return;
	}
	command->run(s, p);
	if (p->error != NULL)
		imap_bad(s, "%s: %s", command->name.ptr, p->error);
}

static void take_command(struct imap *s, struct imap_parse *p)
{
	const struct imap_command *command;
	struct span name;

	s->by_uid = false;
	if (!imap_take_space(p) || !imap_take_atom(p, &name)) {
		imap_bad(s, "command expected");
		return;
	}
	if (span_equal_ci(name, span_lit("UID"))) {
		s->by_uid = true;
		if (!imap_take_space(p) || !imap_take_atom(p, &name)) {
			imap_bad(s, "UID: command expected");
			return;
		}
	}
	command = find_command(name);
	if (command == NULL || (s->by_uid && (command->flags & WITH_UID) == 0)) {
		imap_bad(s, "unknown command");
		return;
	}
	s->command = command;
	run(s, command, p);
}

void imap_obey(struct imap *s, struct span text)
{
	struct imap_parse p = { .rest = text, .arena = s->arena };
	size_t length = 0;

	while (length < text.len && is_tag_byte(text.ptr[length]))
		length++;
	s->tag = span_first(text, length);
	p.rest = span_skip(text, length);
	if (length == 0 || length > 255 || !imap_at(&p, ' ')) {
		s->tag = span_lit("*");
		imap_bad(s, "tag expected");
		return;
	}
	s->tag = arena_dup(s->arena, s->tag);
	take_command(s, &p);
}

/* too_long - answer a command past the budget under its own tag where that can be told. */
static void too_long(struct imap *s, struct span text)
{
	struct span tag;

	s->tag = span_lit("*");
	if (span_cut(&text, ' ', &tag) && tag.len != 0 && tag.len <= 255 && span_all(tag, is_tag_byte))
		s->tag = arena_dup(s->arena, tag);
	imap_bad(s, "[TOOBIG] command too long");
}

static void serve(struct imap *s)
{
	struct span text;

	while (!s->ended) {
		arena_reset(s->arena);
		switch (input_command(s, &text)) {
		case INPUT_COMMAND:
		case INPUT_LITERAL:
			s->report.commands++;
			if (text.len != 0)
				imap_obey(s, text);
			if (!s->ended && s->input.unread != 0)
				s->ended = !input_discard(s, s->input.unread);
			s->input.unread = 0;
			break;
		case INPUT_TOO_LONG:
			too_long(s, text);
			break;
		case INPUT_GONE:
			s->ended = true;
			break;
		}
		imap_room(s);
	}
}

void imap_session(const struct imap_settings *settings, int fd, struct mailstore *store,
                  struct span tag, struct span ahead, struct imap_report *report)
{
	struct imap s = { .settings = settings, .fd = fd, .store = store, .tag = tag,
	                  .report = { .end = "logged out", .in_bytes = ahead.len } };

	s.arena = arena_new(NULL);
	s.box_arena = arena_new(NULL);
	s.scratch = arena_new(NULL);
	buf_init(&s.out, BUF_NO_LIMIT);
	buf_init(&s.input.pending, BUF_NO_LIMIT);
	buf_init(&s.input.text, settings->command_limit);
	buf_add(&s.input.pending, ahead);
	if (tag.len != 0)
		imap_ok(&s, "[CAPABILITY %s] Logged in", imap_capabilities);
	serve(&s);
	(void)imap_flush(&s);
	*report = s.report;
	imap_close_box(&s);
	buf_free(&s.out);
	buf_free(&s.input.pending);
	buf_free(&s.input.text);
	arena_free(s.scratch);
	arena_free(s.box_arena);
	arena_free(s.arena);
}
