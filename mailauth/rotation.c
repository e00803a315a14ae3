/* SPDX-License-Identifier: ISC */
/* rotation.c - look for the records of waiting keys, and let a key sign whose record is everywhere
 *
 * Which key signs is on disk before it is used, so a restart changes nothing.  Of several waiting keys the youngest that is
 * shown is taken.  Why a key still waits is logged when it becomes known and when it changes, not with every look. */
#include "mailauth/rotation.h"

#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/base/log.h"
#include "lib/task/task.h"

enum { CACHED_KEYS = 64 };

struct rotation {
	struct keyring           *keyring;
	struct dkim_published_way way;
	uint64_t                  grace_s;
	struct hash              *notes;	/* "DOMAIN SELECTOR" of each waiting key: why it waits, as it was logged */
};

/* ---- what is found is told once ---- */

/* reason - why the key does not sign yet. */
static struct span reason(struct arena *arena, const struct dkim_published *found)
{
	if (found->problem != NULL)
		return span_of(found->problem);
	for (size_t i = 0; i < found->count; i++) {
		const struct dkim_name_server *server = &found->server[i];

		if (server->shown == DKIM_NOT_SHOWN)
			return arena_printf_span(arena, "name server " SPAN_FMT " (" SPAN_FMT ") does not show its record",
			                         SPAN_ARG(server->name), SPAN_ARG(server->address));
	}
	for (size_t i = 0; i < found->count; i++) {
		const struct dkim_name_server *server = &found->server[i];

		if (server->shown == DKIM_NO_ANSWER)
			return arena_printf_span(arena, "name server " SPAN_FMT "%s" SPAN_FMT "%s does not answer",
			                         SPAN_ARG(server->name), server->address.len != 0 ? " (" : "",
			                         SPAN_ARG(server->address), server->address.len != 0 ? ")" : "");
	}
	return span_lit("no name server shows its record");
}

struct note {
	struct arena *arena;
	struct span   text;
};

static void free_note(void *value)
{
	struct note *note = value;

	arena_free(note->arena);
}

/* keep_note - for the next round. */
static void keep_note(struct hash *notes, struct span name, struct span text)
{
	struct arena *arena = arena_new(NULL);
	struct note *note = ARENA_NEW(arena, struct note);

	*note = (struct note){ arena, arena_dup(arena, text) };
	note = hash_put(notes, name, note);
	if (note != NULL)
		free_note(note);
}

/* ---- switching ---- */

struct activation {
	const struct dkim_keydir     *folder;
	const struct dkim_key_domain *domain;
	struct span                   selector;
	uint64_t                      now_s;
	enum outcome                  outcome;
	struct why                    why;
};

/* activate - in a thread of the pool. */
static void activate(void *arg)
{
	struct activation *a = arg;

	a->outcome = dkim_keydir_activate(a->folder, a->domain, a->domain->name, a->selector, a->now_s, &a->why);
}

static const struct dkim_stored_key *active_of(const struct dkim_key_domain *domain, enum dkim_key_type type)
{
	for (size_t i = 0; i < domain->count; i++)
		if (domain->key[i].key.type == type && domain->key[i].state == DKIM_KEY_ACTIVE)
			return &domain->key[i];
	return NULL;
}

static void switch_to(struct rotation *r, const struct dkim_key_domain *domain, const struct dkim_stored_key *key)
{
	const struct dkim_stored_key *old = active_of(domain, key->key.type);
	struct activation a = {
		.folder = keyring_folder(r->keyring), .domain = domain, .selector = key->selector,
		.now_s = clock_wall_us() / CLOCK_SECOND_US,
	};
	char until[CLOCK_DATE_SIZE];

	task_offload(activate, &a);
	if (a.outcome != DONE) {
		log_error("DKIM key " SPAN_FMT " of " SPAN_FMT " is published, but cannot be taken: %s",
		          SPAN_ARG(key->selector), SPAN_ARG(domain->name), a.why.text);
		return;
	}
	keyring_renew(r->keyring);
	if (old == NULL)
		return;
	log_note("DKIM key " SPAN_FMT " of " SPAN_FMT " signs from now on (%s); the record of the old one, " SPAN_FMT
	         "._domainkey." SPAN_FMT ", must stay until %s", SPAN_ARG(key->selector), SPAN_ARG(domain->name),
	         dkim_signing_key_algorithm(&key->key), SPAN_ARG(old->selector), SPAN_ARG(domain->name),
	         clock_date((a.now_s + r->grace_s) * CLOCK_SECOND_US, until));
}

