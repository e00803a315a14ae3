/* SPDX-License-Identifier: ISC */
/* connection.c - a connection to one milter
 *
 * The milter is foreign: it may be slow, gone, or speak nonsense at any byte.  Each of these is one log line, worded as
 * Postfix words it, and the end of this connection. */
#include "lib/milter/connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/log.h"

enum {
	READ_BYTES = 16 * 1024,
	REPLAY_MAX = 64 * 1024,	/* more than that is not said again */
};

static struct milter_connection *connection_of(struct list *node)
{
	return CONTAINER_OF(node, struct milter_connection, node);
}

/* ---- bytes ---- */

/* Write what is left of out; 0, or -1 with errno. */
static int write_out(struct milter_connection *c, uint64_t deadline_us)
{
	c->has_ended = c->has_ended && c->out.len == 0;
	while (c->sent < c->out.len) {
		struct iovec part = { c->out.ptr + c->sent, c->out.len - c->sent };
		struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
		ssize_t put = task_sendmsg(c->fd, &message, 0, deadline_us);

		if (put < 0)
			return -1;
		c->sent += (size_t)put;
	}
	c->may_replay = c->may_replay && c->out.len <= REPLAY_MAX;
	if (!c->may_replay) {
		buf_clear(&c->out);
		c->sent = 0;
	}
	return 0;
}

static struct span unread(const struct milter_connection *c)
{
	return span_skip(buf_span(&c->in), c->in_at);
}

/* More bytes into in; 0, or -1 with errno: ECONNRESET at the end. */
static int read_more(struct milter_connection *c, uint64_t deadline_us)
{
	ssize_t got;

	buf_consume(&c->in, c->in_at);
	c->in_at = 0;
	got = task_read(c->fd, buf_reserve(&c->in, READ_BYTES), READ_BYTES, deadline_us);
	if (got > 0)
		buf_commit(&c->in, (size_t)got);
	if (got == 0)
		errno = ECONNRESET;
	return got > 0 ? 0 : -1;
}

enum packet_result { PACKET, LOST, MALFORMED };

/* The next packet.  LOST: errno says how; MALFORMED was logged. */
static enum packet_result read_packet(struct milter_connection *c, uint64_t deadline_us, struct milter_packet *out)
{
	uint32_t length;

	for (;;) {
		switch (milter_frame(unread(c), c->packet_max, out, &length)) {
		case MILTER_FRAME_WHOLE:
			c->in_at += 4 + (size_t)length;
			return PACKET;
		case MILTER_FRAME_EMPTY:
			log_warning("milter %s: bad packet length: %lu", c->settings.name, (unsigned long)length);
			return MALFORMED;
		case MILTER_FRAME_TOO_LARGE:
			log_warning("milter %s: unreasonable packet length: %lu > %zu", c->settings.name,
			            (unsigned long)length, c->packet_max);
			return MALFORMED;
		case MILTER_FRAME_PARTIAL:
			break;
		}
		if (read_more(c, deadline_us) < 0)
			return LOST;
	}
}

static void log_lost(const struct milter_connection *c, enum milter_command command)
{
	const char *what = milter_command_name(command), *why = strerror(errno);

	if (c->in.len > c->in_at + 4)
		log_warning("milter %s: can't read %s reply data: %s", c->settings.name, what, why);
	else
		log_warning("milter %s: can't read %s reply packet header: %s", c->settings.name, what, why);
}

/* ---- opening ---- */

