/* SPDX-License-Identifier: ISC */
/* zygote.c - takes sessions from login and forks a process for each
 *
 * Whoever is at the other end of a channel was introduced by master; what it says about users, ids and paths
 * comes from auth.  A message that does not decode closes the channel all the same.
 *
 * A session process is another user: no signal of ours reaches it.  So each holds the end of a pipe whose other
 * end only the zygote has.  When that closes, because the zygote stops or is killed, the session's SIGTERM handler
 * ends the input from the client, and the session says goodbye. */
#include "lib/service/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/service/places.h"

enum { CHANNELS_MAX = 256, SESSION_MAY = MAY_READ_FILES | MAY_WRITE_FILES };

/* One running session process. */
struct session {
	struct list node;
	pid_t       pid;
	int         life;	/* closed: it ends */
	struct span user, client;	/* in memory behind the struct */
};

struct zygote {
	struct service_run       *run;
	const struct zygote_work *work;
	struct list               sessions;
	size_t                    session_count;
	int                       channels[CHANNELS_MAX];	/* from login */
	size_t                    channel_count;
	bool                      is_draining, is_stopping;
	uint64_t                  drain_us, stop_us;	/* until when */
};

/* One request, with where its answer goes. */
struct request {
	struct session_request message;
	uint64_t               id;
	int                    channel;
};

/* ---- in the session process ---- */

static int                   session_client = -1;
static struct itimerval      session_patience;
static volatile sig_atomic_t session_is_stopping;

bool zygote_is_stopping(void)
{
	return session_is_stopping != 0;
}

static void on_stop(int signo)
{
	int error = errno;

	(void)signo;
	session_is_stopping = 1;
	(void)shutdown(session_client, SHUT_RD);
	(void)setitimer(ITIMER_REAL, &session_patience, NULL);	/* SIGALRM for one that cannot say goodbye */
	errno = error;
}

/* From now on the closing of the pipe's other end is a SIGTERM. */
static void end_with_zygote(int life, int client, uint64_t patience_s)
{
	struct sigaction action = { .sa_handler = on_stop };
	struct pollfd    ended = { .fd = life, .events = POLLIN };

	session_client = client;
	session_patience = (struct itimerval){ .it_value = { .tv_sec = (time_t)patience_s } };
	if (sigaction(SIGTERM, &action, NULL) < 0 || fcntl(life, F_SETOWN, getpid()) < 0 ||
	    fcntl(life, F_SETSIG, SIGTERM) < 0 || fcntl(life, F_SETFL, O_ASYNC | O_NONBLOCK) < 0)
		log_fatal("cannot watch the parent process: %s", strerror(errno));
	if (poll(&ended, 1, 0) > 0)
		on_stop(SIGTERM);
}

static void answer(const struct request *r, enum outcome status, const char *reason)
{
	struct session_reply reply = { .status = (uint64_t)status, .reason = span_of(reason) };

	if (ipc_blocking_send(r->channel, &session_reply_type, 0, r->id, &reply) < 0)
		log_warning("login did not wait for a session");
}

void zygote_prepare(struct service_run *run)
{
	places_allow_mail(&run->sandbox, run->conf);
}

/* Absolute: of the request, or Maildir in the home; NULL when neither names a place. */
static const char *mail_path(struct arena *arena, const struct session_request *m)
{
	struct span path = m->mail;

	if (span_starts_ci(path, span_lit("maildir:")))
		path = span_skip(path, 8);
	if (path.len == 0)
		path = span_lit("Maildir");
	if (path.ptr[0] == '/')
		return arena_cstr(arena, path);
	if (span_starts(path, span_lit("~/")))
		path = span_skip(path, 2);
	if (m->home.len == 0 || m->home.ptr[0] != '/')
		return NULL;
	return arena_printf(arena, SPAN_FMT "/" SPAN_FMT, SPAN_ARG(m->home), SPAN_ARG(path));
}

