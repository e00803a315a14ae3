/* SPDX-License-Identifier: ISC */
/* dkim_keyset.c - the private keys of all domains
 *
 * A set is immutable once it was read.  Whether it is stale is seen from the times of change of the folders; a folder that
 * was changed within the grain of the file system's clock before it was read counts as changed for a while. */
#include "lib/mailauth/dkim_keyset.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/base/log.h"
#include "lib/mailauth/dkim_keydir_private.h"

enum { GRAIN_US = 2000000 };

struct dkim_keyset {
	struct arena     *arena;
	struct hash      *domains;
	struct dkim_stamp folder, state_folder;
	uint64_t          changed_ns;	/* the latest change seen */
	uint64_t          read_us;
	bool              has_fault;
};

static struct dkim_stamp stamp_at(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? dkim_stamp_of(&st) : (struct dkim_stamp){ 0 };
}

static void note_stamp(struct dkim_keyset *set, struct dkim_stamp stamp)
{
	if (stamp.changed_ns > set->changed_ns)
		set->changed_ns = stamp.changed_ns;
}

/* ---- reading ---- */

static void free_key(void *object)
{
	EVP_PKEY_free(object);
}

/* keep_domain - as it was. */
static struct dkim_key_domain *keep_domain(struct dkim_keyset *set, const struct dkim_key_domain *before)
{
	struct dkim_key_domain *domain = ARENA_NEW(set->arena, struct dkim_key_domain);

	*domain = *before;
	domain->name = arena_dup(set->arena, before->name);
	domain->key = ARENA_NEW_ARRAY(set->arena, struct dkim_stored_key, before->count);
	for (size_t i = 0; i < before->count; i++) {
		domain->key[i] = before->key[i];
		domain->key[i].selector = arena_dup(set->arena, before->key[i].selector);
		(void)EVP_PKEY_up_ref(domain->key[i].key.pkey);
		arena_on_reset(set->arena, free_key, domain->key[i].key.pkey);
	}
	(void)hash_put(set->domains, domain->name, domain);
	return domain;
}

static void keep_all(struct dkim_keyset *set, const struct dkim_keyset *before)
{
	const struct dkim_key_domain *domain;
	size_t cursor = 0;

	while (before != NULL && (domain = dkim_keyset_next(before, &cursor)) != NULL)
		if (hash_get(set->domains, domain->name) == NULL)
			(void)keep_domain(set, domain);
}

static void read_domain(struct dkim_keyset *set, const struct dkim_keydir *dir, const struct stat *st, struct span name,
                        const struct dkim_keyset *before)
{
	const struct dkim_key_domain *known = before != NULL ? dkim_keyset_domain(before, name) : NULL;
	struct dkim_key_domain *domain = ARENA_NEW(set->arena, struct dkim_key_domain);
	struct why why;

	if (dkim_keydir_domain(dir, set->arena, name, known, domain, &why) == DONE) {
		(void)hash_put(set->domains, domain->name, domain);
		set->has_fault = set->has_fault || domain->has_fault;
		note_stamp(set, domain->stamp);
		return;
	}
	log_error("DKIM keys of " SPAN_FMT ": %s%s", SPAN_ARG(name), why.text, known != NULL ? "; they stay as they were" : "");
	set->has_fault = true;
	if (known != NULL)
		keep_domain(set, known)->stamp = dkim_stamp_of(st);
}

static void read_entry(struct dkim_keyset *set, const struct dkim_keydir *dir, int folder, const char *name,
                       const struct dkim_keyset *before)
{
	struct stat st;

	if (name[0] == '.' || fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (!S_ISDIR(st.st_mode) || !dkim_keydir_is_domain(span_of(name)))
		log_warning("%s/%s is passed over: it is no folder named by a domain in lower case and A-labels", dir->path,
		            name);
	else if (hash_count(set->domains) == dir->limits.domains_max)
		log_warning("%s/%s is passed over: there are too many domains", dir->path, name);
	else
		read_domain(set, dir, &st, span_of(name), before);
}

static void read_all(struct dkim_keyset *set, const struct dkim_keydir *dir, const struct dkim_keyset *before)
{
	DIR *list = opendir(dir->path);
	const struct dirent *entry;

	if (list == NULL && errno == ENOENT)
		return;
	errno = list == NULL ? errno : 0;
	while (list != NULL && (entry = readdir(list)) != NULL) {
		read_entry(set, dir, dirfd(list), entry->d_name, before);
		errno = 0;
	}
	if (errno != 0) {
		log_error("cannot list the DKIM keys in %s: %s", dir->path, strerror(errno));
		set->has_fault = true;
		keep_all(set, before);
	}
	if (list != NULL)
		(void)closedir(list);
}

struct dkim_keyset *dkim_keyset_read(const struct dkim_keydir *dir, const struct dkim_keyset *before)
{
	struct arena *arena = arena_new(NULL);
	struct dkim_keyset *set = ARENA_NEW(arena, struct dkim_keyset);

	*set = (struct dkim_keyset){ .arena = arena, .domains = hash_new(), .read_us = clock_wall_us() };
	set->folder = stamp_at(dir->path);
	set->state_folder = stamp_at(dir->state_path);
	note_stamp(set, set->folder);
	note_stamp(set, set->state_folder);
	read_all(set, dir, before);
	return set;
}

void dkim_keyset_free(struct dkim_keyset *set)
{
	if (set == NULL)
		return;
	hash_free(set->domains, NULL);
	arena_free(set->arena);
}

/* ---- looking ---- */

static bool has_changed(const struct dkim_key_domain *domain, int folder, struct arena *arena)
{
	struct stat st;

	return fstatat(folder, arena_cstr(arena, domain->name), &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	       !dkim_stamp_equal(dkim_stamp_of(&st), domain->stamp);
}

static bool has_changed_domain(const struct dkim_keyset *set, const struct dkim_keydir *dir)
{
	int folder = dkim_open_folder(AT_FDCWD, dir->path, 0);
	const struct dkim_key_domain *domain;
	struct arena *arena;
	size_t cursor = 0;
	bool is_other = false;

	if (folder < 0)
		return dkim_keyset_count(set) != 0;
	arena = arena_new(NULL);
	while (!is_other && (domain = dkim_keyset_next(set, &cursor)) != NULL) {
		is_other = has_changed(domain, folder, arena);
		arena_reset(arena);
	}
	arena_free(arena);
	(void)close(folder);
	return is_other;
}

bool dkim_keyset_is_stale(const struct dkim_keyset *set, const struct dkim_keydir *dir)
{
	return set->changed_ns / 1000 + GRAIN_US > set->read_us ||
	       !dkim_stamp_equal(stamp_at(dir->path), set->folder) ||
	       !dkim_stamp_equal(stamp_at(dir->state_path), set->state_folder) || has_changed_domain(set, dir);
}

bool dkim_keyset_has_fault(const struct dkim_keyset *set)
{
	return set->has_fault;
}

const struct dkim_key_domain *dkim_keyset_domain(const struct dkim_keyset *set, struct span name)
{
	return hash_get(set->domains, name);
}

size_t dkim_keyset_count(const struct dkim_keyset *set)
{
	return hash_count(set->domains);
}

const struct dkim_key_domain *dkim_keyset_next(const struct dkim_keyset *set, size_t *cursor)
{
	struct span name;
	void *domain;

	return hash_next(set->domains, cursor, &name, &domain) ? domain : NULL;
}
