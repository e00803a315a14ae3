/* SPDX-License-Identifier: ISC */
/* aliases.c - the right side of an alias (aliases(5)): addresses, "quoted" ones, :include: files
 *
 * Commands (|command) and files (/file) are refused here, for now: mail for them waits until the admin changes
 * the alias. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/fs.h"
#include "local/local.h"

/* Up to the next comma or line end outside quotes, taken off *rest. */
static struct span next_item(struct span *rest)
{
	bool quoted = false;
	size_t n = 0;
	struct span item;

	for (; n < rest->len; n++) {
		char c = rest->ptr[n];

		if (c == '\\' && n + 1 < rest->len)
			n++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == ',' || c == '\n'))
			break;
	}
	item = span_trim(span_first(*rest, n));
	*rest = span_skip(*rest, n + 1);
	return item;
}

static struct span without(struct span s, char open, char close)
{
	if (s.len >= 2 && s.ptr[0] == open && s.ptr[s.len - 1] == close)
		return span_trim(span_slice(s, 1, s.len - 2));
	return s;
}

static enum outcome add_address(struct alias_expansion *x, struct span item, struct why *why)
{
	if (span_starts(item, span_lit("\\")))
		item = span_skip(item, 1);
	if (item.len == 0 || memchr(item.ptr, '\0', item.len) != NULL)
		return why_set(why, DEFER, "4.3.5", "an alias has an empty or malformed address");
	buf_add(x->out, item);
	if (span_rfind(item, '@') == SPAN_NOT_FOUND) {
		buf_add_byte(x->out, '@');
		buf_add_cstr(x->out, x->origin);
	}
	buf_add_byte(x->out, '\0');
	x->count++;
	return DONE;
}

static enum outcome include_file(struct alias_expansion *x, struct span path, struct why *why)
{
	char name[4096];
	struct buf text;
	enum outcome outcome;

	if (x->nesting_left == 0)
		return why_set(why, DEFER, "4.3.5", ":include: files name each other too deep");
	if (path.len == 0 || path.len >= sizeof(name) || path.ptr[0] != '/')
		return why_set(why, DEFER, "4.3.5", ":include: wants an absolute path");
	memcpy(name, path.ptr, path.len);
	name[path.len] = '\0';
	buf_init(&text, x->file_max);
	if (fs_read_file(AT_FDCWD, name, &text) < 0) {
		outcome = why_errno(why, DEFER, "4.3.5", "cannot read :include:%s", name);
	} else {
		x->nesting_left--;
		outcome = alias_parse(x, buf_span(&text), why);
		x->nesting_left++;
	}
	buf_free(&text);
	return outcome;
}

static enum outcome add_item(struct alias_expansion *x, struct span item, struct why *why)
{
	static const struct span include = SPAN(":include:");

	if (span_starts_ci(item, include))
		return include_file(x, span_trim(span_skip(item, include.len)), why);
	/* "user name"@domain keeps its quotes; |"command" and "/file" do not matter here. */
	item = without(item, '"', '"');
	item = without(item, '<', '>');
	if (item.len > 0 && (item.ptr[0] == '|' || (item.ptr[0] == '/' && span_find(item, '@') == SPAN_NOT_FOUND)))
		return why_set(why, DEFER, "4.3.5", "delivery to commands and files is not supported: " SPAN_FMT,
		               SPAN_ARG(item));
	return add_address(x, item, why);
}

enum outcome alias_parse(struct alias_expansion *x, struct span text, struct why *why)
{
	while (text.len > 0) {
		struct span item = next_item(&text);
		enum outcome outcome;

		if (item.len == 0 || item.ptr[0] == '#')
			continue;
		outcome = add_item(x, item, why);
		if (outcome != DONE)
			return outcome;
	}
	return DONE;
}
