/* SPDX-License-Identifier: ISC */
/* main.c - login: the IMAP and POP3 front door
 *
 * TLS, authentication, then on to a session process.  Thousands of connections a process, each a task; no file, no
 * network but the clients' sockets, no key, no password data. */
#include <string.h>

#include "lib/base/log.h"
#include "lib/ipc/services.h"
#include "login/login.h"

static struct login state;

static const struct front *choose_front(const struct service_run *run)
{
	const char *named = run->conf->login_protocol;
	struct span name = span_of(*named != '\0' ? named : run->name);
	bool is_pop3 = span_search_ci(name, span_lit("pop3")) != SPAN_NOT_FOUND ||
	               span_equal(name, span_lit("110")) || span_equal(name, span_lit("995")) ||
	               span_ends(name, span_lit(":110")) || span_ends(name, span_lit(":995"));

	if (*named != '\0' && !is_pop3 && strcasecmp(named, "imap") != 0)
		log_fatal("login_protocol is \"%s\": it must be imap or pop3", named);
	return is_pop3 ? &front_pop3 : &front_imap;
}

/* A certificate that cannot be used takes TLS away, not the service: the admin sees why, users of other ports go on. */
static struct tls_context *make_tls(struct service_run *run)
{
	struct arena *arena = arena_new(NULL);
	struct tls_server_settings settings;
	struct tls_context *tls = NULL;
	struct why why;

	if (strcmp(run->conf->login_tls_security_level, "none") != 0 &&
	    tls_server_login(run->conf, arena, &settings)) {
		tls = tls_server_new(&settings, tls_signer_tlsmgr(run), &why);
		if (tls == NULL)
			log_error("TLS is not available: %s", why.text);
	}
	if (tls == NULL && run->conf->login_tls_wrappermode)
		log_error("login_tls_wrappermode is on, but there is no usable certificate: clients are turned away");
	arena_free(arena);
	return tls;
}

static void prepare(struct service_run *run)
{
	struct login *login = &state;

	*login = (struct login){
		.run = run,
		.conf = run->conf,
		.front = choose_front(run),
		.tls = make_tls(run),
		.per_client = hash_new(),
		.per_user = hash_new(),
		.per_user_client = hash_new(),
		.mechanisms = "PLAIN LOGIN",
	};
	list_init(&login->waiting);
	run->connection_limit = (size_t)run->conf->login_session_limit;
	run->user = login;
}

static void serve(struct service_run *run, int fd, size_t listener)
{
	(void)listener;
	client_serve(run->user, fd);
}

static void stop(struct service_run *run)
{
	clients_stop(run->user);
}

static const char *const asks[] = { SERVICE_AUTH, SERVICE_TLSMGR, SERVICE_IMAPD, SERVICE_POP3D, NULL };

static const struct service login_service = {
	.name = "login",
	.user = "network_owner",
	.root = SANDBOX_EMPTY_ROOT,
	.may = MAY_ACCEPT,
	.asks = asks,
	.prepare = prepare,
	.serve = serve,
	.stop = stop,
};

int main(int argc, char **argv)
{
	return service_main(&login_service, argc, argv);
}
