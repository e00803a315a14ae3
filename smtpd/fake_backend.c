/* SPDX-License-Identifier: ISC */
/* fake_backend.c - scripted router, auth, dns and qmgr for tests */
#include "smtpd/fake_backend.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/crc32c.h"
#include "lib/base/fs.h"
#include "lib/ipc/auth.h"
#include "lib/ipc/commit.h"
#include "lib/ipc/dns.h"
#include "lib/smtp/address.h"

enum { LEASE_OFFSET = 4096 };

void fake_backend_init(struct fake_backend *f)
{
	*f = (struct fake_backend){ .commits = 0 };
	buf_init(&f->content, BUF_NO_LIMIT);
	buf_init(&f->envelope, BUF_NO_LIMIT);
	fake_milters_init(&f->milters);
	for (size_t i = 0; i < COUNT_OF(f->leases); i++)
		f->leases[i] = -1;
}

void fake_backend_free(struct fake_backend *f)
{
	buf_free(&f->content);
	buf_free(&f->envelope);
	fake_milters_free(&f->milters);
	for (size_t i = 0; i < COUNT_OF(f->leases); i++)
		if (f->leases[i] >= 0)
			close(f->leases[i]);
}

int fake_backend_connect(void *user, const char *endpoint, uint64_t deadline_us)
{
	return fake_milters_connect(&((struct fake_backend *)user)->milters, endpoint, deadline_us);
}

static bool is_user(struct span local)
{
	if (local.len == 2 && ascii_lower(local.ptr[0]) == 'u')
		return ascii_is_digit(local.ptr[1]);
	return span_equal_ci(local, span_lit("postmaster")) || span_equal_ci(local, span_lit("abuse"));
}

static void resolve(const struct resolve_request *q, struct resolve_reply *r, struct arena *arena)
{
	struct span local, domain;

	smtp_address_split(q->recipient, &local, &domain);
	*r = (struct resolve_reply){ .verdict = ROUTE_OK, .address_class = CLASS_DEFAULT,
		                     .address = q->recipient, .transport = span_lit("smtp"),
		                     .nexthop = domain };
	if (domain.len == 0)
		r->address = arena_printf_span(arena, SPAN_FMT "@example.test", SPAN_ARG(local));
	if (span_equal_ci(domain, span_lit("relay.test")))
		r->address_class = CLASS_RELAY;
	if (domain.len > 0 && !span_equal_ci(domain, span_lit("example.test")))
		return;
	r->address_class = CLASS_VIRTUAL_MAILBOX;
	r->transport = span_lit("virtual");
	if (span_equal_ci(local, span_lit("later"))) {
		r->verdict = ROUTE_DEFER;
	} else if (!is_user(local)) {
		r->verdict = ROUTE_UNKNOWN;
		r->dsn = span_lit("5.1.1");
		r->reason = span_lit("User unknown in virtual mailbox table");
	}
}

static void authenticate(const struct auth_request *q, struct auth_reply *r)
{
	static const struct span good = { "\0u1\0secret", 10 };

	*r = (struct auth_reply){ .status = AUTH_FAILED, .reason = span_lit("authentication failure") };
	if (span_equal_ci(q->mechanism, span_lit("PLAIN"))) {
		if (!q->has_response)
			*r = (struct auth_reply){ .status = AUTH_CONTINUE, .conversation = 1 };
		else if (q->response.len < 3 || q->response.ptr[0] != '\0')
			r->status = AUTH_BAD;
		else if (span_equal(q->response, good))
			*r = (struct auth_reply){ .status = AUTH_OK, .user = span_lit("u1@example.test") };
		return;
	}
	if (q->conversation == 0)
		*r = (struct auth_reply){ .status = AUTH_CONTINUE, .conversation = 2,
			                  .challenge = span_lit("Username:") };
	else if (q->conversation == 2)
		*r = (struct auth_reply){ .status = AUTH_CONTINUE, .conversation = 3,
			                  .challenge = span_lit("Password:") };
	else if (span_equal(q->response, span_lit("secret")))
		*r = (struct auth_reply){ .status = AUTH_OK, .user = span_lit("u1@example.test") };
}

