/* SPDX-License-Identifier: ISC */
/* bounce.c - notices to senders: that mail failed, is late, or arrived; and the messages of owner- aliases
 *
 * A notice is queued, durably, before the failed recipient is marked (reliability rules 2.5): the worst a crash does is
 * to make it again, under the same id, which then is known.  Notices have the null sender; what fails of a notice
 * goes to the postmaster where notify_classes says so, and what fails of that is logged and ends. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/crc32c.h"
#include "lib/base/fs.h"
#include "qmgr/qmgr.h"

static struct span sender_of(const struct message *m)
{
	return m->active->queued.envelope.sender;
}

static bool tells_of(struct message *m, size_t i, enum bounce_kind kind, uint32_t wanted)
{
	uint32_t notify = m->active->queued.envelope.recipients[i].notify;
	struct run *run = run_of(m, i);

	switch (kind) {
	case BOUNCE_FAILURE:
		return run->phase == PHASE_FAILED && (notify == 0 || (notify & wanted) != 0);
	case BOUNCE_DELAY:
		return run->phase == PHASE_DEFERRED && (notify == 0 || (notify & wanted) != 0);
	case BOUNCE_SUCCESS:
		break;
	}
	return run->phase == PHASE_OVER && run->wants_success_dsn;
}

bool bounce_tells(struct message *m, size_t i, enum bounce_kind kind)
{
	static const uint32_t wanted[] = { [BOUNCE_FAILURE] = NOTIFY_FAILURE, [BOUNCE_DELAY] = NOTIFY_DELAY,
	                                   [BOUNCE_SUCCESS] = NOTIFY_SUCCESS };

	return tells_of(m, i, kind, wanted[kind]);
}

static bool tells_of_any(struct message *m, enum bounce_kind kind)
{
	for (size_t i = 0; i < m->active->queued.envelope.recipient_count; i++)
		if (bounce_tells(m, i, kind))
			return true;
	return false;
}

bool bounce_needed(struct message *m, enum bounce_kind kind)
{
	if (kind != BOUNCE_FAILURE)
		return sender_of(m).len > 0 && tells_of_any(m, kind);
	/* Failed recipients must be marked also when nobody is to be told. */
	for (size_t i = 0; i < m->active->queued.envelope.recipient_count; i++)
		if (run_of(m, i)->phase == PHASE_FAILED)
			return true;
	return false;
}

/* ---- who is told ---- */

static bool class_is_on(const char *class)
{
	struct span rest = span_of(qmgr->conf->notify_classes), member;

	while (conf_list_next(&rest, &member))
		if (span_equal(member, span_of(class)))
			return true;
	return false;
}

static struct span qualified(struct arena *arena, const char *local)
{
	if (span_find(span_of(local), '@') != SPAN_NOT_FOUND)
		return span_of(local);
	return arena_printf_span(arena, "%s@%s", local, qmgr->conf->myorigin);
}

static bool is_double_bounce(struct arena *arena, struct span sender)
{
	return span_equal_ci(sender, qualified(arena, qmgr->conf->double_bounce_sender));
}

struct notice {
	struct span to, from;
	const char *what;	/* for the log */
};

/* address_notice - false when nobody is told. */
static bool address_notice(struct message *m, enum bounce_kind kind, struct arena *arena, struct notice *out)
{
	static const char *const names[] = {
		[BOUNCE_FAILURE] = "sender non-delivery notification",
		[BOUNCE_DELAY] = "sender delay notification",
		[BOUNCE_SUCCESS] = "sender delivery status notification",
	};
	const char *postmaster;

	*out = (struct notice){ .to = sender_of(m), .from = span_lit(""), .what = names[kind] };
	if (is_double_bounce(arena, out->to)) {
		log_warning("%s: undeliverable postmaster notification discarded", m->mail.id);
		return false;
	}
	if (out->to.len > 0)
		return tells_of_any(m, kind);
	if (kind != BOUNCE_FAILURE || !class_is_on("2bounce"))
		return false;
	postmaster = conf_value(qmgr->conf, "2bounce_notice_recipient", arena);
	out->to = qualified(arena, postmaster != NULL ? postmaster : "postmaster");
	out->from = qualified(arena, qmgr->conf->double_bounce_sender);
	out->what = "postmaster non-delivery notification";
	return true;
}

