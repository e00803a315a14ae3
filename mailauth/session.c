/* SPDX-License-Identifier: ISC */
/* session.c - what libmilter tells of a connection and its messages
 *
 * All is gathered, and judged at the end of the message: so hardly a step but that needs an answer of ours, and a server
 * that can (SMFIP_NR_*) sends a whole message in one go.  The server is trusted for who the client is, the message is
 * not for anything. */
#include <netinet/in.h>
#include <string.h>

#include "lib/base/log.h"
#include "mailauth/failures.h"
#include "mailauth/keyring.h"
#include "mailauth/mailauth.h"
#include "mailauth/reports.h"

enum { FIELDS_AT_FIRST = 32, BODY_HASHES_MAX = 40 };

static struct span macro(SMFICTX *ctx, const char *name)
{
	return span_of(smfi_getsymval(ctx, writable(name)));
}

/* ---- the connection ---- */

static struct session *session_new(SMFICTX *ctx)
{
	struct arena *arena = arena_new(NULL);
	struct session *s = ARENA_NEW(arena, struct session);

	s->arena = arena;
	s->steps = negotiated_steps(ctx);
	(void)smfi_setpriv(ctx, s);
	return s;
}

static void message_free(struct session *s)
{
	struct message *m = s->message;

	if (m == NULL)
		return;
	s->message = NULL;
	if (m->ring != NULL)
		keyring_release(mailauth.keyring, m->ring);
	if (m->lookups != NULL)
		lookups_free(m->lookups);
	arena_free(m->arena);
	mailauth.messages--;
}

static void session_free(struct session *s)
{
	if (s == NULL)
		return;
	message_free(s);
	arena_free(s->arena);
}

static struct session *session_of(SMFICTX *ctx)
{
	struct session *s = smfi_getpriv(ctx);

	return s != NULL ? s : session_new(ctx);	/* without a step of connecting */
}

