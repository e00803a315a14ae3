/* SPDX-License-Identifier: ISC */
/* lookup.c - what the router's tables say, kept for as long as the router allows */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/ipc/services.h"
#include "local/local.h"

enum { ANSWERS_MAX = 20000, ASK_TIMEOUT_S = 10 };

struct answer {
	uint64_t    expires_us;
	bool        is_found;
	size_t      length;
	char        value[];
};

static void keep(struct local *l, struct span key, const struct lookup_reply *reply)
{
	struct answer *a;

	if (reply->ttl_s == 0)
		return;
	if (hash_count(l->answers) >= ANSWERS_MAX) {
		hash_free(l->answers, free);
		l->answers = hash_new();
	}
	a = malloc(sizeof(*a) + reply->value.len);
	if (a == NULL)
		log_fatal("out of memory (answers)");
	a->expires_us = clock_in_s(reply->ttl_s);
	a->is_found = reply->status == LOOKUP_FOUND;
	a->length = reply->value.len;
	if (a->length > 0)
		memcpy(a->value, reply->value.ptr, a->length);
	free(hash_put(l->answers, key, a));
}

enum outcome local_lookup(struct delivery *d, const char *maps, struct span key, enum lookup_how how,
                          struct span *value)
{
	struct lookup_request request = { span_of(maps), key, how };
	struct lookup_reply reply;
	struct span id = arena_printf_span(d->arena, "%s %d " SPAN_FMT, maps, (int)how, SPAN_ARG(key));
	const struct answer *kept = hash_get(d->local->answers, id);

	if (kept != NULL && kept->expires_us > clock_now_us()) {
		*value = arena_dup(d->arena, span_make(kept->value, kept->length));
		return kept->is_found ? DONE : REFUSE;
	}
	if (service_call(d->local->run, SERVICE_ROUTER, true, &lookup_request_type, &request,
	                 &lookup_reply_type, &reply, d->arena, clock_in_s(ASK_TIMEOUT_S)) < 0)
		return why_errno(&d->why, DEFER, "4.3.0", "%s cannot be asked", maps);
	if (reply.status != LOOKUP_FOUND && reply.status != LOOKUP_NOT_FOUND)
		return why_set(&d->why, DEFER, "4.3.0", "%s: lookup failure for " SPAN_FMT, maps, SPAN_ARG(key));
	keep(d->local, id, &reply);
	*value = reply.value;
	return reply.status == LOOKUP_FOUND ? DONE : REFUSE;
}

static enum outcome owner_id(struct delivery *d, const char *name, unsigned long long *id)
{
	struct span value;
	enum outcome outcome;

	outcome = local_lookup(d, name, d->recipient->address, LOOKUP_ADDRESS, &value);
	if (outcome == DEFER)
		return DEFER;
	if (outcome == REFUSE || !span_u64(span_trim(value), UINT32_MAX - 1, id) || *id == 0)
		return why_set(&d->why, DEFER, "4.3.5", "%s has no usable entry for " SPAN_FMT, name,
		               SPAN_ARG(d->recipient->address));
	return DONE;
}

enum outcome local_owner(struct delivery *d, uid_t *uid, gid_t *gid)
{
	unsigned long long u, g;

	if (owner_id(d, "virtual_uid_maps", &u) != DONE ||
	    owner_id(d, "virtual_gid_maps", &g) != DONE)
		return DEFER;
	if ((long long)u < d->local->conf->virtual_minimum_uid)
		return why_set(&d->why, DEFER, "4.3.5", "uid %llu is less than virtual_minimum_uid", u);
	*uid = (uid_t)u;
	*gid = (gid_t)g;
	return DONE;
}
