/* SPDX-License-Identifier: ISC */
/* postern.h - the subcommands of postern(8), a file each */
#ifndef TOOLS_POSTERN_H
#define TOOLS_POSTERN_H

/* Each gets its own words: argv[0] is the subcommand.  Returns the exit status. */
int postern_user(int argc, char **argv);

#endif
