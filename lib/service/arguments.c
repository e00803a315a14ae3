/* SPDX-License-Identifier: ISC */
/* arguments.c - the command line by which master starts a program */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/service/service_private.h"

enum { LISTENERS_MAX = 256 };

/* "name=value" of one -o. */
static bool take_override(struct arena *arena, const char *text, struct conf_override *out)
{
	struct span value = span_of(text), name;

	if (!span_cut(&value, '=', &name) || name.len == 0)
		return false;
	*out = (struct conf_override){ arena_cstr(arena, name), arena_cstr(arena, value) };
	return true;
}

static bool take_listeners(struct service_run *run, struct arena *arena, const char *text)
{
	unsigned long long count;

	if (!span_u64(span_of(text), LISTENERS_MAX, &count))
		return false;
	run->listener_count = (size_t)count;
	run->listeners = ARENA_NEW_ARRAY(arena, int, run->listener_count + 1);
	for (size_t i = 0; i < run->listener_count; i++)
		run->listeners[i] = SERVICE_FIRST_LISTENER + (int)i;
	return true;
}

bool service_arguments(struct service_run *run, struct arena *arena, int argc, char **argv,
                       struct conf_override **overrides, size_t *override_count, bool *verbose)
{
	struct conf_override *list = ARENA_NEW_ARRAY(arena, struct conf_override, (size_t)argc + 1);
	bool                  good = true;
	int                   option;

	list[0].name = "service_name";
	*override_count = 1;
	run->name = run->service->name;
	run->type = "unix";
	run->config_dir = CONFIG_DIR;
	while (good && (option = getopt(argc, argv, "c:n:t:s:o:v")) != -1) {
		switch (option) {
		case 'c': run->config_dir = optarg; break;
		case 'n': run->name = optarg; break;
		case 't': run->type = optarg; break;
		case 's': good = take_listeners(run, arena, optarg); break;
		case 'o': good = take_override(arena, optarg, &list[(*override_count)++]); break;
		case 'v': *verbose = true; break;
		default:  good = false; break;
		}
	}
	list[0].value = run->name;
	*overrides = list;
	if (good && optind == argc)
		return true;
	(void)fprintf(stderr, "usage: %s -c folder -n service -t type -s listeners [-o name=value] [-v]\n"
	              "This program is started by master, with the control channel on descriptor 3.\n",
	              run->service->name);
	return false;
}
