# SPDX-License-Identifier: ISC

noinst_PROGRAMS += bench/task_bench
bench_task_bench_SOURCES = bench/task_bench.c
bench_task_bench_LDADD = $(LIBS_TASK)

noinst_PROGRAMS += bench/dkim_bench
bench_dkim_bench_SOURCES = bench/dkim_bench.c
bench_dkim_bench_LDADD = $(LIBS_MAILAUTH)
