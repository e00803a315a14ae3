/* SPDX-License-Identifier: ISC */
/* keys.c - find and read the private keys that main.cf and master.cf name
 *
 * Runs once, before the sandbox, with the privileges to read them.  Which service uses which file may be said in main.cf
 * or by -o in master.cf, so each entry is looked at as its own program would see it. */
#include "tlsmgr/tlsmgr.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/codec.h"
#include "lib/base/fs.h"
#include "lib/base/hash.h"
#include "lib/base/log.h"

enum { KEY_FILE_MAX = 1024 * 1024 };

struct tls_key *key_store_find(const struct key_store *store, struct span id)
{
	for (size_t i = 0; i < store->count; i++) {
		if (span_equal(tls_key_id(store->keys[i]), id))
			return store->keys[i];
	}
	return NULL;
}

static void add_key(struct tls_key *key, void *arg)
{
	struct key_store *store = arg;
	struct tls_key **more;

	if (key_store_find(store, tls_key_id(key)) != NULL) {
		tls_key_free(key);
		return;
	}
	more = realloc(store->keys, (store->count + 1) * sizeof(struct tls_key *));
	if (more == NULL)
		log_fatal("out of memory");
	store->keys = more;
	store->keys[store->count++] = key;
}

int key_store_add_file(struct key_store *store, const char *path)
{
	struct buf text;
	struct why why;
	int count = -1;

	buf_init(&text, KEY_FILE_MAX);
	if (fs_read_file(AT_FDCWD, path, &text) < 0)
		log_error("cannot read key file %s: %s", path, strerror(errno));
	else if ((count = tls_key_load(buf_span(&text), add_key, store, &why)) < 0)
		log_error("key file %s: %s", path, why.text);
	else if (count == 0)
		log_error("key file %s: no private key in it", path);
	if (text.ptr != NULL)
		memory_wipe(text.ptr, text.cap);
	buf_free(&text);
	return count;
}

/* ---- which files ---- */

struct file_walk {
	struct key_store *store;
	struct hash      *seen;
	struct arena     *arena;
};

static void walk_file(struct file_walk *walk, struct span path)
{
	if (span_is_empty(path) || span_equal(path, span_lit("none")) || hash_get(walk->seen, path) != NULL)
		return;
	hash_put(walk->seen, path, walk);
	(void)key_store_add_file(walk->store, arena_cstr(walk->arena, path));
}

static void walk_conf(struct file_walk *walk, const struct conf *conf)
{
	struct span rest = span_of(conf->smtpd_tls_chain_files), file;

	if (span_is_empty(span_trim(rest))) {
		walk_file(walk, span_of(conf->smtpd_tls_key_file));
		walk_file(walk, span_of(conf->smtpd_tls_eckey_file));
	}
	while (conf_list_next(&rest, &file))
		walk_file(walk, file);
	walk_file(walk, span_of(conf->login_tls_key_file));
}

static bool overrides_tls(const struct master_entry *entry)
{
	for (size_t i = 0; i < entry->override_count; i++) {
		if (strstr(entry->overrides[i].name, "_tls_") != NULL)
			return true;
	}
	return false;
}

static void walk_master(struct file_walk *walk, const struct conf *conf, const char *config_dir)
{
	const char *error = NULL;
	const struct master_conf *master = master_conf_load(walk->arena, config_dir, conf, &error);

	if (master == NULL) {
		log_warning("keys of single services are not read: %s", error);
		return;
	}
	for (size_t i = 0; i < master->count; i++) {
		const struct master_entry *entry = &master->entries[i];
		const struct conf *own;

		if (!overrides_tls(entry))
			continue;
		own = conf_load(walk->arena, config_dir, entry->overrides, entry->override_count, &error);
		if (own != NULL)
			walk_conf(walk, own);
		else
			log_warning("keys of service %s are not read: %s", entry->name, error);
	}
}

void key_store_load(struct key_store *store, const struct conf *conf, const char *config_dir)
{
	struct file_walk walk = { store, hash_new(), arena_new(NULL) };

	walk_conf(&walk, conf);
	walk_master(&walk, conf, config_dir);
	hash_free(walk.seen, NULL);
	arena_free(walk.arena);
}

void key_store_free(struct key_store *store)
{
	for (size_t i = 0; i < store->count; i++)
		tls_key_free(store->keys[i]);
	free(store->keys);
	*store = (struct key_store){ 0 };
}
