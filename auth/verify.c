/* SPDX-License-Identifier: ISC */
/* verify.c - is this the password of that user?
 *
 * Rules kept here (C10 of the security rules, imap-scope 7.4): the same way and the same time for an unknown user and for a
 * wrong password, each failure logged at once with address and reason, its answer held back while other questions
 * go on.  Hashing runs on a thread. */
#include "auth/auth.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "auth/scheme.h"
#include "lib/base/codec.h"
#include "lib/base/hash.h"
#include "lib/base/log.h"
#include "lib/net/address.h"

/* For unknown users as long as no known one has a hash. */
static const struct span any_hash =
	SPAN("{SHA512-CRYPT}$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1");

/* A small file on a local disk, and only when it has changed: read on the loop, which may stand for that long. */
void auth_reload(struct auth *a)
{
	const char *path = a->conf->auth_passwd_file;
	struct passwd_file *users;
	struct stat st;

	if (*path == '\0')
		return;
	if (stat(path, &st) < 0) {
		if (a->users == NULL)
			log_warning("cannot find %s: %s", path, strerror(errno));
		return;	/* between two versions, perhaps: what is known stays */
	}
	if (a->users != NULL && st.st_mtim.tv_sec == a->users_changed.tv_sec &&
	    st.st_mtim.tv_nsec == a->users_changed.tv_nsec && (uint64_t)st.st_ino == a->users_inode &&
	    (uint64_t)st.st_size == a->users_size)
		return;
	users = passwd_file_load(path);
	if (users == NULL) {
		log_warning("cannot read %s: %s", path, strerror(errno));
		return;
	}
	passwd_file_free(a->users);
	a->users = users;
	a->users_changed = st.st_mtim;
	a->users_inode = (uint64_t)st.st_ino;
	a->users_size = (uint64_t)st.st_size;
}

/* ---- who is it? ---- */

/* The name as it is, then with the default realm, then without it. */
static const struct passwd_entry *find_user(const struct auth *a, struct arena *arena, struct span user)
{
	struct span name = arena_lower(arena, user), domain = name, local;
	const char *realm = a->conf->auth_default_realm;
	const struct passwd_entry *entry;
	bool has_domain = span_cut(&domain, '@', &local);

	if (a->users == NULL)
		return NULL;
	entry = passwd_file_find(a->users, name);
	if (entry != NULL || *realm == '\0')
		return entry;
	if (!has_domain)
		return passwd_file_find(a->users, arena_printf_span(arena, SPAN_FMT "@%s", SPAN_ARG(name), realm));
	return span_equal_ci(domain, span_of(realm)) ? passwd_file_find(a->users, local) : NULL;
}

static bool is_allowed_from(struct span nets, struct span address)
{
	struct net_address a;
	struct net_cidr cidr;
	struct span one;

	if (!net_address_parse(address, 0, &a))
		return false;
	while (span_token(&nets, ",", &one)) {
		if (span_equal(one, span_lit("local")) && net_address_is_loopback(&a))
			return true;
		if (net_cidr_parse(one, &cidr) && net_cidr_has(&cidr, &a))
			return true;
	}
	return false;
}

/* ---- the hash, on a thread ---- */

struct hashing {
	struct arena      *arena;
	struct span        stored, default_scheme, user, password;
	enum scheme_result result;
	const char        *reason;
};

static void hash_now(void *arg)
{
	struct hashing *h = arg;

	h->result = scheme_check(h->arena, h->stored, h->default_scheme, h->user, h->password, &h->reason);
}

/* Everything is copied: the file may be read anew meanwhile. */
static enum scheme_result compare(const struct auth *a, const struct passwd_entry *entry, struct span password,
                                  const char **unusable)
{
	struct arena *arena = arena_new(NULL);
	struct hashing h = { .arena = arena, .default_scheme = span_of(a->conf->auth_default_scheme) };
	struct span sample = a->users != NULL ? passwd_file_sample(a->users) : any_hash;

	h.stored = arena_dup(arena, entry != NULL && !span_is_empty(entry->password) ? entry->password
	                            : !span_is_empty(sample)                        ? sample
	                                                                            : any_hash);
	h.user = entry != NULL ? arena_dup(arena, entry->user) : span_lit("");
	h.password = arena_dup(arena, password);
	task_offload(hash_now, &h);
	memory_wipe((void *)(uintptr_t)h.password.ptr, h.password.len);
	arena_free(arena);
	*unusable = h.reason;
	return h.result;
}

