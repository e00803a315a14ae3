/* SPDX-License-Identifier: ISC */
/* places.h - the folders of the host that the suite, or a parent of session processes, may write to at all
 *
 * Landlock can be narrowed, never widened: what master may not reach none of its programs can, and what a zygote may
 * not reach none of its sessions can.  Each program confines itself further, once it knows whose work it does. */
#ifndef SERVICE_PLACES_H
#define SERVICE_PLACES_H

#include "lib/conf/conf.h"
#include "lib/sandbox/sandbox.h"

/* places_allow_mail - where mail folders may be: mail_directories, or where that is empty every top folder but those of
 * the system, and virtual_mailbox_base.  Paths live in conf's arena or for ever. */
void places_allow_mail(struct sandbox *s, const struct conf *conf);
/* places_allow_suite - for master: reading everywhere; programs of the system and our own to be run; writing to
 * queue, data, log and mail.  What may be written is never run. */
void places_allow_suite(struct sandbox *s, const struct conf *conf);

#endif
