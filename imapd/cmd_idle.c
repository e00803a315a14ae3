/* SPDX-License-Identifier: ISC */
/* cmd_idle.c - IDLE (RFC 2177)
 *
 * Waits in poll for the client and for the folder's watch.  DONE may arrive together with
 * IDLE and with the commands behind it: what is pending is looked at before waiting. */
#include "imapd/imapd.h"
#include "lib/base/clock.h"

enum { POLL_WITHOUT_WATCH_MS = 30000 };

static int least(int a, int b)
{
	return a < b ? a : b;
}

/* wait_ms - until the next thing that is due. */
static int wait_ms(const struct imap *s, int watch_fd)
{
	int ms = (int)s->settings->timeout_s * 1000;

	if (s->settings->idle_notify_s != 0)
		ms = least(ms, (int)s->settings->idle_notify_s * 1000);
	if (s->box != NULL && watch_fd < 0)
		ms = least(ms, POLL_WITHOUT_WATCH_MS);
	return ms;
}

/* idle - until the client says something; false when it is silent for too long. */
static bool idle(struct imap *s)
{
	uint64_t end = clock_in_s(s->settings->timeout_s), notify = 0, now;
	int watch_fd = s->box != NULL ? mailbox_watch(s->box) : -1;

	if (s->box != NULL)
		mailbox_idle(s->box);
	/* Most sessions spend their life here: keep little. */
	arena_release(s->scratch);
	if (s->settings->idle_notify_s != 0)
		notify = clock_in_s(s->settings->idle_notify_s);
	for (;;) {
		if (s->box != NULL) {
			mailbox_watch_clear(s->box);
			imap_update(s, true);
		}
		if (!imap_flush(s))
			return true;
		buf_shrink(&s->out);
		if (input_wait(s, watch_fd, wait_ms(s, watch_fd)))
			return true;
		now = clock_now_us();
		if (now >= end)
			return false;
		if (notify != 0 && now >= notify) {
			imap_write(s, "* OK Still here\r\n");
			notify = clock_in_s(s->settings->idle_notify_s);
		}
	}
}

void imap_idle(struct imap *s, struct imap_parse *p)
{
	struct span line;

	if (!imap_take_end(p))
		return;
	imap_write(s, "+ idling\r\n");
	if (!idle(s)) {
		s->report.end = "idle for too long";
		imap_write(s, "* BYE idle for too long\r\n");
		s->ended = true;
		return;
	}
	if (input_continue(s, &line) != INPUT_COMMAND)
		s->ended = true;
	else if (span_equal_ci(span_trim_end(line), span_lit("DONE")))
		imap_done(s, MAIL_OK, "Done");
	else
		imap_bad(s, "DONE expected");
}
