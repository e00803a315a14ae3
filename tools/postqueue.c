/* SPDX-License-Identifier: ISC */
/* postqueue.c - list the queue, or have mail tried again (postqueue(1)); as mailq it lists
 *
 * The output is Postfix's, column by column, because scripts read it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/sysexits.h"
#include "lib/queue/queue_id.h"
#include "tools/queue_client.h"

enum { REASON_END = 76, TIME_MAX = 32 };

struct totals {
	unsigned long long bytes, messages;
};

static void fail(const char *what)
{
	int code = errno == EPERM || errno == EACCES ? EXIT_NO_PERMISSION
	           : errno == ENOENT || errno == ECONNREFUSED ? EXIT_UNAVAILABLE : EXIT_TEMPFAIL;

	log_error("%s: %s", what, code == EXIT_NO_PERMISSION ? "not allowed" : strerror(errno));
	exit(code);
}

/* next_field - the next NUL-ended string of rest. */
static struct span next_field(struct span *rest)
{
	struct span field = { NULL, 0 };

	(void)span_cut(rest, '\0', &field);
	return field;
}

/* ---- for people ---- */

/* show - untrusted text: control bytes do not reach the terminal. */
static void show(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		putchar((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f ? '?' : s.ptr[i]);
}

static void list_recipients(struct span rest)
{
	struct span last = { NULL, 0 };

	while (rest.len > 0) {
		struct span address = next_field(&rest);
		struct span reason;

		(void)next_field(&rest);
		reason = next_field(&rest);
		if (reason.len > 0 && !span_equal(reason, last)) {
			int width = REASON_END - 2 - (int)(reason.len < REASON_END ? reason.len : REASON_END);

			printf("%*s(", width > 0 ? width : 0, "");
			show(reason);
			printf(")\n");
			last = reason;
		}
		printf("%*s", 41, "");
		show(address);
		putchar('\n');
	}
}

static void list_entry(const struct queue_entry *e, void *user)
{
	struct totals *totals = user;
	time_t seconds = (time_t)(e->arrival_us / CLOCK_SECOND_US);
	char when[TIME_MAX], id[QUEUE_ID_MAX + 4];
	struct tm broken;

	if (totals->messages == 0)
		printf("----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------\n");
	(void)localtime_r(&seconds, &broken);
	strftime(when, sizeof(when), "%a %b %e %H:%M:%S", &broken);
	snprintf(id, sizeof(id), SPAN_FMT "%s", SPAN_ARG(e->queue_id),
	         e->is_forced_to_expire ? "#" : span_equal(e->state, span_lit("active")) ? "*"
	         : span_equal(e->state, span_lit("hold")) ? "!" : "");
	printf("%-17s %8llu %19.19s ", id, (unsigned long long)e->size, when);
	if (e->sender.len > 0)
		show(e->sender);
	else
		printf("MAILER-DAEMON");
	putchar('\n');
	list_recipients(e->recipients);
	putchar('\n');
	totals->bytes += e->size;
	totals->messages++;
}

static void list_all(struct queue_client *c)
{
	struct totals totals = { 0, 0 };

	if (queue_each(c, span_lit(""), list_entry, &totals) < 0)
		fail("list the queue");
	if (totals.messages == 0)
		printf("Mail queue is empty\n");
	else
		printf("-- %llu Kbytes in %llu Request%s.\n", (totals.bytes + 1023) / 1024, totals.messages,
		       totals.messages == 1 ? "" : "s");
}

/* ---- for programs ---- */

static void json_string(struct span s)
{
	putchar('"');
	for (size_t i = 0; i < s.len; i++) {
		unsigned char byte = (unsigned char)s.ptr[i];

		if (byte == '"' || byte == '\\')
			printf("\\%c", byte);
		else if (byte < 0x20 || byte == 0x7f)
			printf("\\u%04x", byte);
		else
			putchar(byte);
	}
	putchar('"');
}

static void json_recipients(struct span rest)
{
	for (const char *comma = ""; rest.len > 0; comma = ", ") {
		struct span address = next_field(&rest);
		struct span original = next_field(&rest);
		struct span reason = next_field(&rest);

		printf("%s{\"address\": ", comma);
		json_string(address);
		if (!span_equal(address, original)) {
			printf(", \"orig_address\": ");
			json_string(original);
		}
		if (reason.len > 0) {
			printf(", \"delay_reason\": ");
			json_string(reason);
		}
		putchar('}');
	}
}

static void json_entry(const struct queue_entry *e, void *user)
{
	(void)user;
	printf("{\"queue_name\": ");
	json_string(e->state);
	printf(", \"queue_id\": ");
	json_string(e->queue_id);
	printf(", \"arrival_time\": %llu, \"message_size\": %llu, \"forced_expire\": %s, \"sender\": ",
	       (unsigned long long)(e->arrival_us / CLOCK_SECOND_US), (unsigned long long)e->size,
	       e->is_forced_to_expire ? "true" : "false");
	json_string(e->sender);
	printf(", \"recipients\": [");
	json_recipients(e->recipients);
	printf("]}\n");
}

/* ---- the command line ---- */

static void flush(struct queue_client *c, struct span id, struct span site)
{
	if (c->fd < 0) {
		errno = ECONNREFUSED;
		fail("mail system is down");
	}
	if (queue_act(c, QUEUE_FLUSH, id, site) < 0)
		fail("flush the queue");
}

static int usage(void)
{
	log_error("usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p | postqueue -s site");
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');
	const char *config_dir = NULL, *value = NULL;
	struct queue_client c;
	int option, action = 0;

	name = name != NULL ? name + 1 : argv[0];
	log_open(name, LOG_TO_STDERR, -1);
	if (strcmp(name, "mailq") == 0)
		action = 'p';
	while ((option = getopt(argc, argv, "c:fi:jps:v")) >= 0) {
		if (option == '?')
			return usage();
		if (option == 'v') {
			log_set_verbose(true);
		} else if (option == 'c') {
			config_dir = optarg;
		} else {
			if (action != 0 && action != option)
				return usage();
			action = option;
			value = optarg;
		}
	}
	if (action == 0 || optind != argc)
		return usage();
	queue_client_open(&c, config_dir);
	if (action == 'p')
		list_all(&c);
	else if (action == 'f')
		flush(&c, span_lit(""), span_lit(""));
	else if (action == 'i' && queue_id_is_valid(span_of(value)))
		flush(&c, span_of(value), span_lit(""));
	else if (action == 's')
		flush(&c, span_lit(""), span_of(value));
	else if (action == 'i')
		return usage();
	else if (queue_each(&c, span_lit(""), json_entry, NULL) < 0)
		fail("list the queue");
	return 0;
}
