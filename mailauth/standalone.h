/* SPDX-License-Identifier: ISC */
/* standalone.h - mailauth beside another mail server: no master, names resolved by ourselves */
#ifndef MAILAUTH_STANDALONE_H
#define MAILAUTH_STANDALONE_H

/* standalone_main - all of main() for "mailauth -l SOCKET ..."; gives the exit status. */
int standalone_main(int argc, char **argv);

#endif
