/* SPDX-License-Identifier: ISC */
/* postern_user.c - postern user add|passwd|del|list: mailbox users, in one step
 *
 * Edits auth_passwd_file (postern-passwd(5)) and, where user_mailbox_file names one, the table of mailboxes; makes the
 * Maildir for its owner.  Files are replaced whole: written beside, synced, renamed; under one lock, so that two
 * admins do not undo each other.  Lines of other users, comments too, stay byte for byte. */
#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/codec.h"
#include "lib/base/fs.h"
#include "lib/base/span.h"
#include "lib/base/sysexits.h"
#include "lib/conf/conf.h"
#include "lib/sandbox/sandbox.h"
#include "tools/postern.h"

extern char **environ;

enum { TEXT_MAX = 256 * 1024 * 1024, PASSWORD_MAX = 512 };

struct user_tool {
	struct arena      *arena;
	const char        *config_dir;
	const struct conf *conf;
	bool               from_stdin;
	const char        *scheme;	/* prefix of crypt_gensalt: "$6$", "$y$" */
	struct span        user;	/* name@domain, lower case */
	struct span        name, domain;
	uid_t              uid;		/* of mailboxes */
	gid_t              gid;
	bool               has_owner;
};

static int complain(const char *what, const char *about)
{
	fprintf(stderr, "postern user: %s: %s\n", about, what);
	return EXIT_FAILURE;
}

/* ---- files of lines ---- */

static bool read_lines(const char *path, struct buf *text)
{
	buf_init(text, TEXT_MAX);
	if (fs_read_file(AT_FDCWD, path, text) == 0 || errno == ENOENT)
		return true;
	complain(strerror(errno), path);
	return false;
}

/* The first field of a line, ended by one of ends; empty for comments. */
static struct span first_field(struct span line, const char *ends)
{
	size_t n = 0;

	if (line.len != 0 && line.ptr[0] == '#')
		return (struct span){ 0 };
	while (n < line.len && strchr(ends, line.ptr[n]) == NULL)
		n++;
	return span_first(line, n);
}

/* Copy text to out without the line of key; gives that line (in text), or an empty span. */
static struct span copy_without(struct span text, struct span key, const char *ends, struct buf *out)
{
	struct span rest = text, line, found = { 0 };

	while (!span_is_empty(rest)) {
		span_cut(&rest, '\n', &line);
		if (span_equal_ci(first_field(line, ends), key)) {
			found = line;
			continue;
		}
		buf_add(out, line);
		buf_add_byte(out, '\n');
	}
	return found;
}

/* The new file belongs to whom the old one did; a file that is new, to root and the group of its reader. */
static bool settle_owner(int fd, const char *path, gid_t reader, mode_t mode)
{
	struct stat old;

	if (stat(path, &old) == 0)
		return fchmod(fd, old.st_mode & 07777) == 0 &&
		       (geteuid() != 0 || fchown(fd, old.st_uid, old.st_gid) == 0);
	return fchmod(fd, mode) == 0 && (geteuid() != 0 || fchown(fd, 0, reader) == 0);
}

static bool sync_folder(struct user_tool *t, const char *path)
{
	int fd = open(dirname(arena_cstr(t->arena, span_of(path))), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fs_sync(fd) == 0;

	if (fd >= 0)
		(void)close(fd);
	return ok;
}

static bool replace_file(struct user_tool *t, const char *path, struct span content, gid_t reader, mode_t mode)
{
	const char *draft = arena_printf(t->arena, "%s.new.%ld", path, (long)getpid());
	int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool ok = fd >= 0 && settle_owner(fd, path, reader, mode) && fs_write_all(fd, content.ptr, content.len) == 0 &&
	          fs_sync(fd) == 0;

	if (fd >= 0)
		ok = close(fd) == 0 && ok;
	ok = ok && rename(draft, path) == 0 && sync_folder(t, path);
	if (!ok) {
		complain(strerror(errno), path);
		(void)unlink(draft);
	}
	return ok;
}

/* Held until the process ends.  Beside the file, because the file itself is replaced. */
static bool lock_files(struct user_tool *t)
{
	const char *path = arena_printf(t->arena, "%s.lock", t->conf->auth_passwd_file);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd >= 0 && flock(fd, LOCK_EX) == 0)
		return true;
	complain(strerror(errno), path);
	return false;
}

/* ---- passwords ---- */

static bool read_line_from(FILE *in, char *line, size_t size)
{
	if (fgets(line, (int)size, in) == NULL)
		return false;
	line[strcspn(line, "\r\n")] = '\0';
	return true;
}

