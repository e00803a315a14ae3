/* SPDX-License-Identifier: ISC */
/* zygote.c - the parent of all session processes
 *
 * Takes connections that master introduced, reads session requests from them (trusting login
 * for user, ids and paths, as auth told them) and forks.  Everything dangerous
 * happens in the child: it takes the user's ids, Landlock lets it reach that user's mail and nothing else,
 * then it answers login and speaks to the client.  The parent counts sessions per user and client. */
#include "imapd/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "imapd/imapd.h"
#include "lib/base/fs.h"
#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/ipc/session.h"
#include "lib/mime/charset.h"

enum { CHANNELS_MAX = 64, REAP_INTERVAL_MS = 1000 };

/* One running session process. */
struct child {
	struct list node;
	pid_t       pid;
	struct span user, client;	/* in memory behind the struct */
};

struct zygote {
	struct service_run  *run;
	struct imap_settings settings;
	struct list          children;
	size_t               child_count;
	int                  channels[CHANNELS_MAX];	/* from login */
	size_t               channel_count;
};

/* One request, with where its answer goes. */
struct request {
	struct session_request message;
	uint64_t               id;
	int                    channel;
};

static void on_child(int signo)
{
	(void)signo;	/* only ends poll; reap() does the rest */
}

void zygote_prepare(struct service_run *run)
{
	struct sigaction action = { .sa_handler = on_child };

	(void)run;
	tzset();
	charset_prepare();
	(void)sigaction(SIGCHLD, &action, NULL);
}

static void read_settings(const struct conf *conf, struct imap_settings *settings)
{
	*settings = (struct imap_settings){
		.command_limit = (size_t)conf->imapd_command_limit,
		.header_limit = (size_t)conf->imapd_header_limit,
		.append_limit = (unsigned long long)conf->message_size_limit,
		.timeout_s = (unsigned)conf->imapd_timeout,
		.idle_notify_s = (unsigned)conf->imapd_idle_notify_interval,
		.bad_command_limit = (unsigned)conf->imapd_bad_command_limit,
		.mime = {
			.depth = (size_t)conf->imapd_mime_nesting_limit,
			.parts = (size_t)conf->imapd_mime_part_limit,
		},
	};
}

/* ---- children ---- */

static void remember_child(struct zygote *z, pid_t pid, const struct session_request *m)
{
	size_t text = m->user.len + m->remote_address.len;
	struct child *c = malloc(sizeof(*c) + text);
	char *bytes = (char *)(c + 1);

	if (c == NULL)
		log_fatal("no memory");
	memcpy(bytes, m->user.ptr, m->user.len);
	memcpy(bytes + m->user.len, m->remote_address.ptr, m->remote_address.len);
	c->pid = pid;
	c->user = (struct span){ bytes, m->user.len };
	c->client = (struct span){ bytes + m->user.len, m->remote_address.len };
	list_push_back(&z->children, &c->node);
	z->child_count++;
	z->run->connections = z->child_count;
}

static void forget_child(struct zygote *z, pid_t pid)
{
	LIST_EACH_SAFE(node, after, &z->children) {
		struct child *c = CONTAINER_OF(node, struct child, node);

		if (c->pid != pid)
			continue;
		list_remove(node);
		free(c);
		z->child_count--;
		z->run->connections = z->child_count;
	}
}

static void reap(struct zygote *z)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		forget_child(z, pid);
		if (WIFSIGNALED(status))
			log_warning("session process %d ended by signal %d", (int)pid, WTERMSIG(status));
	}
}

/* over_limit - why this user may not have one more session; NULL when he may. */
static const char *over_limit(const struct zygote *z, const struct session_request *m)
{
	const struct conf *conf = z->run->conf;
	long long of_user = 0, of_client = 0;

	if (z->child_count >= (size_t)conf->imapd_process_limit)
		return "[UNAVAILABLE] Too many sessions on this server, try later";
	LIST_EACH(node, &z->children) {
		const struct child *c = CONTAINER_OF(node, struct child, node);

		if (!span_equal(c->user, m->user))
			continue;
		of_user++;
		of_client += span_equal(c->client, m->remote_address);
	}
	if (of_user >= conf->imapd_user_session_limit ||
	    of_client >= conf->imapd_user_client_session_limit)
		return "[LIMIT] Too many sessions of this user";
	return NULL;
}

/* ---- requests ---- */

static void answer(const struct request *r, enum outcome status, const char *reason)
{
	struct session_reply reply = { .status = (uint64_t)status, .reason = span_of(reason) };

	if (ipc_blocking_send(r->channel, &session_reply_type, 0, r->id, &reply) < 0)
		log_warning("login did not wait for a session");
}

/* mail_path - absolute: of the request, or Maildir in the home. */
static const char *mail_path(struct arena *a, const struct session_request *m)
{
	struct span path = m->mail;

	if (span_starts_ci(path, span_lit("maildir:")))
		path = span_skip(path, 8);
	if (path.len == 0)
		path = span_lit("Maildir");
	if (path.ptr[0] == '/')
		return arena_cstr(a, path);
	if (span_starts(path, span_lit("~/")))
		path = span_skip(path, 2);
	if (m->home.len == 0 || m->home.ptr[0] != '/')
		return NULL;
	return arena_printf(a, SPAN_FMT "/" SPAN_FMT, SPAN_ARG(m->home), SPAN_ARG(path));
}

