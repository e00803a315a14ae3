/* SPDX-License-Identifier: ISC */
/* dkim_keydir.c - the private keys of a domain, and which of them signs
 *
 * Reading never fails half: a domain of which something cannot be read now is not given at all, so that nobody takes a key
 * for gone that is only out of reach, and lets another sign for it. */
#include "lib/mailauth/dkim_keydir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/codec.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/mailauth/dkim_keydir_private.h"
#include "lib/smtp/address.h"

enum { DOMAIN_MAX_BYTES = 253, LABEL_MAX_BYTES = 63 };

static const struct span key_suffix = SPAN(".pem");

/* ---- names ---- */

static bool is_lower(char c)
{
	return ascii_lower(c) == c;
}

bool dkim_keydir_is_domain(struct span name)
{
	return name.len <= DOMAIN_MAX_BYTES && smtp_domain_is_valid(name, false) && span_all(name, is_lower);
}

static bool is_ldh(char c)
{
	return ascii_is_alnum(c) || c == '-';
}

bool dkim_keydir_is_selector(struct span name)
{
	return name.len > 0 && name.len <= LABEL_MAX_BYTES && span_all(name, is_ldh) && name.ptr[0] != '-' &&
	       name.ptr[name.len - 1] != '-';
}

/* ---- files ---- */

