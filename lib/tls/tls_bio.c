/* SPDX-License-Identifier: ISC */
/* tls_bio.c - libssl's way to a non-blocking socket: as its own socket BIO, but never SIGPIPE
 *
 * The descriptor stays the stream's. */
#include "lib/tls/tls_private.h"

#include <errno.h>
#include <sys/socket.h>

#include <openssl/bio.h>

#include "lib/base/log.h"

static int descriptor_of(BIO *bio)
{
	return (int)(intptr_t)BIO_get_data(bio);
}

static bool may_retry(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

static int bio_write(BIO *bio, const char *data, int n)
{
	ssize_t put = send(descriptor_of(bio), data, (size_t)n, MSG_NOSIGNAL);

	BIO_clear_retry_flags(bio);
	if (put < 0 && may_retry())
		BIO_set_retry_write(bio);
	return (int)put;
}

static int bio_read(BIO *bio, char *data, int n)
{
	ssize_t got = recv(descriptor_of(bio), data, (size_t)n, 0);

	BIO_clear_retry_flags(bio);
	if (got < 0 && may_retry())
		BIO_set_retry_read(bio);
	if (got == 0)
		BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
	return (int)got;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
	(void)number;
	(void)pointer;
	if (command == BIO_CTRL_EOF)
		return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
	return command == BIO_CTRL_FLUSH;
}

static const BIO_METHOD *bio_method(void)
{
	static BIO_METHOD *method;

	if (method != NULL)
		return method;
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "task socket");
	if (method == NULL || !BIO_meth_set_write(method, bio_write) || !BIO_meth_set_read(method, bio_read) ||
	    !BIO_meth_set_ctrl(method, bio_control))
		log_fatal("out of memory");
	return method;
}

bool tls_attach(SSL *ssl, int fd)
{
	BIO *bio = BIO_new(bio_method());

	if (bio == NULL)
		return false;
	BIO_set_data(bio, (void *)(intptr_t)fd);
	BIO_set_init(bio, 1);
	SSL_set_bio(ssl, bio, bio);
	return true;
}
