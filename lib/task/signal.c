/* SPDX-License-Identifier: ISC */
/* signal.c - signals become calls on the loop
 *
 * The handler only notes the number and rings an event descriptor; so nothing is blocked, and what we
 * execute starts with an ordinary signal mask. */
#include "lib/task/task_private.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/log.h"

enum { SIGNALS_MAX = 65 };

static void (*callbacks[SIGNALS_MAX])(int signo);
static volatile sig_atomic_t has_come[SIGNALS_MAX];
static int bell = -1;

static void note(int signo)
{
	int saved = errno;
	uint64_t one = 1;

	has_come[signo] = 1;
	if (write(bell, &one, sizeof(one)) < 0)
		has_come[signo] = 1;	/* only EAGAIN: it rings already */
	errno = saved;
}

static void call_back(void)
{
	uint64_t times;

	if (read(bell, &times, sizeof(times)) < 0)
		return;
	for (int i = 1; i < SIGNALS_MAX; i++) {
		if (has_come[i] == 0)
			continue;
		has_come[i] = 0;
		if (callbacks[i] != NULL)
			callbacks[i](i);
	}
}

void signal_open(void)
{
	if (bell < 0)
		bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (bell < 0)
		log_fatal("cannot make an event descriptor");
	fd_watch(bell, call_back);
}

void task_on_signal(int signo, void (*fn)(int signo))
{
	struct sigaction action = { .sa_handler = note, .sa_flags = SA_RESTART | SA_NOCLDSTOP };

	REQUIRE(signo > 0 && signo < SIGNALS_MAX);
	loop_open();
	callbacks[signo] = fn;
	sigfillset(&action.sa_mask);
	sigaction(signo, &action, NULL);
}