static bool prompt(FILE *tty, const char *text, char *line, size_t size)
{
	struct termios before, quiet;
	bool has_echo = tcgetattr(fileno(tty), &before) == 0;
	bool ok;

	fprintf(tty, "%s: ", text);
	fflush(tty);
	if (has_echo) {
		quiet = before;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		(void)tcsetattr(fileno(tty), TCSAFLUSH, &quiet);
	}
	ok = read_line_from(tty, line, size);
	if (has_echo)
		(void)tcsetattr(fileno(tty), TCSAFLUSH, &before);
	fputc('\n', tty);
	return ok;
}

static bool ask_twice(char *password, size_t size)
{
	FILE *tty = fopen("/dev/tty", "r+");
	char again[PASSWORD_MAX];
	bool ok = tty != NULL && prompt(tty, "Password", password, size) &&
	          prompt(tty, "Password again", again, sizeof(again)) && strcmp(password, again) == 0;

	memory_wipe(again, sizeof(again));
	if (tty != NULL)
		fclose(tty);
	return ok;
}

/* "{SHA512-CRYPT}$6$...", or NULL. */
static const char *hash_password(struct user_tool *t)
{
	const char *label = strcmp(t->scheme, "$6$") == 0 ? "SHA512-CRYPT" : "CRYPT";
	char password[PASSWORD_MAX] = "", *salt, *hash;
	bool ok = t->from_stdin ? read_line_from(stdin, password, sizeof(password))
	                        : ask_twice(password, sizeof(password));

	if (!ok || *password == '\0') {
		memory_wipe(password, sizeof(password));
		complain(t->from_stdin ? "no password on standard input" : "no password, or two different ones", "password");
		return NULL;
	}
	salt = crypt_gensalt(t->scheme, 0, NULL, 0);
	hash = salt != NULL ? crypt(password, salt) : NULL;
	memory_wipe(password, sizeof(password));
	if (hash == NULL || *hash == '*') {
		complain("cannot make a hash", "password");
		return NULL;
	}
	return arena_printf(t->arena, "{%s}%s", label, hash);
}

/* ---- users and owners ---- */

static bool is_user_byte(char c)
{
	return ascii_is_alnum(c) || strchr("._+-=@", c) != NULL;
}

static bool take_user(struct user_tool *t, const char *text)
{
	struct span user = arena_lower(t->arena, span_of(text));

	if (span_find(user, '@') == SPAN_NOT_FOUND && *t->conf->auth_default_realm != '\0')
		user = arena_printf_span(t->arena, SPAN_FMT "@%s", SPAN_ARG(user), t->conf->auth_default_realm);
	t->user = t->domain = user;
	if (!span_cut(&t->domain, '@', &t->name) || span_is_empty(t->name) || span_is_empty(t->domain) ||
	    !span_all(user, is_user_byte) || t->name.ptr[0] == '.' || t->domain.ptr[0] == '.' ||
	    span_find(t->domain, '@') != SPAN_NOT_FOUND) {
		complain("a user is NAME@DOMAIN, of letters, digits and . _ + - =", text);
		return false;
	}
	return true;
}

static void find_owner(struct user_tool *t)
{
	t->has_owner = sandbox_static_owner(t->conf->virtual_uid_maps, t->conf->virtual_gid_maps, &t->uid, &t->gid);
}

static gid_t reader_of(const char *owner)
{
	uid_t uid;
	gid_t gid;

	return sandbox_user(owner, &uid, &gid) ? gid : getegid();
}

static const char *home_of(struct user_tool *t)
{
	return arena_printf(t->arena, "%s/" SPAN_FMT "/" SPAN_FMT, t->conf->virtual_mailbox_base, SPAN_ARG(t->domain),
	                    SPAN_ARG(t->name));
}

/* ---- the Maildir ---- */

/* One folder, given to the owner when it was made now. */
static bool make_folder(const struct user_tool *t, const char *path, mode_t mode)
{
	if (mkdir(path, mode) < 0)
		return errno == EEXIST;
	return geteuid() != 0 || !t->has_owner || lchown(path, t->uid, t->gid) == 0;
}

static bool make_maildir(struct user_tool *t)
{
	static const char *const parts[] = { "", "/Maildir", "/Maildir/tmp", "/Maildir/new", "/Maildir/cur" };
	const char *home = home_of(t);
	const char *domain = arena_printf(t->arena, "%s/" SPAN_FMT, t->conf->virtual_mailbox_base, SPAN_ARG(t->domain));
	bool ok = make_folder(t, t->conf->virtual_mailbox_base, 0751) && make_folder(t, domain, 0751);

	for (size_t i = 0; ok && i < COUNT_OF(parts); i++)
		ok = make_folder(t, arena_printf(t->arena, "%s%s", home, parts[i]), 0700);
	if (!ok)
		complain(strerror(errno), home);
	else
		printf("Maildir %s/Maildir is there\n", home);
	return ok;
}

