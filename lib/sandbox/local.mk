# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/sandbox/libsandbox.a
lib_sandbox_libsandbox_a_SOURCES = \
	lib/sandbox/landlock.c \
	lib/sandbox/sandbox.c lib/sandbox/sandbox.h \
	lib/sandbox/sandbox_private.h \
	lib/sandbox/seccomp.c \
	lib/sandbox/users.c
lib_sandbox_libsandbox_a_CFLAGS = $(AM_CFLAGS) $(SECCOMP_CFLAGS) $(CAP_CFLAGS)

check_PROGRAMS += lib/sandbox/sandbox_test
lib_sandbox_sandbox_test_SOURCES = lib/sandbox/sandbox_test.c
lib_sandbox_sandbox_test_LDADD = $(LIBS_SANDBOX) $(TEST_LIBS)
