/* SPDX-License-Identifier: ISC */
/* passwd_file.c - parse and index user:password:uid:gid:gecos:home:shell:extra (imap-scope 7.1)
 *
 * The admin wrote it, often by hand or by a script: a bad line costs that line. */
#include "auth/passwd_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/codec.h"
#include "lib/base/fs.h"
#include "lib/base/hash.h"
#include "lib/base/log.h"

enum { PASSWD_FILE_MAX = 256 * 1024 * 1024, FIELD_COUNT = 8 };
enum { F_USER, F_PASSWORD, F_UID, F_GID, F_GECOS, F_HOME, F_SHELL, F_EXTRA };

struct passwd_file {
	struct buf    text;
	struct arena *arena;
	struct hash  *by_user;
	struct span   sample;
};

/* ---- extra fields ---- */

static void set_mail(struct passwd_entry *e, struct span value)
{
	e->mail = value;
}

static void set_home(struct passwd_entry *e, struct span value)
{
	e->home = value;
}

static void set_uid(struct passwd_entry *e, struct span value)
{
	e->uid = value;
}

static void set_gid(struct passwd_entry *e, struct span value)
{
	e->gid = value;
}

static void set_nets(struct passwd_entry *e, struct span value)
{
	e->allow_nets = value;
}

static void set_closed(struct passwd_entry *e, struct span value)
{
	(void)value;
	e->is_closed = true;
}

static void set_no_password(struct passwd_entry *e, struct span value)
{
	(void)value;
	e->needs_no_password = true;
}

static void set_proxied(struct passwd_entry *e, struct span value)
{
	(void)value;
	e->is_proxied = true;
}

static void set_nothing(struct passwd_entry *e, struct span value)
{
	(void)e;
	(void)value;
}

static const struct extra_field {
	struct span name;
	void (*set)(struct passwd_entry *e, struct span value);
} extra_fields[] = {
	{ SPAN("userdb_mail"), set_mail },
	{ SPAN("userdb_mail_path"), set_mail },
	{ SPAN("userdb_home"), set_home },
	{ SPAN("userdb_uid"), set_uid },
	{ SPAN("userdb_gid"), set_gid },
	{ SPAN("allow_nets"), set_nets },
	{ SPAN("nologin"), set_closed },
	{ SPAN("nopassword"), set_no_password },
	{ SPAN("proxy"), set_proxied },
	{ SPAN("nodelay"), set_nothing },
	{ SPAN("userdb_quota_rule"), set_nothing },	/* quota is local's: virtual_mailbox_limit_maps */
	{ SPAN("userdb_quota_storage_size"), set_nothing },
};

static bool set_extra(struct passwd_entry *entry, struct span field)
{
	struct span value = field, name;

	span_cut(&value, '=', &name);
	for (size_t i = 0; i < COUNT_OF(extra_fields); i++) {
		if (span_equal(name, extra_fields[i].name)) {
			extra_fields[i].set(entry, value);
			return true;
		}
	}
	return false;
}

/* ---- lines ---- */

static bool is_name_byte(char c)
{
	return (unsigned char)c > 0x20 && c != 0x7f && c != '/';
}

bool passwd_line(struct arena *arena, struct span line, struct passwd_entry *entry, struct span *unknown,
                 const char **problem)
{
	struct span fields[FIELD_COUNT] = { 0 }, rest = line, field;

	*entry = (struct passwd_entry){ 0 };
	*unknown = (struct span){ 0 };
	*problem = NULL;
	if (span_is_empty(span_trim(line)) || line.ptr[0] == '#')
		return false;
	for (size_t i = 0; i < F_EXTRA; i++)
		span_cut(&rest, ':', &fields[i]);
	fields[F_EXTRA] = rest;	/* its values may hold ':' */
	if (span_is_empty(fields[F_USER]) || !span_all(fields[F_USER], is_name_byte)) {
		*problem = "unusable user name";
		return false;
	}
	entry->user = arena_lower(arena, fields[F_USER]);
	entry->password = fields[F_PASSWORD];
	entry->uid = fields[F_UID];
	entry->gid = fields[F_GID];
	entry->home = fields[F_HOME];
	while (span_token(&fields[F_EXTRA], " \t", &field)) {
		if (!set_extra(entry, field))
			*unknown = field;
	}
	return true;
}

/* ---- files ---- */

struct reading {
	struct passwd_file *file;
	const char         *name;
	size_t              line_number;
	bool                has_warned;	/* of an unknown extra field: once is enough */
};

static void take_line(struct reading *r, struct span line)
{
	struct passwd_entry entry;
	struct passwd_entry *kept;
	struct span unknown;
	const char *problem;

	if (!passwd_line(r->file->arena, line, &entry, &unknown, &problem)) {
		if (problem != NULL)
			log_warning("%s line %zu: %s: skipped", r->name, r->line_number, problem);
		return;
	}
	if (!span_is_empty(unknown) && !r->has_warned) {
		log_warning("%s line %zu: \"" SPAN_FMT "\" has no effect", r->name, r->line_number,
		            SPAN_ARG(span_first(unknown, 40)));
		r->has_warned = true;
	}
	if (hash_get(r->file->by_user, entry.user) != NULL) {
		log_warning("%s line %zu: user " SPAN_FMT " is there before: skipped", r->name, r->line_number,
		            SPAN_ARG(entry.user));
		return;
	}
	kept = ARENA_NEW(r->file->arena, struct passwd_entry);
	*kept = entry;
	hash_put(r->file->by_user, entry.user, kept);
	if (span_is_empty(r->file->sample))
		r->file->sample = entry.password;
}

static struct passwd_file *file_new(void)
{
	struct passwd_file *f = calloc(1, sizeof(*f));

	if (f == NULL)
		log_fatal("out of memory");
	buf_init(&f->text, PASSWD_FILE_MAX);
	f->arena = arena_new(NULL);
	f->by_user = hash_new();
	return f;
}

static void index_lines(struct passwd_file *f, const char *name)
{
	struct reading r = { .file = f, .name = name };
	struct span rest = buf_span(&f->text), line;

	while (!span_is_empty(rest)) {
		span_cut(&rest, '\n', &line);
		r.line_number++;
		if (span_ends(line, span_lit("\r")))
			line.len--;
		take_line(&r, line);
	}
}

struct passwd_file *passwd_file_parse(struct span text, const char *name)
{
	struct passwd_file *f = file_new();

	if (!buf_add(&f->text, text))
		log_warning("%s: larger than %d bytes", name, (int)PASSWD_FILE_MAX);
	index_lines(f, name);
	return f;
}

struct passwd_file *passwd_file_load(const char *path)
{
	struct passwd_file *f = file_new();

	if (fs_read_file(AT_FDCWD, path, &f->text) < 0) {
		int saved = errno;

		passwd_file_free(f);
		errno = saved;
		return NULL;
	}
	index_lines(f, path);
	return f;
}

void passwd_file_free(struct passwd_file *f)
{
	if (f == NULL)
		return;
	hash_free(f->by_user, NULL);
	arena_free(f->arena);
	if (f->text.ptr != NULL)
		memory_wipe(f->text.ptr, f->text.cap);
	buf_free(&f->text);
	free(f);
}

const struct passwd_entry *passwd_file_find(const struct passwd_file *f, struct span user)
{
	return hash_get(f->by_user, user);
}

size_t passwd_file_count(const struct passwd_file *f)
{
	return hash_count(f->by_user);
}

struct span passwd_file_sample(const struct passwd_file *f)
{
	return f->sample;
}
