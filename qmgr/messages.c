/* SPDX-License-Identifier: ISC */
/* messages.c - the life of a message: accepted, waiting, active, deferred or held, gone
 *
 * message_step() alone decides what is next, after each thing that happened to an active message.  What must be on
 * disk before each step is in QUEUE-INVARIANTS.md. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qmgr/qmgr.h"

struct message *message_find(struct span id)
{
	return hash_get(qmgr->index.mails, id);
}

static struct message *message_new(struct span id, uint64_t arrival_us, uint32_t flags)
{
	struct message *m = calloc(1, sizeof(*m));

	if (m == NULL)
		log_fatal("out of memory");
	memcpy(m->mail.id, id.ptr, id.len < QUEUE_ID_MAX ? id.len : QUEUE_ID_MAX - 1);
	m->mail.arrival_us = arrival_us;
	m->mail.flags = flags;
	m->is_new = true;
	list_init(&m->node);
	list_init(&m->segment_node);
	(void)hash_put(qmgr->index.mails, id, m);
	return m;
}

/* ---- accepting ---- */

/* activate - m has its envelope in memory from now on. */
static void activate(struct message *m, const struct queued *queued)
{
	struct active *a = calloc(1, sizeof(*a));

	if (a == NULL)
		log_fatal("out of memory");
	a->queued = *queued;
	a->run_capacity = queued->capacity;
	a->runs = ARENA_NEW_ARRAY(queued->arena, struct run, a->run_capacity);
	a->fd = -1;
	a->active_us = clock_wall_us();
	list_init(&a->route_node);
	for (size_t i = 0; i < queued->envelope.recipient_count; i++) {
		if (queued->states[i].status != RECIPIENT_OPEN)
			a->runs[i].phase = PHASE_OVER;
		else if (m->is_new) {
			a->runs[i].transport = queued->envelope.recipients[i].transport;
			a->runs[i].nexthop = queued->envelope.recipients[i].nexthop;
		}
	}
	a->owner = m;
	m->active = a;
	m->place = PLACE_ACTIVE;
	qmgr->active_count++;
}

static void keep_content(struct message *m, struct span content)
{
	struct active *a = m->active;

	a->content_length = content.len;
	if (qmgr->content_bytes + content.len > qmgr->conf->qmgr_memory_limit)
		return;
	a->content = malloc(content.len + 1);
	if (a->content == NULL)
		return;
	if (content.len > 0)
		memcpy(a->content, content.ptr, content.len);
	qmgr->content_bytes += content.len;
}

static void log_active(const struct message *m)
{
	const struct envelope *e = &m->active->queued.envelope;

	log_note("%s: from=<" SPAN_FMT ">, size=%llu, nrcpt=%zu (queue active)", m->mail.id, SPAN_ARG(e->sender),
	         (unsigned long long)m->active->content_length, queued_open_count(&m->active->queued));
}

static void begin(struct message *m)
{
	log_active(m);
	route_message(m);
}

static bool has_room(void)
{
	return qmgr->active_count < (size_t)qmgr->conf->qmgr_message_active_limit && !journal_is_behind();
}

struct message *message_accept(const struct commit *commit, bool is_held)
{
	struct message *m = message_new(commit->id, 0, is_held ? MESSAGE_HELD : 0);
	struct arena *arena;
	struct queued queued;

	m->segment = commit->segment;
	list_push_back(&commit->segment->messages, &m->segment_node);
	m->mail.seq = commit->segment->file.seq;
	m->mail.offset = commit->offset;
	m->mail.length = commit->length;
	arena = arena_new(NULL);
	if (!queued_decode(arena, arena_dup(arena, commit->envelope), &queued))
		bug("%s: committed without a good envelope", m->mail.id);
	m->mail.arrival_us = queued.envelope.arrival_us;
	if (is_held || !has_room()) {
		arena_free(arena);
		message_wait(m);
		return m;
	}
	activate(m, &queued);
	keep_content(m, commit->content);
	begin(m);
	return m;
}

struct message *message_adopt_file(struct span id, uint64_t arrival_us, uint64_t length, uint32_t flags)
{
	struct message *m = message_new(id, arrival_us, flags);

	m->mail.length = (uint32_t)(length < UINT32_MAX ? length : UINT32_MAX);
	message_wait(m);
	return m;
}

void message_wait(struct message *m)
{
	if ((m->mail.flags & MESSAGE_HELD) != 0) {
		m->place = PLACE_HELD;
		return;
	}
	m->place = PLACE_WAITING;
	list_push_back(&qmgr->waiting, &m->node);
	task_wake_one(&qmgr->load_work);
}

/* ---- writing down what happened ---- */