static void give_lease(struct fake_backend *f, struct lease_reply *r)
{
	unsigned held = 1, number = 0;

	for (unsigned i = 0; i < COUNT_OF(f->leases); i++) {
		held += f->leases[i] >= 0;
		number = f->leases[i] < 0 ? i + 1 : number;
	}
	*r = (struct lease_reply){ .status = DEFER, .file = -1 };
	if (number == 0)
		return;
	f->most_leases = held > f->most_leases ? held : f->most_leases;
	f->leases[number - 1] = memfd_create("lease", MFD_CLOEXEC);
	*r = (struct lease_reply){ .status = DONE, .lease = number, .content_offset = LEASE_OFFSET,
		                   .file = dup(f->leases[number - 1]) };
}

static void end_lease(struct fake_backend *f, uint64_t number)
{
	if (number == 0 || number > COUNT_OF(f->leases) || f->leases[number - 1] < 0)
		return;
	close(f->leases[number - 1]);
	f->leases[number - 1] = -1;
}

static bool read_lease(struct fake_backend *f, uint64_t number, size_t length)
{
	char *room = buf_reserve(&f->content, length);

	if (number > COUNT_OF(f->leases) || room == NULL ||
	    fs_pread_all(f->leases[number - 1], room, length, LEASE_OFFSET) < 0)
		return false;
	buf_commit(&f->content, length);
	end_lease(f, number);
	return true;
}

static enum outcome commit(struct fake_backend *f, const struct commit_request *q, struct arena *arena)
{
	struct envelope e;

	if (!envelope_decode(arena, q->envelope, &e) || e.recipient_count == 0 ||
	    !queue_id_is_valid(q->queue_id) || span_starts(e.sender, span_lit("full@")))
		return DEFER;
	buf_clear(&f->content);
	buf_clear(&f->envelope);
	if (q->lease == 0)
		buf_add(&f->content, q->content);
	else if (!read_lease(f, q->lease, q->content_length))
		return DEFER;
	buf_addf(&f->envelope, "<" SPAN_FMT "> %u %s", SPAN_ARG(e.sender), e.flags, q->is_held ? "held " : "");
	for (size_t i = 0; i < e.recipient_count; i++)
		buf_addf(&f->envelope, SPAN_FMT " ", SPAN_ARG(e.recipients[i].address));
	if (f->content.len != q->content_length || crc32c(0, buf_span(&f->content)) != q->content_crc32c)
		return REFUSE;
	f->commits++;
	return DONE;
}

int fake_backend_call(void *user, UNUSED const char *service, UNUSED bool again_is_safe,
                      const struct ipc_type *request_type, const void *request,
                      UNUSED const struct ipc_type *reply_type, void *reply, struct arena *arena,
                      UNUSED uint64_t deadline_us)
{
	if (request_type == &resolve_request_type) {
		resolve(request, reply, arena);
	} else if (request_type == &auth_mechanisms_request_type) {
		*(struct auth_mechanisms_reply *)reply =
			(struct auth_mechanisms_reply){ .mechanisms = span_lit("PLAIN LOGIN") };
	} else if (request_type == &auth_request_type) {
		authenticate(request, reply);
	} else if (request_type == &lease_request_type) {
		give_lease(user, reply);
	} else if (request_type == &lease_end_request_type) {
		end_lease(user, ((const struct lease_end_request *)request)->lease);
		*(struct commit_reply *)reply = (struct commit_reply){ .status = DONE };
	} else if (request_type == &commit_request_type) {
		enum outcome outcome = commit(user, request, arena);

		*(struct commit_reply *)reply = (struct commit_reply){
			.status = outcome,
			.dsn = outcome == DONE ? span_lit("") : span_lit("4.3.1"),
		};
	} else if (request_type == &room_request_type) {
		*(struct commit_reply *)reply = (struct commit_reply){ .status = DONE };
	} else if (request_type == &dns_request_type) {
		*(struct dns_reply *)reply = (struct dns_reply){ .status = DNS_NO_NAME };
	} else {
		errno = EPIPE;
		return -1;
	}
	return 0;
}
