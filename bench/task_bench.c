/* SPDX-License-Identifier: ISC */
/* task_bench.c - what a task costs: a switch, a spawn, a wait with a deadline, memory while it is parked
 *
 * Prints one line a figure: name, value, unit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/task/task.h"

enum { SWITCHES = 2000000, SPAWNS = 500000, ROUND_TRIPS = 200000, PARKED = 10000 };

static void report(const char *name, double value, const char *unit)
{
	printf("%-28s %14.1f %s\n", name, value, unit);
}

static double per_second(size_t count, uint64_t since_us)
{
	return (double)count * 1e6 / (double)(clock_now_us() - since_us);
}

static void yield_often(void *arg)
{
	size_t times = *(size_t *)arg;

	for (size_t i = 0; i < times; i++)
		task_yield();
}

static void measure_switches(void *arg)
{
	size_t half = SWITCHES / 2;
	uint64_t since_us = clock_now_us();

	(void)arg;
	if (task_spawn(yield_often, &half, "other") == NULL)
		abort();
	yield_often(&half);
	report("switches", per_second(SWITCHES, since_us), "per second");
}

static void nothing(void *arg)
{
	(void)arg;
}

static void measure_spawns(void *arg)
{
	uint64_t since_us = clock_now_us();

	(void)arg;
	for (size_t i = 0; i < SPAWNS; i++) {
		if (task_spawn(nothing, NULL, "short") == NULL)
			abort();
		task_yield();
	}
	report("tasks begun and ended", per_second(SPAWNS, since_us), "per second");
}

static void echo(void *arg)
{
	int fd = *(int *)arg;
	char line[64];
	ssize_t got;

	while ((got = task_read(fd, line, sizeof(line), clock_in_s(300))) > 0) {
		if (task_write(fd, line, (size_t)got, clock_in_s(300)) < 0)
			break;
	}
	task_close(fd);
}

static void measure_round_trips(void *arg)
{
	int fds[2];
	char line[64] = "NOOP\r\n";
	uint64_t since_us;

	(void)arg;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0 ||
	    task_spawn(echo, &fds[1], "echo") == NULL)
		abort();
	since_us = clock_now_us();
	for (size_t i = 0; i < ROUND_TRIPS; i++) {
		if (task_write(fds[0], line, 6, clock_in_s(300)) < 0 ||
		    task_read(fds[0], line, sizeof(line), clock_in_s(300)) <= 0)
			abort();
	}
	report("round trips between tasks", per_second(ROUND_TRIPS, since_us), "per second");
	task_close(fds[0]);
}

/* resident_bytes - of this process, from /proc. */
static size_t resident_bytes(void)
{
	unsigned long total, pages = 0;
	FILE *statm = fopen("/proc/self/statm", "re");

	if (statm == NULL || fscanf(statm, "%lu %lu", &total, &pages) != 2)
		abort();
	fclose(statm);
	return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* park_idle - a session between two commands: it worked deep in its stack, and now waits. */
static __attribute__((noinline)) size_t work_deep(void)
{
	volatile char deep[16384];

	for (size_t i = 0; i < sizeof(deep); i++)
		deep[i] = (char)i;
	return (size_t)deep[100];
}

static void park_idle(void *arg)
{
	size_t *kept = arena_alloc(task_arena(), 256);

	*kept = work_deep();
	task_idle_memory();
	(void)task_wait(arg, clock_in_s(300));
}

static void measure_parked(void *arg)
{
	struct task_waitlist list;
	size_t before;

	(void)arg;
	task_waitlist_init(&list);
	before = resident_bytes();
	for (size_t i = 0; i < PARKED; i++) {
		if (task_spawn(park_idle, &list, "parked") == NULL)
			abort();
	}
	task_yield();
	report("memory of a parked task", (double)(resident_bytes() - before) / PARKED, "bytes");
	task_wake_all(&list);
}

int main(void)
{
	task_main(measure_switches, NULL);
	task_main(measure_spawns, NULL);
	task_main(measure_round_trips, NULL);
	task_main(measure_parked, NULL);
	return 0;
}