static int finish_connect(int fd, uint64_t deadline_us)
{
	struct sockaddr_storage peer;
	int error = 0, on = 1;

	task_forget_fd(fd);
	for (;;) {
		socklen_t length = sizeof(peer), error_size = sizeof(error);

		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size) < 0)
			return -1;
		errno = error;
		if (error != 0)
			return -1;
		if (getpeername(fd, (struct sockaddr *)&peer, &length) == 0)
			break;
		if (task_wait_fd(fd, TASK_WRITABLE, deadline_us) < 0)
			return -1;
	}
	/* We gather ourselves; a UNIX socket does not know the option. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return 0;
}

static bool open_fd(struct milter_connection *c, uint64_t deadline_us)
{
	errno = EACCES;
	c->fd = c->settings.is_barred ? -1 : c->pool->connect(c->pool->user, c->settings.name, deadline_us);
	if (c->fd >= 0 && finish_connect(c->fd, deadline_us) == 0)
		return true;
	log_warning("connect to Milter service %s: %s", c->settings.name,
	            strerror(errno == EHOSTDOWN ? ECONNREFUSED : errno));
	return false;
}

static uint32_t steps_of(uint32_t version)
{
	return version >= 6 ? MILTER_STEPS_6 : version >= 4 ? MILTER_STEPS_4 : version == 3 ? MILTER_STEPS_3
	                                                                                  : MILTER_STEPS_2;
}

static bool check_terms(const struct milter_connection *c, const struct milter_terms *t)
{
	if (t->version > c->settings.version || t->version < MILTER_VERSION_LEAST) {
		log_warning("milter %s: protocol version %lu conflict with MTA protocol version %lu", c->settings.name,
		            (unsigned long)t->version, (unsigned long)c->settings.version);
		return false;
	}
	if ((t->actions & ~(uint32_t)MILTER_ACTIONS) != 0) {
		log_warning("milter %s: request mask 0x%lx conflict with MTA request mask 0x%lx", c->settings.name,
		            (unsigned long)t->actions, (unsigned long)MILTER_ACTIONS);
		return false;
	}
	return true;
}

static void keep_terms(struct milter_connection *c, const struct milter_terms *t)
{
	c->terms = *t;
	for (size_t i = 0; i < MILTER_STAGES_NEGOTIATED; i++)
		c->terms.macros[i] = arena_dup(c->arena, t->macros[i]);
	c->not_sent = (t->steps | ~c->settings.steps | ~steps_of(t->version)) & MILTER_NO_ALL;
}

static bool negotiate(struct milter_connection *c, uint64_t deadline_us, struct milter_terms *terms)
{
	struct milter_packet packet;
	const char *error = NULL;

	milter_terms_add(&c->out, c->settings.version, MILTER_ACTIONS, c->settings.steps);
	if (write_out(c, deadline_us) < 0) {
		log_warning("milter %s: write error in initial handshake: %s", c->settings.name, strerror(errno));
		return false;
	}
	switch (read_packet(c, deadline_us, &packet)) {
	case PACKET:
		break;
	case LOST:
		log_lost(c, MILTER_NEGOTIATE);
		return false;
	case MALFORMED:
		return false;
	}
	if (packet.letter != MILTER_NEGOTIATE)
		error = "unexpected reply in initial handshake";
	else if (milter_terms_decode(packet.data, terms, &error))
		return check_terms(c, terms);
	log_warning("milter %s: %s", c->settings.name, error);
	return false;
}

static void close_fd(struct milter_connection *c)
{
	if (c->fd >= 0)
		task_close(c->fd);
	c->fd = -1;
	buf_clear(&c->in);
	c->in_at = 0;
}

void milter_connection_drop(struct milter_connection *c)
{
	close_fd(c);
	list_remove(&c->node);
	buf_free(&c->in);
	buf_free(&c->out);
	arena_free(c->arena);
}

static struct milter_connection *connection_new(struct milter_pool *pool, const struct milter_settings *settings,
                                                size_t packet_max)
{
	struct arena *arena = arena_new(NULL);
	struct milter_connection *c = ARENA_NEW(arena, struct milter_connection);

	c->arena = arena;
	c->pool = pool;
	c->settings = *settings;
	c->settings.name = arena_cstr(arena, span_of(settings->name));
	c->packet_max = packet_max;
	c->fd = -1;
	list_init(&c->node);
	buf_init(&c->in, BUF_NO_LIMIT);	/* bounded by packet_max */
	buf_init(&c->out, BUF_NO_LIMIT);	/* bounded by flushing */
	return c;
}

static struct milter_connection *open_connection(struct milter_pool *pool, const struct milter_settings *settings,
                                                 size_t packet_max)
{
	struct milter_connection *c = connection_new(pool, settings, packet_max);
	uint64_t deadline = clock_in_s(settings->connect_timeout_s);
	struct milter_terms terms;

	if (!open_fd(c, deadline) || !negotiate(c, deadline, &terms)) {
		milter_connection_drop(c);
		return NULL;
	}
	keep_terms(c, &terms);
	return c;
}

/* ---- unused connections ---- */

void milter_pool_init(struct milter_pool *pool,
                      int (*connect)(void *user, const char *endpoint, uint64_t deadline_us), void *user,
                      size_t most_idle, uint64_t idle_s)
{
	*pool = (struct milter_pool){ .connect = connect, .user = user, .most_idle = most_idle, .idle_s = idle_s };
	list_init(&pool->idle);
	pool->accepted = milter_accepted_new();
}

void milter_connection_quit(struct milter_connection *c)
{
	milter_packet(&c->out, MILTER_QUIT);
	(void)write_out(c, 0);	/* no time is taken for it: the milter sees the end anyway */
	milter_connection_drop(c);
}

void milter_pool_close(struct milter_pool *pool)
{
	pool->is_closed = true;
	while (!list_is_empty(&pool->idle))
		milter_connection_quit(connection_of(pool->idle.next));
	if (pool->keeper != NULL)
		task_cancel(pool->keeper);
	milter_accepted_free(pool->accepted);
	pool->accepted = NULL;	/* sessions under way ask each time */
}

/* A task of its own while there are unused connections. */
static void keep_watch(void *arg)
{
	struct milter_pool *pool = arg;
	uint64_t age_us = pool->idle_s * CLOCK_SECOND_US;

	while (!list_is_empty(&pool->idle)) {
		struct milter_connection *oldest = connection_of(pool->idle.next);

		if (oldest->idle_since_us + age_us <= clock_now_us())
			milter_connection_quit(oldest);
		else if (task_sleep_until(oldest->idle_since_us + age_us) < 0)
			break;
	}
	pool->keeper = NULL;
}

