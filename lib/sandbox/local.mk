# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/sandbox/libsandbox.a
lib_sandbox_libsandbox_a_SOURCES =