/* ---- looking ---- */

/* look - is the key published?  If not, why is noted. */
static bool look(struct rotation *r, struct hash *notes, const struct dkim_key_domain *domain,
                 const struct dkim_stored_key *key, bool only_new)
{
	struct arena *arena = arena_new(NULL);
	struct span name = arena_printf_span(arena, SPAN_FMT " " SPAN_FMT, SPAN_ARG(domain->name), SPAN_ARG(key->selector));
	const struct note *note = hash_get(r->notes, name);
	struct dkim_published found = { .is_everywhere = false };
	struct span text = note != NULL ? note->text : span_lit("");

	if (note == NULL || !only_new) {
		dkim_published_look(&r->way, arena, key->selector, domain->name, &key->key, &found);
		text = reason(arena, &found);
		if (!found.is_everywhere && (note == NULL || !span_equal(note->text, text)))
			log_note("DKIM key " SPAN_FMT " of " SPAN_FMT " waits: " SPAN_FMT, SPAN_ARG(key->selector),
			         SPAN_ARG(domain->name), SPAN_ARG(text));
	}
	keep_note(notes, name, text);
	arena_free(arena);
	return found.is_everywhere;
}

static void look_at_type(struct rotation *r, struct hash *notes, const struct dkim_key_domain *domain,
                         enum dkim_key_type type, bool only_new)
{
	for (size_t i = domain->count; i > 0; i--) {
		const struct dkim_stored_key *key = &domain->key[i - 1];

		if (key->key.type != type || key->state != DKIM_KEY_WAITING)
			continue;
		if (look(r, notes, domain, key, only_new)) {
			switch_to(r, domain, key);
			return;
		}
	}
}

void rotation_round(struct rotation *r, bool only_new)
{
	const struct ring *ring = keyring_hold(r->keyring);
	const struct dkim_key_domain *domain;
	struct hash *notes = hash_new();
	size_t cursor = 0;

	while ((domain = dkim_keyset_next(ring_keys(ring), &cursor)) != NULL) {
		look_at_type(r, notes, domain, DKIM_RSA, only_new);
		look_at_type(r, notes, domain, DKIM_ED25519, only_new);
	}
	keyring_release(r->keyring, ring);
	hash_free(r->notes, free_note);
	r->notes = notes;
}

/* ---- the task ---- */

struct rotation *rotation_new(struct keyring *keyring, const struct dkim_published_way *way, uint64_t grace_s)
{
	struct rotation *r = calloc(1, sizeof(*r));

	if (r == NULL)
		log_fatal("out of memory");
	*r = (struct rotation){ .keyring = keyring, .way = *way, .grace_s = grace_s, .notes = hash_new() };
	return r;
}

void rotation_free(struct rotation *r)
{
	hash_free(r->notes, free_note);
	free(r);
}

struct rotation_task {
	const struct conf *conf;
	struct rotation   *rotation;
};

static void rotate(void *arg)
{
	const struct rotation_task *t = arg;
	struct keyring *keyring = t->rotation->keyring;
	uint64_t next_us = 0;

	while (!task_is_cancelled()) {
		uint64_t serial = keyring_serial(keyring);
		bool is_due = clock_now_us() >= next_us;

		if (is_due)
			next_us = clock_in_s(t->conf->dkim_rotation_check_interval);
		rotation_round(t->rotation, !is_due);
		keyring_wait(keyring, serial, next_us);
	}
}

void rotation_start(const struct conf *conf, struct keyring *keyring, const struct rotation_askers *askers)
{
	struct dkim_published_way way = {
		.lookup = askers->lookup, .ask_server = askers->ask_server, .crypto = dkim_crypto_new(CACHED_KEYS),
		.port = (unsigned)conf->dkim_name_server_port, .limits = DKIM_PUBLISHED_STANDARD_LIMITS,
	};
	struct rotation_task *task = calloc(1, sizeof(*task));

	if (task == NULL)
		log_fatal("out of memory");
	*task = (struct rotation_task){ conf, rotation_new(keyring, &way, conf->dkim_rotation_grace) };
	keyring_start(keyring);
	if (task_spawn(rotate, task, "rotation") == NULL)
		log_fatal("cannot start the rotation of DKIM keys");
}