/* What to say where the server may have agreed to wait for nothing. */
static sfsistat go_on(const struct session *s, unsigned long no_reply)
{
	return (s->steps & no_reply) != 0 ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

static void take_address(struct session *s, const struct sockaddr *address)
{
	size_t length = address == NULL                    ? 0
	                : address->sa_family == AF_INET  ? sizeof(struct sockaddr_in)
	                : address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
	                                                 : 0;

	s->has_ip = length > 0;
	if (!s->has_ip)
		return;
	memcpy(&s->ip.storage, address, length);
	s->ip.length = (socklen_t)length;
}

/* The name that the server has checked.  {client_resolve} says so; else the macro "_" does: "name [address]", with
 * "(may be forged)" behind it where the name does not lead back. */
static void take_name(SMFICTX *ctx, struct session *s, const char *host)
{
	struct span resolve = macro(ctx, "{client_resolve}"), full = macro(ctx, "_"), name = span_of(host);
	bool is_checked = resolve.len > 0 ? span_equal(resolve, span_lit("OK"))
	                                  : full.len > 0 && span_search(full, span_lit("forged")) == SPAN_NOT_FOUND;

	if (is_checked && name.len > 0 && name.ptr[0] != '[' && !span_equal_ci(name, span_lit("unknown")))
		s->name = arena_dup(s->arena, name);
}

static sfsistat on_connect(SMFICTX *ctx, char *host, _SOCK_ADDR *address)
{
	struct session *s;

	session_free(smfi_getpriv(ctx));
	s = session_new(ctx);
	take_address(s, (const struct sockaddr *)address);
	take_name(ctx, s, host);
	/* ORIGINATING is how a Postfix admin marks the doors for his own users (milter_macro_daemon_name). */
	s->is_ours = !s->has_ip || span_equal(macro(ctx, "{daemon_name}"), span_lit("ORIGINATING")) ||
	             tables_have_client(mailauth.tables, CLIENT_SIGNED, s->name, &s->ip);
	/* Mail of ours and no key to sign it: a session that has nothing for us to do. */
	if ((s->steps & SMFIP_NR_CONN) == 0 && s->is_ours && !keyring_has_keys(mailauth.keyring))
		return SMFIS_ACCEPT;
	return go_on(s, SMFIP_NR_CONN);
}

static sfsistat on_helo(SMFICTX *ctx, char *helo)
{
	struct session *s = session_of(ctx);

	s->helo = arena_dup(s->arena, span_of(helo));
	return go_on(s, SMFIP_NR_HELO);
}

/* ---- the envelope ---- */

/* An address as MAIL and RCPT have it, without <>. */
static struct span bare_address(const char *word)
{
	struct span address = span_trim(span_of(word));

	if (address.len >= 2 && address.ptr[0] == '<' && address.ptr[address.len - 1] == '>')
		address = span_slice(address, 1, address.len - 2);
	return address;
}

static struct message *message_new(SMFICTX *ctx, struct session *s)
{
	struct arena *arena = arena_new(NULL);
	struct message *m = ARENA_NEW(arena, struct message);

	m->arena = arena;
	m->session = s;
	m->mode = s->is_ours || macro(ctx, "{auth_authen}").len > 0 ? MODE_SIGN : MODE_CHECK;
	m->field_room = FIELDS_AT_FIRST;
	m->fields = ARENA_NEW_ARRAY(arena, struct mime_field, m->field_room);
	mailauth.messages++;
	return m;
}

static sfsistat on_sender(SMFICTX *ctx, char **words)
{
	struct session *s = session_of(ctx);
	struct message *m;

	message_free(s);
	m = s->message = message_new(ctx, s);
	m->sender = arena_dup(m->arena, bare_address(words[0]));
	if (m->mode == MODE_CHECK) {
		m->lookups = lookups_new(mailauth.asker, &mailauth.lookups);
		m->lookup = lookups_lookup(m->lookups);
		verify_expect_sender(m);
	}
	return go_on(s, SMFIP_NR_MAIL);
}

static sfsistat on_recipient(SMFICTX *ctx, char **words)
{
	struct session *s = session_of(ctx);
	struct message *m = s->message;
	struct span address = bare_address(words[0]);
	size_t at = span_rfind(address, '@');

	if (m != NULL && m->recipient_domain.len == 0 && at != SPAN_NOT_FOUND)
		m->recipient_domain = arena_lower(m->arena, span_skip(address, at + 1));
	return go_on(s, SMFIP_NR_RCPT);
}

/* ---- the header ---- */

/* The field as it was on the wire: a milter is given LF for the line ends inside, and, of a server that does not
 * promise the space behind the colon, none. */
static struct span raw_field(const struct message *m, struct span name, struct span value)
{
	bool has_space = (m->session->steps & SMFIP_HDR_LEADSPC) != 0;
	struct buf raw;
	struct span line, result;

	buf_init(&raw, BUF_NO_LIMIT);
	buf_add(&raw, name);
	buf_add_cstr(&raw, has_space ? ":" : ": ");
	while (span_cut(&value, '\n', &line)) {
		buf_add(&raw, span_ends(line, span_lit("\r")) ? span_first(line, line.len - 1) : line);
		buf_add_cstr(&raw, "\r\n");
	}
	buf_add(&raw, line);
	buf_add_cstr(&raw, "\r\n");
	result = arena_dup(m->arena, buf_span(&raw));
	buf_free(&raw);
	return result;
}

static struct mime_field *next_field(struct message *m)
{
	struct mime_field *more;

	if (m->field_count < m->field_room)
		return &m->fields[m->field_count++];
	more = ARENA_NEW_ARRAY(m->arena, struct mime_field, 2 * m->field_room);
	memcpy(more, m->fields, m->field_count * sizeof(*more));
	m->fields = more;
	m->field_room *= 2;
	return &m->fields[m->field_count++];
}

static void note_results(struct message *m, struct span value)
{
	m->results_seen++;
	if (!auth_results_is_ours(value, mailauth.removed_ids, mailauth.removed_count))
		return;
	if (m->forged_count % FIELDS_AT_FIRST == 0) {
		unsigned *more = ARENA_NEW_ARRAY(m->arena, unsigned, m->forged_count + FIELDS_AT_FIRST);

		if (m->forged_count > 0)
			memcpy(more, m->forged, m->forged_count * sizeof(*more));
		m->forged = more;
	}
	m->forged[m->forged_count++] = m->results_seen;
}

static sfsistat on_field(SMFICTX *ctx, char *name, char *value)
{
	struct session *s = session_of(ctx);
	struct message *m = s->message;
	struct span raw;

	if (m == NULL)
		return go_on(s, SMFIP_NR_HDR);
	/* Forged results are removed however large the header is. */
	if (span_equal_ci(span_trim(span_of(name)), span_lit("Authentication-Results")))
		note_results(m, span_of(value));
	m->header_bytes += strlen(name) + strlen(value) + 4;
	if (m->header_bytes > mailauth.conf->mailauth_header_limit ||
	    m->field_count >= (size_t)mailauth.conf->mailauth_field_limit) {
		m->is_too_large = true;
		return go_on(s, SMFIP_NR_HDR);
	}
	raw = raw_field(m, span_of(name), span_of(value));
	(void)mime_field_next(&raw, next_field(m));
	return go_on(s, SMFIP_NR_HDR);
}

static sfsistat on_header_end(SMFICTX *ctx)
{
	struct session *s = session_of(ctx);
	struct message *m = s->message;

	if (m != NULL && !m->is_too_large) {
		struct mail_header header = { m->fields, m->field_count };

		m->index = header_index_new(m->arena, header);
		m->body = dkim_body_new(m->arena, mailauth.crypto, BODY_HASHES_MAX);
		if (m->mode == MODE_CHECK)
			verify_start(m);
		else
			sign_start(m);
	}
	return go_on(s, SMFIP_NR_EOH);
}

static sfsistat on_body(SMFICTX *ctx, unsigned char *bytes, size_t n)
{
	struct session *s = session_of(ctx);

	if (s->message != NULL && s->message->body != NULL)
		dkim_body_add(s->message->body, span_make(bytes, n));
	return go_on(s, SMFIP_NR_BODY);
}

/* ---- the end of the message ---- */

static sfsistat tell(int result, const char *what)
{
	if (result == MI_SUCCESS)
		return SMFIS_CONTINUE;
	log_error("the mail server did not take: %s", what);
	return SMFIS_TEMPFAIL;
}

/* The last first: to remove one changes the number of those below. */
static sfsistat remove_forged(SMFICTX *ctx, const struct message *m)
{
	sfsistat status = SMFIS_CONTINUE;

	for (size_t i = m->forged_count; i > 0 && status == SMFIS_CONTINUE; i--)
		status = tell(smfi_chgheader(ctx, writable("Authentication-Results"), (int)m->forged[i - 1], NULL),
		              "removal of forged results");
	return status;
}

static sfsistat insert(SMFICTX *ctx, const struct message *m, struct mail_field field)
{
	struct span value = field.value;

	/* A server that does not keep the space behind the colon adds one of its own. */
	if ((m->session->steps & SMFIP_HDR_LEADSPC) == 0 && span_starts(value, span_lit(" ")))
		value = span_skip(value, 1);
	return tell(smfi_insheader(ctx, 0, arena_cstr(m->arena, field.name), arena_cstr(m->arena, value)),
	            "a header field");
}

static sfsistat refuse(SMFICTX *ctx, const struct message *m, const struct judgement *j)
{
	if (smfi_setreply(ctx, writable("550"), writable("5.7.1"), arena_cstr(m->arena, j->reason)) != MI_SUCCESS)
		log_error("the mail server takes no reason for a refusal");
	return SMFIS_REJECT;
}

static sfsistat end_checked(SMFICTX *ctx, struct message *m)
{
	struct judgement *j = ARENA_NEW(m->arena, struct judgement);
	const struct mail_field *fields;
	size_t count;
	sfsistat status;

	verify_end(m, j);
	reports_note(mailauth.reports, m, j);
	failures_note(mailauth.failures, m, j);
	if (j->action == ACTION_REJECT)
		return refuse(ctx, m, j);
	status = remove_forged(ctx, m);
	count = results_fields(m, j, &fields);
	for (size_t i = 0; i < count && status == SMFIS_CONTINUE; i++)
		status = insert(ctx, m, fields[i]);
	if (j->action == ACTION_QUARANTINE && status == SMFIS_CONTINUE)
		status = tell(smfi_quarantine(ctx, arena_cstr(m->arena, j->reason)), "a quarantine");
	return status;
}

static sfsistat end_signed(SMFICTX *ctx, struct message *m)
{
	const struct mail_field *fields;
	size_t count = sign_end(m, &fields);
	sfsistat status = remove_forged(ctx, m);

	for (size_t i = 0; i < count && status == SMFIS_CONTINUE; i++)
		status = insert(ctx, m, fields[i]);
	return status;
}

static sfsistat on_message_end(SMFICTX *ctx)
{
	struct session *s = session_of(ctx);
	struct message *m = s->message;
	sfsistat status;

	if (m == NULL)
		return SMFIS_CONTINUE;
	m->queue_id = arena_dup(m->arena, macro(ctx, "i"));
	if (m->body != NULL)
		dkim_body_end(m->body);
	status = m->mode == MODE_CHECK ? end_checked(ctx, m) : end_signed(ctx, m);
	message_free(s);
	return status;
}

static sfsistat on_abort(SMFICTX *ctx)
{
	message_free(session_of(ctx));
	return SMFIS_CONTINUE;
}

static sfsistat on_close(SMFICTX *ctx)
{
	session_free(smfi_getpriv(ctx));
	(void)smfi_setpriv(ctx, NULL);
	return SMFIS_CONTINUE;
}

struct smfiDesc session_describe(void)
{
	return (struct smfiDesc){
		.xxfi_name = writable("mailauth"), .xxfi_version = SMFI_VERSION,
		.xxfi_flags = SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_QUARANTINE,
		.xxfi_negotiate = negotiate, .xxfi_connect = on_connect, .xxfi_helo = on_helo,
		.xxfi_envfrom = on_sender, .xxfi_envrcpt = on_recipient, .xxfi_header = on_field,
		.xxfi_eoh = on_header_end, .xxfi_body = on_body, .xxfi_eom = on_message_end,
		.xxfi_abort = on_abort, .xxfi_close = on_close,
	};
}
