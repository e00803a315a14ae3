/* SPDX-License-Identifier: ISC */
/* zygote.h - the parent of session processes (imapd, pop3d): a fork for each session that login hands over
 *
 * The zygote reads requests of login alone, never a byte of a client or of mail; as root it keeps the right to
 * become a user and nothing else.  The child it forks becomes the mail's owner, confined to that user's mail,
 * before it opens anything. */
#ifndef SERVICE_ZYGOTE_H
#define SERVICE_ZYGOTE_H

#include <stdbool.h>

#include "lib/ipc/session.h"
#include "lib/service/service.h"

struct zygote_work {
	long long   process_limit, user_limit, user_client_limit;	/* sessions at once */
	const char *limit_code;	/* response code of the protocol for a user with too many: "[LIMIT] " */
	/* open - in the child, already confined to the Maildir at path: get ready; false with errno when the
	 * mail cannot be opened.  May be NULL. */
	bool (*open)(struct service_run *run, const struct session_request *r, const char *path);
	/* serve - the session, until it ends; with it ends the process. */
	void (*serve)(struct service_run *run, const struct session_request *r, const char *path);
};

/* zygote_prepare - before the sandbox: the folders that any session may be confined to. */
void zygote_prepare(struct service_run *run);
/* zygote_main - all of a blocking_main: returns when no session is left after a drain, or at a stop. */
void zygote_main(struct service_run *run, const struct zygote_work *work);
/* zygote_is_stopping - in a session: the client's descriptor reads as ended because the suite stops. */
bool zygote_is_stopping(void);

#endif