/* become_owner - the mail folder is made as its owner, then nothing else can be reached. */
static bool become_owner(const struct zygote *z, const struct session_request *m, const char *path)
{
	struct sandbox sandbox = {
		.root = SANDBOX_NO_ROOT,
		.has_user = z->run->is_privileged,
		.uid = (uid_t)m->uid,
		.gid = (gid_t)m->gid,
		.may = MAY_READ_FILES | MAY_WRITE_FILES,
	};

	if (z->run->is_privileged && (m->uid == 0 || setegid(sandbox.gid) < 0 || seteuid(sandbox.uid) < 0))
		return false;
	if (fs_make_dirs(path, 0700) < 0)
		return false;
	if (z->run->is_privileged && seteuid(0) < 0)
		return false;
	sandbox_allow(&sandbox, path, true);
	sandbox_become(&sandbox);
	return true;
}

/* settle_client - the session reads and writes blocking; a client that reads nothing is given up at last. */
static void settle_client(const struct zygote *z, int fd)
{
	struct timeval patience = { .tv_sec = (time_t)z->settings.timeout_s };
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0)
		(void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

/* run_child - the session process; does not return. */
static void run_child(const struct zygote *z, const struct request *r)
{
	const struct session_request *m = &r->message;
	struct arena *arena = arena_new(NULL);
	const char *path = mail_path(arena, m);
	struct mailstore *store;

	(void)signal(SIGCHLD, SIG_DFL);
	(void)close(z->run->control_fd);
	for (size_t i = 0; i < z->run->listener_count; i++)
		(void)close(z->run->listeners[i]);
	if (path == NULL || !become_owner(z, m, path) || (store = mailstore_open(path, true)) == NULL) {
		log_error("user=<" SPAN_FMT ">: cannot open mail at %s: %m", SPAN_ARG(m->user),
		          path != NULL ? path : "(no path)");
		answer(r, DEFER, "[UNAVAILABLE] The mail cannot be opened now");
		_exit(EXIT_FAILURE);
	}
	answer(r, DONE, "");
	for (size_t i = 0; i < z->channel_count; i++)
		(void)close(z->channels[i]);
	settle_client(z, m->client);
	imap_session(&z->settings, m->client, store, m->tag, m->input);
	mailstore_close(store);
	_exit(EXIT_SUCCESS);
}

static void begin_session(struct zygote *z, const struct request *r)
{
	const char *refusal = over_limit(z, &r->message);
	pid_t pid;

	if (refusal != NULL) {
		answer(r, DEFER, refusal);
		return;
	}
	pid = fork();
	if (pid == 0)
		run_child(z, r);
	if (pid > 0)
		remember_child(z, pid, &r->message);
	else
		answer(r, DEFER, "[UNAVAILABLE] No process for a session");
}

/* take_request - one request from a channel; false when the channel is to be closed. */
static bool take_request(struct zygote *z, int channel)
{
	struct arena *arena = arena_new(NULL);
	struct request r = { .channel = channel };
	struct ipc_header header;
	int fds[IPC_FDS_MAX];
	struct span packet;
	size_t fd_count = 0;
	bool good = ipc_blocking_receive(channel, arena, &header, &packet, fds, &fd_count) == 0;

	r.message.client = -1;
	if (good && (!ipc_decode(packet, &session_request_type, fds, fd_count, &r.message) ||
	             r.message.client < 0)) {
		log_error("login sent nonsense");
		good = false;
	}
	r.id = good ? header.request : 0;
	if (good)
		begin_session(z, &r);
	if (r.message.client >= 0)
		(void)close(r.message.client);
	for (size_t i = 0; i < fd_count; i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
	arena_free(arena);
	return good;
}

/* ---- the loop ---- */

static void accept_channel(struct zygote *z, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	z->channels[z->channel_count++] = fd;
}

static void serve_channels(struct zygote *z, const struct pollfd *fds, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		if (fds[i].revents != 0 && !take_request(z, z->channels[i]))
			(void)close(z->channels[i]);
		else
			z->channels[kept++] = z->channels[i];
	}
	/* Those accepted meanwhile stand behind. */
	memmove(z->channels + kept, z->channels + count, (z->channel_count - count) * sizeof(int));
	z->channel_count -= count - kept;
}

/* wait_and_serve - one turn; false when the process is to end. */
static bool wait_and_serve(struct zygote *z)
{
	struct pollfd fds[1 + CHANNELS_MAX + 8];
	size_t listeners = z->run->listener_count < 8 ? z->run->listener_count : 8;
	size_t channels = z->channel_count, used = 0;
	bool may_accept = !z->run->draining && channels + listeners <= CHANNELS_MAX;

	fds[used++] = (struct pollfd){ .fd = z->run->control_fd, .events = POLLIN };
	for (size_t i = 0; i < channels; i++)
		fds[used++] = (struct pollfd){ .fd = z->channels[i], .events = POLLIN };
	for (size_t i = 0; may_accept && i < listeners; i++)
		fds[used++] = (struct pollfd){ .fd = z->run->listeners[i], .events = POLLIN };
	if (poll(fds, used, z->child_count != 0 ? REAP_INTERVAL_MS : -1) < 0 && errno != EINTR)
		log_fatal("poll: %m");
	reap(z);
	if (fds[0].revents != 0 && service_blocking_control(z->run) == SERVICE_MASTER_GONE)
		return false;
	for (size_t i = 1 + channels; i < used; i++)
		if (fds[i].revents != 0)
			accept_channel(z, fds[i].fd);
	serve_channels(z, fds + 1, channels);
	return !z->run->draining || z->child_count != 0;
}

void zygote_main(struct service_run *run)
{
	struct zygote z = { .run = run };

	read_settings(run->conf, &z.settings);
	list_init(&z.children);
	for (size_t i = 0; i < run->listener_count; i++)
		(void)fcntl(run->listeners[i], F_SETFL, fcntl(run->listeners[i], F_GETFL) | O_NONBLOCK);
	while (wait_and_serve(&z))
		;
}
