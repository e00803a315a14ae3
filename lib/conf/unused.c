/* SPDX-License-Identifier: ISC */
/* unused.c - settings that nobody reads: mostly a typing error, or a setting of a newer Postfix */
#include "lib/base/hash.h"
#include "lib/base/log.h"
#include "lib/conf/conf.h"
#include "lib/conf/source.h"

/* note_names - remember every name that text refers to: after '$', and every word of a ${...} form, which is
 * more than enough but never too little. */
static void note_names(struct hash *names, const char *text)
{
	static char seen[] = "";
	const char *at = text;

	while ((at = strchr(at, '$')) != NULL) {
		size_t n = 0;

		at++;
		while (*at == '{' || *at == '(' || ascii_is_space(*at))
			at++;
		while (ascii_is_alnum(at[n]) || at[n] == '_')
			n++;
		if (n > 0)
			hash_put(names, span_make(at, n), seen);
		at += n;
	}
}

/* note_classes - user-named restriction lists are parameters, too. */
static void note_classes(struct hash *names, const char *list)
{
	static char seen[] = "";
	struct span rest = span_of(list), name;

	while (conf_list_next(&rest, &name))
		hash_put(names, name, seen);
}

/* class_list - smtpd_restriction_classes of main.cf; unexpanded will do. */
static const char *class_list(const struct conf_source *s)
{
	const struct setting *classes = source_get(s, span_lit("smtpd_restriction_classes"));

	return classes != NULL ? classes->raw : "";
}

static bool is_used(const struct conf_source *s, const struct hash *names, const char *name)
{
	struct span text = span_of(name);
	const struct setting *setting = source_get(s, text);

	return (setting != NULL && setting->row != NULL) || hash_get(names, text) != NULL ||
	       param_is_per_transport(text);
}

static void note_master(struct hash *names, const struct master_conf *master)
{
	for (size_t i = 0; master != NULL && i < master->count; i++)
		for (size_t j = 0; j < master->entries[i].override_count; j++) {
			const struct conf_override *o = &master->entries[i].overrides[j];

			note_names(names, o->value);
			if (strcmp(o->name, "smtpd_restriction_classes") == 0)
				note_classes(names, o->value);
		}
}

struct hash *conf_referenced_names(const struct conf_source *s, const struct master_conf *master)
{
	struct hash *names = hash_new();

	for (const struct setting *i = s->first; i != NULL; i = i->next)
		note_names(names, i->raw);
	note_classes(names, class_list(s));
	note_master(names, master);
	return names;
}

static void log_main(const struct conf_source *s, const struct hash *names)
{
	for (const struct setting *i = s->first; i != NULL; i = i->next)
		if (i->origin == FROM_MAIN_CF && !is_used(s, names, i->name))
			log_warning("%s: unused parameter: %s=%s", s->path, i->name, i->raw);
}

static void log_master(const struct conf_source *s, const struct hash *names, const struct master_conf *master)
{
	for (size_t i = 0; master != NULL && i < master->count; i++)
		for (size_t j = 0; j < master->entries[i].override_count; j++) {
			const struct conf_override *o = &master->entries[i].overrides[j];

			if (!is_used(s, names, o->name))
				log_warning("%s/master.cf: unused parameter: %s=%s", s->config_dir, o->name,
				            o->value);
		}
}

void source_log_unused(const struct conf_source *s)
{
	struct hash *names = conf_referenced_names(s, NULL);

	log_main(s, names);
	hash_free(names, NULL);
}

void conf_log_unused(const struct conf *conf, const struct master_conf *master)
{
	struct hash *names = conf_referenced_names(conf->source, master);

	log_main(conf->source, names);
	log_master(conf->source, names, master);
	hash_free(names, NULL);
}
