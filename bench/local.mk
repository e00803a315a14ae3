# SPDX-License-Identifier: ISC

noinst_PROGRAMS += bench/task_bench
bench_task_bench_SOURCES = bench/task_bench.c
bench_task_bench_LDADD = $(LIBS_TASK)
