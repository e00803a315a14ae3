/* SPDX-License-Identifier: ISC */
/* match.c - match lists: patterns, networks, tables, files (postfix-compat 1)
 *
 * Parsed once; a lookup walks a small array.  Long lists belong into tables. */
#include "lib/table/match.h"

#include <errno.h>
#include <fcntl.h>

#include "lib/base/fs.h"
#include "lib/conf/conf.h"
#include "lib/conf/lines.h"

#define FILE_BYTES_MAX ((size_t)16 << 20)
enum { DEPTH_MAX = 8 };

struct member {
	enum { MATCH_PATTERN, MATCH_NETWORK, MATCH_TABLE } kind;
	bool            is_negated;
	struct span     pattern;	/* lower case */
	struct net_cidr network;
	struct table   *table;
};

struct match_list {
	struct arena  *arena;
	const char    *title, *default_type;
	struct member *members;
	size_t         count, room;
	bool           parents;
};

static bool add_text(struct match_list *l, struct span text, bool is_negated, unsigned depth,
                     const char **error);

static void close_tables(void *object)
{
	struct match_list *l = object;

	for (size_t i = 0; i < l->count; i++)
		if (l->members[i].kind == MATCH_TABLE)
			table_close(l->members[i].table);
}

static struct member *add(struct match_list *l)
{
	if (l->count == l->room) {
		struct member *grown;

		l->room = l->room == 0 ? 16 : 2 * l->room;
		grown = ARENA_NEW_ARRAY(l->arena, struct member, l->room);
		if (l->count > 0)
			memcpy(grown, l->members, l->count * sizeof(*grown));
		l->members = grown;
	}
	return &l->members[l->count++];
}

static bool add_file(struct match_list *l, struct span name, bool is_negated, unsigned depth, const char **error)
{
	const char *path = arena_cstr(l->arena, name);
	struct conf_lines lines;
	struct span line;
	struct buf text;
	bool ok;

	buf_init(&text, FILE_BYTES_MAX);
	ok = fs_read_file(AT_FDCWD, path, &text) == 0;
	if (!ok)
		*error = arena_printf(l->arena, "%s: open file %s: %s", l->title, path, strerror(errno));
	conf_lines_init(&lines, path, ok ? buf_span(&text) : (struct span){ NULL, 0 });
	while (ok && conf_lines_next(&lines, &line))
		ok = add_text(l, line, is_negated, depth + 1, error);
	conf_lines_free(&lines);
	buf_free(&text);
	return ok;
}

/* looks_like_network - digits and dots or colons: then it must be a good one. */
static bool looks_like_network(struct span text)
{
	bool has_digit_only = true;

	if (text.ptr[0] == '[')
		return true;
	for (size_t i = 0; i < text.len; i++)
		has_digit_only = has_digit_only && (ascii_is_digit(text.ptr[i]) || text.ptr[i] == '.' ||
		                                    text.ptr[i] == '/');
	return has_digit_only && span_find(text, '.') != SPAN_NOT_FOUND;
}

/* is_table - "type:name" with a type we could have; IPv6 addresses come in brackets. */
static bool is_table(struct span text)
{
	size_t colon = span_find(text, ':');

	return text.ptr[0] != '[' && colon != SPAN_NOT_FOUND && colon > 0;
}

static bool add_member(struct match_list *l, struct span text, bool is_negated, unsigned depth,
                       const char **error)
{
	struct member m = { .is_negated = is_negated };

	for (; text.len > 0 && text.ptr[0] == '!'; text = span_trim_start(span_skip(text, 1)))
		m.is_negated = !m.is_negated;
	if (text.len == 0) {
		*error = arena_printf(l->arena, "%s: no pattern after '!'", l->title);
		return false;
	}
	if (text.ptr[0] == '/')
		return add_file(l, text, m.is_negated, depth, error);
	if (is_table(text)) {
		m.kind = MATCH_TABLE;
		m.table = table_open(text, l->default_type);
	} else if (looks_like_network(text)) {
		m.kind = MATCH_NETWORK;
		if (!net_cidr_parse(text, &m.network)) {
			*error = arena_printf(l->arena, "%s: bad network, or host address bits set, in \"" SPAN_FMT
			                      "\"", l->title, SPAN_ARG(text));
			return false;
		}
	}
	m.pattern = arena_lower(l->arena, text);
	*add(l) = m;
	return true;
}

static bool add_text(struct match_list *l, struct span text, bool is_negated, unsigned depth,
                     const char **error)
{
	struct span member;

	if (depth > DEPTH_MAX) {
		*error = arena_printf(l->arena, "%s: files name one another", l->title);
		return false;
	}
	while (conf_list_next(&text, &member))
		if (!add_member(l, member, is_negated, depth, error))
			return false;
	return true;
}

struct match_list *match_list_open(struct arena *arena, const char *title, const char *list, bool parents,
                                   const char *default_type, const char **error)
{
	struct match_list *l = ARENA_NEW(arena, struct match_list);

	*l = (struct match_list){ .arena = arena, .title = title, .default_type = default_type, .parents = parents };
	arena_on_reset(arena, close_tables, l);
	return add_text(l, span_of(list), false, 0, error) ? l : NULL;
}

