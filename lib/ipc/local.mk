# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/ipc/libipc.a
lib_ipc_libipc_a_SOURCES =