/* ---- queueing it ---- */

/* original_content - what is returned: from memory, or the first limit bytes of the file. */
static struct span original_content(struct message *m, size_t limit, struct arena *arena)
{
	struct active *a = m->active;
	char *bytes;
	size_t n = a->content_length < limit ? a->content_length : limit;

	if (a->fd < 0 && a->content == NULL && message_read_content(m) < 0)
		return span_lit("");
	if (a->content != NULL)
		return span_make(a->content, n);
	bytes = arena_alloc(arena, n + 1);
	if (fs_pread_all(a->fd, bytes, n, (off_t)a->content_offset) < 0)
		return span_lit("");
	return span_make(bytes, n);
}

/* round_number - names this notice: who it is about, and in which attempt. */
static uint32_t round_number(struct message *m, enum bounce_kind kind)
{
	uint32_t crc = m->active->queued.attempts;

	for (size_t i = 0; i < m->active->queued.envelope.recipient_count; i++)
		if (bounce_tells(m, i, kind))
			crc = crc32c(crc, span_make(&m->active->queued.envelope.recipients[i].number, sizeof(uint32_t)));
	return crc;
}

/* queue_notice - 0, or an errno.  Suspends. */
static int queue_notice(struct message *m, enum bounce_kind kind, struct arena *arena, const struct notice *notice)
{
	const struct envelope *original = &m->active->queued.envelope;
	size_t limit = (size_t)qmgr->conf->bounce_size_limit;
	bool headers_only = kind != BOUNCE_FAILURE || original->dsn_return == DSN_RETURN_HEADERS ||
	                    m->active->content_length > limit;
	struct envelope_recipient recipient = { .number = 1, .address = notice->to };
	struct envelope e = {
		.arrival_us = clock_wall_us(), .sender = notice->from, .recipients = &recipient, .recipient_count = 1,
		.flags = ENVELOPE_IS_BOUNCE | (original->flags & (uint32_t)(ENVELOPE_SMTPUTF8 | ENVELOPE_8BITMIME)),
	};
	char id[QUEUE_ID_MAX];
	struct buf content;
	int error;

	derived_id(m, (uint32_t)kind, round_number(m, kind), id);
	buf_init(&content, BUF_NO_LIMIT);
	bounce_compose(m, kind, id, notice->to, original_content(m, limit + 65536, arena), headers_only, &content);
	e.size = content.len;
	error = submit(id, &e, buf_span(&content));
	buf_free(&content);
	if (error == 0)
		log_as("bounce", LOG_LEVEL_NOTE, "%s: %s: %s", m->mail.id, notice->what, id);
	else
		log_warning("%s: cannot queue a %s: %s", m->mail.id, notice->what, strerror(error));
	return error;
}

/* mark - what the notice told of is settled; or, when it could not be queued, must wait for another try. */
static void mark(struct message *m, enum bounce_kind kind, int error)
{
	for (size_t i = 0; i < m->active->queued.envelope.recipient_count; i++) {
		struct run *run = run_of(m, i);

		if (kind == BOUNCE_SUCCESS)
			run->wants_success_dsn = false;
		if (kind != BOUNCE_FAILURE || run->phase != PHASE_FAILED)
			continue;
		if (error == 0)
			message_recipient_over(m, i, RECIPIENT_BOUNCED);
		else
			run->phase = PHASE_DEFERRED;
	}
}

struct bounce {
	struct message  *message;
	enum bounce_kind kind;
};

