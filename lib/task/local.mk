# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/task/libtask.a
lib_task_libtask_a_SOURCES =
