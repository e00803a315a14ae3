/* SPDX-License-Identifier: ISC */
/* zygote.c - takes sessions from login and forks a process for each, which becomes the user before it reads a byte
 *
 * Whoever is at the other end of a connection was introduced by master; a message that does not decode
 * closes it all the same. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "pop3d/pop3d.h"

enum { PEERS_MAX = 256, TICK_MS = 1000 };

struct child {
	pid_t pid;
	char *user;
};

struct zygote {
	struct service_run *run;
	int                 peers[PEERS_MAX];
	size_t              peer_count;
	struct child       *children;
	size_t              child_count, child_capacity;
};

static void child_ended(int signo)
{
	(void)signo;	/* only to wake poll */
}

static void reap(struct zygote *z)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < z->child_count; i++)
			if (z->children[i].pid == pid) {
				if (WIFSIGNALED(status))
					log_warning("session of %s ended by signal %d", z->children[i].user,
					            WTERMSIG(status));
				free(z->children[i].user);
				z->children[i] = z->children[--z->child_count];
				break;
			}
	z->run->connections = z->child_count;
}

static void remember_child(struct zygote *z, pid_t pid, struct span user)
{
	if (z->child_count == z->child_capacity) {
		z->child_capacity = z->child_capacity == 0 ? 64 : 2 * z->child_capacity;
		z->children = reallocarray(z->children, z->child_capacity, sizeof(*z->children));
	}
	if (z->children == NULL)
		log_fatal("out of memory (sessions)");
	z->children[z->child_count++] = (struct child){ pid, strndup(user.ptr, user.len) };
	z->run->connections = z->child_count;
}

static size_t sessions_of(const struct zygote *z, struct span user)
{
	size_t count = 0;

	for (size_t i = 0; i < z->child_count; i++)
		count += span_equal(span_of(z->children[i].user), user);
	return count;
}

/* Make the Maildir of a user who never had mail, as that user. */
static void make_maildir(const struct session_request *r, const char *path, bool is_privileged)
{
	struct stat st;

	if (stat(path, &st) == 0)
		return;
	if (is_privileged && (setegid((gid_t)r->gid) < 0 || seteuid((uid_t)r->uid) < 0))
		log_fatal("cannot become uid %llu: %s", (unsigned long long)r->uid, strerror(errno));
	if (fs_make_dirs(path, 0700) < 0)
		log_warning("cannot make %s: %s", path, strerror(errno));
	if (is_privileged && (seteuid(0) < 0 || setegid(0) < 0))
		log_fatal("cannot become root again: %s", strerror(errno));
}

/* What the child does; it never returns. */
static NO_RETURN void run_child(struct zygote *z, const struct session_request *r)
{
	struct arena *arena = arena_new(NULL);
	struct sandbox box = { .may = MAY_READ_FILES | MAY_WRITE_FILES, .root = SANDBOX_NO_ROOT,
	                       .strict = z->run->sandbox.strict };
	const char *path = r->mail.len > 0 ? arena_cstr(arena, r->mail) :
	                                     arena_printf(arena, SPAN_FMT "/Maildir", SPAN_ARG(r->home));
	struct session_request own = *r;

	for (size_t i = 0; i < z->peer_count; i++)
		close(z->peers[i]);
	for (size_t i = 0; i < z->run->listener_count; i++)
		close(z->run->listeners[i]);
	close(z->run->control_fd);
	if (path[0] != '/')
		log_fatal("session of " SPAN_FMT ": the Maildir %s is no absolute path", SPAN_ARG(r->user), path);
	make_maildir(r, path, z->run->is_privileged);
	box.has_user = z->run->is_privileged;
	box.uid = (uid_t)r->uid;
	box.gid = (gid_t)r->gid;
	if (access(path, F_OK) == 0)
		sandbox_allow(&box, path, true);
	sandbox_become(&box);
	own.mail = span_of(path);
	pop3_session(z->run->conf, &own);
	exit(0);
}