/* write_note - into the journal, or the file where m lives. */
static void write_note(struct message *m, enum journal_type type, struct span payload)
{
	struct buf notes = { m->mail.notes, m->mail.notes_len, m->mail.notes_len, BUF_NO_LIMIT, false };

	journal_note(m, type, payload);
	notes_add(&notes, type, payload);
	m->mail.notes = notes.ptr;
	m->mail.notes_len = (uint32_t)notes.len;
}

/* ---- loading ---- */

struct loading {
	struct mail   mail;		/* a copy, with its notes: the thread touches nothing else */
	int           segment_fd;
	bool          check;
	size_t        inline_max;
	struct arena *arena;
	struct loaded out;
	int           error;
};

static void load_blocking(void *arg)
{
	struct loading *l = arg;

	l->error = 0;
	if (store_load(&qmgr->store, &l->mail, l->segment_fd, l->inline_max, l->check, l->arena, &l->out) < 0)
		l->error = errno;
}

/* load - envelope, state and content of m; the caller frees l->arena and closes l->out.fd.  Suspends. */
static int load(struct message *m, struct loading *l)
{
	memset(l, 0, sizeof(*l));
	l->mail = m->mail;
	l->arena = arena_new(NULL);
	if (m->mail.notes_len > 0)
		l->mail.notes = arena_alloc(l->arena, m->mail.notes_len);
	if (m->mail.notes_len > 0)
		memcpy(l->mail.notes, m->mail.notes, m->mail.notes_len);
	l->check = m->may_be_repeat;
	l->inline_max = (size_t)qmgr->conf->journal_message_limit;
	/* The segment may be retired meanwhile. */
	l->segment_fd = m->segment != NULL ? dup(m->segment->file.fd) : -1;
	task_offload(load_blocking, l);
	if (l->segment_fd >= 0)
		close(l->segment_fd);
	errno = l->error;
	return l->error == 0 ? 0 : -1;
}

static void unload(struct loading *l)
{
	if (l->out.fd >= 0)
		close(l->out.fd);
	arena_free(l->arena);
}

struct setting_aside {
	char     id[QUEUE_ID_MAX];
	uint64_t seq;		/* of its segment, or 0: it has a file */
	int      error;
};

static void set_aside_blocking(void *arg)
{
	struct setting_aside *s = arg;
	int result = s->seq != 0 ? store_keep_segment(&qmgr->store, s->seq)
	                         : store_set_aside(&qmgr->store, span_of(s->id));

	s->error = result < 0 ? errno : 0;
}

/* set_aside - a damaged message leaves the queue for queue/corrupt; its segment may then go.  Suspends. */
static void set_aside(struct message *m)
{
	struct setting_aside s = { .seq = m->segment != NULL ? m->segment->file.seq : 0 };

	memcpy(s.id, m->mail.id, sizeof(s.id));
	task_offload(set_aside_blocking, &s);
	if (s.error != 0) {
		log_error("%s: damaged, and cannot be kept in queue/corrupt: %s", m->mail.id, strerror(s.error));
		message_defer_until(m, clock_wall_us() + qmgr->conf->minimal_backoff_time * CLOCK_SECOND_US);
		return;
	}
	log_error("%s: damaged: not delivered, kept in queue/corrupt", m->mail.id);
	if (m->segment != NULL)
		m->segment->is_damaged = true;
	message_forget(m);
}

/* cannot_load - damage is set aside, anything else tried again. */
static void cannot_load(struct message *m, int error)
{
	if (error == EBADMSG) {
		set_aside(m);
		return;
	}
	log_error("%s: cannot read: %s", m->mail.id, strerror(error));
	message_defer_until(m, clock_wall_us() + qmgr->conf->minimal_backoff_time * CLOCK_SECOND_US);
}

void message_start_over(struct message *m)
{
	m->starts_over = true;
}

static void write_start_over(struct message *m)
{
	struct buf payload;

	m->starts_over = false;
	if (m->segment == NULL) {
		mark_table(m);
		return;
	}
	buf_init(&payload, BUF_NO_LIMIT);
	note_start_over(&payload, &m->active->queued);
	write_note(m, JOURNAL_START_OVER, buf_span(&payload));
	buf_free(&payload);
}

static void load_waiting(struct message *m)
{
	struct loading l;

	m->place = PLACE_LOADING;	/* nobody else touches it now */
	marks_await(span_of(m->mail.id));
	if (load(m, &l) < 0) {
		arena_free(l.arena);
		cannot_load(m, l.error);
		return;
	}
	m->place = PLACE_WAITING;
	if (l.out.is_file && m->segment != NULL) {	/* found at start: it had moved */
		journal_leave(m);
		m->mail.seq = 0;
	}
	if ((m->mail.flags & MESSAGE_HELD) != 0) {
		unload(&l);
		message_wait(m);
		return;
	}
	if (m->starts_over)
		queued_start_over(&l.out.queued, SIZE_MAX);
	activate(m, &l.out.queued);
	m->active->queued.flags = m->mail.flags;
	if (m->starts_over)
		write_start_over(m);
	m->active->content_length = (size_t)l.out.content_length;
	if (l.out.content_length <= l.inline_max) {
		keep_content(m, l.out.content);
		if (l.out.fd >= 0)
			close(l.out.fd);
	} else {
		m->active->fd = l.out.fd;
		m->active->content_offset = l.out.content_offset;
	}
	begin(m);
}

