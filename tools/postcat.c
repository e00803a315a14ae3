/* SPDX-License-Identifier: ISC */
/* postcat.c - show a message of the queue: envelope, header, body (postcat(1)) */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/base/sysexits.h"
#include "lib/queue/envelope.h"
#include "lib/queue/queue_id.h"
#include "tools/queue_client.h"

struct shown {
	bool envelope, header, body;
	bool with_name;		/* before each line */
};

static FILE *out;

static void field(const char *name, struct span value)
{
	if (value.len > 0)
		fprintf(out, "%s: " SPAN_FMT "\n", name, SPAN_ARG(value));
}

static void show_recipient(const struct envelope_recipient *r)
{
	field("original_recipient", r->original.len > 0 ? r->original : r->address);
	if (r->notify != 0)
		fprintf(out, "named_attribute: notify_flags=%u\n", (unsigned)r->notify);
	if (r->orcpt.len > 0)
		fprintf(out, "named_attribute: dsn_orig_rcpt=" SPAN_FMT "\n", SPAN_ARG(r->orcpt));
	field("recipient", r->address);
}

static void attribute(const char *name, struct span value)
{
	if (value.len > 0)
		fprintf(out, "named_attribute: %s=" SPAN_FMT "\n", name, SPAN_ARG(value));
}

static void show_envelope(const struct envelope *e, uint64_t size)
{
	time_t seconds = (time_t)(e->arrival_us / CLOCK_SECOND_US);
	char when[40];
	struct tm broken;

	(void)localtime_r(&seconds, &broken);
	strftime(when, sizeof(when), "%a %b %e %H:%M:%S %Y", &broken);
	fprintf(out, "message_size: %llu\nmessage_arrival_time: %s\n", (unsigned long long)size, when);
	fprintf(out, "create_time: %s\n", when);
	attribute("log_message_origin", e->client_name);
	attribute("client_name", e->client_name);
	attribute("client_address", e->client_address);
	attribute("client_port", e->client_port);
	attribute("helo_name", e->client_helo);
	attribute("protocol_name", e->client_protocol);
	attribute("sasl_method", e->sasl_method);
	attribute("sasl_username", e->sasl_username);
	attribute("sasl_sender", e->sasl_sender);
	attribute("envelope_id", e->envid);
	fprintf(out, "sender: " SPAN_FMT "\n", SPAN_ARG(e->sender));
	for (size_t i = 0; i < e->recipient_count; i++)
		show_recipient(&e->recipients[i]);
}

/* show_text - wire-format lines with the line ends of this system. */
static void show_text(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] != '\r' || i + 1 == s.len || s.ptr[i + 1] != '\n')
			putc(s.ptr[i], out);
}

static void show_content(struct span content, const struct shown *shown)
{
	size_t end = span_search(content, span_lit("\r\n\r\n"));
	size_t header = end == SPAN_NOT_FOUND ? content.len : end + 2;

	if (shown->header)
		show_text(span_first(content, header));
	if (shown->header && shown->body)
		putc('\n', out);
	if (shown->body)
		show_text(span_skip(content, header + 2));
}

static int show(struct queue_client *c, const char *id, const struct shown *shown)
{
	struct queue_read_reply reply = { .file = -1 };
	struct envelope e;
	char *content;

	if (!queue_id_is_valid(span_of(id)) || queue_read(c, span_of(id), &reply) < 0) {
		log_error("open queue file %s: %s", id, strerror(errno != 0 ? errno : ENOENT));
		return 1;
	}
	if (!envelope_decode(c->arena, reply.envelope, &e)) {
		log_error("%s: damaged envelope", id);
		return 1;
	}
	content = arena_alloc(c->arena, reply.content_length + 1);
	if (reply.file >= 0 &&
	    fs_pread_all(reply.file, content, reply.content_length, (off_t)reply.content_offset) < 0) {
		log_error("read %s: %s", id, strerror(errno));
		close(reply.file);
		return 1;
	}
	if (reply.file >= 0)
		close(reply.file);
	if (shown->envelope) {
		fprintf(out, "*** ENVELOPE RECORDS %s ***\n", id);
		show_envelope(&e, reply.content_length);
	}
	if (shown->envelope && (shown->header || shown->body))
		fprintf(out, "*** MESSAGE CONTENTS %s ***\n", id);
	show_content(span_make(content, reply.content_length), shown);
	if (shown->envelope)
		fprintf(out, "*** HEADER EXTRACTED %s ***\n*** MESSAGE FILE END %s ***\n", id, id);
	return 0;
}

/* show_named - the same, with the id before each line. */
static int show_named(struct queue_client *c, const char *id, const struct shown *shown)
{
	char *text = NULL;
	size_t length = 0;
	struct span rest, line;
	int result;

	out = open_memstream(&text, &length);
	if (out == NULL) {
		log_error("out of memory");
		return 1;
	}
	result = show(c, id, shown);
	fclose(out);
	out = stdout;
	rest = span_make(text, length);
	while (rest.len > 0) {
		(void)span_cut(&rest, '\n', &line);
		fprintf(out, "%s: " SPAN_FMT "\n", id, SPAN_ARG(line));
	}
	free(text);
	return result;
}

/* refuse - options that look into the records of Postfix's queue files, which ours do not have. */
static int refuse(int option)
{
	log_error("-%c: messages of this queue have no records or offsets; use -e, -h and -b", option);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	struct shown shown = { .with_name = false };
	const char *config_dir = NULL;
	struct queue_client c;
	int option, result = 0;

	out = stdout;
	log_open("postcat", LOG_TO_STDERR, -1);
	while ((option = getopt(argc, argv, "bc:defhnoqrs:v")) >= 0) {
		switch (option) {
		case 'b': shown.body = true; break;
		case 'e': shown.envelope = true; break;
		case 'h': shown.header = true; break;
		case 'c': config_dir = optarg; break;
		case '?': return EXIT_USAGE;
		case 'f': shown.with_name = true; break;
		case 'd': case 'n': case 'o': case 's': return refuse(option);
		default: break;	/* -q, -r, -v: ids are always looked up, and there is one order */
		}
	}
	if (optind == argc) {
		log_error("usage: postcat [-befh] [-c config_dir] [-q] queue_id ...");
		return EXIT_USAGE;
	}
	if (!shown.body && !shown.header && !shown.envelope)
		shown.envelope = shown.header = shown.body = true;
	queue_client_open(&c, config_dir);
	for (; optind < argc; optind++)
		result |= (shown.with_name ? show_named : show)(&c, argv[optind], &shown);
	return result;
}