/* ---- the decision ---- */

static void fail(struct auth_verdict *v, enum auth_status status, const char *reason)
{
	v->status = status;
	v->reason = span_of(reason);
}

static const char *closed_reason(const struct auth_facts *facts, const struct passwd_entry *entry)
{
	if (entry->is_closed)
		return "the account is closed (nologin)";
	if (entry->is_proxied)
		return "the account is to be proxied, which is not supported";
	if (!span_is_empty(entry->allow_nets) && !is_allowed_from(entry->allow_nets, facts->remote_address))
		return "not allowed from this address (allow_nets)";
	return NULL;
}

/* All that the entry says is taken from it before the hash, which suspends: the file may be read anew meanwhile. */
static void decide(struct auth *a, struct arena *arena, const struct auth_facts *facts, struct span user,
                   struct span password, struct auth_verdict *v)
{
	const struct passwd_entry *entry = find_user(a, arena, user);
	bool is_known = entry != NULL, is_free = is_known && entry->needs_no_password;
	bool has_password = is_known && !span_is_empty(entry->password);
	bool has_mail = false;
	const char *closed = is_known ? closed_reason(facts, entry) : NULL, *unusable;
	enum scheme_result result;

	*v = (struct auth_verdict){ .status = AUTH_OK, .user = arena_dup(arena, user) };
	if (is_known) {
		v->user = auth_canonical(a, arena, entry->user);
		has_mail = auth_userdb(a, arena, entry, v);
	}
	result = compare(a, entry, password, &unusable);
	if (!is_known)
		fail(v, AUTH_FAILED, "unknown user");
	else if (!is_free && !has_password)	/* what was compared is another's */
		fail(v, AUTH_FAILED, "the user has no password");
	else if (!is_free && result == SCHEME_UNUSABLE)
		fail(v, AUTH_FAILED, unusable);
	else if (!is_free && result == SCHEME_MISMATCH)
		fail(v, AUTH_FAILED, "password mismatch");
	else if (closed != NULL)
		fail(v, AUTH_FAILED, closed);
	else if (has_mail || span_equal(facts->service, span_lit("smtp")))
		v->status = AUTH_OK;	/* who only sends needs no mailbox */
}

static void log_failure(const struct auth *a, const struct auth_facts *facts, const struct auth_verdict *v)
{
	if (!a->conf->auth_verbose && v->status == AUTH_FAILED)
		return;
	log_note("login failed: user=<" SPAN_FMT ">, method=" SPAN_FMT ", rip=" SPAN_FMT ", service=" SPAN_FMT
	         ": " SPAN_FMT,
	         SPAN_ARG(span_first(v->user, 256)), SPAN_ARG(span_first(facts->mechanism, 32)),
	         SPAN_ARG(span_first(facts->remote_address, 64)), SPAN_ARG(span_first(facts->service, 32)),
	         SPAN_ARG(v->reason));
}

static uint64_t hash_attempt(struct span user, struct span password)
{
	return siphash(user) * 31 + siphash(password);
}

void auth_verify(struct auth *a, struct arena *arena, const struct auth_facts *facts, struct span user,
                 struct span password, struct auth_verdict *v)
{
	uint64_t start_us = clock_now_us(), delay_us;
	uint64_t before_us = penalty_before(a->penalties, facts->remote_address, start_us);

	auth_reload(a);
	if (before_us != 0)
		(void)task_sleep_until(start_us + before_us);
	if (a->users == NULL) {
		*v = (struct auth_verdict){ .user = arena_dup(arena, user) };
		fail(v, AUTH_UNAVAILABLE, "no password data: auth_passwd_file is not set or cannot be read");
	} else {
		decide(a, arena, facts, user, password, v);
	}
	if (v->status == AUTH_OK) {
		penalty_forgive(a->penalties, facts->remote_address);
		return;
	}
	log_failure(a, facts, v);
	if (v->status != AUTH_FAILED)
		return;
	delay_us = penalty_failed(a->penalties, facts->remote_address, hash_attempt(user, password), clock_now_us());
	if (delay_us > before_us)
		(void)task_sleep_us(delay_us - before_us);
}
