/* SPDX-License-Identifier: ISC */
/* accounts.c - one pass over /etc/passwd or /etc/group a question; callers keep what they ask often */
#include "lib/base/accounts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int accounts_user(const char *name, struct passwd *entry, char *room, size_t size)
{
	FILE          *file = fopen("/etc/passwd", "re");
	struct passwd *found = NULL;
	int            error;

	if (file == NULL)
		return errno;
	do
		error = fgetpwent_r(file, entry, room, size, &found);
	while (error == 0 && strcmp(entry->pw_name, name) != 0);
	(void)fclose(file);
	return error;
}

int accounts_group(const char *name, struct group *entry, char *room, size_t size)
{
	FILE         *file = fopen("/etc/group", "re");
	struct group *found = NULL;
	int           error;

	if (file == NULL)
		return errno;
	do
		error = fgetgrent_r(file, entry, room, size, &found);
	while (error == 0 && strcmp(entry->gr_name, name) != 0);
	(void)fclose(file);
	return error;
}
