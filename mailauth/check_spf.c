/* SPDX-License-Identifier: ISC */
/* check_spf.c - mailauth_check spf DNS IP HELO MAILFROM */
#include <stdio.h>

#include "mailauth/check.h"

int check_spf(struct check *c, char **args)
{
	(void)c;
	(void)args;
	puts("none");
	return 0;
}
