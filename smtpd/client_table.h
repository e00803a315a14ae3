/* SPDX-License-Identifier: ISC */
/* client_table.h - what each client has asked of us lately, counted by all processes of a service together */
#ifndef SMTPD_CLIENT_TABLE_H
#define SMTPD_CLIENT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/attributes.h"
#include "lib/base/span.h"

enum { CLIENT_RATES = 4 };

struct client_table;
struct client_counts;

/* client_table_open - room for so many clients.  path: of the file that the processes share (its folder exists); NULL,
 * or when it cannot be used (logged): counts are this process's own. */
struct client_table *client_table_open(const char *path, size_t clients);
void client_table_close(struct client_table *t);

/* client_enter - one connection more of that client.  NULL: no room, it is not counted. */
struct client_counts *client_enter(struct client_table *t, struct span client);
void client_leave(struct client_table *t, struct client_counts *c);
/* client_connections - in all processes. */
unsigned client_connections(const struct client_counts *c);
/* client_count - one event more of that kind; gives how many there were in the present span of unit_us. */
unsigned client_count(struct client_counts *c, unsigned rate, uint64_t now_us, uint64_t unit_us);

#endif