/* ---- the table of mailboxes ---- */

/* user_mailbox_file may be "type:file" or a file; then virtual_mailbox_maps tells the type. */
static const char *mailbox_table(struct user_tool *t, const char **path)
{
	const char *value = t->conf->user_mailbox_file;
	struct span rest = span_of(t->conf->virtual_mailbox_maps), one, type;

	*path = value;
	if (*value != '/' && strchr(value, ':') != NULL) {
		*path = strchr(value, ':') + 1;
		return value;
	}
	while (conf_list_next(&rest, &one)) {
		struct span file = one;

		if (span_cut(&file, ':', &type) && span_equal(file, span_of(value)))
			return arena_cstr(t->arena, one);
	}
	return value;
}

static bool run_postmap(struct user_tool *t, const char *table)
{
	const char *program = arena_printf(t->arena, "%s/postmap", t->conf->command_directory);
	char *const argv[] = { arena_cstr(t->arena, span_lit("postmap")), arena_cstr(t->arena, span_lit("-c")),
		               arena_cstr(t->arena, span_of(t->config_dir)), arena_cstr(t->arena, span_of(table)), NULL };
	int status;
	pid_t child;

	fflush(stdout);
	errno = posix_spawn(&child, program, NULL, NULL, argv, environ);
	if (errno == 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	complain("the table could not be built anew", table);
	return false;
}

static bool needs_postmap(const char *table)
{
	static const char *const types[] = { "hash:", "btree:", "lmdb:", "cdb:", "dbm:", "sdbm:" };

	for (size_t i = 0; i < COUNT_OF(types); i++) {
		if (strncmp(table, types[i], strlen(types[i])) == 0)
			return true;
	}
	return false;
}

static bool edit_mailboxes(struct user_tool *t, bool add)
{
	const char *path, *table = mailbox_table(t, &path);
	struct buf text, out;
	bool ok;

	if (*path == '\0')
		return true;
	if (!read_lines(path, &text))
		return false;
	buf_init(&out, TEXT_MAX);
	copy_without(buf_span(&text), t->user, " \t", &out);
	if (add)
		buf_addf(&out, SPAN_FMT "\t" SPAN_FMT "/" SPAN_FMT "/Maildir/\n", SPAN_ARG(t->user), SPAN_ARG(t->domain),
		         SPAN_ARG(t->name));
	ok = replace_file(t, path, buf_span(&out), reader_of(t->conf->router_owner), 0640) &&
	     (!needs_postmap(table) || run_postmap(t, table));
	buf_free(&text);
	buf_free(&out);
	if (ok)
		printf("%s %s %s\n", t->user.ptr, add ? "is in" : "was taken out of", path);
	return ok;
}

/* ---- the subcommands ---- */

static bool is_domain_served(const struct user_tool *t)
{
	struct span rest = span_of(t->conf->virtual_mailbox_domains), one;

	while (conf_list_next(&rest, &one)) {
		if (span_equal_ci(one, t->domain) || span_find(one, ':') != SPAN_NOT_FOUND)
			return true;
	}
	return false;
}

/* Put "user:hash" and the rest of the line (from its third field on) in place of what is there. */
static bool write_user(struct user_tool *t, const char *hash, bool is_new)
{
	const char *path = t->conf->auth_passwd_file;
	struct span old, fields;
	struct buf text, out;
	bool ok = false;

	if (!read_lines(path, &text))
		return false;
	buf_init(&out, TEXT_MAX);
	old = fields = copy_without(buf_span(&text), t->user, ":", &out);
	if (is_new == !span_is_empty(old)) {
		complain(is_new ? "the user is there already" : "no such user", t->user.ptr);
	} else {
		struct span skipped;

		span_cut(&fields, ':', &skipped);
		span_cut(&fields, ':', &skipped);
		if (is_new)
			buf_addf(&out, SPAN_FMT ":%s::::%s::\n", SPAN_ARG(t->user), hash, home_of(t));
		else
			buf_addf(&out, SPAN_FMT ":%s:" SPAN_FMT "\n", SPAN_ARG(t->user), hash, SPAN_ARG(fields));
		ok = replace_file(t, path, buf_span(&out), reader_of(t->conf->auth_owner), 0640);
	}
	buf_free(&text);
	buf_free(&out);
	return ok;
}

static int user_add(struct user_tool *t)
{
	const char *hash;

	if (*t->conf->virtual_mailbox_base != '/')
		return complain("virtual_mailbox_base is not set", t->user.ptr);
	hash = hash_password(t);
	if (hash == NULL || !write_user(t, hash, true))
		return EXIT_FAILURE;
	printf("%s is in %s\n", t->user.ptr, t->conf->auth_passwd_file);
	if (!edit_mailboxes(t, true) || !make_maildir(t))
		return EXIT_FAILURE;
	if (!is_domain_served(t))
		printf("note: virtual_mailbox_domains does not name " SPAN_FMT ": no mail for it is taken yet\n",
		       SPAN_ARG(t->domain));
	return EXIT_SUCCESS;
}

static int user_passwd(struct user_tool *t)
{
	const char *hash = hash_password(t);

	if (hash == NULL || !write_user(t, hash, false))
		return EXIT_FAILURE;
	printf("the password of %s is changed\n", t->user.ptr);
	return EXIT_SUCCESS;
}

static int user_del(struct user_tool *t)
{
	const char *path = t->conf->auth_passwd_file;
	struct buf text, out;
	bool ok;

	if (!read_lines(path, &text))
		return EXIT_FAILURE;
	buf_init(&out, TEXT_MAX);
	if (span_is_empty(copy_without(buf_span(&text), t->user, ":", &out))) {
		ok = false;
		complain("no such user", t->user.ptr);
	} else {
		ok = replace_file(t, path, buf_span(&out), reader_of(t->conf->auth_owner), 0640);
	}
	buf_free(&text);
	buf_free(&out);
	if (!ok || !edit_mailboxes(t, false))
		return EXIT_FAILURE;
	printf("%s can no longer log in; the mail in %s stays\n", t->user.ptr, home_of(t));
	return EXIT_SUCCESS;
}

static int user_list(struct user_tool *t)
{
	struct span rest, line, user;
	struct buf text;

	if (!read_lines(t->conf->auth_passwd_file, &text))
		return EXIT_FAILURE;
	rest = buf_span(&text);
	while (!span_is_empty(rest)) {
		span_cut(&rest, '\n', &line);
		user = first_field(line, ":");
		if (!span_is_empty(span_trim(user)))
			printf(SPAN_FMT "\n", SPAN_ARG(user));
	}
	buf_free(&text);
	return EXIT_SUCCESS;
}

static const struct subcommand {
	const char *name;
	int (*run)(struct user_tool *t);
	bool needs_user;
} subcommands[] = {
	{ "add", user_add, true },
	{ "passwd", user_passwd, true },
	{ "del", user_del, true },
	{ "list", user_list, false },
};

static int usage(void)
{
	fputs("usage: postern user [-c config_dir] add|passwd [--stdin] [--yescrypt] USER@DOMAIN\n"
	      "       postern user [-c config_dir] del USER@DOMAIN\n"
	      "       postern user [-c config_dir] list\n", stderr);
	return EXIT_USAGE;
}

static int run_subcommand(struct user_tool *t, const char *name, const char *user)
{
	for (size_t i = 0; i < COUNT_OF(subcommands); i++) {
		const struct subcommand *s = &subcommands[i];

		if (strcmp(name, s->name) != 0)
			continue;
		if (s->needs_user != (user != NULL))
			return usage();
		if (s->needs_user && (!take_user(t, user) || !lock_files(t)))
			return EXIT_FAILURE;
		return s->run(t);
	}
	return usage();
}

static bool load(struct user_tool *t)
{
	const char *error = NULL;

	t->conf = conf_load(t->arena, t->config_dir, NULL, 0, &error);
	if (t->conf == NULL) {
		complain(error, "configuration");
		return false;
	}
	if (*t->conf->auth_passwd_file != '/') {
		complain("it is not set to an absolute path", "auth_passwd_file");
		return false;
	}
	find_owner(t);
	return true;
}

int postern_user(int argc, char **argv)
{
	const char *environment = getenv("MAIL_CONFIG");
	struct user_tool t = { .config_dir = environment != NULL ? environment : CONFIG_DIR, .scheme = "$6$" };
	const char *words[2] = { NULL, NULL };
	size_t count = 0;
	int status;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--stdin") == 0)
			t.from_stdin = true;
		else if (strcmp(argv[i], "--yescrypt") == 0)
			t.scheme = "$y$";
		else if (strcmp(argv[i], "-c") == 0 && i + 1 < argc)
			t.config_dir = argv[++i];
		else if (argv[i][0] != '-' && count < COUNT_OF(words))
			words[count++] = argv[i];
		else
			return usage();
	}
	if (count == 0)
		return usage();
	t.arena = arena_new(NULL);
	status = load(&t) ? run_subcommand(&t, words[0], words[1]) : EXIT_FAILURE;
	arena_free(t.arena);
	return status;
}
