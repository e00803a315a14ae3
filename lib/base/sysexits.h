/* SPDX-License-Identifier: ISC */
/* sysexits.h - exit codes that delivery programs agree on (BSD sysexits, as Postfix reads them) */
#ifndef BASE_SYSEXITS_H
#define BASE_SYSEXITS_H

enum {
	EXIT_USAGE = 64,
	EXIT_DATA = 65,
	EXIT_NO_INPUT = 66,
	EXIT_NO_USER = 67,
	EXIT_NO_HOST = 68,
	EXIT_UNAVAILABLE = 69,
	EXIT_SOFTWARE = 70,
	EXIT_OS = 71,
	EXIT_OS_FILE = 72,
	EXIT_CANNOT_CREATE = 73,
	EXIT_IO = 74,
	EXIT_TEMPFAIL = 75,
	EXIT_PROTOCOL = 76,
	EXIT_NO_PERMISSION = 77,
	EXIT_CONFIG = 78,
};

#endif
