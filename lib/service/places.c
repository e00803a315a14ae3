/* SPDX-License-Identifier: ISC */
/* places.c - which folders of the host are ours to write, before it is known who writes where */
#include "lib/service/places.h"

#include <dirent.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/attributes.h"
#include "lib/base/log.h"

enum { TOP_FOLDERS_MAX = 40 };

/* Nothing of these is mail, and writing there means owning the host. */
static bool is_of_system(const char *name)
{
	static const char *const folders[] = {
		"bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "root", "run", "sbin", "sys",
		"usr",
	};

	for (size_t i = 0; i < COUNT_OF(folders); i++)
		if (strcmp(folders[i], name) == 0)
			return true;
	return name[0] == '.';
}

static void allow_top_folders(struct sandbox *s, struct arena *arena)
{
	DIR           *top = opendir("/");
	struct dirent *entry;
	size_t         count = 0;

	while (top != NULL && (entry = readdir(top)) != NULL) {
		if (is_of_system(entry->d_name) || (entry->d_type != DT_DIR && entry->d_type != DT_LNK))
			continue;
		if (++count > TOP_FOLDERS_MAX) {
			log_warning("/ has more than %d folders: set mail_directories", TOP_FOLDERS_MAX);
			break;
		}
		sandbox_allow(s, arena_printf(arena, "/%s", entry->d_name), true);
	}
	if (top != NULL)
		(void)closedir(top);
}

/* A folder that is there; what is not yet, is made below one that is. */
static void allow_writing(struct sandbox *s, const char *path)
{
	if (path[0] == '/' && access(path, F_OK) == 0)
		sandbox_allow(s, path, true);
}

void places_allow_mail(struct sandbox *s, const struct conf *conf)
{
	struct span rest = span_of(conf->mail_directories), folder;

	if (rest.len == 0)
		allow_top_folders(s, conf->arena);
	while (conf_list_next(&rest, &folder))
		allow_writing(s, arena_cstr(conf->arena, folder));
	allow_writing(s, conf->virtual_mailbox_base);
}

static void allow_log(struct sandbox *s, const struct conf *conf)
{
	const char *slash = strrchr(conf->maillog_file, '/');

	if (slash != NULL && slash > conf->maillog_file)
		allow_writing(s, arena_cstr(conf->arena, span_make(conf->maillog_file,
		                                                   (size_t)(slash - conf->maillog_file))));
}

void places_allow_suite(struct sandbox *s, const struct conf *conf)
{
	static const char *const programs[] = { "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64" };
	struct span rest = span_of(conf->program_directories), folder;

	sandbox_allow(s, "/", false);
	for (size_t i = 0; i < COUNT_OF(programs); i++)
		if (access(programs[i], F_OK) == 0)
			sandbox_allow_programs(s, programs[i]);
	sandbox_allow_programs(s, conf_daemon_directory(conf));
	while (conf_list_next(&rest, &folder))
		sandbox_allow_programs(s, arena_cstr(conf->arena, folder));
	sandbox_allow(s, "/dev/null", true);
	allow_writing(s, conf->queue_directory);
	allow_writing(s, conf->data_directory);
	allow_log(s, conf);
	places_allow_mail(s, conf);
}