static size_t count_idle(const struct milter_pool *pool, const char *name)
{
	size_t count = 0;

	LIST_EACH(node, &pool->idle)
		count += strcmp(connection_of(node)->settings.name, name) == 0;
	return count;
}

/* Nothing came and it is not closed. */
static bool is_quiet(const struct milter_connection *c)
{
	char byte;

	return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

static bool may_keep(const struct milter_connection *c)
{
	const struct milter_pool *pool = c->pool;

	return !pool->is_closed && c->terms.version >= 6 && c->has_ended && c->out.len == 0 && unread(c).len == 0 &&
	       count_idle(pool, c->settings.name) < pool->most_idle;
}

void milter_connection_end(struct milter_connection *c)
{
	struct milter_pool *pool = c->pool;

	if (!may_keep(c)) {
		milter_connection_quit(c);
		return;
	}
	milter_packet(&c->out, MILTER_QUIT_NC);
	c->may_replay = false;
	if (write_out(c, 0) == 0 && pool->keeper == NULL)
		pool->keeper = task_spawn(keep_watch, pool, "milters");
	if (c->out.len > 0 || pool->keeper == NULL) {
		milter_connection_drop(c);
		return;
	}
	buf_free(&c->in);
	buf_free(&c->out);
	c->in_at = 0;
	c->idle_since_us = clock_now_us();
	list_push_back(&pool->idle, &c->node);
}

/* The one used last: the others may get old. */
static struct milter_connection *take_idle(struct milter_pool *pool, const struct milter_settings *settings)
{
	struct list *before;

	for (struct list *node = pool->idle.prev; node != &pool->idle; node = before) {
		struct milter_connection *c = connection_of(node);

		before = node->prev;
		if (strcmp(c->settings.name, settings->name) != 0 || c->settings.version != settings->version ||
		    c->settings.steps != settings->steps)
			continue;
		if (is_quiet(c)) {
			list_remove(&c->node);
			return c;
		}
		milter_connection_drop(c);
	}
	return NULL;
}

struct milter_connection *milter_connection_get(struct milter_pool *pool, const struct milter_settings *settings,
                                                size_t packet_max)
{
	struct milter_connection *c = take_idle(pool, settings);
	const char *name;

	if (c == NULL)
		return open_connection(pool, settings, packet_max);
	name = c->settings.name;
	c->settings = *settings;
	c->settings.name = name;
	c->packet_max = packet_max;
	c->may_replay = true;
	return c;
}

/* ---- talking ---- */

static bool same_terms(const struct milter_terms *a, const struct milter_terms *b)
{
	for (size_t i = 0; i < MILTER_STAGES_NEGOTIATED; i++)
		if (a->has_macros[i] != b->has_macros[i] || !span_equal(a->macros[i], b->macros[i]))
			return false;
	return a->version == b->version && a->actions == b->actions && a->steps == b->steps;
}

/* The kept connection was closed meanwhile: open another and let all be said again.  The milter may have been restarted
 * with other wishes; then what was said so far does not fit. */
static bool renew(struct milter_connection *c)
{
	uint64_t deadline = clock_in_s(c->settings.connect_timeout_s);
	struct buf said = c->out;
	struct milter_terms terms;
	bool is_good;

	if (!c->may_replay || (errno != EPIPE && errno != ECONNRESET))
		return false;
	close_fd(c);
	c->may_replay = false;
	buf_init(&c->out, BUF_NO_LIMIT);
	c->sent = 0;
	is_good = open_fd(c, deadline) && negotiate(c, deadline, &terms) && same_terms(&c->terms, &terms);
	buf_free(&c->out);
	c->out = said;
	errno = ECONNRESET;
	return is_good;
}

bool milter_connection_flush(struct milter_connection *c, uint64_t deadline_us)
{
	while (write_out(c, deadline_us) < 0) {
		if (renew(c))
			continue;
		log_warning("milter %s: error writing command: %s", c->settings.name, strerror(errno));
		return false;
	}
	return true;
}

bool milter_connection_reply(struct milter_connection *c, enum milter_command command, uint64_t deadline_us,
                             struct arena *arena, struct milter_reply *out)
{
	struct milter_packet packet;
	enum packet_result result;
	const char *error;

	do {
		if (!milter_connection_flush(c, deadline_us))
			return false;
		result = read_packet(c, deadline_us, &packet);
	} while (result == LOST && renew(c));
	if (result == LOST)
		log_lost(c, command);
	if (result != PACKET)
		return false;
	if (c->may_replay) {
		c->may_replay = false;
		buf_clear(&c->out);
		c->sent = 0;
	}
	c->has_ended = command == MILTER_EOM && packet.letter == MILTER_CONTINUE;
	if (milter_reply_decode(arena, &packet, out, &error))
		return true;
	log_warning("milter %s: %s", c->settings.name, error);
	return false;
}
