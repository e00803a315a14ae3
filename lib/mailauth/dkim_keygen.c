/* SPDX-License-Identifier: ISC */
/* dkim_keygen.c - new private keys, and the folders they are put in
 *
 * root makes them for filter_owner, in folders of his: so each step works on an open folder and never follows a link. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/codec.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/mailauth/dkim_keydir_private.h"

/* ---- folders ---- */

/* make_folder - open the folder of that name; one that is made now belongs to owner. */
static int make_folder(int at, const char *name, struct dkim_owner owner, int flags)
{
	bool is_new = mkdirat(at, name, 0700) == 0;
	int fd;

	if (!is_new && errno != EEXIST)
		return -1;
	fd = dkim_open_folder(at, name, is_new ? O_NOFOLLOW : flags);
	if (fd >= 0 && is_new && (fchmod(fd, 0700) < 0 || (owner.is_set && fchown(fd, owner.uid, owner.gid) < 0))) {
		int error = errno;

		(void)close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

enum outcome dkim_keydir_prepare_state(const struct dkim_keydir *dir, struct dkim_owner owner, struct why *why)
{
	struct span above = span_of(dir->state_path);
	struct arena *arena = arena_new(NULL);
	enum outcome outcome = DONE;
	int fd;

	above.len = span_rfind(above, '/') != SPAN_NOT_FOUND ? span_rfind(above, '/') : 0;
	fd = above.len != 0 ? make_folder(AT_FDCWD, arena_cstr(arena, above), owner, 0) : -1;
	if (fd >= 0)
		(void)close(fd);
	fd = make_folder(AT_FDCWD, dir->state_path, owner, 0);
	if (fd < 0)
		outcome = why_errno(why, DEFER, "", "cannot make the folder %s", dir->state_path);
	else
		(void)close(fd);
	arena_free(arena);
	return outcome;
}

/* ---- keys ---- */

static EVP_PKEY *generate(enum dkim_key_type type, unsigned rsa_bits)
{
	EVP_PKEY *pkey = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type == DKIM_RSA ? "RSA" : "ED25519", NULL);

	if (ctx == NULL || EVP_PKEY_keygen_init(ctx) != 1 ||
	    (type == DKIM_RSA && EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, (int)rsa_bits) != 1) ||
	    EVP_PKEY_generate(ctx, &pkey) != 1)
		pkey = NULL;
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

enum outcome dkim_keydir_generate(enum dkim_key_type type, unsigned rsa_bits, struct dkim_signing_key *key,
                                  struct why *why)
{
	EVP_PKEY *pkey = generate(type, rsa_bits);
	int bits;

	*key = (struct dkim_signing_key){ .type = type, .pkey = pkey };
	if (pkey == NULL) {
		ERR_clear_error();
		return why_set(why, REFUSE, "", "OpenSSL cannot make such a key");
	}
	bits = EVP_PKEY_get_bits(pkey);
	key->bits = bits > 0 ? (unsigned)bits : 0;
	return DONE;
}

/* write_key - the PEM text into fd, durably. */
static bool write_key(int fd, const struct dkim_signing_key *key)
{
	BIO *bio = BIO_new(BIO_s_secmem());	/* wiped when it is freed */
	char *text = NULL;
	long len = 0;
	bool ok = false;

	errno = ENOMEM;
	if (bio != NULL && PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL) == 1)
		len = BIO_get_mem_data(bio, &text);
	if (len > 0)
		ok = fs_write_all(fd, text, (size_t)len) == 0 && fs_sync(fd) == 0;
	BIO_free(bio);
	return ok;
}

/* make_younger - than a key that may be of the future, or of this very moment. */
static bool make_younger(int fd, uint64_t after_ns)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_nsec = 0 } };
	struct stat st;

	if (fstat(fd, &st) < 0)
		return false;
	if (dkim_modified_ns(&st) > after_ns)
		return true;
	after_ns++;
	times[1].tv_sec = (time_t)(after_ns / 1000000000U);
	times[1].tv_nsec = (long)(after_ns % 1000000000U);
	return futimens(fd, times) == 0;
}

static bool write_draft(int folder, const char *draft, const struct dkim_signing_key *key, uint64_t made_after_ns,
                        struct dkim_owner owner)
{
	int fd = fs_open_at(folder, draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0400);
	bool ok = fd >= 0 && fchmod(fd, 0400) == 0 && (!owner.is_set || fchown(fd, owner.uid, owner.gid) == 0) &&
	          write_key(fd, key) && make_younger(fd, made_after_ns);
	int error = errno;

	if (fd >= 0)
		(void)close(fd);
	errno = error;
	return ok;
}

static enum outcome store_in(int folder, struct arena *arena, struct span selector, const struct dkim_signing_key *key,
                             uint64_t made_after_ns, struct dkim_owner owner, struct why *why)
{
	unsigned char random[8];
	char *name = arena_printf(arena, SPAN_FMT ".pem", SPAN_ARG(selector)), *draft;
	enum outcome outcome;

	random_bytes(random, sizeof(random));
	draft = arena_printf(arena, ".new-" SPAN_FMT, SPAN_ARG(hex_encode(arena, span_make(random, sizeof(random)))));
	if (!write_draft(folder, draft, key, made_after_ns, owner))
		outcome = why_errno(why, DEFER, "", "cannot write %s", name);
	else if (fs_rename_new(folder, draft, folder, name) == 0)
		return fs_sync(folder) == 0 ? DONE : why_errno(why, DEFER, "", "cannot sync the folder of %s", name);
	else if (errno == EEXIST)
		outcome = why_set(why, REFUSE, "", "there is a key of the selector " SPAN_FMT, SPAN_ARG(selector));
	else
		outcome = why_errno(why, DEFER, "", "cannot name the new key %s", name);
	(void)unlinkat(folder, draft, 0);
	return outcome;
}

enum outcome dkim_keydir_store(const struct dkim_keydir *dir, struct span domain, struct span selector,
                               const struct dkim_signing_key *key, uint64_t made_after_ns, struct dkim_owner owner,
                               struct why *why)
{
	struct arena *arena = arena_new(NULL);
	int top = make_folder(AT_FDCWD, dir->path, owner, 0);
	int folder = top >= 0 ? make_folder(top, arena_cstr(arena, domain), owner, O_NOFOLLOW) : -1;
	enum outcome outcome;

	if (folder < 0)
		outcome = why_errno(why, DEFER, "", "cannot make the folder %s/" SPAN_FMT, dir->path, SPAN_ARG(domain));
	else if (fs_sync(top) < 0)
		outcome = why_errno(why, DEFER, "", "cannot sync %s", dir->path);
	else
		outcome = store_in(folder, arena, selector, key, made_after_ns, owner, why);
	if (top >= 0)
		(void)close(top);
	if (folder >= 0)
		(void)close(folder);
	arena_free(arena);
	return outcome;
}
