# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/task/libtask.a
lib_task_libtask_a_SOURCES = \
	lib/task/context.c lib/task/context.h \
	lib/task/fd.c \
	lib/task/offload.c \
	lib/task/signal.c \
	lib/task/stack.c \
	lib/task/task.c lib/task/task.h lib/task/task_private.h \
	lib/task/timer.c \
	lib/task/wait.c

check_PROGRAMS += lib/task/task_test
lib_task_task_test_SOURCES = lib/task/task_test.c
lib_task_task_test_LDADD = $(LIBS_TASK) $(TEST_LIBS)
