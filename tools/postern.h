/* SPDX-License-Identifier: ISC */
/* postern.h - subcommands of the postern command */
#ifndef TOOLS_POSTERN_H
#define TOOLS_POSTERN_H

#include "lib/base/arena.h"
#include "lib/conf/conf.h"

struct postern {
	const char        *config_dir;
	const struct conf *conf;
	struct arena      *arena;
};

/* A subcommand gets the words behind its name and gives the exit status. */
int postern_start(struct postern *p, int argc, char **argv);
int postern_start_fg(struct postern *p, int argc, char **argv);
int postern_stop(struct postern *p, int argc, char **argv);
int postern_abort(struct postern *p, int argc, char **argv);
int postern_reload(struct postern *p, int argc, char **argv);
int postern_status(struct postern *p, int argc, char **argv);
int postern_flush(struct postern *p, int argc, char **argv);
int postern_check(struct postern *p, int argc, char **argv);
int postern_dmarc(struct postern *p, int argc, char **argv);
int postern_dkim(struct postern *p, int argc, char **argv);

/* postern_user - a program of its own in postern_user.c: argv[0] is the subcommand; takes the configuration folder
 * from MAIL_CONFIG. */
int postern_user(int argc, char **argv);

/* postern_master_pid - of the running master (who holds the spool lock), or 0. */
int postern_master_pid(const struct postern *p);
/* postern_master_path - of its program. */
const char *postern_master_path(const struct postern *p);
/* postern_look - complain about what would not work; gives the number of faults that keep the system from starting. */
unsigned postern_look(struct postern *p);

#endif