static uint64_t nanoseconds(struct timespec t)
{
	return t.tv_sec < 0 ? 0 : (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

struct dkim_stamp dkim_stamp_of(const struct stat *st)
{
	return (struct dkim_stamp){ st->st_ino, nanoseconds(st->st_ctim),
		                    S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0 };
}

uint64_t dkim_modified_ns(const struct stat *st)
{
	return nanoseconds(st->st_mtim);
}

bool dkim_stamp_equal(struct dkim_stamp a, struct dkim_stamp b)
{
	return a.inode == b.inode && a.changed_ns == b.changed_ns && a.bytes == b.bytes;
}

int dkim_open_folder(int at, const char *name, int flags)
{
	return fs_open_at(at, name, O_RDONLY | O_DIRECTORY | flags, 0);
}

/* read_file - a plain file below folder, whole; -1 with errno. */
static int read_file(int folder, const char *name, struct buf *text)
{
	int fd = fs_open_at(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0), result = -1;
	int error = EFBIG;
	struct stat st;
	size_t size;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size <= text->limit) {
		size = (size_t)st.st_size;
		result = size == 0 ? 0 : fs_pread_all(fd, buf_reserve(text, size), size, 0);
		error = errno;
		buf_commit(text, result == 0 ? size : 0);
	}
	(void)close(fd);
	errno = error;
	return result;
}

/* ---- reading a key ---- */

struct reading {
	const struct dkim_keydir     *dir;
	struct arena                 *arena, *scratch;
	const struct dkim_key_domain *before;
	struct dkim_key_domain       *domain;
	int                           folder;
	struct why                   *why;
};

static void free_key(void *object)
{
	EVP_PKEY_free(object);
}

static const struct dkim_stored_key *known(const struct dkim_key_domain *before, struct span selector,
                                           struct dkim_stamp stamp)
{
	for (size_t i = 0; before != NULL && i < before->count; i++)
		if (span_equal(before->key[i].selector, selector) && dkim_stamp_equal(before->key[i].stamp, stamp))
			return &before->key[i];
	return NULL;
}

static void pass_over(struct reading *r, const char *name, const char *why)
{
	log_warning("%s/" SPAN_FMT "/%s is passed over: %s", r->dir->path, SPAN_ARG(r->domain->name), name, why);
}

static void check_mode(struct reading *r, const char *name, const struct stat *st)
{
	if ((st->st_mode & 077) != 0)
		log_warning("%s/" SPAN_FMT "/%s: a private key that others than its owner may read or write (mode %04o)",
		            r->dir->path, SPAN_ARG(r->domain->name), name, (unsigned)st->st_mode & 07777);
}

static enum outcome read_key(struct reading *r, const char *name, const struct stat *st, struct dkim_signing_key *key)
{
	struct buf pem;
	enum outcome outcome;
	struct why why;

	buf_init(&pem, r->dir->limits.file_bytes_max);
	if (read_file(r->folder, name, &pem) == 0)
		outcome = dkim_signing_key_read(buf_span(&pem), r->dir->limits.rsa_bits_min, key, &why);
	else if (errno == EFBIG || errno == ELOOP)
		outcome = why_set(&why, REFUSE, "", "it is no file, or too large");
	else
		outcome = why_errno(r->why, DEFER, "", "cannot read %s/" SPAN_FMT "/%s", r->dir->path,
		                    SPAN_ARG(r->domain->name), name);
	if (pem.ptr != NULL)
		memory_wipe(pem.ptr, pem.cap);
	buf_free(&pem);
	if (outcome == REFUSE)
		pass_over(r, name, why.text);
	else if (outcome == DONE)
		check_mode(r, name, st);
	return outcome;
}

/* take_key - the file of that name into the domain's list. */
static enum outcome take_key(struct reading *r, const char *name, struct span selector)
{
	struct dkim_stored_key key = { .selector = arena_dup(r->arena, selector) };
	const struct dkim_stored_key *same;
	struct stat st;
	enum outcome outcome = DONE;

	if (fstatat(r->folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? DONE : why_errno(r->why, DEFER, "", "cannot look at %s", name);
	key.stamp = dkim_stamp_of(&st);
	key.made_ns = dkim_modified_ns(&st);
	same = known(r->before, selector, key.stamp);
	if (same == NULL) {
		outcome = read_key(r, name, &st, &key.key);
	} else {
		key.key = same->key;
		(void)EVP_PKEY_up_ref(key.key.pkey);
	}
	if (outcome == REFUSE)
		r->domain->has_fault = true;
	if (outcome != DONE)
		return outcome == REFUSE ? DONE : outcome;
	arena_on_reset(r->arena, free_key, key.key.pkey);
	r->domain->key[r->domain->count++] = key;
	return DONE;
}

static enum outcome take_entry(struct reading *r, const char *name)
{
	struct span selector = span_of(name);

	if (name[0] == '.')
		return DONE;
	if (!span_ends(selector, key_suffix) ||
	    !dkim_keydir_is_selector(span_first(selector, selector.len - key_suffix.len))) {
		pass_over(r, name, "its name is not SELECTOR.pem");
		return DONE;
	}
	if (r->domain->count == r->dir->limits.keys_max) {
		pass_over(r, name, "there are too many keys");
		return DONE;
	}
	return take_key(r, name, span_first(selector, selector.len - key_suffix.len));
}

static enum outcome take_keys(struct reading *r)
{
	DIR *list = fdopendir(r->folder);
	const struct dirent *entry;
	enum outcome outcome = DONE;

	if (list == NULL) {
		(void)close(r->folder);
		return why_errno(r->why, DEFER, "", "cannot list the keys of " SPAN_FMT, SPAN_ARG(r->domain->name));
	}
	errno = 0;
	while (outcome == DONE && (entry = readdir(list)) != NULL) {
		outcome = take_entry(r, entry->d_name);
		errno = 0;
	}
	if (outcome == DONE && errno != 0)
		outcome = why_errno(r->why, DEFER, "", "cannot list the keys of " SPAN_FMT,
		                    SPAN_ARG(r->domain->name));
	(void)closedir(list);
	return outcome;
}

/* ---- which of them signs ---- */

static int by_age(const void *left, const void *right)
{
	const struct dkim_stored_key *a = left, *b = right;

	if (a->made_ns != b->made_ns)
		return a->made_ns < b->made_ns ? -1 : 1;
	return span_compare(a->selector, b->selector);
}

/* signer - of the keys of that type: the one that the state says signs, or else signed last, or else the oldest. */
static const struct dkim_stored_key *signer(const struct dkim_key_domain *domain, enum dkim_key_type type,
                                            const struct dkim_keystate *state)
{
	const struct dkim_stored_key *best = NULL;
	const struct dkim_keystate_line *reason = NULL;

	for (size_t i = 0; i < domain->count; i++) {
		const struct dkim_stored_key *key = &domain->key[i];
		const struct dkim_keystate_line *line = dkim_keystate_find(state, key->selector);
		bool is_better = best == NULL;

		if (key->key.type != type)
			continue;
		if (line != NULL && line->since_s == 0)
			line = NULL;	/* has never signed */
		if (line != NULL && reason != NULL && line->state == reason->state)
			is_better = line->since_s > reason->since_s;
		else if (line != NULL)
			is_better = reason == NULL || line->state == DKIM_KEY_ACTIVE;
		if (is_better) {
			best = key;
			reason = line;
		}
	}
	return best;
}

static void settle_states(struct dkim_key_domain *domain, enum dkim_key_type type, const struct dkim_keystate *state)
{
	const struct dkim_stored_key *active = signer(domain, type, state);

	for (size_t i = 0; i < domain->count; i++) {
		struct dkim_stored_key *key = &domain->key[i];
		const struct dkim_keystate_line *line = dkim_keystate_find(state, key->selector);

		if (key->key.type != type)
			continue;
		key->since_s = key->made_ns / 1000000000U;
		if (key == active)
			key->state = DKIM_KEY_ACTIVE;
		else if (line != NULL || key < active)
			key->state = DKIM_KEY_RETIRED;
		else
			key->state = DKIM_KEY_WAITING;
		if (line != NULL && line->state == key->state)
			key->since_s = line->since_s;
		else if (key->state == DKIM_KEY_RETIRED)
			key->since_s = 0;
	}
}

static enum outcome read_state(struct reading *r, struct dkim_keystate *state)
{
	char *path = arena_printf(r->scratch, "%s/" SPAN_FMT, r->dir->state_path, SPAN_ARG(r->domain->name));
	enum outcome outcome = DONE;
	struct buf text;
	size_t bad;

	buf_init(&text, r->dir->limits.file_bytes_max);
	if (read_file(AT_FDCWD, path, &text) < 0 && errno != ENOENT)
		outcome = why_errno(r->why, DEFER, "", "cannot read %s", path);
	bad = dkim_keystate_read(r->scratch, buf_span(&text), r->dir->limits.keys_max, state);
	if (bad != 0)
		log_warning("%s: %zu lines say nothing of a key, and are passed over", path, bad);
	buf_free(&text);
	return outcome;
}

static enum outcome read_folder(struct reading *r)
{
	char *path = arena_printf(r->scratch, "%s/" SPAN_FMT, r->dir->path, SPAN_ARG(r->domain->name));
	struct dkim_key_domain *domain = r->domain;
	struct dkim_keystate state;
	struct dkim_stored_key *keys;
	struct stat st;

	r->folder = dkim_open_folder(AT_FDCWD, path, O_NOFOLLOW);
	if (r->folder < 0)
		return errno == ENOENT ? DONE : why_errno(r->why, DEFER, "", "cannot open %s", path);
	if (fstat(r->folder, &st) == 0)
		domain->stamp = dkim_stamp_of(&st);
	if ((st.st_mode & 022) != 0)
		log_warning("%s: others than its owner may put keys there (mode %04o)", path, (unsigned)st.st_mode & 07777);
	domain->key = ARENA_NEW_ARRAY(r->scratch, struct dkim_stored_key, r->dir->limits.keys_max);
	if (take_keys(r) != DONE || read_state(r, &state) != DONE)
		return DEFER;
	qsort(domain->key, domain->count, sizeof(domain->key[0]), by_age);
	settle_states(domain, DKIM_RSA, &state);
	settle_states(domain, DKIM_ED25519, &state);
	keys = ARENA_NEW_ARRAY(r->arena, struct dkim_stored_key, domain->count);
	memcpy(keys, domain->key, domain->count * sizeof(keys[0]));
	domain->key = keys;
	return DONE;
}

enum outcome dkim_keydir_domain(const struct dkim_keydir *dir, struct arena *arena, struct span name,
                                const struct dkim_key_domain *before, struct dkim_key_domain *domain, struct why *why)
{
	struct reading r = {
		.dir = dir, .arena = arena, .scratch = arena_new(NULL), .before = before, .domain = domain, .why = why,
	};
	enum outcome outcome;

	*domain = (struct dkim_key_domain){ .name = arena_dup(arena, name) };
	outcome = read_folder(&r);
	arena_free(r.scratch);
	return outcome;
}

/* ---- another one signs ---- */

static struct dkim_stored_key *find_key(const struct dkim_key_domain *domain, struct span selector)
{
	for (size_t i = 0; i < domain->count; i++)
		if (span_equal(domain->key[i].selector, selector))
			return &domain->key[i];
	return NULL;
}

static void switch_to(struct dkim_key_domain *domain, struct dkim_stored_key *chosen, uint64_t now_s)
{
	for (size_t i = 0; i < domain->count; i++) {
		struct dkim_stored_key *key = &domain->key[i];

		if (key->key.type != chosen->key.type || key->state == DKIM_KEY_RETIRED || key > chosen)
			continue;
		key->since_s = key->state == DKIM_KEY_ACTIVE ? now_s : 0;
		key->state = DKIM_KEY_RETIRED;
	}
	chosen->state = DKIM_KEY_ACTIVE;
	chosen->since_s = now_s;
}

static enum outcome write_state(const struct dkim_keydir *dir, struct arena *arena, const struct dkim_key_domain *domain,
                                struct why *why)
{
	struct dkim_keystate state = { ARENA_NEW_ARRAY(arena, struct dkim_keystate_line, domain->count), 0 };
	int folder = dkim_open_folder(AT_FDCWD, dir->state_path, 0);
	enum outcome outcome = DONE;
	struct buf text;

	if (folder < 0)
		return why_errno(why, DEFER, "", "cannot open %s", dir->state_path);
	for (size_t i = 0; i < domain->count; i++)
		if (domain->key[i].state != DKIM_KEY_WAITING)
			state.line[state.count++] = (struct dkim_keystate_line){
				domain->key[i].selector, domain->key[i].state, domain->key[i].since_s,
			};
	buf_init(&text, BUF_NO_LIMIT);
	dkim_keystate_write(&text, &state);
	if (fs_replace_file(folder, arena_cstr(arena, domain->name), buf_span(&text), 0600) < 0)
		outcome = why_errno(why, DEFER, "", "cannot write %s/" SPAN_FMT, dir->state_path,
		                    SPAN_ARG(domain->name));
	buf_free(&text);
	(void)close(folder);
	return outcome;
}

enum outcome dkim_keydir_activate(const struct dkim_keydir *dir, const struct dkim_key_domain *before,
                                  struct span name, struct span selector, uint64_t now_s, struct why *why)
{
	struct arena *arena = arena_new(NULL);
	struct dkim_key_domain domain;
	struct dkim_stored_key *key;
	enum outcome outcome = dkim_keydir_domain(dir, arena, name, before, &domain, why);

	if (outcome == DONE) {
		key = find_key(&domain, selector);
		if (key == NULL || key->state != DKIM_KEY_WAITING) {
			outcome = why_set(why, REFUSE, "", "key " SPAN_FMT " of " SPAN_FMT " does not wait", SPAN_ARG(selector),
			                  SPAN_ARG(name));
		} else {
			switch_to(&domain, key, now_s);
			outcome = write_state(dir, arena, &domain, why);
		}
	}
	arena_free(arena);
	return outcome;
}