/* defer_all - the notice could not be queued, most likely for want of room: the same again later. */
static void retry_later(struct message *m)
{
	message_defer_until(m, clock_wall_us() + qmgr->conf->minimal_backoff_time * CLOCK_SECOND_US);
}

static void bounce_task(void *arg)
{
	struct bounce b = *(struct bounce *)arg;
	struct arena *arena = task_arena();
	struct notice notice;
	int error = 0;

	free(arg);
	if (address_notice(b.message, b.kind, arena, &notice))
		error = queue_notice(b.message, b.kind, arena, &notice);
	b.message->active->is_bouncing = false;
	mark(b.message, b.kind, error);
	if (error != 0 && b.message->active->stored_count == 0 && b.message->active->queued_count == 0)
		retry_later(b.message);
	else
		message_step(b.message);
}

static void start(struct message *m, task_fn *fn, void *arg)
{
	m->active->is_bouncing = true;
	if (task_spawn(fn, arg, "bounce") != NULL)
		return;
	log_warning("%s: no memory for a notice now", m->mail.id);
	free(arg);
	m->active->is_bouncing = false;
	retry_later(m);
}

void bounce_start(struct message *m, enum bounce_kind kind)
{
	struct bounce *b = malloc(sizeof(*b));

	if (b == NULL)
		log_fatal("out of memory");
	*b = (struct bounce){ m, kind };
	start(m, bounce_task, b);
}

/* ---- owner- aliases ---- */

struct owner {
	struct message *message;
	size_t          recipient;
	struct span     owner, expansion;	/* in the message's arena */
};

/* owner_recipients - the expansion as recipients of a new message. */
static size_t owner_recipients(const struct owner *o, struct envelope_recipient *out)
{
	const struct envelope_recipient *parent = &o->message->active->queued.envelope.recipients[o->recipient];
	struct span rest = o->expansion, address;
	size_t n = 0;

	while (rest.len > 0) {
		(void)span_cut(&rest, '\0', &address);
		if (address.len == 0)
			continue;
		out[n] = (struct envelope_recipient){
			.number = (uint32_t)n + 1, .address = address, .notify = parent->notify,
			.original = parent->original.len > 0 ? parent->original : parent->address,
			.ancestors = parent->ancestors,
		};
		n++;
	}
	return n;
}

static void owner_task(void *arg)
{
	struct owner o = *(struct owner *)arg;
	struct message *m = o.message;
	struct arena *arena = task_arena();
	struct envelope e = m->active->queued.envelope;
	struct span content = original_content(m, SIZE_MAX, arena);
	char id[QUEUE_ID_MAX];
	int error;

	free(arg);
	e.sender = o.owner;
	e.recipients = ARENA_NEW_ARRAY(arena, struct envelope_recipient, o.expansion.len + 1);
	e.recipient_count = owner_recipients(&o, e.recipients);
	derived_id(m, BOUNCE_SUCCESS + 1, e.recipients[0].number ^ m->active->queued.envelope.recipients[o.recipient].number,
	           id);
	error = content.len == m->active->content_length ? submit(id, &e, content) : EIO;
	m->active->is_bouncing = false;
	if (error == 0) {
		message_recipient_over(m, o.recipient, RECIPIENT_SENT);
	} else {
		recipient_deferred(m, o.recipient, span_lit("4.3.0"), span_lit("cannot queue the list's message"));
	}
	message_step(m);
}

void owner_start(struct message *m, size_t i, struct span owner, struct span expansion)
{
	struct owner *o = malloc(sizeof(*o));

	if (o == NULL)
		log_fatal("out of memory");
	*o = (struct owner){ m, i, arena_dup(m->active->queued.arena, owner),
	                     arena_dup(m->active->queued.arena, expansion) };
	run_of(m, i)->phase = PHASE_DEFERRED;	/* until it is queued */
	start(m, owner_task, o);
}