void loader_task(void *arg)
{
	(void)arg;
	while (!task_is_cancelled()) {
		struct list *node = has_room() ? list_pop_front(&qmgr->waiting) : NULL;

		if (node != NULL)
			load_waiting(CONTAINER_OF(node, struct message, node));
		else
			(void)task_wait(&qmgr->load_work, CLOCK_NEVER);
	}
}

int message_read_content(struct message *m)
{
	struct loading l;
	struct active *a = m->active;
	int result;

	a->readers++;
	result = load(m, &l);
	a->readers--;
	if (result < 0) {
		arena_free(l.arena);
		return -1;
	}
	if (a->content == NULL && l.out.content.ptr != NULL) {
		a->content = malloc(l.out.content.len + 1);
		if (a->content != NULL) {
			memcpy(a->content, l.out.content.ptr, l.out.content.len);
			qmgr->content_bytes += l.out.content.len;
		}
	}
	unload(&l);
	return a->content != NULL ? 0 : -1;
}

/* ---- leaving ---- */

void message_drop_content(struct message *m)
{
	struct active *a = m->active;

	if (a->content == NULL)
		return;
	free(a->content);
	a->content = NULL;
	qmgr->content_bytes -= a->content_length;
}

void message_deactivate(struct message *m)
{
	struct active *a = m->active;

	message_drop_content(m);
	list_remove(&a->route_node);
	if (a->fd >= 0)
		close(a->fd);
	arena_free(a->queued.arena);
	free(a);
	m->active = NULL;
	m->is_new = false;
	qmgr->active_count--;
	task_wake_one(&qmgr->load_work);
}

void message_forget(struct message *m)
{
	if (m->active != NULL)
		message_deactivate(m);
	if (m->place == PLACE_DEFERRED)
		heap_remove(&qmgr->deferred, m);
	list_remove(&m->node);
	journal_note(m, JOURNAL_DONE, span_lit(""));
	if (m->segment != NULL)
		journal_leave(m);
	else
		mark_removed(span_of(m->mail.id));
	/* The scan may have seen its file already. */
	if (!qmgr->is_scanned)
		(void)hash_put(qmgr->index.done, span_of(m->mail.id), qmgr);
	(void)hash_remove(qmgr->index.mails, span_of(m->mail.id));
	free(m->mail.notes);
	free(m);
}

void message_defer_until(struct message *m, uint64_t wall_us)
{
	if (m->active != NULL)
		message_deactivate(m);
	m->mail.next_attempt_us = wall_us;
	if ((m->mail.flags & MESSAGE_HELD) != 0) {
		m->place = PLACE_HELD;
		return;
	}
	m->place = PLACE_DEFERRED;
	heap_add(&qmgr->deferred, m);
}

void messages_due(uint64_t wall_us)
{
	struct heap *h = &qmgr->deferred;

	while (h->count > 0 && h->members[0]->mail.next_attempt_us <= wall_us) {
		struct message *m = h->members[0];

		heap_remove(h, m);
		message_wait(m);
	}
}

/* ---- what became of recipients ---- */

void message_recipient_over(struct message *m, size_t i, enum recipient_status status)
{
	struct queued *q = &m->active->queued;
	struct buf payload;

	q->states[i].status = status;
	run_of(m, i)->phase = PHASE_OVER;
	if (queued_open_count(q) == 0)
		return;		/* the DONE record says it all */
	if (m->segment == NULL) {
		mark_recipient(m, i);
		return;
	}
	buf_init(&payload, BUF_NO_LIMIT);
	note_result(&payload, q->envelope.recipients[i].number, status);
	write_note(m, JOURNAL_RESULT, buf_span(&payload));
	buf_free(&payload);
}

void message_note_expansion(struct message *m, size_t i, size_t first)
{
	struct queued *q = &m->active->queued;
	struct buf payload;

	if (m->segment == NULL) {
		if (first < q->envelope.recipient_count)
			mark_table(m);
		else
			mark_recipient(m, i);
		return;
	}
	buf_init(&payload, BUF_NO_LIMIT);
	note_expand(&payload, q, q->envelope.recipients[i].number, first);
	write_note(m, JOURNAL_EXPAND, buf_span(&payload));
	buf_free(&payload);
}

