/* SPDX-License-Identifier: ISC */
/* fuzz_main.c - drives a fuzz target without libFuzzer
 *
 * Runs the target over each file named on the command line (or in the folders named), then over
 * mutations of them: a fixed number, from a fixed seed, so that the run is the same every time.
 * FUZZ_RUNS says how many (default 20000).  Prints TAP, as the unit tests do. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SEEDS_MAX = 1024, INPUT_MAX = 1 << 16 };

struct seed {
	uint8_t *data;
	size_t   size;
};

static struct seed seeds[SEEDS_MAX];
static size_t seed_count;
static uint64_t state = 88172645463325252U;

static uint64_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void add_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data;

	if (f == NULL || seed_count == SEEDS_MAX) {
		if (f != NULL)
			fclose(f);
		return;
	}
	data = malloc(INPUT_MAX);
	if (data == NULL)
		abort();
	seeds[seed_count].data = data;
	seeds[seed_count].size = fread(data, 1, INPUT_MAX, f);
	seed_count++;
	fclose(f);
}

static void add_path(const char *path)
{
	struct stat st;
	struct dirent *entry;
	DIR *dir;
	char name[4096];

	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
		add_file(path);
		return;
	}
	dir = opendir(path);
	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		add_file(name);
	}
	closedir(dir);
}

/* run - from a heap block of exactly the right size, so that ASan sees the first byte past it. */
static void run(const uint8_t *data, size_t size)
{
	uint8_t *exact = malloc(size != 0 ? size : 1);

	if (exact == NULL)
		abort();
	if (size != 0)
		memcpy(exact, data, size);
	(void)LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

static size_t mutate(uint8_t *out)
{
	const struct seed *s = &seeds[next_random() % seed_count];
	size_t size = s->size;
	size_t changes = 1 + next_random() % 8;

	memcpy(out, s->data, size);
	while (changes-- > 0) {
		size_t at = size != 0 ? next_random() % size : 0;

		switch (next_random() % 5) {
		case 0:
			if (size != 0)
				out[at] ^= (uint8_t)(1U << (next_random() % 8));
			break;
		case 1:
			if (size != 0)
				out[at] = (uint8_t)next_random();
			break;
		case 2:
			size = at;
			break;
		case 3:
			if (size < INPUT_MAX) {
				memmove(out + at + 1, out + at, size - at);
				out[at] = (uint8_t)next_random();
				size++;
			}
			break;
		default: {
			const struct seed *other = &seeds[next_random() % seed_count];
			size_t n = other->size != 0 ? next_random() % other->size : 0;

			if (at + n > INPUT_MAX)
				n = INPUT_MAX - at;
			memcpy(out + at, other->data, n);
			if (at + n > size)
				size = at + n;
			break;
		}
		}
	}
	return size;
}

int main(int argc, char **argv)
{
	static uint8_t input[INPUT_MAX + 1];
	const char *wanted = getenv("FUZZ_RUNS");
	unsigned long runs = wanted != NULL ? strtoul(wanted, NULL, 10) : 20000;

	for (int i = 1; i < argc; i++)
		add_path(argv[i]);
	run(input, 0);
	if (seed_count == 0) {
		seeds[0].data = calloc(1, INPUT_MAX);
		seed_count = 1;
	}
	for (size_t i = 0; i < seed_count; i++)
		for (size_t n = 0; n <= seeds[i].size && n <= 4096; n++)
			run(seeds[i].data, n);
	for (unsigned long i = 0; i < runs; i++)
		run(input, mutate(input));
	printf("1..1\nok 1 - %lu inputs, %zu seeds\n", runs, seed_count);
	return 0;
}
