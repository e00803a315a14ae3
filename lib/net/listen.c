/* SPDX-License-Identifier: ISC */
/* listen.c - listening sockets for the inet services of master.cf, and hosts by name */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/net/address.h"

enum { BACKLOG = 1024 };

struct listening {
	const char *protocols;
	const char *port;
	int        *fds;
	size_t      most, *count;
};

static bool speaks(const char *protocols, int family)
{
	struct span rest = span_of(protocols), word;
	struct span wanted = family == AF_INET ? span_lit("ipv4") : span_lit("ipv6");

	while (span_token(&rest, ", \t", &word)) {
		if (span_equal_ci(word, wanted) || span_equal_ci(word, span_lit("all")))
			return true;
	}
	return false;
}

static int bound_socket(const struct addrinfo *info)
{
	int on = 1;
	int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	/* Each family has its own socket, so that inet_protocols means what it says. */
	if ((info->ai_family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/* is_missing_family - a host without IPv6 (or IPv4) is no error as long as the other works. */
static bool is_missing_family(int error)
{
	return error == EAFNOSUPPORT || error == EADDRNOTAVAIL;
}

/* A small system has no /etc/services; the ports of mail are what IANA says all the same. */
static const char *well_known_port(const char *name)
{
	static const char *const ports[][2] = {
		{ "smtp", "25" },  { "submission", "587" }, { "submissions", "465" }, { "smtps", "465" },
		{ "imap", "143" }, { "imaps", "993" },      { "pop3", "110" },	      { "pop3s", "995" },
	};

	for (size_t i = 0; i < COUNT_OF(ports); i++)
		if (strcmp(ports[i][0], name) == 0)
			return ports[i][1];
	return name;
}

static int listen_on(struct listening *l, const char *host)
{
	struct addrinfo hints = { .ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	size_t before = *l->count;
	int error = EADDRNOTAVAIL;

	if (getaddrinfo(host, l->port, &hints, &found) != 0 &&
	    getaddrinfo(host, well_known_port(l->port), &hints, &found) != 0) {
		errno = EADDRNOTAVAIL;
		return -1;
	}
	for (const struct addrinfo *info = found; info != NULL; info = info->ai_next) {
		int fd;

		if (!speaks(l->protocols, info->ai_family) || *l->count == l->most)
			continue;
		fd = bound_socket(info);
		if (fd >= 0) {
			l->fds[(*l->count)++] = fd;
			continue;
		}
		error = errno;
		if (!is_missing_family(error)) {
			freeaddrinfo(found);
			errno = error;
			return -1;
		}
	}
	freeaddrinfo(found);
	errno = error;
	return *l->count > before ? 0 : -1;
}

static int listen_on_span(struct listening *l, struct span host)
{
	struct buf name;
	const char *text;
	int result = -1;

	if (span_equal_ci(host, span_lit("all")) || span_equal(host, span_lit("*")))
		return listen_on(l, NULL);
	buf_init(&name, 256);
	if (buf_add(&name, host) && (text = buf_cstr(&name)) != NULL)
		result = listen_on(l, text);
	else
		errno = ENAMETOOLONG;
	buf_free(&name);
	return result;
}

static int listen_on_loopback(struct listening *l)
{
	int v4 = speaks(l->protocols, AF_INET) ? listen_on(l, "127.0.0.1") : -1;
	int error = errno;
	int v6 = speaks(l->protocols, AF_INET6) ? listen_on(l, "::1") : -1;

	if (v4 < 0 && v6 == 0 && speaks(l->protocols, AF_INET) && !is_missing_family(error)) {
		errno = error;
		return -1;
	}
	return v4 == 0 || v6 == 0 ? 0 : -1;
}

static int listen_on_interfaces(struct listening *l, const char *interfaces)
{
	struct span rest = span_of(interfaces), word;

	while (span_token(&rest, ", \t", &word)) {
		int result = span_equal_ci(word, span_lit("loopback-only")) ? listen_on_loopback(l)
		                                                            : listen_on_span(l, word);
		if (result < 0)
			return -1;
	}
	return 0;
}

bool net_resolve(const char *host, const char *port, struct net_address *out)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;

	if (getaddrinfo(host, port, &hints, &found) != 0)
		return false;
	memset(out, 0, sizeof(*out));
	memcpy(&out->storage, found->ai_addr, found->ai_addrlen);
	out->length = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}

int net_listen(const char *service, const char *interfaces, const char *protocols, int *fds, size_t most,
               size_t *count)
{
	struct span text = span_of(service), host, port;
	size_t colon = span_rfind(text, ':');
	struct listening l = { .protocols = protocols, .fds = fds, .most = most, .count = count };
	bool is_bracketed;

	if (colon == SPAN_NOT_FOUND) {
		l.port = service;
		return listen_on_interfaces(&l, interfaces);
	}
	if (colon == 0) {	/* ":port" */
		l.port = service + 1;
		return listen_on_interfaces(&l, interfaces);
	}
	if (!net_host_port(text, &host, &port, &is_bracketed) || port.len == 0) {
		errno = EINVAL;
		return -1;
	}
	l.port = service + colon + 1;
	return listen_on_span(&l, host);
}
