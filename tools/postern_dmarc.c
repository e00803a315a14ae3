/* SPDX-License-Identifier: ISC */
/* postern_dmarc.c - postern dmarc summary|read: what other hosts report about our domains
 *
 * Reports arrive as mail at an address of ours (dmarc_report_mailbox).  "summary" takes those it has not seen from that
 * Maildir, which it leaves as it is, and prints who sent mail in the domain's name and what became of it.  A report
 * counts once, however often it comes. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/base/sysexits.h"
#include "lib/mailauth/dmarc_domain.h"
#include "lib/mailauth/dmarc_store.h"
#include "lib/mailauth/dmarc_totals.h"
#include "lib/table/table.h"
#include "tools/postern.h"

enum { DAYS_STANDARD = 30, DAYS_MAX = 3650, LINES_MAX = 1000, ENTRIES_MAX = 1000000 };

struct dmarc_tool {
	struct postern      *postern;
	struct dmarc_totals *totals;
	struct span          domain;	/* empty: reports on any domain are taken */
	size_t               taken, repeated, refused;
};

static int usage(void)
{
	(void)fprintf(stderr, "usage: postern dmarc summary [-d days] [-m Maildir|address] domain\n"
	                      "       postern dmarc read file ...\n");
	return EXIT_USAGE;
}

/* ---- taking reports ---- */

static bool is_wanted(void *user, struct span domain)
{
	const struct dmarc_tool *t = user;

	return t->domain.len == 0 || dmarc_domain_is_below(domain, t->domain);
}

/* One file: a mail, or (alone on the command line) a bare report.  0, or -1 when its bytes cannot be had. */
static int take_file(struct dmarc_tool *t, int folder, const char *name, bool is_mail)
{
	struct arena *arena = arena_new(NULL);
	struct dmarc_taken taken;
	struct buf bytes;
	struct why why;
	int result;

	buf_init(&bytes, (size_t)t->postern->conf->dmarc_received_size_limit);
	result = fs_read_file(folder, name, &bytes);
	if (result == 0 && dmarc_totals_take(t->totals, arena, buf_span(&bytes), is_mail, is_wanted, t, &taken, &why) == DONE) {
		t->taken += !taken.is_repeat;
		t->repeated += taken.is_repeat;
	} else if (result == 0) {
		t->refused++;
		log_debug("%s: %s", name, why.text);
	}
	buf_free(&bytes);
	arena_free(arena);
	return result;
}

static void take_folder(struct dmarc_tool *t, const char *maildir, const char *sub)
{
	const char *path = arena_printf(t->postern->arena, "%s/%s", maildir, sub);
	DIR *folder = opendir(path);
	struct dirent *entry;

	if (folder == NULL) {
		(void)fprintf(stderr, "postern dmarc: %s: %s\n", path, strerror(errno));
		return;
	}
	while ((entry = readdir(folder)) != NULL)
		if (entry->d_name[0] != '.' && take_file(t, dirfd(folder), entry->d_name, true) < 0)
			(void)fprintf(stderr, "postern dmarc: %s/%s: %s\n", path, entry->d_name, strerror(errno));
	(void)closedir(folder);
}

/* Where an address of ours has its mail; NULL: nowhere we know. */
static const char *maildir_of(struct postern *p, const char *address)
{
	struct table_list *maps = table_list_open(p->arena, "virtual_mailbox_maps", p->conf->virtual_mailbox_maps,
	                                          p->conf->default_database_type);
	struct span place;

	if (table_list_find(maps, arena_lower(p->arena, span_of(address)), TABLE_WHOLE_KEY, p->arena, &place) != TABLE_FOUND)
		return NULL;
	return arena_printf(p->arena, "%s/" SPAN_FMT, p->conf->virtual_mailbox_base, SPAN_ARG(place));
}