bool match_list_has_parents(const char *list, const char *title)
{
	struct span rest = span_of(list), member;

	while (conf_list_next(&rest, &member))
		if (span_equal(member, span_of(title)))
			return true;
	return false;
}

/* ---- matching ---- */

static enum table_status in_table(const struct member *m, struct span key, struct arena *arena)
{
	struct span value;

	return table_find(m->table, key, arena, &value);
}

/* next_parent - "a.b.c" to ".b.c" (dotted) and "b.c"; false when there is none. */
static bool next_parent(struct span *domain)
{
	size_t dot = span_find(span_skip(*domain, 1), '.');

	if (domain->len == 0 || dot == SPAN_NOT_FOUND)
		return false;
	*domain = span_skip(*domain, dot + 1);
	return true;
}

/* domain_in_table - the domain, then its parents: plain where parents match, else with their dot. */
static enum table_status domain_in_table(const struct match_list *l, const struct member *m, struct span domain,
                                         struct arena *arena)
{
	enum table_status status = in_table(m, domain, arena);

	if (table_flags(m->table) & TABLE_IS_PATTERN)
		return status;
	while (status == TABLE_NOT_FOUND && next_parent(&domain))
		status = in_table(m, l->parents ? span_skip(domain, 1) : domain, arena);
	return status;
}

static bool is_subdomain(struct span domain, struct span parent)
{
	return domain.len > parent.len + 1 && span_ends_ci(domain, parent) &&
	       domain.ptr[domain.len - parent.len - 1] == '.';
}

static bool pattern_has(const struct match_list *l, const struct member *m, struct span domain)
{
	if (span_equal_ci(m->pattern, domain))
		return true;
	if (l->parents)
		return is_subdomain(domain, m->pattern);
	return m->pattern.ptr[0] == '.' && domain.len > m->pattern.len && span_ends_ci(domain, m->pattern);
}

/* Each of these tries one member. */
typedef enum table_status try_fn(const struct match_list *l, const struct member *m, struct span text,
                                 const struct net_address *address, struct arena *arena);

static enum table_status yes_or_no(bool yes)
{
	return yes ? TABLE_FOUND : TABLE_NOT_FOUND;
}

static enum table_status try_string(const struct match_list *l, const struct member *m, struct span text,
                                    const struct net_address *address, struct arena *arena)
{
	(void)l, (void)address;
	return m->kind == MATCH_TABLE ? in_table(m, text, arena) : yes_or_no(span_equal_ci(m->pattern, text));
}

static enum table_status try_domain(const struct match_list *l, const struct member *m, struct span text,
                                    const struct net_address *address, struct arena *arena)
{
	(void)address;
	return m->kind == MATCH_TABLE ? domain_in_table(l, m, text, arena) : yes_or_no(pattern_has(l, m, text));
}

static enum table_status try_client(const struct match_list *l, const struct member *m, struct span name,
                                    const struct net_address *address, struct arena *arena)
{
	char text[NET_ADDRESS_TEXT_MAX];
	enum table_status status = TABLE_NOT_FOUND;

	if (m->kind == MATCH_NETWORK)
		return yes_or_no(net_cidr_has(&m->network, address));
	if (name.len > 0 && !span_equal(name, span_lit("unknown")))
		status = try_domain(l, m, name, address, arena);
	if (status == TABLE_NOT_FOUND && m->kind == MATCH_TABLE)
		status = in_table(m, span_of(net_address_text(address, text)), arena);
	return status;
}

static enum table_status first_match(const struct match_list *l, try_fn *try, struct span text,
                                     const struct net_address *address, struct arena *arena)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct member *m = &l->members[i];
		enum table_status status = try(l, m, text, address, arena);

		if (status == TABLE_FAILED)
			return status;
		if (status == TABLE_FOUND)
			return yes_or_no(!m->is_negated);
	}
	return TABLE_NOT_FOUND;
}

enum table_status match_string(const struct match_list *list, struct span text, struct arena *arena)
{
	return first_match(list, try_string, text, NULL, arena);
}

enum table_status match_domain(const struct match_list *list, struct span domain, struct arena *arena)
{
	return first_match(list, try_domain, domain, NULL, arena);
}

enum table_status match_client(const struct match_list *list, struct span name,
                               const struct net_address *address, struct arena *arena)
{
	return first_match(list, try_client, name, address, arena);
}

bool match_list_next_pattern(const struct match_list *list, size_t *cursor, struct span *pattern)
{
	while (*cursor < list->count) {
		const struct member *m = &list->members[(*cursor)++];

		if (m->kind == MATCH_PATTERN && !m->is_negated) {
			*pattern = m->pattern;
			return true;
		}
	}
	return false;
}

bool match_list_is_empty(const struct match_list *list)
{
	return list->count == 0;
}
