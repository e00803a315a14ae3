/* SPDX-License-Identifier: ISC */
/* ask.c - what auth says to a client's credentials
 *
 * Passwords pass through here and are wiped as soon as auth has answered. */
#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/codec.h"
#include "lib/base/log.h"
#include "lib/ipc/services.h"
#include "login/login.h"

enum { METHOD_MAX = 32, MECHANISMS_FOR_S = 60, MECHANISMS_RETRY_S = 2 };

struct span ask_mechanisms(struct login *login)
{
	struct auth_mechanisms_request request = { span_of(login->front->protocol), true };
	struct auth_mechanisms_reply reply;
	struct arena *arena;

	if (clock_now_us() < login->mechanisms_until_us)
		return span_of(login->mechanisms);
	login->mechanisms_until_us = clock_in_s(MECHANISMS_RETRY_S);
	arena = arena_new(NULL);
	if (service_call(login->run, SERVICE_AUTH, true, &auth_mechanisms_request_type, &request,
	                 &auth_mechanisms_reply_type, &reply, arena,
	                 clock_in_s(login->conf->login_mechanisms_time_limit)) == 0) {
		(void)snprintf(login->mechanisms, sizeof(login->mechanisms), SPAN_FMT, SPAN_ARG(reply.mechanisms));
		login->mechanisms_until_us = clock_in_s(MECHANISMS_FOR_S);
	}
	arena_free(arena);
	return span_of(login->mechanisms);
}

static struct auth_reply *keep_account(struct client *c, const struct auth_reply *reply)
{
	struct auth_reply *account = ARENA_NEW(c->arena, struct auth_reply);

	*account = (struct auth_reply){
		.status = reply->status,
		.user = arena_dup(c->arena, reply->user),
		.uid = reply->uid,
		.gid = reply->gid,
		.home = arena_dup(c->arena, reply->home),
		.mail = arena_dup(c->arena, reply->mail),
	};
	return account;
}

/* At once, so that whoever reads the log can act before the next attempt. */
static void log_failure(struct client *c, struct span user)
{
	client_log(c, arena_printf(c->per_command, "Aborted login (auth failed, %u attempts)", c->failures + 1),
	           user);
}

enum auth_status ask_step(struct client *c, struct span mechanism, bool has_response, struct span response,
                          uint64_t *conversation, struct span *challenge)
{
	struct auth_request request = {
		.conversation = *conversation,
		.service = span_of(c->login->front->protocol),
		.mechanism = mechanism,
		.response = response,
		.has_response = has_response,
		.remote_address = span_of(c->remote_text),
		.local_address = span_of(c->local_text),
		.is_secured = c->is_tls || c->is_loopback,
	};
	struct auth_reply reply;

	if (service_call(c->login->run, SERVICE_AUTH, *conversation == 0, &auth_request_type, &request,
	                 &auth_reply_type, &reply, c->per_command,
	                 clock_in_s(c->login->conf->login_ask_time_limit)) < 0) {
		log_warning("no answer from %s: login of %s is put off", SERVICE_AUTH, c->remote_text);
		return AUTH_UNAVAILABLE;
	}
	*conversation = reply.conversation;
	*challenge = reply.challenge;
	if (reply.status == AUTH_OK || reply.status == AUTH_FAILED)
		c->method = arena_cstr(c->arena, span_first(mechanism, METHOD_MAX));
	if (reply.status == AUTH_OK)
		c->account = keep_account(c, &reply);
	else if (reply.status == AUTH_FAILED)
		log_failure(c, reply.user);
	return reply.status <= AUTH_UNKNOWN_MECHANISM ? (enum auth_status)reply.status : AUTH_UNAVAILABLE;
}

enum auth_status ask_password(struct client *c, struct span user, struct span password)
{
	size_t length = 1 + user.len + 1 + password.len;
	char *plain = arena_alloc(c->per_command, length);
	struct span challenge;
	uint64_t conversation = 0;
	enum auth_status status;

	memcpy(plain + 1, user.ptr, user.len);
	if (password.len != 0)
		memcpy(plain + 1 + user.len + 1, password.ptr, password.len);
	status = ask_step(c, span_lit("PLAIN"), true, span_make(plain, length), &conversation, &challenge);
	memory_wipe(plain, length);
	return status;
}

bool ask_failed(struct client *c)
{
	c->failures++;
	return c->failures < (unsigned long long)c->login->conf->login_failure_limit;
}
