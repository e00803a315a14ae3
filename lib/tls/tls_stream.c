/* SPDX-License-Identifier: ISC */
/* tls_stream.c - the handshake and the bytes of a TLS stream, on a task
 *
 * libssl works straight (tls_bio.c) on the non-blocking descriptor; when it wants more the task waits for the descriptor.  One
 * task may read and another write the same stream: no call into libssl suspends once the handshake is over. */
#include "lib/tls/tls_private.h"

#include <errno.h>
#include <string.h>

#include "lib/base/codec.h"
#include "lib/task/task.h"

static const struct stream_methods tls_methods;

bool tls_is_on(const struct stream *s)
{
	return s->methods == &tls_methods;
}

SSL *tls_session(const struct stream *s)
{
	return tls_is_on(s) ? s->state : NULL;
}

struct tls_context *tls_session_context(SSL *ssl)
{
	return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

enum after { RETRY, ENDED, FAILED };

/* What a libssl call that gave result <= 0 needs: wait and RETRY, or it is over (errno is set). */
static enum after after_call(SSL *ssl, int fd, int result, uint64_t deadline_us)
{
	int call_errno = errno;

	switch (SSL_get_error(ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return task_wait_fd(fd, TASK_READABLE, deadline_us) == 0 ? RETRY : FAILED;
	case SSL_ERROR_WANT_WRITE:
		return task_wait_fd(fd, TASK_WRITABLE, deadline_us) == 0 ? RETRY : FAILED;
	case SSL_ERROR_ZERO_RETURN:
		return ENDED;
	case SSL_ERROR_SYSCALL:
		errno = call_errno != 0 ? call_errno : ECONNRESET;
		return FAILED;
	default:
		errno = EPROTO;
		return FAILED;
	}
}

static int int_of(size_t n)
{
	return n > INT_MAX ? INT_MAX : (int)n;
}

static ssize_t tls_read(struct stream *s, void *data, size_t n, uint64_t deadline_us)
{
	for (;;) {
		int got;

		ERR_clear_error();
		errno = 0;
		got = SSL_read(s->state, data, int_of(n));
		if (got > 0)
			return got;
		switch (after_call(s->state, s->fd, got, deadline_us)) {
		case RETRY:
			break;
		case ENDED:
			return 0;
		case FAILED:
			return -1;
		}
	}
}

static ssize_t tls_write(struct stream *s, const void *data, size_t n, uint64_t deadline_us)
{
	size_t sent = 0;

	while (sent < n) {
		int put;

		ERR_clear_error();
		errno = 0;
		put = SSL_write(s->state, (const char *)data + sent, int_of(n - sent));
		if (put > 0) {
			sent += (size_t)put;
		} else if (after_call(s->state, s->fd, put, deadline_us) != RETRY) {
			if (errno == 0)
				errno = EPIPE;
			return -1;
		}
	}
	return (ssize_t)n;
}

static int tls_wait_readable(struct stream *s, uint64_t deadline_us)
{
	char byte;

	for (;;) {
		int got;

		ERR_clear_error();
		errno = 0;
		got = SSL_peek(s->state, &byte, 1);
		if (got > 0)
			return 0;
		switch (after_call(s->state, s->fd, got, deadline_us)) {
		case RETRY:
			break;
		case ENDED:
			return 0;
		case FAILED:
			return -1;
		}
	}
}

/* close_notify goes out once; the peer's is not waited for (RFC 8446 6.1 does not ask for it). */
static void tls_shutdown(struct stream *s)
{
	ERR_clear_error();
	if (SSL_is_init_finished(s->state))
		(void)SSL_shutdown(s->state);
	ERR_clear_error();
}

static void tls_close(struct stream *s)
{
	SSL_free(s->state);
	s->state = NULL;
}

static const struct stream_methods tls_methods = {
	.read = tls_read,
	.write = tls_write,
	.wait_readable = tls_wait_readable,
	.shutdown = tls_shutdown,
	.close = tls_close,
};

static enum outcome handshake_failed(SSL *ssl, int saved, struct why *why)
{
	const char *side = SSL_is_server(ssl) ? "client" : "server";

	switch (saved) {
	case ETIMEDOUT:
		return why_set(why, DEFER, "4.4.2", "TLS handshake timed out");
	case ECANCELED:
		return why_set(why, DEFER, "4.3.2", "TLS handshake given up: the service ends");
	case EPROTO:
		return tls_why(why, "TLS handshake failed");
	default:
		return why_set(why, DEFER, "4.4.2", "lost connection with the %s in the TLS handshake: %s", side,
		               strerror(saved));
	}
}

static enum outcome shake_hands(SSL *ssl, int fd, uint64_t deadline_us, struct why *why)
{
	for (;;) {
		int result;

		ERR_clear_error();
		errno = 0;
		result = SSL_do_handshake(ssl);
		if (result == 1)
			return DONE;
		switch (after_call(ssl, fd, result, deadline_us)) {
		case RETRY:
			break;
		case ENDED:
			return handshake_failed(ssl, ECONNRESET, why);
		case FAILED:
			return handshake_failed(ssl, errno, why);
		}
	}
}

static SSL *session_new(struct tls_context *ctx, const struct stream *s, struct why *why)
{
	SSL *ssl = SSL_new(ctx->ssl);

	if (ssl != NULL && tls_attach(ssl, s->fd))
		return ssl;
	SSL_free(ssl);
	tls_why(why, "cannot begin a TLS session");
	return NULL;
}

static void take_over(struct stream *s, SSL *ssl)
{
	s->methods = &tls_methods;
	s->state = ssl;
}

enum outcome tls_server_start(struct tls_context *ctx, struct stream *s, uint64_t deadline_us, struct why *why)
{
	bool has_tickets = tls_tickets_refresh(ctx);
	SSL *ssl = session_new(ctx, s, why);
	enum outcome outcome;

	if (ssl == NULL)
		return DEFER;
	SSL_set_accept_state(ssl);
	if (!has_tickets) {
		SSL_set_options(ssl, SSL_OP_NO_TICKET);
		(void)SSL_set_num_tickets(ssl, 0);
	}
	outcome = shake_hands(ssl, s->fd, deadline_us, why);
	if (outcome == DONE)
		take_over(s, ssl);
	else
		SSL_free(ssl);
	return outcome;
}

enum outcome tls_client_start(struct tls_context *ctx, struct stream *s, const struct tls_client_policy *policy,
                              uint64_t deadline_us, struct why *why)
{
	SSL *ssl = session_new(ctx, s, why);
	enum outcome outcome;

	if (ssl == NULL)
		return DEFER;
	SSL_set_connect_state(ssl);
	outcome = tls_policy_apply(ssl, policy, why) ? shake_hands(ssl, s->fd, deadline_us, why) : DEFER;
	if (outcome == DONE)
		outcome = tls_policy_check(ssl, policy, why);
	if (outcome == DONE)
		take_over(s, ssl);
	else
		SSL_free(ssl);
	return outcome;
}