void message_set_flags(struct message *m, uint32_t flags)
{
	struct buf payload;

	m->mail.flags = flags;
	if (m->active != NULL)
		m->active->queued.flags = flags;
	if (m->segment == NULL) {
		mark_flags(m);
		return;
	}
	buf_init(&payload, BUF_NO_LIMIT);
	note_flags(&payload, flags);
	write_note(m, JOURNAL_FLAGS, buf_span(&payload));
	buf_free(&payload);
}

static void note_retry(struct message *m)
{
	struct buf payload;

	if (m->segment == NULL) {
		mark_retry(m);
		return;
	}
	buf_init(&payload, BUF_NO_LIMIT);
	note_defer(&payload, &m->active->queued);
	write_note(m, JOURNAL_DEFER, buf_span(&payload));
	buf_free(&payload);
}

/* ---- what is next ---- */

/* next_attempt_us - as long from now as the message is old, within the limits: twice as long each time. */
static uint64_t next_attempt_us(const struct message *m, uint64_t now_us)
{
	uint64_t age_us = now_us > m->mail.arrival_us ? now_us - m->mail.arrival_us : 0;
	uint64_t least_us = qmgr->conf->minimal_backoff_time * CLOCK_SECOND_US;
	uint64_t most_us = qmgr->conf->maximal_backoff_time * CLOCK_SECOND_US;

	if (age_us < least_us)
		age_us = least_us;
	return now_us + (age_us > most_us ? most_us : age_us);
}

static bool is_expired(const struct message *m, uint64_t now_us)
{
	bool is_bounce = m->active->queued.envelope.sender.len == 0;
	uint64_t lifetime_s = is_bounce ? qmgr->conf->bounce_queue_lifetime : qmgr->conf->maximal_queue_lifetime;

	return (m->mail.flags & MESSAGE_EXPIRE) != 0 || now_us >= m->mail.arrival_us + lifetime_s * CLOCK_SECOND_US;
}

/* expire - every open recipient has failed for good, with its last reason. */
static void expire(struct message *m)
{
	struct queued *q = &m->active->queued;

	log_note("%s: from=<" SPAN_FMT ">, status=%s, returned to sender", m->mail.id, SPAN_ARG(q->envelope.sender),
	         (m->mail.flags & MESSAGE_EXPIRE) != 0 ? "force-expired" : "expired");
	for (size_t i = 0; i < q->envelope.recipient_count; i++)
		if (q->states[i].status == RECIPIENT_OPEN)
			run_of(m, i)->phase = PHASE_FAILED;
}

static bool delay_warning_is_due(const struct message *m, uint64_t now_us)
{
	uint64_t after_us = qmgr->conf->delay_warning_time * CLOCK_SECOND_US;

	return after_us > 0 && (m->mail.flags & MESSAGE_WARNED) == 0 && now_us >= m->mail.arrival_us + after_us;
}

/* rest - some recipients must wait for another try. */
static void rest(struct message *m)
{
	struct queued *q = &m->active->queued;
	uint64_t now_us = clock_wall_us();

	if (is_expired(m, now_us)) {
		expire(m);
		message_step(m);
		return;
	}
	if (delay_warning_is_due(m, now_us)) {
		message_set_flags(m, m->mail.flags | MESSAGE_WARNED);
		if (bounce_needed(m, BOUNCE_DELAY)) {
			bounce_start(m, BOUNCE_DELAY);
			return;
		}
	}
	q->attempts++;
	q->next_attempt_us = next_attempt_us(m, now_us);
	note_retry(m);
	message_defer_until(m, q->next_attempt_us);
}

static bool any_in_phase(struct message *m, enum phase phase)
{
	for (size_t i = 0; i < m->active->queued.envelope.recipient_count; i++)
		if (run_of(m, i)->phase == phase)
			return true;
	return false;
}

void message_step(struct message *m)
{
	struct active *a = m->active;

	if (a == NULL || a->queued_count > 0 || a->is_routing || a->is_bouncing || a->readers > 0)
		return;
	if (a->is_deleted) {
		if (a->stored_count == 0)
			message_forget(m);
		return;
	}
	if (any_in_phase(m, PHASE_IDLE)) {
		route_message(m);
		return;
	}
	if (bounce_needed(m, BOUNCE_FAILURE)) {
		bounce_start(m, BOUNCE_FAILURE);
		return;
	}
	if (a->stored_count > 0) {
		message_drop_content(m);
		return;		/* until the checkpoint */
	}
	if (bounce_needed(m, BOUNCE_SUCCESS)) {
		bounce_start(m, BOUNCE_SUCCESS);
		return;
	}
	if (queued_open_count(&a->queued) > 0) {
		rest(m);
		return;
	}
	log_note("%s: removed", m->mail.id);
	message_forget(m);
}
