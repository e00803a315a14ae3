/* SPDX-License-Identifier: ISC */
/* hand_over.c - an authenticated connection goes to a session process (lib/ipc/session.h)
 *
 * Without TLS the client's socket itself goes, and login is done with it.  With TLS the session gets one end of a socket
 * pair; the TLS end stays here. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/ipc/session.h"
#include "lib/task/task.h"
#include "login/login.h"

/* What the client has sent behind the command that logged it in.  It stays in the buffer: when no session can be had
 * the conversation goes on with it. */
static struct span read_ahead(struct client *c)
{
	struct span bytes;

	if (!chat_has_input(&c->chat) || chat_more(&c->chat, &bytes, clock_now_us()) != CHAT_LINE)
		return (struct span){ 0 };
	return bytes;
}

/* Session processes are plain blocking programs; the flag is of the socket, not of the descriptor. */
static void set_blocking(int fd, bool blocking)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0)
		(void)fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

static enum outcome ask_session(struct client *c, int fd, struct span input, struct why *why)
{
	const struct auth_reply *account = c->account;
	struct session_request request = {
		.user = account->user,
		.uid = account->uid,
		.gid = account->gid,
		.home = account->home,
		.mail = account->mail,
		.remote_address = span_of(c->remote_text),
		.is_secured = c->is_tls || c->is_loopback,
		.tag = c->tag,
		.input = input,
		.client = fd,
	};
	struct session_reply reply;

	if (service_call(c->login->run, c->login->front->session_service, false, &session_request_type, &request,
	                 &session_reply_type, &reply, c->per_command,
	                 clock_in_s(c->login->conf->login_ask_time_limit)) < 0) {
		log_warning("no answer from %s: %m", c->login->front->session_service);
		return why_set(why, DEFER, "4.3.2", "The mail store is not available now");
	}
	if (reply.status != DONE)
		return why_set(why, DEFER, "4.3.2", SPAN_FMT, SPAN_ARG(reply.reason));
	return DONE;
}

/* ---- without TLS ---- */

static enum outcome pass_socket(struct client *c, struct why *why)
{
	struct span input = read_ahead(c);
	enum outcome outcome;

	set_blocking(c->stream.fd, true);
	outcome = ask_session(c, c->stream.fd, input, why);
	if (outcome == DONE) {
		/* Closed without a shutdown: the socket lives on in the session. */
		task_close(c->stream.fd);
		c->stream = (struct stream){ .fd = -1 };
		return DONE;
	}
	set_blocking(c->stream.fd, false);
	return outcome;
}

/* ---- with TLS ---- */

static enum outcome relay_session(struct client *c, struct why *why)
{
	int pair[2];
	enum outcome outcome;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return why_errno(why, DEFER, "4.3.2", "socket pair");
	outcome = ask_session(c, pair[1], read_ahead(c), why);
	(void)close(pair[1]);
	if (outcome != DONE) {
		(void)close(pair[0]);
		return outcome;
	}
	set_blocking(pair[0], false);
	chat_free(&c->chat);
	arena_release(c->per_command);
	c->login->relays++;
	relay(c, pair[0]);
	c->login->relays--;
	return DONE;
}

static bool enter_user(struct client *c, struct span user_client, struct why *why)
{
	const struct conf *conf = c->login->conf;
	long long here = c->is_loopback ? 0 : conf->login_user_client_connection_limit;

	if (!counts_enter(c->login->per_user, c->account->user, conf->login_user_connection_limit)) {
		why_set(why, DEFER, "4.7.0", "Too many sessions of this user");
		return false;
	}
	if (counts_enter(c->login->per_user_client, user_client, here))
		return true;
	counts_leave(c->login->per_user, c->account->user);
	why_set(why, DEFER, "4.7.0", "Too many sessions of this user from your address");
	return false;
}

enum outcome hand_over(struct client *c, struct why *why)
{
	struct span network, user, user_client;
	enum outcome outcome;

	if (chat_flush(&c->chat, client_deadline(c)) < 0)
		return why_set(why, DEFER, "4.4.2", "lost connection");
	if (!c->is_tls)
		return pass_socket(c, why);
	network = counts_network(c->arena, &c->remote);
	user = c->account->user;
	user_client = arena_printf_span(c->arena, SPAN_FMT " " SPAN_FMT, SPAN_ARG(user), SPAN_ARG(network));
	if (!enter_user(c, user_client, why))
		return DEFER;
	outcome = relay_session(c, why);
	counts_leave(c->login->per_user, user);
	counts_leave(c->login->per_user_client, user_client);
	return outcome;
}