/* Why a session cannot be had, or NULL. */
static const char *refusal(const struct zygote *z, const struct session_request *r)
{
	const struct conf *conf = z->run->conf;

	if (z->run->is_privileged && (r->uid == 0 || r->gid == 0 || r->uid >= UINT32_MAX || r->gid >= UINT32_MAX))
		return "mail of root is not read here";
	if (r->client < 0)
		return "no connection came along";
	if (z->child_count >= (size_t)conf->pop3d_process_limit)
		return "too many sessions";
	if (sessions_of(z, r->user) >= (size_t)conf->pop3d_user_session_limit)
		return "too many sessions of this user";
	return NULL;
}

static void start_session(struct zygote *z, int peer, uint64_t id, const struct session_request *r)
{
	const char *reason = refusal(z, r);
	struct session_reply reply = { .status = DONE };
	pid_t pid = reason == NULL ? fork() : 0;

	if (reason == NULL && pid == 0)
		run_child(z, r);
	if (reason == NULL && pid < 0)
		reason = strerror(errno);
	if (reason == NULL) {
		remember_child(z, pid, r->user);
	} else {
		log_warning("no session for " SPAN_FMT ": %s", SPAN_ARG(r->user), reason);
		reply = (struct session_reply){ DEFER, span_of(reason) };
	}
	if (ipc_blocking_send(peer, &session_reply_type, 0, id, &reply) < 0)
		log_warning("login did not wait for its answer");
}

/* One request of login; false: close the channel. */
static bool obey(struct zygote *z, int peer)
{
	struct arena *arena = arena_new(NULL);
	struct session_request r;
	struct ipc_header header;
	struct span packet;
	int fds[IPC_FDS_MAX];
	size_t fd_count = 0;
	bool good = ipc_blocking_receive(peer, arena, &header, &packet, fds, &fd_count) == 0;

	if (good) {
		good = ipc_decode(packet, &session_request_type, fds, fd_count, &r);
		if (good)
			start_session(z, peer, header.request, &r);
		else
			log_error("a message of login does not decode");
		if (good && r.client >= 0)
			close(r.client);
	}
	for (size_t i = 0; i < fd_count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	arena_free(arena);
	return good;
}

static void admit(struct zygote *z, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (z->peer_count == PEERS_MAX) {
		log_warning("more than %d connections of login", PEERS_MAX);
		close(fd);
		return;
	}
	z->peers[z->peer_count++] = fd;
}

static size_t watch_all(const struct zygote *z, struct pollfd *polled)
{
	size_t n = 0;

	polled[n++] = (struct pollfd){ .fd = z->run->control_fd, .events = POLLIN };
	for (size_t i = 0; i < z->peer_count; i++)
		polled[n++] = (struct pollfd){ .fd = z->peers[i], .events = POLLIN };
	for (size_t i = 0; i < z->run->listener_count && !z->run->draining; i++)
		polled[n++] = (struct pollfd){ .fd = z->run->listeners[i], .events = POLLIN };
	return n;
}

static void serve_peers(struct zygote *z, const struct pollfd *polled)
{
	for (size_t i = z->peer_count; i-- > 0;)
		if (polled[i].revents != 0 && !obey(z, z->peers[i])) {
			close(z->peers[i]);
			z->peers[i] = z->peers[--z->peer_count];
		}
}

void pop3_zygote(struct service_run *run)
{
	struct zygote z = { .run = run };
	struct sigaction on_child = { .sa_handler = child_ended, .sa_flags = SA_NOCLDSTOP };
	size_t room = 1 + PEERS_MAX + run->listener_count;
	struct pollfd *polled = calloc(room, sizeof(*polled));

	if (polled == NULL || sigaction(SIGCHLD, &on_child, NULL) < 0)
		log_fatal("cannot start: %s", strerror(errno));
	for (;;) {
		size_t n = watch_all(&z, polled), peers = z.peer_count;
		int ready = poll(polled, n, TICK_MS);

		reap(&z);
		if (ready > 0 && polled[0].revents != 0 &&
		    service_blocking_control(run) == SERVICE_MASTER_GONE)
			break;
		if (run->draining && z.child_count == 0)
			break;
		if (ready <= 0)
			continue;
		serve_peers(&z, polled + 1);
		for (size_t i = 1 + peers; i < n; i++)
			if (polled[i].revents != 0)
				admit(&z, polled[i].fd);
	}
	free(polled);
}