/* Become the owner; the mail folder is made by him, then nothing else can be reached. */
static bool become_owner(const struct zygote *z, const struct session_request *m, const char *path)
{
	struct sandbox box = {
		.root = SANDBOX_NO_ROOT,
		.has_user = z->run->is_privileged,
		.uid = (uid_t)m->uid,
		.gid = (gid_t)m->gid,
		.may = SESSION_MAY,
		.strict = z->run->sandbox.strict,
	};

	sandbox_take_user(&box);
	if (fs_make_dirs(path, 0700) < 0)
		return false;
	sandbox_allow(&box, path, true);
	sandbox_become(&box);
	return true;
}

/* The session reads and writes blocking. */
static void settle_client(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0)
		(void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

static void forget_parent(struct zygote *z)
{
	sigset_t none;

	(void)sigemptyset(&none);
	(void)signal(SIGCHLD, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)close(z->run->control_fd);
	for (size_t i = 0; i < z->run->listener_count; i++)
		(void)close(z->run->listeners[i]);
	LIST_EACH(node, &z->sessions)
		(void)close(CONTAINER_OF(node, struct session, node)->life);
}

/* The session process. */
static NO_RETURN void run_session(struct zygote *z, const struct request *r, int life)
{
	const struct session_request *m = &r->message;
	struct arena                 *arena = arena_new(NULL);
	const char                   *path = mail_path(arena, m);

	end_with_zygote(life, m->client, z->run->conf->service_stop_time_limit);
	forget_parent(z);
	errno = ENOENT;
	if (path == NULL || !become_owner(z, m, path) ||
	    (z->work->open != NULL && !z->work->open(z->run, m, path))) {
		log_error("user=<" SPAN_FMT ">: cannot open mail at %s: %s", SPAN_ARG(m->user),
		          path != NULL ? path : "(no path)", strerror(errno));
		answer(r, DEFER, "The mail cannot be opened now");
		_exit(0);
	}
	answer(r, DONE, "");
	for (size_t i = 0; i < z->channel_count; i++)
		(void)close(z->channels[i]);
	settle_client(m->client);
	z->work->serve(z->run, m, path);
	sandbox_report();
	_exit(0);
}

/* ---- sessions, in the zygote ---- */

static void remember(struct zygote *z, pid_t pid, int life, const struct session_request *m)
{
	struct session *s = malloc(sizeof(*s) + m->user.len + m->remote_address.len);
	char           *bytes = (char *)(s + 1);

	if (s == NULL)
		log_fatal("out of memory (sessions)");
	if (m->user.len > 0)
		memcpy(bytes, m->user.ptr, m->user.len);
	if (m->remote_address.len > 0)
		memcpy(bytes + m->user.len, m->remote_address.ptr, m->remote_address.len);
	s->pid = pid;
	s->life = life;
	s->user = span_make(bytes, m->user.len);
	s->client = span_make(bytes + m->user.len, m->remote_address.len);
	list_push_back(&z->sessions, &s->node);
	z->run->connections = ++z->session_count;
}

static void forget(struct zygote *z, struct session *s)
{
	list_remove(&s->node);
	if (s->life >= 0)
		(void)close(s->life);
	free(s);
	z->run->connections = --z->session_count;
}

static void reap(struct zygote *z)
{
	int   status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		LIST_EACH_SAFE(node, after, &z->sessions) {
			struct session *s = CONTAINER_OF(node, struct session, node);

			if (s->pid != pid)
				continue;
			if (WIFSIGNALED(status))
				log_warning("session of " SPAN_FMT " ended by signal %d", SPAN_ARG(s->user),
				            WTERMSIG(status));
			forget(z, s);
		}
}

/* Why this user may not have one more session, or NULL. */
static const char *over_limit(const struct zygote *z, struct arena *arena, const struct session_request *m)
{
	long long of_user = 0, of_client = 0;

	if (z->run->is_privileged && (m->uid == 0 || m->gid == 0 || m->uid >= UINT32_MAX || m->gid >= UINT32_MAX))
		return "Mail of root is not read here";
	if ((long long)z->session_count >= z->work->process_limit)
		return "Too many sessions on this server, try later";
	LIST_EACH(node, &z->sessions) {
		const struct session *s = CONTAINER_OF(node, struct session, node);

		if (!span_equal(s->user, m->user))
			continue;
		of_user++;
		of_client += span_equal(s->client, m->remote_address);
	}
	if (of_user < z->work->user_limit && of_client < z->work->user_client_limit)
		return NULL;
	return arena_printf(arena, "%sToo many sessions of this user", z->work->limit_code);
}

static const char *fork_session(struct zygote *z, const struct request *r)
{
	int   life[2];
	pid_t pid;

	if (pipe2(life, O_CLOEXEC) < 0)
		return "No descriptor for a session";
	pid = fork();
	if (pid == 0) {
		(void)close(life[1]);
		run_session(z, r, life[0]);
	}
	(void)close(life[0]);
	if (pid < 0) {
		(void)close(life[1]);
		return "No process for a session";
	}
	remember(z, pid, life[1], &r->message);
	return NULL;
}

static void begin_session(struct zygote *z, struct arena *arena, const struct request *r)
{
	const char *refusal = over_limit(z, arena, &r->message);

	if (refusal == NULL)
		refusal = fork_session(z, r);
	if (refusal == NULL)
		return;
	log_warning("no session for " SPAN_FMT ": %s", SPAN_ARG(r->message.user), refusal);
	answer(r, DEFER, refusal);
}

/* One request from a channel; false when the channel is to be closed. */
static bool take_request(struct zygote *z, int channel)
{
	struct arena     *arena = arena_new(NULL);
	struct request    r = { .channel = channel, .message = { .client = -1 } };
	struct ipc_header header;
	struct span       packet;
	int               fds[IPC_FDS_MAX];
	size_t            fd_count = 0;
	bool              good = ipc_blocking_receive(channel, arena, &header, &packet, fds, &fd_count) == 0;

	if (good && (!ipc_decode(packet, &session_request_type, fds, fd_count, &r.message) ||
	             r.message.client < 0)) {
		log_error("login sent nonsense");
		good = false;
	}
	if (good) {
		r.id = header.request;
		begin_session(z, arena, &r);
	}
	if (r.message.client >= 0)
		(void)close(r.message.client);
	for (size_t i = 0; i < fd_count; i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
	arena_free(arena);
	return good;
}

/* ---- the loop ---- */

/* What login has asked already is still done; for more it gets itself introduced to our successor. */
static void drain(struct zygote *z)
{
	if (z->is_draining)
		return;
	z->is_draining = true;
	z->drain_us = clock_in_s(z->run->conf->service_drain_time_limit);
	for (size_t i = 0; i < z->channel_count; i++)
		(void)shutdown(z->channels[i], SHUT_RD);
}

static void stop(struct zygote *z)
{
	if (z->is_stopping)
		return;
	drain(z);
	z->is_stopping = true;
	z->stop_us = clock_in_s(z->run->conf->service_stop_time_limit);
	LIST_EACH(node, &z->sessions) {
		struct session *s = CONTAINER_OF(node, struct session, node);

		(void)close(s->life);
		s->life = -1;
	}
}

static void obey_master(struct zygote *z)
{
	switch (service_blocking_control(z->run)) {
	case SERVICE_GO_ON:
		break;
	case SERVICE_DRAIN:
		drain(z);
		break;
	case SERVICE_STOP:
		stop(z);
		break;
	}
}

static void admit(struct zygote *z, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (z->channel_count < CHANNELS_MAX) {
		z->channels[z->channel_count++] = fd;
		return;
	}
	log_warning("more than %d connections of login", CHANNELS_MAX);
	(void)close(fd);
}

static void serve_channels(struct zygote *z, const struct pollfd *polled, size_t count)
{
	for (size_t i = count; i-- > 0;)
		if (polled[i].revents != 0 && !take_request(z, z->channels[i])) {
			(void)close(z->channels[i]);
			z->channels[i] = z->channels[--z->channel_count];
		}
}

static size_t watch_all(const struct zygote *z, struct pollfd *polled)
{
	size_t n = 0;

	/* At a stop the control channel stays readable: there is nothing more to hear. */
	polled[n++] = (struct pollfd){ .fd = z->is_stopping ? -1 : z->run->control_fd, .events = POLLIN };
	for (size_t i = 0; i < z->channel_count; i++)
		polled[n++] = (struct pollfd){ .fd = z->channels[i], .events = POLLIN };
	for (size_t i = 0; i < z->run->listener_count && !z->is_draining; i++)
		polled[n++] = (struct pollfd){ .fd = z->run->listeners[i], .events = POLLIN };
	return n;
}

/* Wait for something to do, or for a child, until then. */
static bool wait_for_work(struct pollfd *polled, size_t count, uint64_t until_us)
{
	uint64_t        now_us = clock_now_us(), left_us = until_us > now_us ? until_us - now_us : 0;
	struct timespec left = { .tv_sec = (time_t)(left_us / CLOCK_SECOND_US),
	                         .tv_nsec = (long)(left_us % CLOCK_SECOND_US * 1000) };
	sigset_t        none;

	(void)sigemptyset(&none);
	return ppoll(polled, (nfds_t)count, until_us == CLOCK_NEVER ? NULL : &left, &none) > 0;
}

/* One turn; false when the process is to end. */
static bool turn(struct zygote *z, struct pollfd *polled)
{
	size_t   count = watch_all(z, polled), channels = z->channel_count;
	uint64_t until_us = z->is_stopping ? z->stop_us : z->is_draining ? z->drain_us : CLOCK_NEVER;
	bool     is_ready = wait_for_work(polled, count, until_us);

	reap(z);
	if (is_ready) {
		serve_channels(z, polled + 1, channels);
		for (size_t i = 1 + channels; i < count; i++)
			if (polled[i].revents != 0)
				admit(z, polled[i].fd);
		if (polled[0].revents != 0)
			obey_master(z);
	}
	if (z->is_stopping && clock_now_us() >= z->stop_us)
		return false;
	if (z->is_draining && clock_now_us() >= z->drain_us)
		stop(z);
	return !z->is_draining || z->session_count > 0 || z->channel_count > 0;
}

static void on_child(int signo)
{
	(void)signo;	/* only ends the wait; reap() does the rest */
}

/* SIGCHLD comes only while we wait: none is missed between a look and a wait. */
static void watch_children(void)
{
	struct sigaction action = { .sa_handler = on_child, .sa_flags = SA_NOCLDSTOP };
	sigset_t         child;

	(void)sigemptyset(&child);
	(void)sigaddset(&child, SIGCHLD);
	if (sigaction(SIGCHLD, &action, NULL) < 0 || sigprocmask(SIG_BLOCK, &child, NULL) < 0)
		log_fatal("cannot watch children: %s", strerror(errno));
}

void zygote_main(struct service_run *run, const struct zygote_work *work)
{
	struct zygote  z = { .run = run, .work = work };
	struct pollfd *polled = calloc(1 + CHANNELS_MAX + run->listener_count, sizeof(*polled));

	if (polled == NULL)
		log_fatal("out of memory (zygote)");
	list_init(&z.sessions);
	for (size_t i = 0; i < run->listener_count; i++)
		(void)fcntl(run->listeners[i], F_SETFL, fcntl(run->listeners[i], F_GETFL) | O_NONBLOCK);
	watch_children();
	sandbox_foresee(SESSION_MAY, run->sandbox.strict);
	while (turn(&z, polled))
		;
	free(polled);
}
