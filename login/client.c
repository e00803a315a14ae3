/* SPDX-License-Identifier: ISC */
/* client.c - one connection: limits, TLS, conversation, and on to the session process
 *
 * Runs as one task, in an empty root, without privileges or files. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/task/task.h"
#include "login/login.h"

enum { LAST_WORDS_S = 10 };

uint64_t client_deadline(const struct client *c)
{
	uint64_t idle = clock_in_s(c->login->conf->login_idle_timeout);

	return idle < c->login_until_us ? idle : c->login_until_us;
}

bool client_may_use_passwords(const struct client *c)
{
	const struct conf *conf = c->login->conf;

	if (c->is_tls)
		return true;
	if (strcmp(conf->login_tls_security_level, "encrypt") == 0)
		return false;
	return !conf->disable_plaintext_auth || (c->is_loopback && conf->login_trust_loopback);
}

bool client_may_start_tls(const struct client *c)
{
	return c->login->tls != NULL && !c->is_tls;
}

/* Wait for what read gives, on the list of those that can be told to go. */
static enum chat_event listen_by(enum chat_event (*read)(struct chat *, struct span *, uint64_t), struct client *c,
                                 struct span *out)
{
	enum chat_event event;

	if (c->login->is_stopping)
		return CHAT_CANCELLED;
	list_push_back(&c->login->waiting, &c->waiting);
	event = read(&c->chat, out, client_deadline(c));
	list_remove(&c->waiting);
	return event;
}

enum chat_event client_line(struct client *c, struct span *line)
{
	return listen_by(chat_line, c, line);
}

enum chat_event client_bytes(struct client *c, struct span *bytes)
{
	return listen_by(chat_more, c, bytes);
}

const char *client_farewell(const struct client *c)
{
	return c->is_evicted ? "Too many connections" : "Server shutting down";
}

void clients_stop(struct login *login)
{
	login->is_stopping = true;
	LIST_EACH(node, &login->waiting)
		task_cancel(CONTAINER_OF(node, struct client, waiting)->task);
}

/* Nobody may write the rest of the line by his choice of a name. */
static struct span clean_name(struct arena *arena, struct span name)
{
	char *copy = arena_cstr(arena, name);

	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)copy[i] < 0x20 || copy[i] == 0x7f || copy[i] == '<' || copy[i] == '>')
			copy[i] = '?';
	return span_make(copy, name.len);
}

void client_log(const struct client *c, const char *what, struct span user)
{
	log_note("%s-login: %s: user=<" SPAN_FMT ">, method=%s, rip=%s, lip=%s%s", c->login->front->protocol, what,
	         SPAN_ARG(clean_name(c->per_command, user)), c->method, c->remote_text, c->local_text,
	         c->is_tls ? ", TLS" : "");
}

bool client_note_bad(struct client *c)
{
	c->bad_commands++;
	return c->bad_commands < (unsigned long long)c->login->conf->login_bad_command_limit;
}

bool client_start_tls(struct client *c)
{
	const struct conf *conf = c->login->conf;
	struct tls_facts facts;
	enum outcome outcome;
	struct why why;

	if (chat_flush(&c->chat, client_deadline(c)) < 0)
		return false;
	list_push_back(&c->login->waiting, &c->waiting);
	outcome = tls_server_start(c->login->tls, &c->stream, clock_in_s(conf->login_tls_timeout), &why);
	list_remove(&c->waiting);
	if (outcome != DONE) {
		log_note("TLS with %s: %s", c->remote_text, why.text);
		return false;
	}
	c->is_tls = true;
	task_idle_memory();	/* handshakes go deep; nothing after them does */
	if (conf->login_tls_loglevel > 0 && tls_describe(&c->stream, &facts))
		log_note("%s", tls_log_line(c->arena, &facts, "from", c->remote_text));
	return true;
}

/* ---- the connection's own ---- */

static void find_addresses(struct client *c, int fd)
{
	struct net_address local = { .length = sizeof(local.storage) };

	c->remote.length = sizeof(c->remote.storage);
	if (getpeername(fd, (struct sockaddr *)&c->remote.storage, &c->remote.length) < 0)
		c->remote = (struct net_address){ 0 };
	if (getsockname(fd, (struct sockaddr *)&local.storage, &local.length) < 0)
		local = (struct net_address){ 0 };
	(void)net_address_text(&c->remote, c->remote_text);
	(void)net_address_text(&local, c->local_text);
	c->is_loopback = net_address_is_loopback(&c->remote);
}

static void log_in(struct client *c)
{
	const struct front *front = c->login->front;
	struct why why;

	for (;;) {
		front->converse(c);
		if (c->account == NULL)
			return;
		client_log(c, "Login", c->account->user);
		if (hand_over(c, &why) == DONE)
			return;
		log_warning("no %s session for <" SPAN_FMT ">: %s", front->protocol, SPAN_ARG(c->account->user),
		            why.text);
		c->account = NULL;
		if (c->chat.failed || c->stream.methods == NULL)
			return;
		front->not_taken(c, span_of(why.text));
	}
}

static void begin(struct client *c)
{
	const struct login *login = c->login;

	if (login->conf->login_tls_wrappermode && (login->tls == NULL || !client_start_tls(c)))
		return;
	login->front->greet(c);
	log_in(c);
}

static void admit(struct client *c)
{
	struct login *login = c->login;
	struct span key = counts_network(c->arena, &c->remote);
	long long limit = c->is_loopback ? 0 : login->conf->login_client_connection_limit;

	if (!counts_enter(login->per_client, key, limit)) {
		log_warning("Connection concurrency limit exceeded: %lld from %s for service %s", limit, c->remote_text,
		            login->run->name);
		if (!login->conf->login_tls_wrappermode)
			login->front->refuse(c, "Too many connections from your address");
		return;
	}
	begin(c);
	counts_leave(login->per_client, key);
}

/* When those who have not logged in fill three quarters of the room that sessions leave, each newcomer takes the place
 * of whoever has been silent longest: nobody can hold them all (reliability O2). */
static void make_room(struct login *login)
{
	size_t room = (size_t)login->conf->login_session_limit - login->relays;
	struct list *oldest;

	if ((login->clients - login->relays) * 4 <= room * 3)
		return;
	oldest = list_pop_front(&login->waiting);
	if (oldest == NULL)
		return;
	CONTAINER_OF(oldest, struct client, waiting)->is_evicted = true;
	task_cancel(CONTAINER_OF(oldest, struct client, waiting)->task);
}

void client_serve(struct login *login, int fd)
{
	struct arena *arena = task_arena();
	struct client *c = ARENA_NEW(arena, struct client);

	*c = (struct client){
		.login = login,
		.task = task_self(),
		.method = "PLAIN",
		.arena = arena,
		.per_command = arena_new(arena),
		.login_until_us = clock_in_s(login->conf->login_timeout),
	};
	list_init(&c->waiting);
	login->clients++;
	make_room(login);
	find_addresses(c, fd);
	stream_plain(&c->stream, fd);
	chat_init(&c->chat, &c->stream, login->conf->login_line_length_limit);
	admit(c);
	if (c->stream.methods != NULL && c->account == NULL)
		(void)chat_flush(&c->chat, clock_in_s(LAST_WORDS_S));
	chat_free(&c->chat);
	stream_close(&c->stream);
	login->clients--;
}