static bool take_mailbox(struct dmarc_tool *t, const char *mailbox)
{
	const char *maildir = mailbox;

	if (mailbox[0] == '\0')
		return true;	/* only what was read by hand */
	if (mailbox[0] != '/')
		maildir = maildir_of(t->postern, mailbox);
	if (maildir == NULL) {
		(void)fprintf(stderr, "postern dmarc: %s is no Maildir, and no address of virtual_mailbox_maps\n", mailbox);
		return false;
	}
	take_folder(t, maildir, "new");
	take_folder(t, maildir, "cur");
	return true;
}

/* ---- commands ---- */

static bool open_totals(struct dmarc_tool *t)
{
	const struct conf *conf = t->postern->conf;
	const char *folder = arena_printf(t->postern->arena, "%s/mailauth", conf->data_directory);
	struct why why;

	if (fs_make_dirs(folder, 0700) < 0) {
		(void)fprintf(stderr, "postern dmarc: %s: %s\n", folder, strerror(errno));
		return false;
	}
	if (dmarc_totals_open(arena_printf(t->postern->arena, "%s/received.db", folder), ENTRIES_MAX, &t->totals, &why) == DONE)
		return true;
	(void)fprintf(stderr, "postern dmarc: %s\n", why.text);
	return false;
}

static void print_summary(struct dmarc_tool *t, unsigned long long days)
{
	int64_t today = dmarc_day_of(clock_wall_us());
	struct buf out;

	buf_init(&out, BUF_NO_LIMIT);
	dmarc_totals_summary(t->totals, t->domain, today - (int64_t)days, today, LINES_MAX, &out);
	(void)fwrite(out.ptr, 1, out.len, stdout);
	buf_free(&out);
	(void)printf("%zu new reports, %zu known before, %zu other mails\n", t->taken, t->repeated, t->refused);
}

static int summary(struct dmarc_tool *t, int argc, char **argv)
{
	const char *mailbox = t->postern->conf->dmarc_report_mailbox;
	unsigned long long days = DAYS_STANDARD;
	int option;

	optind = 1;
	while ((option = getopt(argc, argv, "+d:m:")) != -1) {
		if (option == 'd' && span_u64(span_of(optarg), DAYS_MAX, &days))
			continue;
		if (option != 'm')
			return usage();
		mailbox = optarg;
	}
	if (optind + 1 != argc)
		return usage();
	if (!dmarc_domain_normal(t->postern->arena, span_of(argv[optind]), &t->domain)) {
		(void)fprintf(stderr, "postern dmarc: %s is no domain\n", argv[optind]);
		return EXIT_FAILURE;
	}
	if (!open_totals(t) || !take_mailbox(t, mailbox))
		return EXIT_FAILURE;
	print_summary(t, days);
	return EXIT_SUCCESS;
}

/* A file may be a mail or what was attached to it. */
static int read_files(struct dmarc_tool *t, int argc, char **argv)
{
	int status = EXIT_SUCCESS;

	if (argc < 2)
		return usage();
	if (!open_totals(t))
		return EXIT_FAILURE;
	for (int i = 1; i < argc; i++) {
		size_t before = t->taken + t->repeated;

		if (take_file(t, AT_FDCWD, argv[i], false) == 0 && t->taken + t->repeated == before)
			(void)take_file(t, AT_FDCWD, argv[i], true);
		if (t->taken + t->repeated == before) {
			(void)fprintf(stderr, "postern dmarc: %s: no DMARC report\n", argv[i]);
			status = EXIT_FAILURE;
		}
	}
	(void)printf("%zu new reports, %zu known before\n", t->taken, t->repeated);
	return status;
}

int postern_dmarc(struct postern *p, int argc, char **argv)
{
	struct dmarc_tool t = { .postern = p };
	int status;

	if (argc >= 1 && strcmp(argv[0], "summary") == 0)
		status = summary(&t, argc, argv);
	else if (argc >= 1 && strcmp(argv[0], "read") == 0)
		status = read_files(&t, argc, argv);
	else
		return usage();
	dmarc_totals_close(t.totals);
	return status;
}
